"""The verdict of the books and the refused events: pure functions from what the warehouse said to components."""

from __future__ import annotations

import re

from dash import html
from dash.development.base_component import Component

from dashboard import formats
from dashboard.cards import age, event_link, marked
from dashboard.snapshot import Verdict, Warehouse
from instashop.control.books import Line

STAGES = ("shop", "kafka", "warehouse", "items", "windows")
EVENT_ID = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
OLD_SECONDS = 900
"""A verdict older than this says little about now."""


def verdict(warehouse: Warehouse, now: float) -> list[Component]:
    """Return whether the books balance, per stage, and when they did last; never verified is a state of its own."""
    found = warehouse.verdict
    if found is None:
        unread = warehouse.read_at is None
        title, text = ("The warehouse has not been read yet", warehouse.trouble or "") if unread else ("Never verified", "Nobody has compared the stages yet.")
        return [_verdict("never", title, [*marked(text), " ", html.Code("./instashop verify"), " compares every stage to the cent."])]
    title = "The books balance" if found.balanced else "The books do not balance"
    last = ["Verified ", age(found.at, now, OLD_SECONDS), f" in {found.seconds:.1f} s. ", *_last_true(found, now)]
    kind = "true" if found.balanced else "false"
    if found.balanced and now - found.at > OLD_SECONDS:
        kind, title = "never", "The books balanced when they were last compared"
        last += ["Look at the DAG ", html.Code("balance_books"), "; ", html.Code("./instashop verify"), " compares them now."]
    head = _verdict(kind, title, last)
    stages = [stage for stage in STAGES if any(line.stage == stage for line in found.lines)]
    more = sorted({line.stage for line in found.lines} - set(STAGES))
    return [
        head,
        html.Ul([_stage(stage, found, now) for stage in [*stages, *more]], className="stages"),
        *_trouble(warehouse, now),
    ]


def _last_true(found: Verdict, now: float) -> list[object]:
    if found.balanced:
        return []
    return ["They balanced last ", age(found.last_true_at, now), "."] if found.last_true_at else ["They have never balanced."]


def _verdict(kind: str, title: str, words: list[object]) -> Component:
    return html.Div([html.Span(className="verdict-mark"), html.Div([html.Strong(title), html.P(words)])], className=f"verdict is-{kind}")


def _stage(stage: str, found: Verdict, now: float) -> Component:
    lines = [line for line in found.lines if line.stage == stage]
    wrong = [line for line in lines if not line.ok]
    what = _stream(lines[0]) if len(lines) == 1 else f"{len(lines)} streams"
    events, should = formats.count(sum(line.events for line in lines)), formats.counted(sum(line.expected_events for line in lines), "event")
    to_the_cent = ", to the cent" if not wrong and any(line.cents for line in lines) else ""
    facts = f"{what} · {events} of {should}{to_the_cent}"
    differences = [html.P([html.Strong(_stream(line)), " ", *_linked(_difference(line))]) for line in wrong]
    true_at = found.stages_true_at.get(stage)
    last = html.Span(["agreed ", age(true_at, now)] if true_at else "never agreed", className="stage-last")
    return html.Li(
        [html.Span(stage, className="stage-name"), html.Span(facts, className="stage-facts"), last, *differences],
        className="is-true" if not wrong else "is-false",
    )


def _stream(line: Line) -> str:
    return "all streams" if line.stream == "all" else line.stream


def _difference(line: Line) -> str:
    if line.detail:
        return line.detail
    return f"{formats.counted(line.events, 'event')} instead of {formats.count(line.expected_events)}, {formats.money(line.cents)} instead of {formats.money(line.expected_cents)}"


def _linked(text: str) -> list[str | Component]:
    """Return a text in which each event's id leads to its page."""
    return [event_link(part) if EVENT_ID.fullmatch(part) else part for part in EVENT_ID.split(text) if part]


def refused(warehouse: Warehouse, now: float) -> list[Component]:
    """Return the dead letters by reason; none at all is good news and said as such."""
    if warehouse.read_at is None:
        return [html.P(marked(warehouse.trouble or "The warehouse has not been read yet."), className="empty")]
    if not warehouse.dead_letters:
        return [_verdict("true", "Nothing was refused", ["As of ", age(warehouse.read_at, now), "."]), *_trouble(warehouse, now)]
    rows = [
        html.Li(
            [
                html.Strong(letters.reason),
                html.Small(", ".join(letters.topics)),
                html.Small(["newest ", age(letters.newest_at, now), *(part for event_id in letters.newest_ids for part in (" · ", event_link(event_id)))]),
                html.Strong(formats.count(letters.count)),
            ]
        )
        for letters in warehouse.dead_letters
    ]
    total = html.P(
        [f"{formats.count(sum(letters.count for letters in warehouse.dead_letters))} in all, as of ", age(warehouse.read_at, now), "."], className="list-foot"
    )
    return [html.Ul(rows, className="letters"), total, *_trouble(warehouse, now)]


def _trouble(warehouse: Warehouse, now: float) -> list[Component]:
    if warehouse.trouble is None:
        return []
    return [html.P(["The warehouse does not answer; this is from ", age(warehouse.read_at, now), ". ", *marked(warehouse.trouble)], className="trouble")]
