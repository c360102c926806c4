"""Page Live: today so far, and apart from it the last minutes of the shop against the same span before."""

from __future__ import annotations

from functools import partial
from typing import Any

from dash import html
from dash.development.base_component import Component

from dashboard import cards, figures, frame, sales, spans, today
from dashboard.snapshot import Snapshot

PATH, NAME = "/", "Live"


def values(snapshot: Snapshot, now: float) -> dict[str, dict[str, Any]]:
    """Return the properties of every part of the page that changes, by the part's id."""
    live = spans.live_of(snapshot, now)
    return {
        **frame.live_values("live", snapshot, live, now),
        "live-today": {"children": today.row(snapshot.shelf, now)},
        "live-kpis": {"children": sales.kpis(live, now, snapshot.kept_seconds, snapshot.started_at)},
        **cards.charted("live-revenue", figures.revenue(snapshot.windows, live), "revenue_cents", cards.behind(live, "revenue_cents")),
        **cards.charted("live-orders", figures.orders(snapshot.windows, live), "orders_paid", cards.behind(live, "orders_paid")),
        "live-late": {"children": sales.came_late(live, snapshot.shelf.read_at, now)},
        "live-money": {"children": sales.money_steps(live)},
        "live-categories": {"children": sales.categories(live)},
        "live-behaviour": {"children": sales.behaviour(live)},
    }


def layout(snapshot: Snapshot, now: float) -> Component:
    """Return the page with its present values."""
    at = values(snapshot, now)
    part = partial(frame.part, at)
    return frame.live_page(
        "live",
        NAME,
        at,
        part("live-today", className="today"),
        part("live-kpis", className="kpis"),
        html.Div(
            [
                cards.card("Revenue", *cards.chart("live-revenue", "revenue by 30-second window", at), note="by 30-second window"),
                cards.card("Orders paid", *cards.chart("live-orders", "orders paid by 30-second window", at), note="by 30-second window"),
            ],
            className="row is-two",
        ),
        part("live-late", html.P, className="came-late"),
        html.Div(
            [
                cards.card("From gross to kept", part("live-money", className="steps"), note="paid orders"),
                cards.card("Sales by category", part("live-categories", className="steps"), note="paid items, tax included"),
                cards.card("Behaviour", part("live-behaviour", className="steps"), note="visits only; orders are simulated apart from them"),
            ],
            className="row is-three",
        ),
    )
