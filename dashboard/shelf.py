"""What the warehouse says at a slow pace: stock, searches, abandoned carts and what came late. Dataclasses, and the queries on a connection that is handed in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg

from dashboard.sql import statement

LOOK_SECONDS = 3600
"""How far back searches and abandoned carts are looked at."""
LATE_LOOK_SECONDS = 1200
"""How far back late events are looked for: the span of Live, and some more."""


@dataclass(frozen=True)
class Product:
    """The newest version of a product, and how many were paid since it was recorded."""

    product_id: int
    name: str
    category: str
    price_cents: int
    stock: int
    sold: int
    active: bool
    at: float

    @property
    def left(self) -> int:
        """Return what should be left; below zero more was sold than was there."""
        return self.stock - self.sold


@dataclass(frozen=True)
class Term:
    """What was searched for; None are searches that name no word of the catalogue."""

    term: str | None
    searches: int
    without_result: int
    newest_at: float


@dataclass(frozen=True)
class Cart:
    """An abandoned cart."""

    event_id: str
    at: float
    value_cents: int
    customer_id: int | None


@dataclass(frozen=True)
class Late:
    """What came late for a window, or for several: its events, and the paid orders and cents among them."""

    events: int = 0
    orders_paid: int = 0
    revenue_cents: int = 0

    def __add__(self, other: Late) -> Late:
        """Return both together."""
        return Late(self.events + other.events, self.orders_paid + other.orders_paid, self.revenue_cents + other.revenue_cents)


@dataclass(frozen=True)
class Shelf:
    """What was read at `read_at`; `trouble` says why the last attempt failed, `unbuilt` that the catalogue is not there yet."""

    read_at: float | None = None
    trouble: str | None = None
    unbuilt: bool = False
    products: tuple[Product, ...] = ()
    terms: tuple[Term, ...] = ()
    carts: tuple[Cart, ...] = ()
    late: Mapping[int, Late] = field(default_factory=dict)
    """By the begin of the window, in Unix seconds; a window of which nothing came late is not there."""


def read(connection: psycopg.Connection[dict[str, Any]], now: float) -> Shelf:
    """Return all of it as of one moment; before the first build of the warehouse there is no catalogue.

    Raises:
        psycopg.Error: the warehouse does not answer in time, or its tables are not there.
    """
    since = {"since": datetime.fromtimestamp(now - LOOK_SECONDS, UTC)}
    as_of_one_moment(connection)
    with connection.transaction():
        terms = connection.execute(statement("searches"), since).fetchall()
        carts = connection.execute(statement("abandoned"), since).fetchall()
        late = connection.execute(statement("late"), {"since": datetime.fromtimestamp(now - LATE_LOOK_SECONDS, UTC)}).fetchall()
        products = connection.execute(statement("stock")).fetchall() if built(connection) else None
    return Shelf(
        read_at=now,
        unbuilt=products is None,
        products=tuple(product_from(row) for row in products or ()),
        terms=tuple(Term(row["term"], row["searches"], row["without_result"], row["newest_at"].timestamp()) for row in terms),
        carts=tuple(Cart(str(row["event_id"]), row["occurred_at"].timestamp(), row["value_cents"], row["customer_id"]) for row in carts),
        late={row["start"]: Late(row["events"], row["orders_paid"], row["revenue_cents"]) for row in late},
    )


def as_of_one_moment(connection: psycopg.Connection[dict[str, Any]]) -> None:
    """Let every transaction from now on see one snapshot, and change nothing."""
    connection.execute("SET default_transaction_isolation = 'repeatable read'")
    connection.execute("SET default_transaction_read_only = on")


def built(connection: psycopg.Connection[dict[str, Any]]) -> bool:
    """Return whether the warehouse's own tables and roll-ups are there."""
    found = connection.execute(statement("built")).fetchone()
    return bool(found and found["built"])


def product_from(row: dict[str, Any]) -> Product:
    """Return a row of the stock."""
    names = ("product_id", "name", "category", "price_cents", "stock", "sold", "active")
    return Product(**{name: row[name] for name in names}, at=row["occurred_at"].timestamp())
