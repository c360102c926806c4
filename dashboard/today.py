"""Today so far, and who is here now, as the warehouse says it: pure functions from a reading to the row at the top of Live."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dash import html
from dash.development.base_component import Component

from dashboard import cards, filters, formats
from dashboard.shelf import CART_SECONDS, OLD_SECONDS, VISITOR_SECONDS, Shelf, day_of


@dataclass(frozen=True)
class Today:
    """What a reading of the warehouse still says now; None is not known."""

    revenue_cents: int | None = None
    orders_paid: int | None = None
    average_order_cents: float | None = None
    conversion: float | None = None
    visitors: int | None = None
    active_carts: int | None = None


def of(shelf: Shelf, now: float) -> Today:
    """Return the numbers of today and of now; a reading of yesterday is none of today, who was here long ago is not here now, and one that lacks events knows neither."""
    if shelf.read_at is None or shelf.lacks:
        return Today()
    day: Mapping[str, int] | None = shelf.today if day_of(shelf.read_at) == day_of(now) else None
    age = now - shelf.read_at
    return Today(
        revenue_cents=day and day["revenue_cents"],
        orders_paid=day and day["orders_paid"],
        average_order_cents=_ratio(day, "revenue_cents", "orders_paid"),
        conversion=_ratio(day, "checkouts", "sessions"),
        visitors=shelf.visitors if age <= VISITOR_SECONDS else None,
        active_carts=shelf.active_carts if age <= CART_SECONDS else None,
    )


def _ratio(day: Mapping[str, int] | None, above: str, below: str) -> float | None:
    return day[above] / day[below] if day and day[below] else None


def row(shelf: Shelf, now: float) -> list[Component]:
    """Return today so far, who is here now, and how old both are; each number leads to its rows."""
    known, at = of(shelf, now), shelf.read_at or now

    def of_day(measure: str) -> str:
        begin = day_of(at)
        return filters.href(filters.Filters(begin, begin + filters.DAY, "hour", measure=measure))

    def of_now(seconds: float, **what: str) -> str:
        return cards.rows_behind("events", at - seconds, at, counted="restated", **what)

    return [
        _part(
            "Today so far",
            "since 00:00 UTC",
            _number("revenue", "Revenue", formats.money(known.revenue_cents), of_day("revenue_cents")),
            _number("orders", "Orders paid", formats.count(known.orders_paid), of_day("orders_paid")),
            _number("average-order", "Average order", formats.money(known.average_order_cents), of_day("revenue_cents")),
            _number("conversion", "Conversion", formats.conversion(known.conversion), of_day("checkouts")),
        ),
        _part(
            "Here now",
            "in the last minutes",
            _number("visitors", f"Visitors, {VISITOR_SECONDS // 60} min", formats.count(known.visitors), of_now(VISITOR_SECONDS)),
            _number("active-carts", f"Active carts, {CART_SECONDS // 60} min", formats.count(known.active_carts), of_now(CART_SECONDS, kind="cart_events")),
        ),
        html.P(_foot(shelf, now), className="today-age"),
    ]


def _part(title: str, hint: str, *numbers: Component) -> Component:
    return html.Section([html.Header([html.H2(title), html.Span(hint)]), *numbers], className="today-part")


def _number(name: str, label: str, text: str, href: str) -> Component:
    return html.Div([html.Strong(cards.to_rows(text, href if text != formats.UNKNOWN else None), id=f"today-{name}"), html.Span(label)])


def missing(shelf: Shelf) -> str:
    """Return why a number of the row is not known or no longer read; nothing when all is well."""
    return shelf.trouble or shelf.lacks or ("" if shelf.read_at else "The warehouse has not been read yet.")


def _foot(shelf: Shelf, now: float) -> list[object]:
    """Return how old the row is, and what is missing."""
    said = missing(shelf)
    if shelf.read_at is None:
        return [_why(said)]
    return ["as of ", cards.age(shelf.read_at, now, OLD_SECONDS), *([". ", _why(said)] if said else [])]


def _why(text: str) -> Component:
    return html.Span(cards.marked(text), className="today-why")
