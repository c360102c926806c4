"""Page of one event: its whole way from the shop to its window, and every field that it carries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from dashboard import cards, filters, rows
from instashop.control.trace import Stop
from instashop.metrics import WINDOW_SECONDS, window_of
from instashop.streams import BY_NAME

PATH, NAME = "/event/<event_in_path>", "Event"
"""The part of the path has a name that no query has by chance: Dash would take the query's value."""


def layout(event_id: str, stops: Iterable[Stop], event: Mapping[str, Any] | None, trouble: str | None, read_at: float) -> Component:
    """Return the page of an event that is known, or why there is none."""
    head = html.Div(
        [
            html.Div([html.H1(NAME), html.P(html.Code(event_id))]),
            html.P(["read ", cards.age(read_at, read_at)], className="page-age"),
        ],
        className="page-head",
    )
    if trouble:
        again = dcc.Link("History", href=filters.PATH, className="number")
        body: list[Component] = [
            cards.told("broken", "This event cannot be shown", [html.P(cards.marked(trouble)), html.P([again, " shows the events that there are."])])
        ]
    else:
        body = [cards.card("Its way", html.Ul(rows.way(stops), className="stages-passed"), note="as the command event prints it; times are in UTC")]
        if event:
            body.append(
                cards.card(f"What it says: {event['kind']}", rows.fields(event["payload"]), note=_to_window(event) if BY_NAME[event["kind"]].live else "")
            )
        body = [html.Div(body, className="row is-two is-event")]
    return html.Main([head, *body], id="event", className=f"page state-{'broken' if trouble else 'live'}")


def _to_window(event: Mapping[str, Any]) -> Component:
    """Return a link to the events of the same window; only those of live streams are in one."""
    start = window_of(event["occurred_at"].timestamp())
    return dcc.Link("all events of its window", href=filters.rows_behind("events", start, start + WINDOW_SECONDS, counted="restated"), className="number")


def missing() -> Component:
    """Return the page for an address that leads nowhere."""
    return html.Main(
        [
            html.Div(html.H1("There is no such page"), className="page-head"),
            cards.told(
                "note",
                "Nothing is at this address",
                [html.P(["The pages are Live, Products, Behaviour, History and Platform; ", dcc.Link("Live", href="/", className="number"), " is the first."])],
            ),
        ],
        id="missing",
        className="page state-live",
    )
