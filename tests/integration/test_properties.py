"""Promises under whatever order of things hypothesis finds, on a real Postgres and a real Redis."""

from __future__ import annotations

import json
import threading
import time
from contextlib import ExitStack

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instashop import connect
from instashop.metrics import MEASURES, window_key
from instashop.transport.consumer import WarehouseSink
from instashop.transport.loop import Batch
from instashop.transport.producer import Feed, FeedReader
from instashop.transport.window_sink import WindowSink
from tests import bodies

SHOPPERS = 3
REAL = settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

steps = st.lists(
    st.tuples(st.sampled_from(["insert", "insert", "commit", "rollback", "read"]), st.integers(0, SHOPPERS - 1)),
    min_size=5,
    max_size=40,
)


@pytest.fixture(scope="module")
def shoppers(stack):
    """Connections whose transactions overlap as the steps want."""
    with ExitStack() as opened:
        yield [opened.enter_context(connect.shop(stack, f"shopper-{number}")) for number in range(SHOPPERS)]


@REAL
@given(steps=steps, limit=st.integers(1, 7))
def test_the_cursor_publishes_each_committed_row_once_however_transactions_overlap(stack, shop, shoppers, steps, limit):
    with connect.feed(stack, "instashop", "test", autocommit=True) as connection:
        reader = FeedReader([Feed("instashop", connection, limit)], 0.0, threading.Event())
        reader.seek({"instashop": _end_of_feed(shop)})
        read: list[str] = []
        committed: set[str] = set()
        pending: list[set[str]] = [set() for _ in shoppers]
        for action, who in steps:
            if action == "insert":
                pending[who].add(_insert(shoppers[who]))
            elif action == "read":
                read += _ids(reader)
            else:
                getattr(shoppers[who], action)()
                committed |= pending[who] if action == "commit" else set()
                pending[who] = set()
        for shopper in shoppers:
            shopper.rollback()
        while found := _ids(reader):
            read += found
    assert len(read) == len(set(read))
    assert set(read) == committed


def _end_of_feed(shop) -> dict[str, tuple[int, int]]:
    top = shop.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint - 1").fetchone()[0]
    return dict.fromkeys(("products", "transactions", "user_behavior", "searches", "cart_events"), (top, 2**62))


def _insert(connection) -> str:
    body = bodies.search()
    connection.execute(
        "INSERT INTO searches (event_id, occurred_at, session_id, query, term, results) VALUES (%s, %s, %s, 'typed', 'kettle', 1)",
        [body["event_id"], body["occurred_at"], body["session_id"]],
    )
    return body["event_id"]


def _ids(reader) -> list[str]:
    return [json.loads(row.body)["event_id"] for row in reader.read().records]


awkward = st.text(st.sampled_from("\t\n\r\b\f\\\"'/.Nux0\0{}é\u2028\ufffd😀\ud83d\ude00\x7f") | st.characters(exclude_categories=()), max_size=30)


class _Message:
    """A message of topic `searches` as Kafka's client gives it."""

    def __init__(self, offset: int, body: bytes) -> None:
        self._offset, self._body = offset, body

    def topic(self):
        return "searches"

    def partition(self):
        return 0

    def offset(self):
        return self._offset

    def key(self):
        return b"awkward"

    def value(self):
        return self._body

    def timestamp(self):
        return 2, int(time.time() * 1000)


@REAL
@given(terms=st.lists(awkward, min_size=1, max_size=5), escaped=st.booleans())
def test_whatever_a_text_holds_the_warehouse_gives_back_the_same_payload(connections, terms, escaped):
    """A text with U+0000 or half a surrogate pair is no text for Postgres: it is refused, and its bytes are kept."""
    sent = [bodies.search(term=term) for term in terms]
    raw = [json.dumps(body, ensure_ascii=escaped).encode(errors="surrogatepass") for body in sent]
    db = connections[0]
    with db.transaction(force_rollback=True):
        sink = WarehouseSink(db)
        begin = sink.position()["searches", 0]
        messages = [_Message(begin + n, body) for n, body in enumerate(raw)]
        sink.write(Batch(messages, {("searches", 0): begin + len(messages)}))
        kept = dict(db.execute("SELECT event_id::text, payload FROM realtime_events WHERE event_id = ANY(%s::uuid[])", [_event_ids(sent)]).fetchall())
        buried = {bytes(body) for (body,) in db.execute("SELECT body FROM dead_letters WHERE message_key = 'awkward'")}
    for body, came in zip(sent, raw, strict=True):
        if _is_text(json.loads(came.decode(errors="surrogatepass"))["term"]):
            assert kept[body["event_id"]] == json.loads(came)
            assert came not in buried
        else:
            assert body["event_id"] not in kept
            assert came in buried


def _event_ids(sent) -> list[str]:
    return [body["event_id"] for body in sent]


def _is_text(term: str) -> bool:
    return "\0" not in term and not any("\ud800" <= character <= "\udfff" for character in term)


writes = st.lists(st.tuples(st.integers(1, 3), st.integers(0, 4)), min_size=1, max_size=12)


@REAL
@given(writes=writes)
def test_a_window_ends_with_its_newest_value_however_batches_are_replayed(stack, writes):
    """Each write is (checkpoint, batch); the value is told by both, as a batch's rows always are the same."""
    redis, start = connect.redis(stack), 4_000_000_020
    redis.delete(window_key(start))
    for checkpoint, batch in writes:
        row = dict.fromkeys(MEASURES, 100 * checkpoint + batch) | {"start": start, "category": None, "product_id": None, "product_name": None}
        WindowSink(redis, checkpoint, 3600).write(batch, [row])
    checkpoint, batch = max(writes)
    assert json.loads(redis.hget(window_key(start), "total"))["events"] == 100 * checkpoint + batch
    redis.delete(window_key(start))
