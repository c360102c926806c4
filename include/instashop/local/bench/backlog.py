"""Producer, consumer, enricher and Spark against a backlog of the generator's own mix."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition

from instashop import connect, live
from instashop.errors import InstaShopError
from instashop.local.bench import meter
from instashop.local.bench.meter import Spread
from instashop.local.progress import wait
from instashop.metrics import PROGRESS_KEY, reached
from instashop.settings import ROOT, Settings
from instashop.streams import CURSORS, PARTITIONS, STREAMS, of_database
from instashop.transport import enricher
from instashop.transport.prepare import prepare, prepare_topics


class DidNotFinish(InstaShopError):
    """{what} did not come to its end within {seconds:.0f} s; its last words: {said}"""


@dataclass(frozen=True)
class Carried:
    """What a service did with its backlog, over several runs; CPU seconds are for a million records."""

    service: str
    records: int
    rate: Spread
    own: Spread
    postgres: Spread
    kafka: Spread
    memory_mb: Spread
    loop_ms: Spread
    """How long `meter.loop_ms` took before and after each run."""


def make(settings: Settings, seconds: int) -> None:
    """Let the generator fill the shop for so many seconds at its highest rate, with nobody reading.

    Raises:
        DidNotFinish: it ended with an error.
    """
    prepare(settings)
    command = [sys.executable, "-m", "instashop", "generator", "--rate", "5000", "--duration", str(seconds)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise DidNotFinish(what="the generator", seconds=seconds, said=f"{ended.stdout}{ended.stderr}"[-2000:])


def shop_rows(settings: Settings) -> int:
    """Return how many rows the producer has to publish."""
    with connect.shop(settings, "bench") as shop, connect.crm(settings, "bench") as crm:
        databases = {"instashop": shop, "crm_db": crm}
        return sum(_count(connection, stream.table) for name, connection in databases.items() for stream in of_database(name))


def _count(connection: object, table: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # type: ignore[attr-defined]


def run(settings: Settings, runs: int, say: Callable[[str], None]) -> list[Carried]:
    """Measure producer, enricher and consumer one after the other, each on what the one before left."""
    rows = shop_rows(settings)
    results = [_measure(settings, "producer", rows, runs, _forget_topics, say)]
    with connect.shop(settings, "bench") as shop:
        orders = _count(shop, "transactions")
        items = int(shop.execute("SELECT sum(json_array_length(lines)) FROM transactions WHERE status IN ('paid', 'refunded')").fetchone()[0])  # type: ignore[index]
    results.append(_measure(settings, "enricher", orders, runs, _forget_items, say))
    results.append(_measure(settings, "consumer", rows + items, runs, _forget_warehouse, say))
    return results


def _measure(settings: Settings, service: str, records: int, runs: int, forget: Callable[[Settings], None], say: Callable[[str], None]) -> Carried:
    figures, loops = [], []
    for number in range(1, runs + 1):
        if number > 1:
            forget(settings)
        loops.append(meter.loop_ms())
        postgres, kafka = meter.server_pids(settings, meter.POSTGRES), meter.server_pids(settings, meter.KAFKA)
        before = meter.cpu_seconds(postgres), meter.cpu_seconds(kafka)
        command = [sys.executable, "-m", "instashop.local.bench.carry", service, str(records)]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
        loops.append(meter.loop_ms())
        if ended.returncode:
            raise DidNotFinish(what=service, seconds=600, said=ended.stderr[-2000:])
        figure = json.loads(ended.stdout)
        million = 1e6 / figure["records"]
        figure |= {"postgres": (meter.cpu_seconds(postgres) - before[0]) * million, "kafka": (meter.cpu_seconds(kafka) - before[1]) * million}
        figure |= {"rate": figure["records"] / figure["seconds"], "own": figure["cpu_seconds"] * million}
        figures.append(figure)
        say(
            f"{service} run {number}: {figure['rate']:,.0f}/s, {figure['own']:.1f} + {figure['postgres']:.1f} CPU-s a million, loop {loops[-2]:.0f} and {loops[-1]:.0f} ms"
        )
    spreads = [Spread.of(figure[name] for figure in figures) for name in ("rate", "own", "postgres", "kafka", "memory_mb")]
    spreads.append(Spread.of(loops))
    return Carried(service, figures[0]["records"], *spreads)


def _forget_topics(settings: Settings) -> None:
    """Empty every topic, so that the producer begins at the first row."""
    _empty(settings, {CURSORS, *(s.name for s in STREAMS)})


def _empty(settings: Settings, names: set[str]) -> None:
    """Remove topics and make them again."""
    admin = connect.kafka_admin(settings)
    for future in admin.delete_topics(list(names)).values():
        future.result()
    if said := wait(lambda: "they are still listed" if names & set(admin.list_topics(timeout=10).topics) else None, threading.Event(), 60):
        raise DidNotFinish(what="removing the topics", seconds=60, said=said)
    prepare_topics(settings)


def _forget_items(settings: Settings) -> None:
    """Let the enricher begin at the first order, with no items: who reads them next must not meet each several times."""
    _empty(settings, {"transaction_items"})
    places = [TopicPartition("transactions", number, 0) for number in range(PARTITIONS)]
    admin, request = connect.kafka_admin(settings), ConsumerGroupTopicPartitions(enricher.GROUP, places)
    for future in admin.alter_consumer_group_offsets([request]).values():
        future.result()


def _forget_warehouse(settings: Settings) -> None:
    with connect.warehouse(settings, "bench", autocommit=True) as dwh:
        dwh.execute("TRUNCATE realtime_events, dead_letters, consumer_offsets")


def spark(settings: Settings, runs: int, say: Callable[[str], None]) -> Spread:
    """Return how many events the Spark job takes for a CPU second of its driver, executor and Python, after its first batch."""
    found = []
    for number in range(1, runs + 1):
        found.append(_spark_from_the_first_event(settings))
        say(f"Spark run {number}: {found[-1]:,.0f} events for a CPU second")
    return Spread.of(found)


def _spark_from_the_first_event(settings: Settings) -> float:
    redis = connect.redis(settings)
    redis.delete(PROGRESS_KEY)
    shutil.rmtree(live.checkpoint(settings)[0].parent)
    with _job(settings):
        first = _progress(settings, lambda progress: True)
        cpu, rows = meter.cpu_seconds(meter.spark_pids(settings)), sum(reached(first).values())
        last = _progress(settings, lambda progress: progress["behind"] <= 0)
        return (sum(reached(last).values()) - rows) / (meter.cpu_seconds(meter.spark_pids(settings)) - cpu)


def _progress(settings: Settings, enough: Callable[[dict], bool]) -> dict:  # type: ignore[type-arg]
    redis, tick, until = connect.redis(settings), threading.Event(), time.monotonic() + 300
    while time.monotonic() < until:
        progress = json.loads(redis.get(PROGRESS_KEY) or "null")
        if progress and enough(progress):
            return dict(progress)
        tick.wait(0.1)
    raise DidNotFinish(what="the Spark job", seconds=300, said=str(settings.log_dir / "bench-live_metrics.log"))


@contextmanager
def _job(settings: Settings) -> Iterator[None]:
    with (settings.log_dir / "bench-live_metrics.log").open("ab") as log:
        job = subprocess.Popen(live.submit_command(settings), env=live.submit_environment(settings), stdout=log, stderr=log, cwd=ROOT)
        try:
            yield
        finally:
            job.terminate()
            job.wait(60)
