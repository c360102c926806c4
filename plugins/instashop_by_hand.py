"""What DAGs do that a person starts by hand: replay dead letters, run a drill."""

from __future__ import annotations

import logging

from instashop.errors import InstaShopError
from instashop.settings import load

log = logging.getLogger(__name__)


def dead_letters(reason: str | None, topic: str | None) -> str:
    """Return how many dead letters there are for each reason, in words for the person who approves their replay."""
    from instashop.control import dead_letters as letters

    letters.check(reason or None, topic or None)
    lines = [f"- {why}: {count} letters, {replayed} of them replayed already" for why, count, replayed, _newest in letters.counts(load())]
    choice = f"reason {reason or 'any'}, topic {topic or 'any'}"
    return "\n".join([f"What the judge finds valid now is published again ({choice}).", "", *(lines or ["There are no dead letters."])])


def replay(reason: str | None, topic: str | None) -> str:
    """Publish again what the judge finds valid now, and say what was done."""
    from instashop.control import dead_letters as letters

    text = letters.replay(load(), reason or None, topic or None).describe()
    log.info("%s", text)
    return text


class DrillFailed(InstaShopError):
    """{outcome}"""


class NotFromAirflow(InstaShopError):
    """The drill {name} {why}; run it by `./instashop drill {name}`."""


NOT_FROM_AIRFLOW = {
    "kill-scheduler": "kills the Airflow that this task runs in",
    "kill-api-server": "kills the Airflow that this task runs in",
    "random-kills": "takes many minutes and options of its own",
    "disk-full": "moves the day's events to a small disk in memory, where a task that Airflow kills would leave them",
}
"""Why a drill is not run by a task."""


def drill(name: str, rate: float | None) -> str:
    """Run one drill in the running platform and return its outcome.

    Raises:
        DrillFailed: something was lost, doubled or wrong, or facts did not flow again in time. NotFromAirflow: it breaks Airflow, or must not be killed itself.
        Those of `drills.run.chosen` and `run`: it is not for this platform, or nothing runs.
    """
    from instashop.local.drills import run

    if name in NOT_FROM_AIRFLOW:
        raise NotFromAirflow(name=name, why=NOT_FROM_AIRFLOW[name])
    settings = load()
    outcome = run.run(settings, run.chosen([name], everything=False, short=False, settings=settings), rate, log.info)[0]
    if not outcome.passed:
        raise DrillFailed(outcome=outcome.describe())
    return outcome.describe()
