"""Page Platform: how events travel now, who carries them, whether the books balance, and what was refused."""

from __future__ import annotations

from functools import partial
from typing import Any

from dash import html
from dash.development.base_component import Component

from dashboard import books, cards, frame, spans, way
from dashboard.snapshot import Snapshot

PATH, NAME = "/platform", "Platform"


def values(snapshot: Snapshot, now: float) -> dict[str, dict[str, Any]]:
    """Return the properties of every part of the page that changes, by the part's id."""
    live = spans.live_of(snapshot, now)
    worry = live.state in ("broken", "stale", "behind", "starting")
    return {
        "platform": {"className": f"page state-{live.state}"},
        "platform-banner": {"children": cards.banner(live.state, snapshot.trouble, live, now) if worry else None},
        "platform-way": {"children": way.picture(snapshot, now)},
        "platform-services": {"children": way.services(snapshot, now)},
        "platform-books": {"children": books.verdict(snapshot.warehouse, now)},
        "platform-refused": {"children": books.refused(snapshot.warehouse, now)},
        "platform-ages": {"children": ["read ", cards.age(snapshot.taken_at, now, spans.STALE_SECONDS)]},
    }


def layout(snapshot: Snapshot, now: float) -> Component:
    """Return the page with its present values."""
    at = values(snapshot, now)
    part = partial(frame.part, at)
    return html.Main(
        [
            html.Div(
                [
                    html.Div([html.H1(NAME), html.P("How events travel from the shop to this screen, and whether every stage agrees.")]),
                    part("platform-ages", html.P, className="page-age"),
                ],
                className="page-head",
            ),
            part("platform-banner"),
            cards.card(
                "Pipeline", part("platform-way", className="way"), note="on each arrow: events a second, lag in events and seconds, age of the last beat"
            ),
            cards.card(
                "Services", part("platform-services", className="table-frame"), note="rates over ten seconds, lag in events and seconds, events since the start"
            ),
            html.Div(
                [
                    cards.card("Books", part("platform-books"), note="what verify found last"),
                    cards.card("Refused events", part("platform-refused"), note="dead letters by reason"),
                ],
                className="row is-two",
            ),
        ],
        id="platform",
        **at["platform"],
    )
