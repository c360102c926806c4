"""The window sink of a query while its Redis is away."""

from __future__ import annotations

import threading
import time
from urllib.parse import urlsplit

import pytest
from redis import Redis, RedisError

from instashop.metrics import MEASURES, window_key, window_of
from instashop.transport.window_sink import PatientSink, WindowSink
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
