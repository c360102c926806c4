"""What sells, what begins to sell, and what is left: pure functions from a snapshot to components of the Products page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from dash import html
from dash.development.base_component import Component

from dashboard import cards, formats, spans
from dashboard.shelf import OLD_SECONDS, Product, Shelf
from dashboard.snapshot import Sale, Snapshot
from dashboard.spans import Live, Measured

TOP, TRENDING, LOW = 10, 10, 10
SOON_SECONDS = 3600
"""A product whose stock lasts less than this at the present pace runs low."""


@dataclass(frozen=True)
class Good:
    """What a product sold in the span and in the span before; before is None when that is not kept."""

    product_id: int
    name: str
    items: int
    cents: int
    items_before: float | None = None

    @property
    def gain(self) -> float:
        """Return how many more items were sold than before."""
        return self.items - (self.items_before or 0)


def sold(snapshot: Snapshot, live: Live) -> list[Good]:
    """Return what each product sold in the live span, the largest sales first."""
    if live.as_of is None:
        return []
    shares = spans.earlier(snapshot.windows, spans.span(live.until), live.until)
    names: dict[int, str] = {}
    items, cents, before = Counter[int](), Counter[int](), Counter[int]()
    for start, share in (shares or {}).items():
        for number, sale in _sales(snapshot, start):
            names[number] = sale.name
            before[number] += sale.items * share  # type: ignore[assignment]
    for start in spans.span(live.until):  # Last, so that a renamed product has its new name.
        for number, sale in _sales(snapshot, start):
            names[number] = sale.name
            items[number] += sale.items
            cents[number] += sale.cents
    goods = [Good(number, name, items[number], cents[number], before[number] if shares is not None else None) for number, name in names.items()]
    return sorted(goods, key=lambda good: (-good.cents, good.product_id))


def _sales(snapshot: Snapshot, start: int) -> Iterable[tuple[int, Sale]]:
    return snapshot.windows[start].products.items() if start in snapshot.windows else ()


def kpis(snapshot: Snapshot, live: Live, goods: list[Good], now: float) -> list[Component]:
    """Return the numbers at the top of the page."""
    shelf = snapshot.shelf
    of_all = f"of {len(shelf.products)}" if shelf.products else ""
    known = live.before is not None
    different = Measured(
        sum(good.items > 0 for good in goods) if live.as_of else None,
        sum((good.items_before or 0) > 0 for good in goods) if known else None,
    )
    return [
        cards.live_kpi("Items sold", "items", live, now, "items_sold"),
        cards.live_kpi("Sales of items", "sales", live, now, "sales_cents", hint="tax included"),
        cards.kpi("Products sold", "products-sold", different, formats.count, live, now, of_all, None, href=cards.behind(live, "items_sold")),
        _low(shelf, live, goods, now),
    ]


def _low(shelf: Shelf, live: Live, goods: list[Good], now: float) -> Component:
    ranked = stock(shelf, goods)
    low, out = (sum(_tone(product, lasts) == tone for product, lasts in ranked) for tone in ("soon", "out"))
    known = shelf.read_at is not None and not (shelf.lacks or shelf.stock_trouble) and live.as_of is not None
    words = "sell out within an hour at this pace" if known else "the stock is not known"
    return html.Div(
        [
            html.H2(["Running low", html.Span(f"{formats.count(out)} sold out", className="kpi-hint")] if known else "Running low"),
            html.Div(formats.count(low) if known else formats.UNKNOWN, id="kpi-low", className="kpi-value"),
            html.P(words, className="kpi-before"),
            cards.as_of(shelf.read_at, now, OLD_SECONDS),
        ],
        className="kpi",
    )


def top(goods: list[Good], shelf: Shelf, live: Live) -> list[Component]:
    """Return the products with the largest sales."""
    ranked = [good for good in goods if good.items][:TOP]
    if not ranked:
        return [cards.no_items(live)]
    known = {product.product_id: product.category for product in shelf.products}
    widest = max(good.cents for good in ranked) or 1
    return [
        cards.step(
            good.name,
            good.cents / widest,
            "category",
            formats.money(good.cents),
            f"{formats.count(good.items)} sold",
            cards.behind(live, "sales_cents", product=good.product_id),
            known.get(good.product_id, ""),
        )
        for good in ranked
    ]


def trending(goods: list[Good], live: Live) -> list[Component]:
    """Return the products that sell more than in the span before, by items gained."""
    if live.as_of is None or not any(good.items for good in goods):
        return [cards.no_items(live)]
    if live.before is None:
        return [html.P(f"There are no {cards.SPAN_WORDS} before to compare with yet.", className="empty")]
    ranked = sorted((good for good in goods if good.gain >= 1), key=lambda good: (-good.gain, good.product_id))[:TRENDING]
    if not ranked:
        return [html.P(f"No product sells more than in the {cards.SPAN_WORDS} before.", className="empty")]
    return [
        cards.step(
            good.name,
            good.gain / ranked[0].gain,
            "visit",
            f"+{formats.counted(good.gain, 'item')}",
            f"{formats.count(good.items_before)} → {formats.count(good.items)}",
            cards.behind(live, "items_sold", product=good.product_id),
        )
        for good in ranked
    ]


def stock(shelf: Shelf, goods: list[Good]) -> list[tuple[Product, float | None]]:
    """Return each product on sale and how many seconds its stock lasts at the pace of the span; None when it did not sell. The first to run out on top."""
    pace = {good.product_id: good.items / spans.SPAN_SECONDS for good in goods}
    lasting = [
        (product, max(product.left, 0) / pace[product.product_id] if pace.get(product.product_id) else None) for product in shelf.products if product.active
    ]
    return sorted(lasting, key=lambda pair: (pair[0].left > 0, pair[1] is None, pair[1] or 0, pair[0].left, pair[0].product_id))


def left(snapshot: Snapshot, live: Live, goods: list[Good], now: float) -> list[Component]:
    """Return the products whose stock ends first."""
    shelf = snapshot.shelf
    if not shelf.products or shelf.lacks or shelf.stock_trouble:
        return [html.P(missing(shelf), className="empty")]
    rows = [
        cards.step(
            product.name,
            min(max(product.left, 0) / max(product.stock, 1), 1),
            _tone(product, lasts),
            f"{formats.count(max(product.left, 0))} left",
            _lasting(product, lasts, live),
            None if live.as_of is None else cards.rows_behind("items_sold", product.at, now + 30, product=product.product_id, counted="restated"),
            product.category,
        )
        for product, lasts in stock(shelf, goods)[:LOW]
    ]
    return [*rows, *cards.trouble(shelf, now)]


def _tone(product: Product, lasts: float | None) -> str:
    """Return how a product's stock is drawn: none left, little left, or enough."""
    if product.left <= 0:
        return "out"
    return "soon" if lasts is not None and lasts < SOON_SECONDS else "category"


def _lasting(product: Product, lasts: float | None, live: Live) -> str:
    if product.left <= 0:
        return "sold out" if product.left == 0 else f"{formats.count(-product.left)} oversold"
    if live.as_of is None:
        return ""
    return "not sold now" if lasts is None else f"for {formats.age(lasts)}"


def missing(shelf: Shelf) -> list[Component | str]:
    """Return why there is nothing of the stock."""
    if shelf.trouble:
        return cards.marked(shelf.trouble)
    if shelf.read_at is None:
        return ["The warehouse has not been read yet."]
    if shelf.lacks or shelf.stock_trouble:
        return ["Not known. ", shelf.lacks or shelf.stock_trouble or ""]
    return ["No product has reached the warehouse yet."]
