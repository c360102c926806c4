"""What the doctor says of what it has seen: pure functions from values to findings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from instashop.control.beats import Beat
from instashop.control.lease import Holder
from instashop.metrics import dropped

LAG_SECONDS = 60
"""A service further behind than this does not keep up."""
PROGRESS_SECONDS = 60
"""The Spark job writes its progress with each batch, also with an empty one."""
SILENCE_SECONDS = 60
"""As long as the generator runs, the warehouse gets an event at least so often."""
VERDICT_SECONDS = 900
"""A platform that has been up for so long has a verdict of the books that is younger; a round begins every five minutes."""
STARTING_SECONDS = 180
"""A run of a DAG that began less than this after the platform has met servers and services that were still to come."""

Level = Literal["well", "note", "fault"]


@dataclass(frozen=True)
class Finding:
    """What was found at one hop; a note is worth knowing, but nothing is broken."""

    hop: str
    level: Level
    text: str
    cure: str = ""


def red_finding(page: str, dag: str, run: str, began: datetime, ended: datetime, up_since: datetime | None) -> Finding:
    """Return what the failed run of a DAG says; one that began before the platform was well has met what was not there yet, and is no fault."""
    starting = up_since is not None and (began - up_since).total_seconds() < STARTING_SECONDS
    text = f"the DAG {dag} is red: its last run failed at {ended:%Y-%m-%d %H:%M} UTC{', before the platform was well' if starting else ''}."
    cure = f"{page}/dags/{dag}/runs/{quote(run)} has the log of its red task, docs/running.md says what to do; the next run that is green ends this."
    return Finding("airflow", "note" if starting else "fault", text, cure)


def service_finding(service: str, beat: Beat | None, holder: Holder | None, wanted: bool, now: datetime, stale_seconds: float, logs: Path) -> Finding:
    """Return what a service's beat, lease and intent say together; a beat of the process before this one says nothing."""
    log = f"its log is {logs / service}.log"
    if not wanted:
        return Finding(service, "note", "is stopped on purpose.", f"`./instashop control {service} start`, or the DAG control_service, starts it.")
    if holder is None:
        return Finding(service, "fault", "does not run.", f"look at the DAG run_{service} (paused? red?); {log}.")
    if beat is None or not beat.is_of(holder):
        return Finding(service, "fault", f"runs for {now.timestamp() - holder.create_time:.0f} s, but has not said so yet.", f"{log}.")
    age = beat.age(now)
    if age > stale_seconds:
        return Finding(service, "fault", f"hangs: its last beat is {age:.0f} s old.", f"the task that follows it ends it, and its DAG starts it again; {log}.")
    if beat.state != "running":
        return Finding(service, "fault", f"is {beat.state}: {beat.message or 'no reason given'}.", f"what it waits for is the fault; {log}.")
    if (beat.lag_seconds or 0) > LAG_SECONDS:
        return Finding(
            service,
            "fault",
            f"is {beat.lag_seconds:.0f} s behind.",
            f"it catches up, or is too slow for this rate: lower it by `./instashop control generator rate N`; {log}.",
        )
    lag = "" if beat.lag_events is None else f", {beat.lag_events} events behind"
    return Finding(service, "well", f"{beat.events_per_second:.1f} events/s{lag}, beat {age:.1f} s ago.")


def live_finding(progress: dict[str, Any] | None, now: datetime) -> Finding:
    """Return what the Spark job's last batch says."""
    if progress is None:
        return Finding("live", "fault", "Spark has written nothing yet.", "look at the DAG run_live_metrics and its log, live_metrics.log.")
    age = max(0.0, (now - datetime.fromisoformat(progress["at"])).total_seconds())
    if age > PROGRESS_SECONDS:
        return Finding("live", "fault", f"Spark's last batch is {age:.0f} s old.", "look at the DAG run_live_metrics and at Spark's page.")
    if rows := dropped(progress, now):
        cure = "docs/running.md says under run_live_metrics when that matters, and the cure."
        return Finding("live", "fault", f"Spark's watermark dropped {rows} rows.", cure)
    return Finding("live", "well", f"batch {progress.get('batch')}, {age:.1f} s ago.")


def silence_seconds(rate: float) -> float:
    """Return how long no event may come from a shop that makes `rate` events a second: also three of a slow shop's."""
    return max(SILENCE_SECONDS, 3 / rate)


def books_finding(verdict: tuple[bool, datetime] | None, up_since: datetime | None, now: datetime) -> Finding:
    """Return what the newest verdict of the books says (whether they balanced, and when); one that is too old says nothing."""
    if verdict and not verdict[0]:
        return Finding("books", "fault", f"did not balance at {verdict[1]:%Y-%m-%d %H:%M} UTC.", "`./instashop verify` looks again and names the difference.")
    awaited = max(filter(None, (verdict and verdict[1], up_since)), default=now)
    if (now - awaited).total_seconds() > VERDICT_SECONDS:
        last = f"not since {verdict[1]:%Y-%m-%d %H:%M} UTC" if verdict else "never yet"
        return Finding("books", "fault", f"were compared {last}.", "look at the DAG balance_books (paused? red?); `./instashop verify` compares them now.")
    return (
        Finding("books", "well", f"they balance, as of {verdict[1]:%H:%M} UTC.") if verdict else Finding("books", "note", "their first round is still to come.")
    )
