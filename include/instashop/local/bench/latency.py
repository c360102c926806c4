"""How long a fact takes from its row in the shop to a reader of Kafka, the warehouse, Redis and a browser."""

from __future__ import annotations

import json
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import datetime
from math import inf
from pathlib import Path

import msgspec
from confluent_kafka import TopicPartition
from redis import RedisError

from instashop import connect, live
from instashop.errors import InstaShopError
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
"""Events of the first seconds are left out: their way began before the look."""
PATIENCE_SECONDS = 20
"""The look goes on for so long after the last event; what was not seen by then counts as slower than everything else."""


class NothingToSee(InstaShopError):
    """No event of the shop was written in a span of {seconds:.0f} s; look at the generator's log."""


@dataclass
class Seen:
    """When things were seen, in Unix seconds."""

    kafka: list[tuple[float, float]] = field(default_factory=list)
    """When a row was written, and when a read-committed reader had it."""
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
    missed: int
    """How many of them were not seen at all; they are the slowest."""
    rate: Spread
    """Events a second of each span."""
    p50: Spread
    p90: Spread
    p99: Spread
    cores: Spread
    """How many of the machine's cores worked during each span, for anybody: near all of them, events queue for a core."""
    loop_ms: Spread
    """How long `meter.loop_ms` took before and after each span."""

    @classmethod
    def of(cls, spans: list[list[float]], seconds: float, cores: list[float], loops: list[float]) -> Delay:
        """Return the delay from what each event of each span took, in seconds, infinity if it was not seen; a span lasted so many seconds.

        Raises:
            NothingToSee: no event was written in a span.
        """
        ordered = [sorted(span) for span in spans]
        if not all(ordered):
            raise NothingToSee(seconds=seconds)
        p50, p90, p99 = (Spread.of(1000 * quantile(span, share) for span in ordered) for share in (0.5, 0.9, 0.99))
        missed, rate = sum(span.count(inf) for span in ordered), Spread.of(len(span) / seconds for span in ordered)
        return cls(sum(map(len, ordered)), missed, rate, p50, p90, p99, Spread.of(cores), Spread.of(loops))


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
            seen, began, worked = _look(settings, EDGE_SECONDS + seconds + PATIENCE_SECONDS, with_browser)
            cores.append(worked)
            loops.append(loop_ms())
            since = began + EDGE_SECONDS
            delays.append(delays_of(seen, *_kept(settings, since, since + seconds), since, since + seconds))
        found |= {name: Delay.of([delay[name] for delay in delays], seconds, cores, loops) for name in places}
    return found


def _look(settings: Settings, seconds: float, with_browser: bool) -> tuple[Seen, float, float]:
    """Return what was seen in so many seconds, when the look began, and how many cores of the machine worked meanwhile."""
    seen, stop = Seen(), threading.Event()
    looks = (_look_at_kafka, _look_at_warehouse, _look_at_spark)
    with _browser(settings, seen) if with_browser else nullcontext(), ThreadPoolExecutor(len(looks)) as threads:
        began, clock, busy = time.time(), time.monotonic(), busy_seconds()
        looking = [threads.submit(look, settings, seen, stop) for look in looks]
        try:
            wait(looking, seconds, FIRST_EXCEPTION)
        finally:
            stop.set()
        cores = (busy_seconds() - busy) / (time.monotonic() - clock)
        for look in looking:
            look.result()
    return seen, began, cores


def _look_at_kafka(settings: Settings, seen: Seen, stop: threading.Event) -> None:
    topics, decode = [s.name for s in STREAMS if s.database], msgspec.json.Decoder(_Recorded).decode
    with consumer(settings, "instashop-bench", **FOR_LONG) as client:
        ends = ends_of(client, [(place.topic, place.partition) for place in partitions_of(client, topics)])
        client.assign([TopicPartition(*place, end) for place, end in ends.items()])
        while not stop.is_set():
            message = client.poll(0.1)
            if message is not None and message.error() is None:
                seen.kafka.append((decode(message.value() or b"").recorded_at.timestamp(), time.time()))


def _look_at_warehouse(settings: Settings, seen: Seen, stop: threading.Event) -> None:
    with connect.warehouse(settings, "bench", autocommit=True) as dwh:
        while not stop.wait(WAREHOUSE_LOOK_SECONDS):
            row = dwh.execute("SELECT coalesce(sum(events), 0)::bigint FROM consumer_offsets", prepare=True).fetchone()
            seen.warehouse.append((time.time(), row[0] if row else 0))


def _look_at_spark(settings: Settings, seen: Seen, stop: threading.Event) -> None:
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


Row = tuple[str, int, int, float, datetime]
"""Topic, partition and offset of an event, when its row was written in Unix seconds, and its `arrived_at`."""


def _kept(settings: Settings, since: float, until: float) -> tuple[list[tuple[datetime, int]], list[Row]]:
    """Return the size of each of the consumer's batches, and the events that were written in a span."""
    with connect.warehouse(settings, "bench") as dwh:
        batches = dwh.execute("SELECT arrived_at, count(*) FROM realtime_events GROUP BY arrived_at ORDER BY arrived_at").fetchall()
        rows = dwh.execute(
            'SELECT topic, "partition", "offset", extract(epoch FROM recorded_at)::float8, arrived_at FROM realtime_events'
            " WHERE recorded_at >= to_timestamp(%s) AND recorded_at < to_timestamp(%s) AND kind <> 'transaction_items'",
            [since, until],
        ).fetchall()
    return batches, rows


def delays_of(seen: Seen, batches: list[tuple[datetime, int]], rows: list[Row], since: float, until: float) -> dict[str, list[float]]:
    """Return how many seconds each event of a span took to each place, infinity where it was not seen."""
    kafka = [at - recorded for recorded, at in seen.kafka if since <= recorded < until]
    committed = _committed(batches, seen.warehouse)
    ordered = sorted(batch for batch in seen.offsets if batch in seen.batches)
    shown = {batch: min(at for at, other in seen.screens if other >= batch) for batch in ordered if any(other >= batch for _at, other in seen.screens)}
    warehouse, redis, browser = [], [], []
    for topic, number, offset, recorded, arrived in rows:
        warehouse.append(committed.get(arrived, inf) - recorded)
        if BY_NAME[topic].live:
            batch = next((b for b in ordered if seen.offsets[b].get(topic, {}).get(str(number), 0) > offset), None)
            whose = batch if batch is not None and seen.offsets.get(batch - 1, {}).get(topic, {}).get(str(number), inf) <= offset else None
            redis.append(inf if whose is None else seen.batches[whose] - recorded)
            browser.append(inf if whose is None else shown.get(whose, inf) - recorded)
    for short in (kafka, warehouse):  # Who has fewer than the other has not seen the rest.
        short += [inf] * (max(len(kafka), len(warehouse)) - len(short))
    return dict(zip(PLACES, (kafka, warehouse, redis, browser), strict=True))


def _committed(batches: list[tuple[datetime, int]], looks: list[tuple[float, int]]) -> dict[datetime, float]:
    """Return when each of the consumer's batches was first seen, by its `arrived_at`."""
    counts, when, total = [count for _at, count in looks], {}, 0
    for arrived, count in batches:
        total += count
        index = bisect_left(counts, total)
        if 0 < index < len(looks):
            when[arrived] = looks[index][0]
    return when
