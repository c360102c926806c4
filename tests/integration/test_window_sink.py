"""The window sink of a query while its Redis is away, and its job while the first batch takes long."""

from __future__ import annotations

import threading
import time
from urllib.parse import urlsplit

import pytest
from redis import Redis, RedisError

from instashop.control import beats
from instashop.control.beats import BeatWriter
from instashop.live import SERVICE
from instashop.metrics import MEASURES, WRITER_KEY, window_key, window_of
from instashop.transport.loop import Pulse
from instashop.transport.window_sink import OnlyWriter, PatientSink, WindowSink
from spark_jobs.live_metrics import watch
from tests.gate import Gate
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


def test_a_stop_ends_the_waiting_and_the_batch_is_not_taken_for_written(redis, gate):
    stop = threading.Event()
    sink = PatientSink(WindowSink(redis, 1, 3600), stop)
    gate.close()
    stop.set()
    with pytest.raises(RedisError):
        sink.write(7, [_row()])


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
