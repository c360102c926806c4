"""The short set of drills on the running platform, one after the other; test_by_hand lets Airflow run one of them."""

from __future__ import annotations

import pytest

from instashop.local.drills import run
from instashop.local.drills.faults import DRILLS

SHORT = [name for name, drill in DRILLS.items() if drill.short and name != "kill-enricher"]
pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module")
def drilled(platform):
    """What came of each drill, and what was said meanwhile."""
    said: list[str] = []
    outcomes = run.run(platform, [DRILLS[name] for name in SHORT], None, said.append)
    return {outcome.drill: outcome for outcome in outcomes}, said


@pytest.mark.parametrize("name", SHORT)
def test_a_drill_loses_doubles_and_breaks_nothing(drilled, name):
    outcomes, said = drilled
    outcome = outcomes[name]
    assert outcome.judged, "\n".join([outcome.describe(), *said])
    assert outcome.whole, "\n".join([outcome.describe(), *said])  # In how many seconds is the machine's doing; `drill` itself judges that.
