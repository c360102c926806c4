"""The whole way under load, kills included; then things are broken on purpose, and the books must say so."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from uuid import UUID, uuid4

import pytest

from instashop import connect
from instashop.control import beats
from instashop.control.books import accept, verify
from instashop.control.books.explained import NeverCame
from instashop.control.trace import trace
from instashop.local import programs
from instashop.metrics import FILLED_KEY, LATE_SECONDS, MEASURES, PROGRESS_KEY, WINDOW_SECONDS, window_key
from instashop.transport.window_sink import WindowSink
from tests import bodies
from tests.integration.conftest import live_metrics, service
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(900)


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


def test_a_missing_warehouse_row_is_named(running, dwh):
    row = dwh.execute("DELETE FROM realtime_events WHERE event_id = (SELECT event_id FROM realtime_events WHERE kind = 'crm_interactions' LIMIT 1) RETURNING *")
    columns, values = [column.name for column in row.description], row.fetchone()
    try:
        failed = _failed(verify(running))
        assert list(failed) == [("warehouse", "crm_interactions")]
        assert str(values[0]) in failed["warehouse", "crm_interactions"]
    finally:
        values = [json.dumps(value) if isinstance(value, dict) else value for value in values]
        quoted = ", ".join(f'"{name}"' for name in columns)
        dwh.execute(f"INSERT INTO realtime_events ({quoted}) VALUES ({', '.join(['%s'] * len(values))})", values)
    assert verify(running).balanced


def test_one_changed_cent_in_redis_is_named(running):
    redis = connect.redis(running)
    starts = sorted(int(key.split(":")[1]) for key in redis.scan_iter("window:*"))
    start = starts[-2]
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


def test_an_emptied_redis_is_filled_again_to_the_cent(running):
    redis = connect.redis(running)
    closed = {key for key in redis.scan_iter("window:*") if int(key.split(":")[1]) < time.time() - WINDOW_SECONDS - LATE_SECONDS}
    redis.flushall()
    wait_until(lambda: redis.get(FILLED_KEY), 60, "Redis filled again")
    assert closed <= set(redis.scan_iter("window:*"))
    assert verify(running).balanced


def test_a_batch_waits_for_a_redis_that_is_away_and_the_spark_job_goes_on(running):
    def beat() -> beats.Beat:
        return beats.read(running.run_dir, "live_metrics")

    job, redis = beat().pid, connect.redis(running)
    mark = redis.get(FILLED_KEY)
    with service("generator", running, "--rate", "100"):
        programs.stop(running, ["redis"], 20)
        try:
            wait_until(lambda: beat().state == "waiting" and "waits for Redis" in beat().message, 30, "a batch that waits")
        finally:
            programs.start(running, "redis")
        wait_until(lambda: beat().state == "running", 30, "the job at work again")
    wait_until(lambda: redis.get(FILLED_KEY) not in (None, mark), 60, "Redis filled again")
    assert beat().pid == job
    verdict = verify(running, wait_seconds=60)
    assert verdict.balanced, verdict.describe()


def test_what_fills_a_window_gives_what_is_missing_and_leaves_what_is_newer(running):
    redis = connect.redis(running)
    start = sorted(int(key.split(":")[1]) for key in redis.scan_iter("window:*"))[-2]
    key, row = window_key(start), dict.fromkeys(MEASURES, 0) | {"start": start, "category": None, "product_id": None, "product_name": None}
    before = redis.hgetall(key)
    checkpoint, batch, _at = map(int, before["written"].split())
    lost = next(field for field in before if field.startswith("category:"))
    redis.hdel(key, lost)
    try:
        missing = {**row, **json.loads(before[lost]), "category": lost.partition(":")[2]}
        WindowSink(redis, checkpoint, running.live_expiry_seconds).write(batch - 1, [row, missing], fill=True)
        assert redis.hgetall(key) == before
    finally:
        redis.hset(key, lost, before[lost])


def test_an_older_value_never_replaces_a_newer_one(running):
    redis = connect.redis(running)
    start = sorted(int(key.split(":")[1]) for key in redis.scan_iter("window:*"))[-2]
    before = redis.hgetall(window_key(start))
    row = dict.fromkeys(json.loads(before["total"]), 0) | {"start": start, "category": None, "product_id": None, "product_name": None}
    checkpoint, batch, _at = map(int, before["written"].split())
    WindowSink(redis, checkpoint, running.live_expiry_seconds).write(batch - 1, [row])
    WindowSink(redis, checkpoint - 1, running.live_expiry_seconds).write(batch + 100, [row])
    assert redis.hgetall(window_key(start)) == before


def test_a_foreign_message_and_a_foreign_repeat_are_named_until_a_person_accepts_them(running, dwh):
    """Last here: a message in Kafka cannot be taken back."""
    foreign, ours = bodies.search(), _a_kept(dwh, "cart_events")
    producer = connect.kafka_producer(running, "somebody-else")
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce("searches", bodies.raw(foreign), "x")
    producer.produce("cart_events", bodies.raw(ours), "x")
    producer.commit_transaction(30)
    producer.close()
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
