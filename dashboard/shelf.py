"""What the warehouse says at a slow pace: today, who is here, stock, searches, abandoned carts, what came late. Dataclasses, and queries on a connection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg

from instashop import sql
from instashop.metrics import MEASURES

LOOK_SECONDS = 3600
"""How far back searches and abandoned carts are looked at."""
VISITOR_SECONDS, CART_SECONDS = 300, 900
"""How long ago a visitor may have done something, and something may have been put in a cart, to be here now."""
LATE_LOOK_SECONDS = 1200
"""How far back late events are looked for: the span of Live, and some more."""
STOCK_TOO_LONG = "The warehouse takes too long to add up what was sold of each product."
OLD_SECONDS = 120
"""A reading older than this is marked, and says nothing of what came since."""


@dataclass(frozen=True)
class Product:
    """The newest version of a product, and how many were paid since it was recorded."""

    product_id: int
    name: str
    category: str
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


@dataclass(frozen=True)
class Searched:
    """Everything that was searched for: searches, those of them that found nothing, and different words of the catalogue."""

    searches: int = 0
    without_result: int = 0
    words: int = 0


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
    """What was read at `read_at`; `trouble` says why the last attempt failed."""

    read_at: float | None = None
    trouble: str | None = None
    lacks: str = ""
    """What the warehouse lacked when it was read, and why: what it said of now was not true. Nothing when it had what the shop did."""
    stock_trouble: str | None = None
    """Why the stock is not known, though all else is."""
    products: tuple[Product, ...] = ()
    terms: tuple[Term, ...] = ()
    """The most frequent; `searched` counts all."""
    searched: Searched = Searched()
    carts: tuple[Cart, ...] = ()
    today: Mapping[str, int] | None = None
    """The measures of the day of `read_at` in UTC, up to then; None before the first reading."""
    visitors: int | None = None
    active_carts: int | None = None
    late: Mapping[int, Late] = field(default_factory=dict)
    """By the begin of the window, in Unix seconds; a window of which nothing came late is not there."""


def read(connection: psycopg.Connection[dict[str, Any]], now: float) -> Shelf:
    """Return all of it as of one moment; a stock that takes too long leaves the rest.

    Raises:
        psycopg.Error: the warehouse does not answer in time, or its tables are not there.
    """

    def rows(name: str, seconds: float) -> list[dict[str, Any]]:
        return connection.execute(sql.statement(f"dashboard/{name}"), {"since": datetime.fromtimestamp(now - seconds, UTC)}).fetchall()

    as_of_one_moment(connection)
    with connection.transaction():
        terms, carts, late = rows("searches", LOOK_SECONDS), rows("abandoned", LOOK_SECONDS), rows("late", LATE_LOOK_SECONDS)
        visitors, active_carts = rows("visitors", VISITOR_SECONDS), rows("active_carts", CART_SECONDS)
        products, stock_trouble = _stock(connection)
        day = connection.execute(sql.statement("dashboard/today"), {"day": datetime.fromtimestamp(day_of(now), UTC)}).fetchone()
    return Shelf(
        read_at=now,
        stock_trouble=stock_trouble,
        products=tuple(product_from(row) for row in products),
        today={name: day[name] if day else 0 for name in MEASURES},
        visitors=visitors[0]["visitors"],
        active_carts=active_carts[0]["carts"],
        terms=tuple(Term(row["term"], row["searches"], row["without_result"]) for row in terms),
        searched=Searched(terms[0]["all_searches"], terms[0]["all_without_result"], terms[0]["words"]) if terms else Searched(),
        carts=tuple(Cart(str(row["event_id"]), row["occurred_at"].timestamp(), row["value_cents"], row["customer_id"]) for row in carts),
        late={row["start"]: Late(row["events"], row["orders_paid"], row["revenue_cents"]) for row in late},
    )


def _stock(connection: psycopg.Connection[dict[str, Any]]) -> tuple[list[dict[str, Any]], str | None]:
    """Return the rows of the stock, or why there are none; the transaction goes on either way."""
    try:
        with connection.transaction():
            return connection.execute(sql.statement("dashboard/stock")).fetchall(), None
    except psycopg.errors.QueryCanceled:
        return [], STOCK_TOO_LONG


def day_of(unix_seconds: float) -> int:
    """Return the begin, in Unix seconds, of the day in UTC in which a moment lies."""
    return int(unix_seconds // 86_400) * 86_400


def as_of_one_moment(connection: psycopg.Connection[dict[str, Any]]) -> None:
    """Let every transaction from now on see one snapshot, and change nothing."""
    connection.execute("SET default_transaction_isolation = 'repeatable read'")
    connection.execute("SET default_transaction_read_only = on")


def product_from(row: dict[str, Any]) -> Product:
    """Return a row of the stock."""
    names = ("product_id", "name", "category", "stock", "sold", "active")
    return Product(**{name: row[name] for name in names}, at=row["occurred_at"].timestamp())
