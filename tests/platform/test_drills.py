"""The short set of drills on the running platform, under load; test_by_hand lets Airflow run one of them."""

from __future__ import annotations

import pytest

from instashop.local.drills import run
from instashop.local.drills.faults import DRILLS

SHORT = [name for name, drill in DRILLS.items() if drill.short and name != "kill-enricher"]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", SHORT)
def test_a_drill_loses_doubles_and_breaks_nothing(platform, name):
    said: list[str] = []
    outcome = run.run(platform, [DRILLS[name]], None, said.append)[0]
    assert outcome.judged, "\n".join([outcome.describe(), *said])
    assert outcome.whole, "\n".join([outcome.describe(), *said])  # In how many seconds is the machine's doing; `drill` itself judges that.
