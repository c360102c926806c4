"""The whole way under load, kills included; then things are broken on purpose, and the books must say so.

All of it in one file, however long: what it breaks is one way of services, which takes a minute to stand.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from instashop import connect, sql
from instashop.control import beats
from instashop.control.books import accept, verify
from instashop.control.books.explained import NeverCame
from instashop.control.books.windows import compare_windows
from instashop.control.trace import trace
from instashop.events import item_id, judge_of
from instashop.local import programs
from instashop.metrics import FILLED_KEY, LATE_SECONDS, MEASURES, PROGRESS_KEY, WINDOW_SECONDS, window_key
from instashop.settings import ROOT
from instashop.streams import BY_NAME
from instashop.transport.topics import ToEnd, consumer
from instashop.transport.window_sink import WindowSink
from tests import bodies
from tests.integration.conftest import live_metrics, service
from tests.integration.rows import insert
from tests.strangers import send, writing
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(900)

KEYS = {
    "transactions": "customer_id",
    "transaction_items": "customer_id",
    "crm_interactions": "customer_id",
    "user_behavior": "session_id",
    "searches": "session_id",
    "cart_events": "session_id",
    "products": "product_id",
}
"""Whose events keep their order: the customer's, the session's, the product's."""
STRANGERS = (b"stranger", b"x")
"""Keys of what tests before these have sent to the topics."""


@pytest.fixture(scope="module")
def running(stack):
    """Every service and the Spark job at work, after each of them was killed under load."""
    with ExitStack() as opened:
        processes = {name: opened.enter_context(service(name, stack)) for name in ("producer", "enricher", "consumer")}
        spark = opened.enter_context(live_metrics(stack))
        redis = connect.redis(stack)
        redis.delete(PROGRESS_KEY)
        begun = time.time()
        with service("generator", stack, "--rate", "400"):
            for name in ("producer", "consumer", "enricher", "producer", "consumer", "enricher"):
                count = _arrived(stack)
                wait_until(lambda count=count: _arrived(stack) > count + 200, 60, f"{name} at work")
                processes[name].kill()
            second = opened.enter_context(service("consumer", stack, "--member", "2"))
            for _ in range(2):
                wait_until(lambda: _carried(stack, "consumer-2") > 500, 60, "the second consumer at its share")
                second.kill()
            wait_until(lambda: redis.get(PROGRESS_KEY), 300, "Spark's first batch")
            spark.kill()
            count = _arrived(stack)
            wait_until(lambda: _arrived(stack) > count + 2000, 60, "the way open again")
            wait_until(lambda: _in_closed_windows(redis, begun) > 1000, 90, "a window under load that is closed")
        yield stack


def _arrived(settings) -> int:
    with connect.warehouse(settings, "test") as connection:
        return connection.execute("SELECT coalesce(sum(events), 0) FROM consumer_offsets").fetchone()[0]


def _carried(settings, service_name) -> int:
    beat = beats.read(settings.run_dir, service_name)
    return beat.events_total if beat else 0


def _in_closed_windows(redis, begun: float) -> int:
    ended = time.time() - WINDOW_SECONDS - LATE_SECONDS
    starts = [start for key in redis.scan_iter("window:*") if begun < (start := int(key.split(":")[1])) < ended]
    return sum(json.loads(redis.hget(window_key(start), "total"))["events"] for start in starts)


def _fullest(redis) -> tuple[int, int]:
    """Return the begin of the closed window with the most events, and how many they are."""
    closed = time.time() - WINDOW_SECONDS - LATE_SECONDS
    starts = [start for key in redis.scan_iter("window:*") if (start := int(key.split(":")[1])) < closed]
    assert len(starts) > 1  # Others stay as they are.
    events, start = max((json.loads(redis.hget(window_key(start), "total"))["events"], start) for start in starts)
    return start, events


def _failed(verdict) -> dict[tuple[str, str], str]:
    return {(line.stage, line.stream): line.detail for line in verdict.lines if not line.ok}


def test_the_books_balance_after_every_service_was_killed_under_load(running):
    verdict = verify(running, wait_seconds=120)
    assert verdict.balanced, verdict.describe()
    counts = {line.stream: line.events for line in verdict.lines if line.stage == "warehouse"}
    assert counts["transactions"] > 3000
    assert counts["transaction_items"] > 1000
    windows = next(line for line in verdict.lines if line.stage == "windows")
    assert windows.events > 1000


def test_every_message_has_the_key_that_keeps_its_order(running, shop):
    with connect.crm(running, "test") as crm, consumer(running, "test") as client:
        for topic, field in KEYS.items():
            stream = BY_NAME[topic]
            source = crm if stream.database == "crm_db" else shop
            table = stream.table if stream.database else "transactions"
            ours = {row[0] for row in source.execute(f"SELECT event_id FROM {table}")}
            judge = judge_of(topic, stream.event_type)
            found = [(message.key(), judge(message.value())) for message in ToEnd(client, [topic]) if message.key() not in STRANGERS]
            events = [(key.decode(), event) for key, event in found if getattr(event, "transaction_event_id", getattr(event, "event_id", None)) in ours]
            assert events, topic
            assert [event for key, event in events if key != str(getattr(event, field))] == [], topic


@contextmanager
def _away(dwh, table: str, where: str, values: list) -> Iterator[None]:
    """Take a row out of the warehouse for a while."""
    with dwh.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(f"DELETE FROM {table} WHERE {where} RETURNING *", values).fetchone()
    try:
        yield
    finally:
        insert(dwh, table, {name: Jsonb(value) if isinstance(value, dict) else value for name, value in row.items()})


@pytest.mark.parametrize("kind", ["crm_interactions", "transaction_items"])
def test_a_missing_warehouse_row_is_named(running, dwh, kind):
    assert verify(running).balanced  # Its window is added up while it is there.
    event_id = _a_kept(dwh, kind)["event_id"]
    with _away(dwh, "realtime_events", "event_id = %s", [event_id]):
        failed = _failed(verify(running))
        assert list(failed) == [("warehouse", kind)]
        assert f"not in warehouse: {event_id}" in failed["warehouse", kind]
    assert verify(running).balanced


def _searched(shop, **given) -> tuple[str, int]:
    """Write a search into the shop, and return its id and its transaction."""
    body = bodies.search()
    insert(shop, "searches", {**_columns(body), "query": "typed", **given})
    return shop.execute("SELECT event_id::text, txid::text FROM searches WHERE event_id = %s", [body["event_id"]]).fetchone()


def _columns(body: dict) -> dict:
    """Return an event as a row of the shop."""
    return {name: Jsonb(value) if isinstance(value, list) else value for name, value in body.items() if name not in ("kind", "txid")}


def test_a_row_of_the_shop_that_never_reached_kafka_is_named(running, shop):
    passed = _searched(shop)[1]
    _searched(shop)
    assert verify(running).balanced
    lost, _txid = _searched(shop, txid=passed)
    try:
        failed = _failed(verify(running))
        assert list(failed) == [("kafka", "searches")]
        assert f"not in Kafka: {lost}" in failed["kafka", "searches"]
        assert "-1 event" in failed["kafka", "searches"]
    finally:
        shop.execute("DELETE FROM searches WHERE event_id = %s", [lost])
    assert verify(running).balanced


def test_a_row_that_the_producer_is_not_shown_is_named(running, shop):
    feed = sql.statement("shop/32_feed_searches")
    shop.execute(f"{feed} WHERE e.results <> 404")
    hidden, _txid = _searched(shop, results=404)
    try:
        _searched(shop)  # The producer goes on behind it.
        failed = _failed(verify(running))
        assert set(failed) == {("shop", "searches"), ("kafka", "searches")}
        assert "the producer is shown 1 rows of 2" in failed["shop", "searches"]
        assert f"not in Kafka: {hidden}" in failed["kafka", "searches"]
    finally:
        shop.execute(feed)
        shop.execute("DELETE FROM searches WHERE event_id = %s", [hidden])
    assert verify(running).balanced


def test_a_letter_that_is_gone_is_missed(running, dwh):
    key = str(uuid4())
    send(running, ("searches", b"no event", key))
    assert verify(running).balanced
    with _away(dwh, "dead_letters", "message_key = %s", [key]):
        failed = _failed(verify(running))
        assert list(failed) == [("dead", "searches")]
        assert failed["dead", "searches"].endswith("letters differ")
    assert verify(running).balanced


def test_a_window_that_is_gone_is_named_and_the_command_says_so_as_json(running):
    redis = connect.redis(running)
    start, events = _fullest(redis)
    key = window_key(start)
    kept = redis.hgetall(key)
    redis.delete(key)
    try:
        told = _verified_as_json(1)
        assert told["balanced"] is False
        (line,) = (line for line in told["stages"] if not line["ok"])
        assert (line["stage"], line["stream"]) == ("windows", "all")
        assert line["expected_events"] - line["events"] == events
        assert f"{datetime.fromtimestamp(start, UTC):%H:%M:%S} " in line["detail"]
        assert "events None instead of " in line["detail"]
    finally:
        redis.hset(key, mapping=kept)
        redis.expireat(key, start + WINDOW_SECONDS + running.live_expiry_seconds)
    told = _verified_as_json(0)
    assert told["balanced"] is True
    assert told["horizon"] > 0
    assert all(line["ok"] for line in told["stages"])


def _verified_as_json(status: int) -> dict:
    done = subprocess.run([sys.executable, "-m", "instashop", "verify", "--json"], cwd=ROOT, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_an_aborted_transaction_of_kafka_is_seen_by_nobody(running, shop, dwh):
    """Rows of the shop with the same keys come behind it: who has passed them has passed it."""
    search, order = bodies.search(), bodies.transaction()
    with writing(running) as taken_back:
        taken_back.produce("searches", bodies.raw(search), search["session_id"])
        taken_back.produce("transactions", bodies.raw(order), "7")
        taken_back.flush(30)
        taken_back.abort_transaction(30)
    _searched(shop, session_id=search["session_id"])
    behind = bodies.transaction()
    insert(shop, "transactions", _columns(behind))
    seen = "SELECT count(*) FROM realtime_events WHERE event_id = ANY(%s::uuid[])"
    wait_until(lambda: dwh.execute(seen, [_made_of(behind)]).fetchone() == (3,), 60, "what came behind")
    verdict = verify(running)
    assert verdict.balanced, verdict.describe()
    never = [search["event_id"], *_made_of(order)]
    assert dwh.execute(seen, [never]).fetchone() == (0,)
    assert dwh.execute("SELECT count(*) FROM dead_letters WHERE event_id = ANY(%s::uuid[])", [never]).fetchone() == (0,)


def _made_of(order: dict) -> list[str]:
    """Return the ids of a transaction and of its items."""
    event_id = UUID(order["event_id"])
    return [str(event_id), *(str(item_id(event_id, line["line"])) for line in order["lines"])]


def test_one_changed_cent_in_redis_is_named(running):
    redis = connect.redis(running)
    start, _events = _fullest(redis)
    right = redis.hget(window_key(start), "total")
    values = json.loads(right)
    redis.hset(window_key(start), "total", json.dumps({**values, "revenue_cents": values["revenue_cents"] + 1}))
    try:
        failed = _failed(verify(running))
        assert list(failed) == [("windows", "all")]
        assert f"revenue_cents {values['revenue_cents'] + 1} instead of {values['revenue_cents']}" in failed["windows", "all"]
    finally:
        redis.hset(window_key(start), "total", right)
    assert verify(running).balanced


def test_a_group_of_a_window_that_the_warehouse_lacks_is_named(running):
    redis = connect.redis(running)
    start, _events = _fullest(redis)
    redis.hset(window_key(start), "category:Ghosts", json.dumps(dict.fromkeys(MEASURES, 1)))
    try:
        failed = _failed(verify(running))
        assert list(failed) == [("windows", "all")]
        assert f"{datetime.fromtimestamp(start, UTC):%H:%M:%S} category:Ghosts: events 1 instead of None" in failed["windows", "all"]
    finally:
        redis.hdel(window_key(start), "category:Ghosts")
    assert verify(running).balanced


def test_an_emptied_redis_is_filled_again_to_the_cent(running):
    redis = connect.redis(running)
    closed = {key for key in redis.scan_iter("window:*") if int(key.split(":")[1]) < time.time() - WINDOW_SECONDS - LATE_SECONDS}
    redis.flushall()
    wait_until(lambda: redis.get(FILLED_KEY), 60, "Redis filled again")
    assert closed <= set(redis.scan_iter("window:*"))
    assert verify(running).balanced


def test_a_redis_that_is_lost_when_the_books_look_at_its_windows_is_waited_for(running, monkeypatch):
    looks = []

    def lost_at_first(*given):
        if not looks:
            connect.redis(running).flushdb()
        looks.append(compare_windows(*given))
        return looks[-1]

    monkeypatch.setattr("instashop.control.books.round.compare_windows", lost_at_first)
    verdict = verify(running)
    assert [line.ok for line in looks] == [False, True]
    assert verdict.balanced, verdict.describe()


def test_a_batch_waits_for_a_redis_that_is_away_and_the_spark_job_goes_on(running):
    def beat() -> beats.Beat:
        return beats.read(running.run_dir, "live_metrics")

    job, redis = beat().pid, connect.redis(running)
    mark = redis.get(FILLED_KEY)
    with service("generator", running, "--rate", "100"):
        programs.stop(running, ["redis"])
        try:
            wait_until(lambda: beat().state == "waiting" and "waits for Redis" in beat().message, 30, "a batch that waits")
        finally:
            programs.start(running, "redis")
        wait_until(lambda: beat().state == "running", 30, "the job at work again")
    wait_until(lambda: redis.get(FILLED_KEY) not in (None, mark), 60, "Redis filled again")
    assert beat().pid == job
    verdict = verify(running, wait_seconds=60)
    assert verdict.balanced, verdict.describe()


def test_what_fills_a_window_gives_what_is_missing_leaves_what_is_newer_and_marks_the_window_anew(running):
    redis = connect.redis(running)
    start, _events = _fullest(redis)
    key, row = window_key(start), dict.fromkeys(MEASURES, 0) | {"start": start, "category": None, "product_id": None, "product_name": None}
    before = redis.hgetall(key)
    checkpoint, batch, _at = map(int, before["written"].split())
    lost = next(field for field in before if field.startswith("category:"))
    redis.hdel(key, lost)
    try:
        missing = {**row, **json.loads(before[lost]), "category": lost.partition(":")[2]}
        WindowSink(redis, checkpoint, running.live_expiry_seconds).write(batch - 1, [row, missing], fill=True)
        after = redis.hgetall(key)
        assert {**after, "written": ""} == {**before, "written": ""}
        assert after["written"] != before["written"]  # Who keeps the window under its mark reads it again.
        assert after["written"].split()[:2] == before["written"].split()[:2]
    finally:
        redis.hset(key, lost, before[lost])


def test_an_older_value_never_replaces_a_newer_one(running):
    redis = connect.redis(running)
    start, _events = _fullest(redis)
    before = redis.hgetall(window_key(start))
    row = dict.fromkeys(json.loads(before["total"]), 0) | {"start": start, "category": None, "product_id": None, "product_name": None}
    checkpoint, batch, _at = map(int, before["written"].split())
    WindowSink(redis, checkpoint, running.live_expiry_seconds).write(batch - 1, [row])
    WindowSink(redis, checkpoint - 1, running.live_expiry_seconds).write(batch + 100, [row])
    assert redis.hgetall(window_key(start)) == before


def test_a_foreign_message_and_a_foreign_repeat_are_named_until_a_person_accepts_them(running, dwh):
    """Last here: a message in Kafka cannot be taken back."""
    foreign, ours = bodies.search(), _a_kept(dwh, "cart_events")
    send(running, ("searches", bodies.raw(foreign), "x"), ("cart_events", bodies.raw(ours), "x"))
    failed = _failed(verify(running))
    assert foreign["event_id"] in failed["kafka", "searches"]
    assert ours["event_id"] in failed["kafka", "cart_events"]
    assert dwh.execute("SELECT count(*) FROM realtime_events WHERE event_id = %s", [ours["event_id"]]).fetchone() == (1,)

    with pytest.raises(NeverCame):
        accept(running, [uuid4()], "a typing error")
    accept(running, [UUID(foreign["event_id"]), UUID(ours["event_id"])], "sent by a test")
    assert verify(running, wait_seconds=90).balanced  # The window that had counted the repeat twice is filled again.
    assert "accepted as foreign" in trace(running, foreign["event_id"])
    assert verify(running, whole=True).balanced


def _a_kept(dwh, kind: str) -> dict:
    """Return the newest event of a kind, as it came."""
    found = dwh.execute("SELECT payload FROM realtime_events WHERE kind = %s ORDER BY txid DESC LIMIT 1", [kind]).fetchone()
    return found[0]
