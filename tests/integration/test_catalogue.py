"""What the generator knows of its products, from a real shop; all in transactions that are rolled back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg
import pytest

from instashop.events import uuid7
from instashop.shop.catalogue import Catalogue, Product
from instashop.shop.generator import ShopSink, catalogue_of, newest_products
from instashop.shop.shopper import MONEY, Row, line_of
from instashop.transport.loop import Batch

BEGIN = datetime(2026, 5, 1, 12, tzinfo=UTC)
KETTLE = Product(uuid7(BEGIN, 1), BEGIN, 1, 1, "Blue Kettle", "Kitchen", 1999, 1000, True)
PAN = Product(uuid7(BEGIN, 2), BEGIN, 2, 1, "Red Pan", "Kitchen", 999, 300, True)
DEAR_KETTLE = replace(KETTLE, event_id=uuid7(BEGIN, 3), occurred_at=BEGIN + timedelta(hours=1), version=2, price_cents=2999, stock=500)
NO_BOWL = Product(uuid7(BEGIN, 4), BEGIN - timedelta(days=300), 7, 1, "Old Bowl", "Kitchen", 500, 9, False)


@pytest.fixture
def empty(shop) -> Iterator[psycopg.Connection]:
    with shop.transaction(force_rollback=True):
        shop.execute("TRUNCATE product_versions, transactions")
        shop.execute("INSERT INTO categories VALUES (3, 'Kitchen') ON CONFLICT DO NOTHING")
        yield shop


def write(shop: psycopg.Connection, *rows: Row | Product) -> None:
    ShopSink(shop, shop).write(Batch([Row("product_versions", asdict(row)) if isinstance(row, Product) else row for row in rows], None))


def order(status: str, minutes: float, *items: tuple[int, int]) -> Row:
    """Return an order of some of each product, so long after the begin; its row comes half a second after it happened."""
    at, lines = BEGIN + timedelta(minutes=minutes), [line_of(n, product, quantity, 100, 0) for n, (product, quantity) in enumerate(items, 1)]
    whole = {name: sum(line[name] for line in lines) for name in MONEY}
    ids = {"event_id": uuid7(at + timedelta(seconds=0.5), uuid4().int % 2**74), "occurred_at": at, "transaction_id": uuid4(), "session_id": uuid4()}
    return Row("transactions", {**ids, "version": 1, "status": status, "customer_id": 1, "payment_method": "card", **whole, "lines": lines})


def test_a_session_goes_on_with_what_the_paid_orders_since_the_newest_version_left(empty):
    write(empty, KETTLE, PAN, DEAR_KETTLE, NO_BOWL)
    write(empty, order("paid", 5, (1, 100), (2, 20)), order("paid", 60, (1, 30)), order("paid", 90, (1, 3), (2, 1)), order("paid", 91, (1, 2)))
    write(empty, order("created", 92, (1, 50)), order("failed", 93, (1, 50), (2, 50)), order("refunded", 94, (2, 50)))
    catalogue = catalogue_of(empty)
    assert catalogue._left == {1: 500 - 30 - 3 - 2, 2: 300 - 20 - 1, 7: 9}
    assert catalogue.on_sale == [1, 2]
    assert catalogue[1] == DEAR_KETTLE


def test_a_shop_without_products_on_sale_has_an_empty_catalogue(empty):
    assert catalogue_of(empty).on_sale == []
    write(empty, NO_BOWL)
    assert catalogue_of(empty).on_sale == []


def test_the_newest_versions_are_found_whatever_the_products_numbers_are(empty):
    versions = [replace(PAN, event_id=uuid4(), product_id=number, version=version) for number in (1, 2, 9, 10**12) for version in range(1, number % 7 + 2)]
    write(empty, *versions)
    newest = {product.product_id: product for product in versions}  # They come in the order of their versions.
    assert {product.product_id: product for product in newest_products(empty)} == newest


def test_who_delivers_a_product_that_somebody_else_changed_at_that_moment_takes_theirs(empty):
    write(empty, KETTLE)
    catalogue = Catalogue(newest_products(empty))
    write(empty, DEAR_KETTLE)
    ours = replace(KETTLE, event_id=uuid7(BEGIN, 9), version=2)
    write(empty, ours, order("paid", 61, (1, 1)))
    catalogue.learn(newest_products(empty))
    assert catalogue[1] == DEAR_KETTLE
    assert empty.execute("SELECT count(*) FROM transactions").fetchone() == (1,)
