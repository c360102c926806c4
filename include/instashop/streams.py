"""The whole system in one table: every kind of event, where it begins and how it is keyed."""

from __future__ import annotations

from dataclasses import dataclass

from instashop.events import (
    CartEvent,
    CrmInteraction,
    Event,
    Product,
    Search,
    Transaction,
    TransactionItem,
    UserBehavior,
)


@dataclass(frozen=True)
class Stream:
    """The way of one kind of event: the shop's feed view, the topic of the same name, the warehouse."""

    name: str
    event_type: type[Event]
    database: str | None  # Where its feed view is; None: made on the way, by the enricher.
    key: str
    cents: str | None = None  # The field that the books add up.
    compacted: bool = False
    live: bool = True  # Read by the live metrics.

    @property
    def table(self) -> str:
        """Return the shop's table in which it begins."""
        return "product_versions" if self.name == "products" else self.name


STREAMS = (
    Stream("products", Product, database="instashop", key="product_id", compacted=True, live=False),  # First: events name products.
    Stream("transactions", Transaction, database="instashop", key="customer_id", cents="total_cents"),
    Stream("user_behavior", UserBehavior, database="instashop", key="session_id"),
    Stream("searches", Search, database="instashop", key="session_id"),
    Stream("cart_events", CartEvent, database="instashop", key="session_id", cents="value_cents"),
    Stream("crm_interactions", CrmInteraction, database="crm_db", key="customer_id", live=False),
    Stream("transaction_items", TransactionItem, database=None, key="customer_id", cents="total_cents"),
)

BY_NAME = {stream.name: stream for stream in STREAMS}
DATABASES = ("instashop", "crm_db")

CURSORS = "cursors"
PARTITIONS = 3
PARTITIONS_OF = dict.fromkeys(BY_NAME, PARTITIONS) | {CURSORS: 1}
"""How many partitions each topic of the platform has."""
RETENTION_MS = 7 * 24 * 3600 * 1000
"""How long Kafka keeps an event at least, and how long a compacted topic keeps every version."""
SEGMENT_MS = 24 * 3600 * 1000
"""A segment goes as a whole, when its newest event may: so Kafka keeps an event for a day more at most."""


def of_database(database: str) -> tuple[Stream, ...]:
    """Return the streams that begin in one of the shop's databases, in the order in which they are published."""
    return tuple(stream for stream in STREAMS if stream.database == database)
