"""The window sink of a query while its Redis is away, the keeper of a Redis that is lost, and their job while the first batch takes long.

In one file, a little long: all of it looks at one Redis, through one gate.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from redis import Redis, RedisError

from instashop.control import beats
from instashop.control.beats import BeatWriter
from instashop.control.books.windows import _in_warehouse
from instashop.live import SERVICE
from instashop.metrics import FILLED_KEY, FILLING_KEY, MEASURES, WINDOW_SECONDS, WRITER_KEY, window_key, window_of
from instashop.transport import refill
from instashop.transport.loop import Pulse
from instashop.transport.refill import Keeper, filled_mark
from instashop.transport.topics import consumer, ends_of
from instashop.transport.window_sink import OnlyWriter, PatientSink, WindowSink
from spark_jobs.live_metrics import watch
from tests import bodies
from tests.gate import Gate
from tests.integration.conftest import drain
from tests.integration.rows import keep
from tests.strangers import writing
from tests.waiting import wait_until


@pytest.fixture
def gate(stack):
    server = urlsplit(stack.redis_url)
    gate = Gate(server.hostname or "", server.port or 0)
    yield gate
    gate.close()


@pytest.fixture
def redis(stack, gate):
    """A client through the gate, of a database that is nobody else's."""
    client = Redis.from_url(gate.url(stack.redis_url, "/2"), decode_responses=True)
    client.flushdb()
    yield client
    gate.close()
    gate.open()
    client.flushdb()


def _row() -> dict[str, object]:
    return {"start": window_of(time.time()), "category": None, "product_id": None, "product_name": None, **dict.fromkeys(MEASURES, 1)}


def test_a_batch_waits_until_redis_is_back_and_is_whole_then(redis, gate):
    sink, row = PatientSink(WindowSink(redis, 1, 3600), threading.Event()), _row()
    gate.close()
    writing = threading.Thread(target=sink.write, args=(7, [row]))
    writing.start()
    wait_until(lambda: "batch 7 waits for Redis" in sink.trouble, 10, "a batch that waits")
    gate.open()
    writing.join(10)
    assert not writing.is_alive()
    assert not sink.trouble
    assert redis.hexists(window_key(row["start"]), "total")


@pytest.mark.parametrize(
    ("ill", "well", "says"),
    [
        ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 256mb", "maxmemory"),
        ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE", "read only"),
        ("CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0", "NOREPLICAS"),
    ],
    ids=["full", "read-only", "without its replica"],
)
def test_a_batch_waits_for_a_redis_that_takes_no_writes(redis, ill, well, says):
    sink, row = PatientSink(WindowSink(redis, 1, 3600), threading.Event()), _row()
    redis.execute_command(ill)
    try:
        writing = threading.Thread(target=sink.write, args=(7, [row]))
        writing.start()
        wait_until(lambda: "batch 7 waits for Redis" in sink.trouble, 10, "a batch that waits")
        assert says in sink.trouble
    finally:
        redis.execute_command(well)
    writing.join(10)
    assert not writing.is_alive()
    assert redis.hexists(window_key(row["start"]), "total")


def test_a_window_of_very_many_products_is_written_whole(redis):
    rows = [{**_row(), "product_id": number, "product_name": "Kettle"} for number in range(5000)]
    WindowSink(redis, 1, 3600).write(7, rows)
    assert redis.hlen(window_key(rows[0]["start"])) == 5001


def test_what_fills_a_window_changes_nothing_that_the_same_batch_wrote(redis):
    sink, row = WindowSink(redis, 1, 3600), _row()
    sink.write(7, [row])
    sink.write(7, [{**row, "events": 0}, {**row, "category": "Toys"}], fill=True)
    assert json.loads(redis.hget(window_key(row["start"]), "total"))["events"] == 1
    assert redis.hexists(window_key(row["start"]), "category:Toys")
    mark = redis.hget(window_key(row["start"]), "written")
    sink.write(7, [{**row, "category": "Toys"}], now=time.time() + 1, fill=True)
    assert redis.hget(window_key(row["start"]), "written") == mark


def test_a_newer_checkpoint_leaves_nothing_of_an_older_one_in_a_window(redis):
    row = _row()
    WindowSink(redis, 1, 3600).write(7, [row, {**row, "category": "Toys"}])
    WindowSink(redis, 2, 3600).write(0, [{**row, "category": "Books"}])
    assert set(redis.hgetall(window_key(row["start"]))) == {"category:Books", "written"}


def test_a_stop_ends_the_waiting_and_the_batch_is_not_taken_for_written(redis, gate):
    stop = threading.Event()
    sink = PatientSink(WindowSink(redis, 1, 3600), stop)
    gate.close()
    stop.set()
    with pytest.raises(RedisError):
        sink.write(7, [_row()])


@pytest.fixture
def kept_window(dwh, monkeypatch) -> Iterator[str]:
    """The key of a window of which the warehouse has one event; a keeper looks whenever it is asked."""
    monkeypatch.setattr(refill, "LOOK_SECONDS", 0)
    monkeypatch.setattr(refill, "AGAIN_SECONDS", 0)
    now = datetime.now(UTC)
    event_id = keep(dwh, "searches", now)
    yield window_key(window_of(now.timestamp()))
    dwh.execute("DELETE FROM realtime_events WHERE event_id = %s", [event_id])


def _progress(batch: int, searches: int = 0, began: datetime | None = None) -> dict[str, object]:
    """Spark's progress; its last trigger began just now."""
    began = began or datetime.now(UTC)
    return {"checkpoint_ms": 1, "batch": batch, "began": began.isoformat(), "end_offsets": {"searches": {"0": searches}}}


FAR = 10**9
"""An offset that the warehouse does not reach."""


def _pending(redis, stack) -> Keeper:
    """Return a keeper that has noticed an empty Redis at batch 100, and waits for the warehouse."""
    keeper = Keeper(stack, redis, nullcontext)
    for _ in range(3):
        keeper.look(_progress(100, FAR))
    assert redis.get(FILLED_KEY) is None
    return keeper


def test_a_redis_that_is_emptied_again_before_it_is_filled_is_filled_as_of_later(stack, redis, kept_window):
    keeper = _pending(redis, stack)
    redis.flushdb()
    for _ in range(2):
        keeper.look(_progress(200))
    assert redis.hget(kept_window, "written").startswith("1 200 ")
    assert redis.get(FILLED_KEY) == filled_mark(redis, 1)
    assert not redis.exists(FILLING_KEY)


def test_a_batch_that_was_under_way_when_redis_was_lost_is_part_of_what_it_is_filled_as_of(stack, redis, kept_window):
    keeper, before = Keeper(stack, redis, nullcontext), datetime.now(UTC)
    for _ in range(3):
        keeper.look(_progress(100, began=before))
    assert redis.get(FILLED_KEY) is None
    keeper.look(_progress(101))
    assert redis.hget(kept_window, "written").startswith("1 101 ")
    assert redis.get(FILLED_KEY) == filled_mark(redis, 1)


def test_what_a_transaction_took_back_is_nothing_to_wait_for_and_what_one_committed_is(stack, redis, kept_window):
    drain(stack)

    def ended(commit: bool) -> int:
        """Write five events into a partition, and return where it ends then."""
        with writing(stack) as writer:
            for _ in range(5):
                writer.produce("searches", bodies.raw(bodies.search()), "7", partition=0)
            writer.flush(30)
            writer.commit_transaction(30) if commit else writer.abort_transaction(30)
        with consumer(stack, "test", **{"isolation.level": "read_uncommitted"}) as client:
            return ends_of(client, [("searches", 0)])["searches", 0]

    keeper = Keeper(stack, redis, nullcontext)
    committed = ended(commit=True)
    for _ in range(3):
        keeper.look(_progress(100, committed))
    assert redis.get(FILLED_KEY) is None
    drain(stack)
    keeper.look(_progress(100, committed))
    assert redis.get(FILLED_KEY) == filled_mark(redis, 1)
    redis.flushdb()
    taken_back = ended(commit=False)
    wait_until(lambda: keeper.look(_progress(200, taken_back)) or redis.get(FILLED_KEY) == filled_mark(redis, 1), 20, "a filled Redis")


def test_a_checkpoint_that_is_back_writes_over_what_a_younger_one_has_left(stack, redis, kept_window):
    redis.hset(kept_window, mapping={"total": '{"events": 99}', "written": "2 7 0"})
    redis.set(FILLED_KEY, filled_mark(redis, 2))
    keeper = Keeper(stack, redis, nullcontext)
    for _ in range(2):
        keeper.look(_progress(100))
    assert redis.hget(kept_window, "written").startswith("1 100 ")
    assert json.loads(redis.hget(kept_window, "total"))["events"] != 99
    assert redis.get(FILLED_KEY) == filled_mark(redis, 1)


def test_a_checkpoint_that_was_set_back_adds_to_no_window_of_its_later_batches(stack, redis, kept_window):
    redis.hset(kept_window, mapping={"total": '{"events": 99}', "product:7:Kettle": '{"events": 99}', "written": "1 500 0"})
    redis.set(FILLED_KEY, filled_mark(redis, 1))
    keeper = Keeper(stack, redis, nullcontext)
    keeper.look(_progress(300))
    assert redis.hget(kept_window, "written") == "1 500 0"
    for _ in range(3):
        keeper.look(_progress(300), went_back=True)
    assert redis.hget(kept_window, "written").startswith("1 300 ")
    assert json.loads(redis.hget(kept_window, "total"))["events"] != 99
    assert not redis.hexists(kept_window, "product:7:Kettle")
    assert redis.get(FILLED_KEY) == filled_mark(redis, 1)


def test_a_window_of_a_time_to_come_is_filled_too(stack, redis, dwh):
    ahead = datetime.now(UTC) + timedelta(minutes=50)  # By a shop's clock that is wrong by less than an hour.
    event_id = keep(dwh, "searches", ahead)
    try:
        assert refill.refill(stack, redis, _progress(100))
        assert redis.hexists(window_key(window_of(ahead.timestamp())), "total")
    finally:
        dwh.execute("DELETE FROM realtime_events WHERE event_id = %s", [event_id])


def test_a_window_that_another_text_has_said_is_added_up_again(dwh, kept_window):
    start = int(kept_window.removeprefix("window:"))

    def events() -> int:
        return _in_warehouse(dwh, start, start + WINDOW_SECONDS)[start, "total"]["events"]

    true = events()
    dwh.execute("UPDATE kept_windows SET measures = jsonb_set(measures, '{events}', '99') WHERE start = %s AND field = 'total'", [start])
    assert events() == 99  # It is kept, and not added up again for nothing.
    dwh.execute("UPDATE kept_windows SET measures = '{\"text\": \"another\"}' WHERE start = %s AND field = ''", [start])
    assert events() == true


@pytest.mark.parametrize("saved", [FILLED_KEY, FILLING_KEY])
def test_a_redis_that_comes_back_older_before_it_is_filled_loses_what_it_brings(stack, redis, kept_window, saved):
    keeper = _pending(redis, stack)
    redis.flushdb()
    redis.set(saved, "1 another-run")
    redis.hset(kept_window, mapping={"written": "1 150 0", "total": "of batch 90", "product:7:Kettle": "of batch 90"})
    for _ in range(2):
        keeper.look(_progress(200))
    assert json.loads(redis.hget(kept_window, "total"))["events"] >= 1
    assert not redis.hexists(kept_window, "product:7:Kettle")
    assert redis.get(FILLED_KEY) == filled_mark(redis, 1)


def test_a_redis_that_is_emptied_while_it_is_filled_does_not_count_as_full(stack, redis, kept_window):
    losses = [redis.flushdb]

    @contextmanager
    def losing():
        yield
        if losses:
            losses.pop()()

    keeper = Keeper(stack, redis, losing)
    for _ in range(2):
        keeper.look(_progress(100))
    assert not losses
    assert redis.get(FILLED_KEY) is None
    for _ in range(2):
        keeper.look(_progress(100))
    assert redis.get(FILLED_KEY) == filled_mark(redis, 1)
    assert redis.hexists(kept_window, "total")


def test_a_window_is_kept_for_one_hour_after_its_end(stack, redis):
    row = _row()
    WindowSink(redis, 1, stack.live_expiry_seconds).write(7, [row])
    assert redis.expiretime(window_key(row["start"])) == row["start"] + WINDOW_SECONDS + 3600


class _NoBatchYet:
    """A query in its first batch."""

    isActive = True
    lastProgress = None


def test_a_first_batch_that_takes_long_is_no_hang_and_its_job_stays_the_only_writer(stack, redis, tmp_path):
    stop, writer = threading.Event(), OnlyWriter(redis)
    pulse = Pulse(SERVICE, stack, BeatWriter(tmp_path, redis))
    watching = threading.Thread(target=watch, args=(_NoBatchYet(), PatientSink(WindowSink(redis, 1, 3600), stop), stop, pulse, stack, 1, writer))
    watching.start()
    try:
        wait_until(lambda: beats.read(tmp_path, SERVICE), 10, "a beat")
        first = beats.read(tmp_path, SERVICE)
        redis.expire(WRITER_KEY, 2)
        wait_until(lambda: beats.read(tmp_path, SERVICE).at > first.at, 10, "a later beat")
        wait_until(lambda: redis.ttl(WRITER_KEY) > 2, 10, "the right to write, renewed")
    finally:
        stop.set()
        watching.join(10)
    assert beats.read(tmp_path, SERVICE).state == "starting"
