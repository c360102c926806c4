"""Page Products: what sells most, what begins to sell, categories, and the stock that ends first."""

from __future__ import annotations

from functools import partial
from typing import Any

from dash import html
from dash.development.base_component import Component

from dashboard import cards, frame, goods, sales, spans
from dashboard.snapshot import Snapshot

PATH, NAME = "/products", "Products"
STOCK = "recorded less paid since · bar: share of the recorded stock"


def values(snapshot: Snapshot, now: float) -> dict[str, dict[str, Any]]:
    """Return the properties of every part of the page that changes, by the part's id."""
    live = spans.live_of(snapshot, now)
    sold = goods.sold(snapshot, live)
    return {
        **frame.live_values("products", snapshot, live, now),
        "products-kpis": {"children": goods.kpis(snapshot, live, sold, now)},
        "products-top": {"children": goods.top(sold, snapshot.shelf, live)},
        "products-trending": {"children": goods.trending(sold, live)},
        "products-categories": {"children": sales.categories(live)},
        "products-stock": {"children": goods.left(snapshot, live, sold, now)},
        "products-stock-age": {"children": cards.shelf_age(STOCK, snapshot.shelf, now)},
    }


def layout(snapshot: Snapshot, now: float) -> Component:
    """Return the page with its present values."""
    at = values(snapshot, now)
    part = partial(frame.part, at)
    return frame.live_page(
        "products",
        NAME,
        at,
        part("products-kpis", className="kpis is-four"),
        html.Div(
            [
                cards.card("Top products", part("products-top", className="steps"), note="by sales, tax included"),
                cards.card("Trending", part("products-trending", className="steps"), note=f"items sold, {cards.SPAN_WORDS} before → now"),
            ],
            className="row is-two",
        ),
        html.Div(
            [
                cards.card("Stock left, first to run out on top", part("products-stock", className="steps"), note=part("products-stock-age", html.Span)),
                cards.card("Sales by category", part("products-categories", className="steps"), note="paid items, tax included"),
            ],
            className="row is-two",
        ),
    )
