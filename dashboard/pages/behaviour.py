"""Page Behaviour: from session to checkout, abandoned carts with their value, searches and those without result."""

from __future__ import annotations

from functools import partial
from typing import Any

from dash import html
from dash.development.base_component import Component

from dashboard import cards, figures, frame, spans, visits
from dashboard.snapshot import Snapshot

PATH, NAME = "/behaviour", "Behaviour"
KEY = html.Span([html.I(className="key is-visit"), "found", html.I(className="key is-more"), "without result · by 30-second window"])


def values(snapshot: Snapshot, now: float) -> dict[str, dict[str, Any]]:
    """Return the properties of every part of the page that changes, by the part's id."""
    live = spans.live_of(snapshot, now)
    return {
        **frame.live_values("behaviour", snapshot, live, now),
        "behaviour-kpis": {"children": visits.kpis(live, now)},
        "behaviour-funnel": {"children": visits.funnel(live)},
        **cards.charted("behaviour-abandoned", figures.abandoned(snapshot.windows, live), "abandoned_cents", cards.behind(live, "abandoned_cents")),
        "behaviour-carts": {"children": visits.carts(snapshot.shelf, now)},
        "behaviour-carts-age": {"children": cards.shelf_age("last hour", snapshot.shelf, now)},
        **cards.charted("behaviour-searches", figures.searches(snapshot.windows, live), "searches", cards.behind(live, "searches")),
        "behaviour-terms": {"children": visits.terms(snapshot.shelf, now)},
        "behaviour-terms-age": {"children": cards.shelf_age("last hour", snapshot.shelf, now)},
    }


def layout(snapshot: Snapshot, now: float) -> Component:
    """Return the page with its present values."""
    at = values(snapshot, now)
    part = partial(frame.part, at)
    return frame.live_page(
        "behaviour",
        NAME,
        at,
        part("behaviour-kpis", className="kpis is-six"),
        html.Div(
            [
                cards.card(
                    "Funnel",
                    part("behaviour-funnel", className="steps"),
                    note="from visits, each with its rate to the one before; orders are counted apart",
                ),
                cards.card(
                    "Value of abandoned carts",
                    *cards.chart("behaviour-abandoned", "value of abandoned carts by 30-second window", at),
                    note="by 30-second window",
                ),
            ],
            className="row is-two",
        ),
        html.Div(
            [
                cards.card("Searched most", part("behaviour-terms"), note=part("behaviour-terms-age", html.Span)),
                html.Div(
                    [
                        cards.card(
                            "Searches",
                            *cards.chart("behaviour-searches", "searches by 30-second window, and those without result", at),
                            note=KEY,
                        ),
                        cards.card("Newest abandoned carts", part("behaviour-carts"), note=part("behaviour-carts-age", html.Span)),
                    ],
                    className="column",
                ),
            ],
            className="row is-two",
        ),
    )
