"""The live metrics' words: windows, measures and where Redis keeps them. The definition itself is include/sql/metrics/windows.sql."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

WINDOW_SECONDS = 30
LATE_SECONDS = 10
"""An event recorded more than this after its window's end is late."""

MEASURES = (
    "events",
    "orders_created",
    "orders_paid",
    "orders_failed",
    "orders_refunded",
    "gross_cents",
    "discount_cents",
    "net_cents",
    "tax_cents",
    "revenue_cents",
    "refund_cents",
    "items_sold",
    "sales_cents",
    "sessions",
    "page_views",
    "product_views",
    "wishlist_adds",
    "searches",
    "searches_without_result",
    "cart_adds",
    "cart_removes",
    "checkouts",
    "carts_abandoned",
    "abandoned_cents",
)
"""Columns of windows.sql beside the window and the dimensions: absolute whole numbers of that window and group."""

LABELS = ("status", "category", "product_name")
NUMBERS = ("product_id", "quantity", "results", "gross_cents", "discount_cents", "net_cents", "tax_cents", "total_cents")
"""What windows.sql reads of an event beside its envelope, in Spark and in the warehouse: words, and whole numbers."""

_MONEY = {name: name for name in NUMBERS if name.endswith("_cents")}
FIELDS: Mapping[str, Mapping[str, str]] = {
    "transactions": {"status": "status"} | _MONEY,
    "transaction_items": {name: name for name in (*LABELS, "product_id", "quantity")} | _MONEY,
    "user_behavior": {"status": "action"},
    "searches": {"results": "results"},
    "cart_events": {"status": "action", "quantity": "quantity", "total_cents": "value_cents"},
}
"""The labels and numbers that each live kind has, and the fields of its events that they are."""

PROGRESS_KEY = "live:progress"
"""JSON of the Spark job's last batch: batch, began (its trigger), at (when it had ended), checkpoint_ms, end_offsets {topic: {partition: offset}}, behind,
rows, rows_per_second, batch_seconds; dropped_by_watermark, the rows dropped since the checkpoint was begun, and dropped_at, when the last of them was."""

FILLED_KEY = "live:filled"
"""The checkpoint (its begin, Unix milliseconds) whose windows are in Redis, and the run of Redis that got them; gone with them when Redis is emptied."""

FILLING_KEY = "live:filling"
"""A random word for each filling of Redis from the warehouse, and the run of Redis; when it is gone, so is what was filled."""

WRITER_KEY = "live:writer"
"""Who writes the windows: host and process of the one Spark job; expires unless it is renewed."""

PLATFORM_KEY = "platform"
"""Hash of the platform's start: started_at (ISO 8601)."""


DROPPED_SECONDS = 3600
"""How long a drop by Spark's watermark is told of."""


def dropped(progress: Mapping[str, Any], now: datetime) -> int:
    """Return how many rows Spark's watermark has dropped since the checkpoint was begun; 0 when the last drop was told for long enough."""
    at = progress.get("dropped_at")
    return progress["dropped_by_watermark"] if at and (now - datetime.fromisoformat(at)).total_seconds() < DROPPED_SECONDS else 0


def reached(progress: Mapping[str, Any]) -> dict[tuple[str, int], int]:
    """Return the next offset of each topic and partition that the live windows do not have yet; nothing before the first batch."""
    return {(topic, int(number)): end for topic, ends in progress.get("end_offsets", {}).items() for number, end in ends.items()}


def window_key(start: int) -> str:
    """Return the Redis hash of the window that begins at a Unix second."""
    return f"window:{start}"


def window_of(unix_seconds: float) -> int:
    """Return the start, in Unix seconds, of the window in which a moment lies."""
    return int(unix_seconds // WINDOW_SECONDS) * WINDOW_SECONDS


WRITTEN_FIELD = "written"
"""Field of a window's hash: `checkpoint_ms batch written_at_ms`, which orders two values of one window."""


class Mark(NamedTuple):
    """What the field says; a new checkpoint counts its batches from 0 again."""

    checkpoint_ms: int
    batch: int
    written_ms: int

    @classmethod
    def read(cls, text: str) -> Mark:
        """Return the mark in a field's text."""
        return cls(*map(int, text.split()))


def field_of(row: dict[str, Any]) -> str:
    """Return the hash field of a row of windows.sql: `total`, `category:Books` or `product:17:Blue Kettle`."""
    if row["product_id"] is not None:
        return f"product:{row['product_id']}:{row['product_name']}"
    return "total" if row["category"] is None else f"category:{row['category']}"
