"""The stock of a product is what its newest version recorded, less what was paid since, to the item."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from instashop import sql
from instashop.events import uuid7
from instashop.shop.shopper import line_of
from tests.integration.rows import build_up_to_now, keep

PRODUCT = 2**50
BORDERS = ("09:19:59.999", "09:20", "09:59:59.999", "10:00", "23:59:59.999", "1 day", "1 day 09:30", "3 days")
"""Of a product whose newest version is of 09:20: how long after the begin of the day something was paid; the first one was before."""


@pytest.fixture
def product(connections: tuple[psycopg.Connection, psycopg.Connection], day_of_2021: datetime) -> Iterator[psycopg.Connection]:
    """A warehouse that knows a product whose second version was recorded at 09:20."""
    db = connections[0]
    keep(db, "products", day_of_2021 + timedelta(hours=9, minutes=20), product_id=PRODUCT, version=2, stock=1000)
    build_up_to_now(db)
    yield db
    db.execute("DELETE FROM warehouse.products WHERE product_id = %s", [PRODUCT])


def _pay(db: psycopg.Connection, day: datetime, after: str, quantity: int, **more: Any) -> None:
    """Keep a line of a paid order; its id is of the day, whenever it was paid."""
    ((at,),) = db.execute("SELECT %s + %s::interval", [day, after])
    event_id, sign = str(uuid7(day, quantity)), -1 if more.get("status") == "refunded" else 1
    keep(db, "transaction_items", at, **{"event_id": event_id, "status": "paid", **line_of(1, PRODUCT, sign * quantity, 100, 0), **more})


def _sold(db: psycopg.Connection) -> int:
    return _row(db)[-1]


def _row(db: psycopg.Connection) -> tuple[Any, ...]:
    (found,) = [row for row in db.execute(sql.statement("dashboard/stock")) if row[0] == PRODUCT]
    return found


def test_a_delivery_counts_before_it_is_built(product: psycopg.Connection, day_of_2021: datetime) -> None:
    for after, quantity in (("10:00", 3), ("11:59", 4), ("12:00", 5)):
        _pay(product, day_of_2021, after, quantity)
    for version in (3, 2):
        keep(product, "products", day_of_2021 + timedelta(hours=9 + version), product_id=PRODUCT, version=version, stock=1000 * version, name="Red Kettle")
    for _ in ("before it is built", "and after"):
        row = _row(product)
        assert (row[1], row[3], row[-1]) == ("Red Kettle", 3000, 5)
        build_up_to_now(product)


def test_what_was_paid_since_a_version_is_counted_once_whether_built_or_not_and_kept_or_not(product: psycopg.Connection, day_of_2021: datetime) -> None:
    sold = 0
    for turn in range(2):
        for number, after in enumerate(BORDERS):
            quantity = 2 ** (number + len(BORDERS) * turn)  # So that the sum tells which were counted.
            _pay(product, day_of_2021, after, quantity, recorded_after=120 * (number % 2))
            sold += quantity if number else 0
        _pay(product, day_of_2021, "10:30", 2**20 + turn, status="refunded")
        assert _sold(product) == sold, "Counted before it is built."
        build_up_to_now(product)
        assert _sold(product) == sold, "And after."
    product.execute("TRUNCATE realtime_events_20210304")
    assert _sold(product) == sold, "The events of a day are let go; what was sold on it stays sold."
