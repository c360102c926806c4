"""The blocks of History and of one event: numbers of a span, its groups, the rows behind a number; pure functions to components."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from dash import html
from dash.development.base_component import Component

from dashboard import cards, filters, formats, past, table
from dashboard.filters import Filters
from dashboard.measures import MEASURES
from dashboard.past import Past
from dashboard.shelf import Product
from dashboard.spans import Live, Measured
from instashop.control.trace import Stop
from instashop.metrics import window_of

OLD_SECONDS = 90
GROUPS = 8
STEP_WORDS = {"window": "by 30-second window", "hour": "by hour", "day": "by day"}


def live_of(asked: Filters, known: Past) -> Live:
    """Return a span of the warehouse in the shape of a live span, so that both are drawn by the same functions."""
    as_of = known.read_at if known.trouble is None else None
    return Live("live", as_of, asked.since, asked.until, known.totals, known.before, {}, None)


def span_words(asked: Filters, known: Past) -> str:
    """Return the span in words, in UTC, whether the span before is not known, and from when on the span itself is."""
    begin, end = formats.day(asked.since), formats.day(asked.until)
    ends = end[-5:] if begin[:-5] == end[:-5] else end
    counted = {"in_time": "events in time, as Live counts them", "late": "late events only", "restated": "restated: in time and late"}[asked.counted]
    first = known.known_from
    more = ""
    if first is not None and asked.since < (window_of(first) if asked.step == "window" else first):  # In the window of the first event none is missing.
        more = f"; the warehouse knows events from {formats.since(first, asked.until)} on"  # So nothing is from before, either.
    elif known.read_at and known.trouble is None and known.before is None:
        more = f"; {cards.NOTHING_BEFORE}"
    return f"{begin} to {ends} UTC, {STEP_WORDS[asked.step]}; {counted}{more}."


def notes(given: Iterable[str], asked: Filters, products: Iterable[Product]) -> list[Component]:
    """Return what of the address could not be taken as it is, and what of it is not known; nothing when all of it is."""
    known = list(products)
    said = list(given)
    if known and asked.product is not None and asked.product not in {product.product_id for product in known}:
        said.append(f"There is no product {asked.product} in the catalogue.")
    if known and asked.category is not None and asked.category not in {product.category for product in known}:
        said.append(f"There is no category “{asked.category}” in the catalogue.")
    if not said:
        return []
    return [cards.told("note", "Not everything could be shown as asked", [html.P(note) for note in said])]


def trouble(known: Past, kept: bool = False) -> Component | None:
    """Return why there are no numbers, or, when those of before are kept, no newer ones, or what they lack; None when they are whole."""
    if known.trouble is None:
        return cards.told("behind", "The newest events of this span are missing", [html.P(known.lacks)]) if known.lacks else None
    title = "These numbers are from before: the warehouse was asked again" if kept else "The numbers of this span are not known"
    return cards.told("broken" if known.read_at is None else "stale", title, [html.P(cards.marked(known.trouble))])


def kpis(asked: Filters, known: Past, now: float) -> list[Component]:
    """Return the numbers of the span, each a link to its rows, beside the span before."""
    live = live_of(asked, known)

    def one(label: str, name: str, measured: Measured, write: Any, measure: str, hint: str = "", good_is_up: bool | None = True) -> Component:
        href = f"{filters.href(asked, measure=measure, kind=None, term=None)}#rows"
        return cards.kpi(label, name, measured, write, live, now, hint, good_is_up, href, OLD_SECONDS)

    def plain(name: str, hint: str = "", good_is_up: bool | None = True) -> Component:
        return one(MEASURES[name].title, name.replace("_", "-"), live.measured(name), MEASURES[name].write, name, hint, good_is_up)

    if asked.category is not None or asked.product is not None:
        each = live.ratio("sales_cents", "items_sold")
        return cards.alike([plain("sales_cents", "tax included"), plain("items_sold"), one("Average item", "average-item", each, formats.money, "sales_cents")])
    return cards.alike(
        [
            plain("revenue_cents"),
            plain("orders_paid"),
            one("Average order", "average-order", live.ratio("revenue_cents", "orders_paid"), formats.money, "revenue_cents"),
            one("Conversion", "conversion", live.ratio("checkouts", "sessions"), formats.conversion, "checkouts", "checkouts per session"),
            plain("sessions"),
            plain("refund_cents", good_is_up=False),
        ]
    )


def groups(asked: Filters, known: Past, of_products: bool) -> list[Component]:
    """Return categories or products of the span by sales, all of them whatever is chosen; each leads to itself alone, and the chosen one is marked."""
    ranked = [group for group in known.groups if (group.product_id is not None) == of_products and group.sales_cents]
    if not ranked:
        return [html.P("No items sold in this span." if known.is_whole else "Not known.", className="empty")]
    total, widest = sum(group.sales_cents for group in ranked), ranked[0].sales_cents or 1
    chosen = [group for group in ranked if (group.product_id, group.category) == (asked.product, asked.category)]
    shown = ranked[:GROUPS] if not chosen or chosen[0] in ranked[:GROUPS] else [*ranked[: GROUPS - 1], *chosen]
    return [
        cards.step(
            group.name,
            group.sales_cents / widest,
            "category",
            formats.money(group.sales_cents),
            formats.share(group.sales_cents / total) if total else "",
            filters.href(asked, measure="sales_cents", category=group.category, product=group.product_id, kind=None, term=None),
            chosen=group in chosen,
        )
        for group in shown
    ]


def groups_note(asked: Filters, of_products: bool) -> str:
    """Return what the categories or products are, also that they are all of them when one is chosen."""
    of_one = asked.category is not None or asked.product is not None
    return f"all {'products' if of_products else 'categories'}, with tax" if of_one else "paid items, tax included"


def title(asked: Filters) -> str:
    """Return whose rows are shown."""
    what = f"Rows of {asked.kind}" if asked.kind else f"Rows behind {MEASURES[asked.measure].title}"
    return what + (f" for “{asked.term}”" if asked.term is not None else "")


def summary(asked: Filters, known: Past) -> list[object]:
    """Return how many rows there are and what they add up to, and whether that is the number above."""
    if known.rows_count is None or not (known.rows_count or known.is_whole):
        return []
    counted = formats.counted(known.rows_count, "event")
    measure = MEASURES[asked.measure]
    made = known.rows_count if known.rows_total is None and measure.field is None else known.rows_total or 0
    said: list[object] = [counted if known.rows_total is None or asked.kind else f"{counted} make {measure.write(made)}"]
    if known.dropped_before is not None and asked.since < known.dropped_before:
        said.append(f"events before {formats.day(known.dropped_before)} UTC are no longer kept, only their hours and days")
    elif asked.kind is None and asked.term is None and known.trouble is None:
        agrees = made == known.totals.get(asked.measure, 0)
        said.append(html.Span("✓ the same as the number above" if agrees else "≠ not the number above", className=f"agrees is-{'true' if agrees else 'false'}"))
    if known.rows_count > len(known.rows):
        said.append(f"the newest {formats.count(len(known.rows))} are shown")
    return [part for one in said for part in (" · ", one)][1:]


def table_of(asked: Filters, known: Past) -> list[Component]:
    """Return the rows, the last recorded first; each leads to the whole way of its event."""
    if known.rows_trouble and known.rows_trouble == known.trouble:
        return [html.P("Not known.", className="empty")]
    if known.rows_trouble:
        return [html.P(cards.marked(known.rows_trouble), className="trouble")]
    if not known.rows:
        dropped = known.dropped_before is not None and asked.until <= known.dropped_before
        none = "No event of this span fits these filters." if known.is_whole else "Not known."
        return [html.P("The events of this span are no longer kept." if dropped else none, className="empty")]
    return [table.of(known.rows)]


def downloads(asked: Filters, known: Past) -> Component:
    """Return the links to the same rows and numbers as CSV; without the word `download`, so that a refusal shows its reason in the browser."""
    query = filters.query(asked)
    limit = f"Rows as CSV (the newest {past.ROWS_IN_CSV:,})" if (known.rows_count or 0) > past.ROWS_IN_CSV else "Rows as CSV"
    return html.Span(
        [
            html.A(limit, href=f"/history.csv?{query}", className="download"),
            html.A("Numbers as CSV", href=f"/history-numbers.csv?{query}", className="download"),
        ],
        className="downloads",
    )


def way(stops: Iterable[Stop]) -> list[Component]:
    """Return the stages of an event's way as `./instashop event` prints them; where it is not, or not yet, waits."""
    return [
        html.Li([html.Strong(stop.stage), html.Span(cards.marked(stop.text))], className=f"is-{stop.stage}{'' if stop.reached else ' is-waiting'}")
        for stop in stops
    ]


def fields(payload: Mapping[str, Any]) -> Component:
    """Return every field of an event; money in euros beside its cents."""
    rows = []
    for name, value in payload.items():
        if isinstance(value, list | dict):
            shown: object = html.Pre(json.dumps(value, indent=1, ensure_ascii=False))
        elif name.endswith("_cents") and isinstance(value, int):
            shown = [f"{value:,} ", html.Small(formats.money(value))]
        else:
            shown = formats.UNKNOWN if value is None else str(value)
        rows.append(html.Tr([html.Th(name, scope="row"), html.Td(shown)]))
    return html.Table(html.Tbody(rows), className="fields")
