"""How long a fact takes from its row in the shop to a reader of Kafka, the warehouse, Redis and a browser."""

from __future__ import annotations

import json
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import TopicPartition
from redis import RedisError

from instashop import connect, live
from instashop.local import chromium
from instashop.local.bench.meter import Spread, busy_seconds, loop_ms, quantile
from instashop.metrics import WINDOW_SECONDS, WRITTEN_FIELD, Mark, window_key, window_of
from instashop.settings import Settings
from instashop.streams import BY_NAME, STREAMS
from instashop.transport.topics import FOR_LONG, consumer, ends_of, partitions_of

PLACES = ("Kafka", "warehouse", "Redis", "browser")
WAREHOUSE_LOOK_SECONDS, SPARK_LOOK_SECONDS = 0.02, 0.25
"""Pauses between two looks: the warehouse's is how exact its delay is, a batch of Spark carries its own time. Looking costs what is looked at."""
EDGE_SECONDS = 5
"""Events of the first and last seconds are left out: their way began before, or ended after, the look."""


@dataclass
class Seen:
    """When things were seen, in Unix seconds."""

    kafka: list[float] = field(default_factory=list)
    """Delays of a read-committed reader."""
    warehouse: list[tuple[float, int]] = field(default_factory=list)
    """How many events the warehouse had, at each look."""
    batches: dict[int, float] = field(default_factory=dict)
    """When Spark's batch was in Redis, by its own mark."""
    offsets: dict[int, dict[str, dict[str, int]]] = field(default_factory=dict)
    """Where each batch of Spark ended, from its checkpoint."""
    screens: list[tuple[float, int]] = field(default_factory=list)
    """When a browser showed a batch for the first time."""


class _Recorded(msgspec.Struct):
    recorded_at: datetime


@dataclass(frozen=True)
class Delay:
    """How long facts took to one place, in milliseconds, over several spans."""

    events: int
    p50: Spread
    p90: Spread
    p99: Spread
    cores: Spread
    """How many of the machine's cores worked during each span, for anybody: near all of them, events queue for a core."""
    loop_ms: Spread
    """How long `meter.loop_ms` took before and after each span."""

    @classmethod
    def of(cls, spans: list[list[float]], cores: list[float], loops: list[float]) -> Delay:
        """Return the delay from the seconds that each event of each span took."""
        ordered = [sorted(span) for span in spans if span]
        p50, p90, p99 = (Spread.of(1000 * quantile(span, share) for span in ordered) for share in (0.5, 0.9, 0.99))
        return cls(sum(map(len, ordered)), p50, p90, p99, Spread.of(cores), Spread.of(loops))


def measure(settings: Settings, seconds: float, spans: int, say: Callable[[str], None]) -> dict[str, Delay]:
    """Return the delay to each place over some spans; events of the shop only, no items.

    The clock starts when the row is written, so the commit itself is part of it. A browser on the same cores takes as much as the
    whole platform does, so it is looked at in spans of its own.
    """
    found: dict[str, Delay] = {}
    for with_browser, places in ((False, PLACES[:-1]), (True, PLACES[-1:])):
        delays, cores, loops = [], [], [loop_ms()]
        for number in range(1, spans + 1):
            say(f"delays, span {number} of {spans}{' with a browser' if with_browser else ''}")
            seen, began, worked = _look(settings, seconds, with_browser)
            cores.append(worked)
            loops.append(loop_ms())
            delays.append(_delays(settings, seen, began + EDGE_SECONDS, began + seconds - EDGE_SECONDS))
        found |= {name: Delay.of(each, cores, loops) for name in places if any(each := [delay[name] for delay in delays])}
    return found


def _look(settings: Settings, seconds: float, with_browser: bool) -> tuple[Seen, float, float]:
    """Return what was seen in so many seconds, when the look began, and how many cores of the machine worked meanwhile."""
    seen, stop = Seen(), threading.Event()
    began = time.time()
    looks = (_look_at_kafka, _look_at_warehouse, _look_at_spark)
    threads = [threading.Thread(target=look, args=(settings, seen, stop, began)) for look in looks]
    with _browser(settings, seen) if with_browser else nullcontext():
        for thread in threads:
            thread.start()
        clock, busy = time.monotonic(), busy_seconds()
        stop.wait(seconds)
        cores = (busy_seconds() - busy) / (time.monotonic() - clock)
        stop.set()
        for thread in threads:
            thread.join()
    return seen, began, cores


def _look_at_kafka(settings: Settings, seen: Seen, stop: threading.Event, began: float) -> None:
    topics, decode = [s.name for s in STREAMS if s.database], msgspec.json.Decoder(_Recorded).decode
    with consumer(settings, "instashop-bench", **FOR_LONG) as client:
        ends = ends_of(client, [(place.topic, place.partition) for place in partitions_of(client, topics)])
        client.assign([TopicPartition(*place, end) for place, end in ends.items()])
        while not stop.is_set():
            message = client.poll(0.1)
            if message is not None and message.error() is None:
                recorded = decode(message.value() or b"").recorded_at.timestamp()
                if recorded > began + EDGE_SECONDS:
                    seen.kafka.append(time.time() - recorded)


def _look_at_warehouse(settings: Settings, seen: Seen, stop: threading.Event, _began: float) -> None:
    with connect.warehouse(settings, "bench", autocommit=True) as dwh:
        while not stop.wait(WAREHOUSE_LOOK_SECONDS):
            row = dwh.execute("SELECT coalesce(sum(events), 0)::bigint FROM consumer_offsets", prepare=True).fetchone()
            seen.warehouse.append((time.time(), row[0] if row else 0))


def _look_at_spark(settings: Settings, seen: Seen, stop: threading.Event, _began: float) -> None:
    redis, folder = connect.redis(settings), live.checkpoint(settings)[0] / "offsets"
    while not stop.wait(SPARK_LOOK_SECONDS):
        now = window_of(time.time())
        with suppress(RedisError):
            for start in (now, now - WINDOW_SECONDS):
                mark = redis.hget(window_key(start), WRITTEN_FIELD)
                if mark:
                    written = Mark.read(str(mark))
                    seen.batches.setdefault(written.batch, written.written_ms / 1000)
        for file in folder.iterdir():
            if file.name.isdigit() and int(file.name) not in seen.offsets:
                with suppress(OSError, ValueError):
                    seen.offsets[int(file.name)] = json.loads(file.read_text().splitlines()[2])


@contextmanager
def _browser(settings: Settings, seen: Seen) -> Iterator[None]:
    """Keep the Live page open at its quickest refresh; note when each batch of Spark is on it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = chromium.launch(playwright)
        page = browser.new_page()
        page.goto(f"http://{settings.host}:{settings.dashboard_port}/")
        page.get_by_text("1 s", exact=True).first.click()
        page.evaluate(Path(__file__).with_name("screens.js").read_text(encoding="utf-8"))
        yield
        seen.screens = [(at, batch) for at, batch in page.evaluate("window.screensSeen")]
        browser.close()


def _delays(settings: Settings, seen: Seen, since: float, until: float) -> dict[str, list[float]]:
    with connect.warehouse(settings, "bench") as dwh:
        batches = dwh.execute("SELECT arrived_at, count(*) FROM realtime_events GROUP BY arrived_at ORDER BY arrived_at").fetchall()
        rows = dwh.execute(
            'SELECT topic, "partition", "offset", extract(epoch FROM recorded_at)::float8, arrived_at FROM realtime_events'
            " WHERE recorded_at BETWEEN to_timestamp(%s) AND to_timestamp(%s) AND kind <> 'transaction_items'",
            [since, until],
        ).fetchall()
    committed = _committed(batches, seen.warehouse)
    ordered = sorted(batch for batch in seen.offsets if batch in seen.batches)
    shown = {batch: min(at for at, other in seen.screens if other >= batch) for batch in ordered if any(other >= batch for _at, other in seen.screens)}
    warehouse, redis, browser = [], [], []
    for topic, number, offset, recorded, arrived in rows:
        if arrived in committed:
            warehouse.append(committed[arrived] - recorded)
        if BY_NAME[topic].live:
            batch = next((b for b in ordered if seen.offsets[b].get(topic, {}).get(str(number), 0) > offset), None)
            if batch is not None and batch - 1 in seen.offsets and seen.offsets[batch - 1].get(topic, {}).get(str(number), 0) <= offset:
                redis.append(seen.batches[batch] - recorded)
                if batch in shown:
                    browser.append(shown[batch] - recorded)
    return dict(zip(PLACES, (seen.kafka, warehouse, redis, browser), strict=True))


def _committed(batches: list[Any], looks: list[tuple[float, int]]) -> dict[datetime, float]:
    """Return when each of the consumer's batches was first seen, by its `arrived_at`."""
    counts, when, total = [count for _at, count in looks], {}, 0
    for arrived, count in batches:
        total += count
        index = bisect_left(counts, total)
        if 0 < index < len(looks):
            when[arrived] = looks[index][0]
    return when
