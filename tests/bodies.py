"""Bodies of events for tests: one good one of each kind, and a corpus of poison with the reason each must be refused for."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from instashop.events import FIRST_DAY, LAST_DAY, Reason, uuid7
from instashop.shop.shopper import MONEY, line_of


def envelope(kind: str, at: datetime | None = None) -> dict[str, Any]:
    at = at or datetime.now(UTC)
    event_id = uuid7(at, uuid4().int & (2**74 - 1))
    times = {"occurred_at": at.isoformat(), "recorded_at": at.isoformat()}
    return {"event_id": str(event_id), "kind": kind, "schema_version": 1, **times, "txid": 1}


def transaction(at: datetime | None = None, status: str = "paid", product_id: int = 1, **changes: Any) -> dict[str, Any]:
    sign = -1 if status == "refunded" else 1
    lines = [line_of(1, product_id, 2 * sign, 1999, 10), line_of(2, product_id, sign, 501, 0)]
    money = {name: sum(line[name] for line in lines) for name in MONEY}
    own = {"transaction_id": str(uuid4()), "version": 1, "status": status, "customer_id": 7, "session_id": str(uuid4()), "payment_method": "card"}
    return {**envelope("transactions", at), **own, "currency": "EUR", **money, "lines": lines, **changes}


def of_one_line(status: str = "paid", **changes: Any) -> dict[str, Any]:
    """A transaction of one line, whose sums are its line's whatever is changed of it."""
    line = {**line_of(1, 1, -1 if status == "refunded" else 1, 1000, 0), **changes}
    return transaction(status=status, lines=[line], **{name: line[name] for name in MONEY})


def search(at: datetime | None = None, **changes: Any) -> dict[str, Any]:
    return {**envelope("searches", at), "session_id": str(uuid4()), "customer_id": None, "term": "kettle", "results": 3, **changes}


def search_v2(at: datetime | None = None, **changes: Any) -> dict[str, Any]:
    return {**search(at), "schema_version": 2, "sort": "price", **changes}


def behavior(at: datetime | None = None, **changes: Any) -> dict[str, Any]:
    own = {"session_id": str(uuid4()), "customer_id": 3, "action": "session_start", "page": "/", "product_id": None, "device": "phone"}
    return {**envelope("user_behavior", at), **own, **changes}


def cart(at: datetime | None = None, **changes: Any) -> dict[str, Any]:
    own = {"cart_id": str(uuid4()), "session_id": str(uuid4()), "customer_id": 3, "action": "abandon", "product_id": None, "quantity": 2, "value_cents": 1234}
    return {**envelope("cart_events", at), **own, **changes}


def item(at: datetime | None = None, status: str = "paid", **changes: Any) -> dict[str, Any]:
    line = line_of(1, 1, -2 if status == "refunded" else 2, 1999, 10)
    own = {"transaction_id": str(uuid4()), "transaction_event_id": str(uuid4()), "status": status, "customer_id": 7}
    return {**envelope("transaction_items", at), **own, **line, "product_name": "Blue Kettle", "category": "Kitchen", **changes}


def crm_interaction(at: datetime | None = None, **changes: Any) -> dict[str, Any]:
    own = {"interaction_id": str(uuid4()), "customer_id": 7, "transaction_id": None, "channel": "chat", "reason": "praise", "satisfaction": 5}
    return {**envelope("crm_interactions", at), **own, **changes}


def product(at: datetime | None = None, **changes: Any) -> dict[str, Any]:
    own = {"product_id": 1, "version": 1, "name": "Blue Kettle", "category": "Kitchen", "price_cents": 1999, "stock": 5, "active": True}
    return {**envelope("products", at), **own, **changes}


def raw(body: dict[str, Any]) -> bytes:
    return json.dumps(body).encode()


def poison() -> list[tuple[str, bytes | None, Reason]]:
    """Return (topic, body, reason): each must be refused everywhere, for this reason."""
    now = datetime.now(UTC)
    good = transaction()
    first, second = good["lines"]
    broken_line = {**good, "lines": [{**first, "net_cents": 1}, second]}
    other_price = {**good, "lines": [{**first, "unit_price_cents": first["unit_price_cents"] + 1}, second]}
    one_number = {**good, "lines": [first, {**second, "line": first["line"]}]}
    return [
        ("transactions", None, Reason.NOT_JSON),
        ("transactions", b"", Reason.NOT_JSON),
        ("transactions", b"\xff\xfe\x00", Reason.NOT_JSON),
        ("searches", raw(search())[:-1], Reason.NOT_JSON),
        ("searches", b"[" * 50_000, Reason.NOT_JSON),
        ("searches", raw(search()).replace(b"kettle", b"k\xc3\x28"), Reason.NOT_JSON),
        ("transactions", b"[]", Reason.WRONG_SCHEMA),
        ("transactions", b"{}", Reason.WRONG_SCHEMA),
        ("searches", b"{}", Reason.WRONG_SCHEMA),
        ("searches", raw(search(**{"a\0b": 1})), Reason.WRONG_SCHEMA),  # The reason names the field.
        ("transactions", raw({**good, "total_cents": "12"}), Reason.WRONG_SCHEMA),
        ("transactions", raw({**good, "total_cents": 10**18}), Reason.WRONG_SCHEMA),
        ("transactions", raw({**good, "surprise": 1}), Reason.WRONG_SCHEMA),
        ("searches", raw(search(occurred_at="2026-01-01T00:00:00")), Reason.WRONG_SCHEMA),
        ("searches", raw(search(recorded_at="2026-01-01T00:00:00")), Reason.WRONG_SCHEMA),
        ("transactions", raw({**good, "schema_version": 2}), Reason.UNKNOWN_VERSION),
        ("searches", raw(search_v2(schema_version=3)), Reason.UNKNOWN_VERSION),
        ("searches", raw(search(sort="price")), Reason.WRONG_SCHEMA),
        ("searches", raw(search(schema_version=2)), Reason.WRONG_SCHEMA),
        ("searches", raw(search_v2(sort="colour")), Reason.WRONG_SCHEMA),
        ("searches", raw(search_v2(sort=None)), Reason.WRONG_SCHEMA),
        ("searches", raw(search(schema_version=True)), Reason.WRONG_SCHEMA),
        ("searches", raw(search_v2(term="a\0b")), Reason.NULL_CHARACTER),
        ("searches", raw(search(kind="transactions")), Reason.UNKNOWN_KIND),
        ("searches", raw(search(term="a\0b")), Reason.NULL_CHARACTER),
        ("searches", raw(search()).replace(b'"term"', b'"term": "a\\u0000b", "term"'), Reason.NULL_CHARACTER),
        ("searches", raw(search(term="\\\0b")), Reason.NULL_CHARACTER),
        ("searches", raw(search(event_id=str(uuid4()))), Reason.NOT_UUID7),
        ("searches", raw(search(event_id=str(UUID(int=uuid7(now, 0).int ^ 3 << 76)))), Reason.NOT_UUID7),  # Version 4, with a time of now.
        ("searches", raw(search(event_id=str(uuid7(FIRST_DAY - timedelta(milliseconds=1), 0)))), Reason.NOT_UUID7),
        ("searches", raw(search(event_id=str(uuid7(LAST_DAY, 0)))), Reason.NOT_UUID7),
        ("searches", raw(search(occurred_at="1999-01-01T00:00:00Z")), Reason.IMPOSSIBLE_TIME),
        ("searches", raw(search(occurred_at="2020-01-01T00:00:00Z", recorded_at="2019-12-31T23:59:59Z")), Reason.IMPOSSIBLE_TIME),
        ("searches", raw(search(recorded_at="2100-01-01T00:00:00Z")), Reason.IMPOSSIBLE_TIME),
        ("searches", raw(search(occurred_at="2100-01-01T00:00:00Z", recorded_at="2099-12-31T23:59:59Z")), Reason.IMPOSSIBLE_TIME),
        ("searches", raw(search(occurred_at=(now + timedelta(seconds=5, microseconds=1)).isoformat(), recorded_at=now.isoformat())), Reason.CLOCK_AHEAD),
        ("searches", raw(search(occurred_at=(now + timedelta(minutes=5)).isoformat())), Reason.CLOCK_AHEAD),
        ("searches", raw(search(now + timedelta(hours=2))), Reason.CLOCK_AHEAD),
        ("transactions", raw({**good, "total_cents": good["total_cents"] + 1}), Reason.MONEY_IDENTITY),
        ("transactions", raw(broken_line), Reason.MONEY_IDENTITY),
        ("transactions", raw({**good, "status": "refunded"}), Reason.MONEY_IDENTITY),
        ("transactions", raw({**transaction(status="refunded"), "status": "paid"}), Reason.MONEY_IDENTITY),
        ("transactions", raw(transaction(total_cents=10**12 + 1)), Reason.WRONG_SCHEMA),
        ("transactions", raw(transaction(status="refunded", total_cents=-(10**12) - 1)), Reason.WRONG_SCHEMA),
        ("cart_events", raw(cart(quantity=10**9 + 1)), Reason.WRONG_SCHEMA),
        ("cart_events", raw(cart(quantity=-(10**9) - 1)), Reason.WRONG_SCHEMA),
        ("searches", raw(search(customer_id=-1)), Reason.WRONG_SCHEMA),
        ("searches", raw(search(customer_id=2**53 + 1)), Reason.WRONG_SCHEMA),
        ("transaction_items", raw({**item(), "status": "refunded"}), Reason.MONEY_IDENTITY),
        ("transactions", raw(other_price), Reason.MONEY_IDENTITY),
        ("transactions", raw(of_one_line(quantity=-1, unit_price_cents=-1000)), Reason.MONEY_IDENTITY),
        ("transactions", raw(of_one_line(discount_cents=-1, net_cents=1001, tax_cents=0, total_cents=1001)), Reason.MONEY_IDENTITY),
        ("transactions", raw(of_one_line(discount_cents=1001, net_cents=-1, tax_cents=1, total_cents=0)), Reason.MONEY_IDENTITY),
        ("transactions", raw(of_one_line(tax_cents=-1, total_cents=999)), Reason.MONEY_IDENTITY),
        ("transactions", raw(of_one_line("refunded", tax_cents=1, total_cents=-999)), Reason.MONEY_IDENTITY),
        ("transactions", raw(of_one_line("refunded", discount_cents=1, net_cents=-1001, tax_cents=0, total_cents=-1001)), Reason.MONEY_IDENTITY),
        ("transactions", raw(one_number), Reason.WRONG_SCHEMA),
        ("transaction_items", raw(item(category=None)), Reason.UNKNOWN_PRODUCT),
        ("transaction_items", raw(item(product_name=None)), Reason.UNKNOWN_PRODUCT),
        ("transaction_items", raw(item(unit_price_cents=1)), Reason.MONEY_IDENTITY),
        ("transaction_items", raw(item(discount_cents=1)), Reason.MONEY_IDENTITY),
        ("transaction_items", raw(item(tax_cents=1)), Reason.MONEY_IDENTITY),
        ("searches", raw(search(term="x" * 201)), Reason.WRONG_SCHEMA),
    ]


def event_id_of(body: dict[str, Any]) -> UUID:
    return UUID(body["event_id"])
