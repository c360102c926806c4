"""What the producer's role is shown of the shop: of each row its whole event and key, of a person nothing; and products before what names them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest
from psycopg.types.json import Json

from instashop import connect
from instashop.streams import BY_NAME, of_database
from instashop.transport import producer
from tests import bodies
from tests.integration.rows import insert
from tests.waiting import wait_until

TYPED = "what Ada Lovelace, ada@example.org, typed"
"""Free text of a person, which stays in the shop."""
ENVELOPE = {
    "txid": "333",  # Initdb has used it, so no other row has.
    "event_id": "01968c1e-7a00-7abc-8def-0123456789ab",
    "schema_version": 3,
    "occurred_at": datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC),
    "recorded_at": datetime(2026, 5, 1, 12, 0, 4, 654321, tzinfo=UTC),
}
"""What each row begins with."""
EVENT = {
    "event_id": "01968c1e-7a00-7abc-8def-0123456789ab",
    "schema_version": 3,
    "occurred_at": "2026-05-01T12:00:00.123456+00:00",
    "recorded_at": "2026-05-01T12:00:04.654321+00:00",
    "txid": 333,
}
"""The same as an event says it."""
IDS = [f"{digit * 8}-{digit * 4}-4{digit * 3}-8{digit * 3}-{digit * 12}" for digit in "1234"]

PRODUCT = {"product_id": 4711, "version": 12, "name": "Blue Kettle", "category": "Garden ghosts", "price_cents": 1999, "stock": 55, "active": False}
ORDER = {
    "transaction_id": IDS[0],
    "version": 2,
    "status": "paid",
    "customer_id": 42,
    "session_id": IDS[1],
    "payment_method": "invoice",
    "currency": "CHF",
    "gross_cents": 6500,
    "discount_cents": 600,
    "net_cents": 5900,
    "tax_cents": 1121,
    "total_cents": 7021,
}
LINES = [{"line": 1, "product_id": 4711, "quantity": 3}, {"line": 2, "product_id": 4712, "quantity": 5}]
SEEN = {"session_id": IDS[0], "customer_id": 42, "action": "wishlist_add", "page": "/products/4711", "product_id": 4711, "device": "tablet"}
SEARCH = {"session_id": IDS[0], "customer_id": 42, "term": "kettle", "results": 17}
CART = {"cart_id": IDS[0], "session_id": IDS[1], "customer_id": 42, "action": "remove", "product_id": 4711, "quantity": 6, "value_cents": 1234}
TALK = {"interaction_id": IDS[0], "customer_id": 42, "transaction_id": IDS[1], "channel": "phone", "reason": "delivery", "satisfaction": 4}

VIEWS = [
    ("products", PRODUCT, {}, "4711", {}),
    ("transactions", ORDER, {"lines": Json(LINES)}, "42", {"lines": LINES}),
    ("user_behavior", SEEN, {}, IDS[0], {}),
    ("searches", SEARCH, {"schema_version": 1, "query": TYPED, "sort": None}, IDS[0], {"schema_version": 1}),
    ("searches", SEARCH, {"schema_version": 2, "query": TYPED, "sort": "newest"}, IDS[0], {"schema_version": 2, "sort": "newest"}),
    ("cart_events", CART, {}, IDS[1], {}),
    ("crm_interactions", TALK, {"note": TYPED}, "42", {}),
]
"""Of each view: the fields that row and event have alike, what else the row has, the message's key, and what else the event has."""


@pytest.fixture
def category(shop: psycopg.Connection) -> Iterator[None]:
    shop.execute("INSERT INTO categories (category_id, name) VALUES (4711, %s)", [PRODUCT["category"]])
    yield
    shop.execute("DELETE FROM categories WHERE category_id = 4711")


@pytest.mark.usefixtures("category")
@pytest.mark.parametrize(("view", "alike", "in_the_row", "key", "in_the_event"), VIEWS)
def test_a_feed_view_shows_the_whole_event_and_nothing_else(stack, view, alike, in_the_row, key, in_the_event):
    stream = BY_NAME[view]
    owner_of = connect.crm if stream.database == "crm_db" else connect.shop
    row = {**ENVELOPE, **alike, **in_the_row}
    with owner_of(stack, "test", autocommit=True) as owner, connect.feed(stack, stream.database, "test", autocommit=True) as feed:
        columns = owner.execute("SELECT column_name FROM information_schema.columns WHERE table_schema = 'public' AND table_name = %s", [stream.table])
        assert {*row, "id"} == {name for (name,) in columns}, "A column is new: is it shown, and may it be?"
        assert len(row) == len(set(map(str, row.values()))), "Columns of one value could be mistaken for each other."
        insert(owner, stream.table, row)
        try:
            ((shown_key, body),) = feed.execute(f"SELECT key, body FROM feed.{view} WHERE txid = '333'").fetchall()
        finally:
            owner.execute(f"DELETE FROM {stream.table} WHERE event_id = %s", [ENVELOPE["event_id"]])
    assert shown_key == key
    assert json.loads(body) == {"kind": view, **EVENT, **alike, **in_the_event}
    assert TYPED not in body


@pytest.mark.parametrize("table", ["customers", "searches", "transactions"])
def test_the_producers_role_may_not_read_the_shops_tables(stack, table):
    with connect.feed(stack, "instashop", "test") as feed, pytest.raises(psycopg.errors.InsufficientPrivilege):
        feed.execute(f"SELECT FROM public.{table} LIMIT 1")


@pytest.mark.usefixtures("category")
def test_while_more_products_wait_than_fit_nothing_that_may_name_them_is_read(stack, shop):
    (top,) = shop.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint - 1").fetchone()
    places = {stream.name: (top, 2**62) for stream in of_database("instashop")}
    products = [bodies.product(product_id=4711 + number, category=PRODUCT["category"]) for number in range(20)]
    order = bodies.transaction(product_id=4711 + 19)
    try:
        with connect.shop(stack, "test") as writer:
            for table, body in [("transactions", order), *(("product_versions", product) for product in products)]:
                insert(writer, table, {name: Json(value) if name == "lines" else value for name, value in body.items() if name not in ("kind", "txid")})
        with connect.feed(stack, "instashop", "test", autocommit=True) as connection:
            feed = producer.Feed("instashop", connection, 7)
            wait_until(lambda: feed.rows(places), 30, "rows below the horizon")
            batches = []
            while rows := feed.rows(places):
                batches.append(Counter(row.topic for row in rows))
                places |= {row.topic: (row.txid, row.id) for row in rows}
        assert batches == [{"products": 7}, {"products": 7}, {"products": 6, "transactions": 1}]
    finally:
        shop.execute("DELETE FROM transactions WHERE event_id = %s", [order["event_id"]])
        shop.execute("DELETE FROM product_versions WHERE event_id = ANY(%s::uuid[])", [[product["event_id"] for product in products]])
