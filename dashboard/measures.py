"""How each measure is called on a screen, and which events are the rows behind it: the conditions of include/sql/metrics/windows.sql as data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dashboard import formats
from instashop.streams import STREAMS

Write = Callable[[float | None], str]
LIVE_KINDS = tuple(stream.name for stream in STREAMS if stream.live)


@dataclass(frozen=True)
class Measure:
    """A measure's title, how it is written, and the events that it counts or, when it has a field, whose field it adds up."""

    title: str
    kinds: tuple[str, ...]
    status: str | None = None
    field: str | None = None
    results: int | None = None

    @property
    def is_money(self) -> bool:
        """Whether the measure is in cents."""
        return bool(self.field and self.field.endswith("_cents"))

    @property
    def write(self) -> Write:
        """Return how a value of this measure is written."""
        return formats.money if self.is_money else formats.count


_ORDERS, _ITEMS, _VISITS, _SEARCHES, _CARTS = (("transactions",), ("transaction_items",), ("user_behavior",), ("searches",), ("cart_events",))

MEASURES = {
    "revenue_cents": Measure("Revenue", _ORDERS, "paid", "total_cents"),
    "orders_paid": Measure("Orders paid", _ORDERS, "paid"),
    "orders_created": Measure("Orders created", _ORDERS, "created"),
    "orders_failed": Measure("Orders failed", _ORDERS, "failed"),
    "orders_refunded": Measure("Orders refunded", _ORDERS, "refunded"),
    "refund_cents": Measure("Refunds", _ORDERS, "refunded", "total_cents"),
    "gross_cents": Measure("Gross", _ORDERS, "paid", "gross_cents"),
    "discount_cents": Measure("Discounts", _ORDERS, "paid", "discount_cents"),
    "net_cents": Measure("Net", _ORDERS, "paid", "net_cents"),
    "tax_cents": Measure("Tax", _ORDERS, "paid", "tax_cents"),
    "sales_cents": Measure("Sales of items", _ITEMS, "paid", "total_cents"),
    "items_sold": Measure("Items sold", _ITEMS, "paid", "quantity"),
    "sessions": Measure("Sessions", _VISITS, "session_start"),
    "page_views": Measure("Page views", _VISITS, "page_view"),
    "product_views": Measure("Product views", _VISITS, "product_view"),
    "wishlist_adds": Measure("Put on a wish list", _VISITS, "wishlist_add"),
    "searches": Measure("Searches", _SEARCHES),
    "searches_without_result": Measure("Searches without result", _SEARCHES, results=0),
    "cart_adds": Measure("Added to cart", _CARTS, "add"),
    "cart_removes": Measure("Removed from cart", _CARTS, "remove"),
    "checkouts": Measure("Checkouts", _CARTS, "checkout"),
    "carts_abandoned": Measure("Carts abandoned", _CARTS, "abandon"),
    "abandoned_cents": Measure("Value of abandoned carts", _CARTS, "abandon", "value_cents"),
    "events": Measure("Events", LIVE_KINDS),
}

OF_ITEMS = ("sales_cents", "items_sold", "events")
"""The measures that are counted by category and by product; all others are 0 there."""
