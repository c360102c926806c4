"""The pipeline that every event goes through, as a picture, and the table of services: pure functions from beats to components."""

from __future__ import annotations

from dataclasses import dataclass

from dash import html
from dash.development.base_component import Component

from dashboard import formats
from dashboard.cards import age, marked
from dashboard.readings import SNAPSHOT_SECONDS, WAREHOUSE_SECONDS
from dashboard.snapshot import Progress, Snapshot
from dashboard.spans import STALE_SECONDS, service_state
from instashop.control.beats import SERVICES, Beat
from instashop.streams import STREAMS

WORDS = {"never": "never seen", "silent": "silent"}
"""States of an arrow that are not a service's own word."""


@dataclass(frozen=True)
class Hop:
    """One arrow of the picture: who carries, how it is doing, how fast, what else, and when it said so."""

    carrier: str
    state: str
    per_second: float | None
    facts: str
    at: float | None
    message: str = ""


def hop(beat: Beat | None, service: str, now: float) -> Hop:
    """Return the arrow that a service carries."""
    if beat is None:
        return Hop(service, "never", None, "", None)
    state = service_state(beat, now)
    lag = lag_of(beat) if state != "stopped" else ""
    return Hop(service, state, beat.events_per_second if state == "running" else None, f"lag {lag}" if lag else "", beat.at.timestamp(), beat.message)


def lag_of(beat: Beat) -> str:
    """Return how far a service is behind, in events and seconds; above zero the count is an upper bound. The generator follows nobody."""
    if beat.service == "generator":
        return ""
    if beat.lag_events is None and beat.lag_seconds is None:
        return formats.UNKNOWN
    events = "" if beat.lag_events is None else "0" if beat.lag_events == 0 else f"≤ {formats.count(beat.lag_events)}"
    seconds = f"{beat.lag_seconds:.1f} s" if beat.lag_seconds and beat.lag_seconds >= 0.05 else ""
    return ", ".join(part for part in (events, seconds) if part) or "0"


def picture(snapshot: Snapshot, now: float) -> list[Component]:
    """Return stages and arrows: generator → shop → Kafka → warehouse, items, and by Spark and Redis this screen."""
    carried = {service: hop(snapshot.beats.get(service), service, now) for service in SERVICES}
    progress, stored = snapshot.progress, snapshot.warehouse
    books = Hop("dashboard", "silent" if stored.trouble else "running", None, f"every {WAREHOUSE_SECONDS:g} s", stored.read_at)
    screen = Hop("dashboard", "silent" if snapshot.trouble else "running", None, f"every {SNAPSHOT_SECONDS:g} s", snapshot.taken_at)
    return [
        _arrow(carried["generator"], now, "generator"),
        _stage("Shop", "Postgres", "shop"),
        _arrow(carried["producer"], now, "producer", "shop"),
        _stage("Kafka", f"{len(STREAMS)} streams", "kafka"),
        _arrow(carried["consumer"], now, "consumer", "Kafka"),
        _stage("Warehouse", ["not read yet"] if stored.read_at is None else f"{formats.counted(stored.messages, 'message')} taken in", "warehouse"),
        _arrow(books, now, "books", "warehouse"),
        _arrow(carried["enricher"], now, "enricher", "Kafka"),
        _stage("Items", "↩ back into Kafka", "items"),
        _arrow(carried["live_metrics"], now, "live", "Kafka"),
        _stage("Spark", f"batch {formats.count(progress.batch if progress else None)}", "spark"),
        _arrow(_written(progress, now), now, "batch", "Spark"),
        _stage("Redis", f"{formats.counted(len(snapshot.windows), 'window')} kept", "redis"),
        _arrow(screen, now, "dashboard", "Redis"),
        _stage("Screen", ["windows ", age(progress.at if progress else None, now, STALE_SECONDS, after=" old")], "screen"),
    ]


def _written(progress: Progress | None, now: float) -> Hop:
    """Return the arrow from Spark to Redis, as the job's last batch tells it."""
    if progress is None:
        return Hop("windows", "never", None, "", None)
    state = "silent" if now - progress.at > STALE_SECONDS else "running"
    return Hop("windows", state, None, f"batch took {progress.batch_seconds:.1f} s", progress.at)


def _stage(title: str, note: object, name: str) -> Component:
    return html.Div([html.Strong(title), html.Span(note)], className=f"stage at-{name}")


def _arrow(of: Hop, now: float, name: str, source: str = "") -> Component:
    """Return an arrow; where the picture is a column, it says where it comes from."""
    facts = [formats.rate(of.per_second)] if of.per_second is not None else []
    facts += [of.facts] if of.facts else []
    state = "" if of.state == "running" else WORDS.get(of.state, of.state)
    return html.Div(
        [
            html.Span([html.Span(f"{source} → ", className="arrow-source") if source else "", html.Span(of.carrier)], className="arrow-name"),
            html.Span(className="arrow-line"),
            html.Span(
                [
                    html.Em(state) if state else "",
                    html.Span([part for fact in facts for part in (" · ", html.Span(fact))][1:]) if facts else "",
                    age(of.at, now, None if of.state == "stopped" else STALE_SECONDS) if of.at else "",
                ],
                className="arrow-facts",
            ),
        ],
        className=f"arrow at-{name} is-{of.state}",
        title=of.message or None,
    )


def services(snapshot: Snapshot, now: float) -> Component:
    """Return the table of services, each with the age of its beat; messages have a column when there are any."""
    rows = {service: _cells(service, snapshot.beats.get(service), now) for service in SERVICES}
    heads = [head for head in ("State", "Last beat", "Events/s", "Lag", "Events", "Message") if any(cells[head] for cells in rows.values())]
    body = [html.Tr([html.Th(service, scope="row"), *[html.Td(cells[head], **{"data-head": head}) for head in heads]]) for service, cells in rows.items()]
    return html.Table([html.Thead(html.Tr([html.Th(head, scope="col") for head in ("Service", *heads)])), html.Tbody(body)], className="services")


def _cells(service: str, beat: Beat | None, now: float) -> dict[str, object]:
    state = service_state(beat, now)
    return {
        "State": [html.Span(WORDS.get(state, state), className=f"mark is-{state}")],
        "Last beat": [age(beat.at.timestamp() if beat else None, now, None if state == "stopped" else STALE_SECONDS)],
        "Events/s": f"{beat.events_per_second:,.1f}" if beat and state == "running" else formats.UNKNOWN,
        "Lag": (lag_of(beat) if beat else "") or formats.UNKNOWN,
        "Events": formats.count(beat.events_total if beat else None),
        "Message": _message(service, beat, state),
    }


def _message(service: str, beat: Beat | None, state: str) -> object:
    if beat is None:
        return f"Has not run yet; the DAG run_{service} starts it."
    if beat.message:
        return marked(beat.message)
    return f"Its DAG run_{service} should start it again." if state in ("stopped", "silent") else ""
