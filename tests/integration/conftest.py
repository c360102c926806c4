"""One stack of real servers for all integration tests: Postgres, three brokers, Redis, Spark. `./instashop test` starts it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import NoReturn, Self
from uuid import UUID

import psycopg
import pytest
from confluent_kafka import Message

from instashop import connect, live
from instashop.errors import InstaShopError
from instashop.events import Refusal, judge_of
from instashop.settings import ROOT, Settings, load
from instashop.streams import BY_NAME
from instashop.transport import consumer, producer, topics
from instashop.transport.loop import Batch
from instashop.transport.prepare import prepare, prepare_warehouse
from tests.waiting import PATIENCE, wait_until


@pytest.fixture(scope="session")
def stack() -> Settings:
    """The settings of the running test stack, with tables and topics made."""
    settings = load()
    try:
        prepare(settings)
    except InstaShopError as error:
        _no_stack(error)
    topics.FOR_LONG["fetch.wait.max.ms"] = str(connect.AT_ONCE_MS)  # No service of a test stays.
    return settings


def _no_stack(error: InstaShopError) -> NoReturn:
    pytest.fail(f"no test stack is running ({error}); run the suite by `./instashop test`", pytrace=False)


@pytest.fixture(scope="session")
def shop(stack: Settings) -> Iterator[psycopg.Connection]:
    with connect.shop(stack, "test", autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def dwh(stack: Settings) -> Iterator[psycopg.Connection]:
    with connect.warehouse(stack, "test", autocommit=True) as connection:
        yield connection


def in_kafka(settings: Settings, topic: str) -> list[UUID]:
    """Return the ids of the events in a topic."""
    with topics.consumer(settings, "test") as client:
        messages = list(topics.ToEnd(client, [topic]))
    verdicts = map(judge_of(topic, BY_NAME[topic].event_type), (message.value() for message in messages))
    return [event.event_id for event in verdicts if not isinstance(event, Refusal)]


def next_batch(source) -> Batch:
    """Return the next batch that has something in it."""
    read: list[Batch] = []
    wait_until(lambda: read.append(source.read()) or read[-1].records, 20, "something to read")
    return read[-1]


def carry(source, sink, partitions: int = 1) -> None:
    """Move everything that waits in so many partitions at least; a killed member of the group may still hold some for seconds."""
    idle = 0
    while idle < 3 or len(source._at_end) < partitions or not all(source._at_end.values()):
        batch = source.read()
        idle = 0 if batch.records else idle + 1
        if batch.records:
            sink.write(batch)


def publish(settings: Settings) -> None:
    """Let the producer bring what is in the shop now to Kafka, once the horizon has passed it."""
    with connect.shop(settings, "test", autocommit=True) as shop, producer.work(settings, threading.Event())() as (source, sink):
        now, passed = _snapshot(shop, "xmax"), False
        source.seek(sink.position())
        while True:
            passed = _snapshot(shop, "xmin") >= now
            batch = source.read()
            if batch.records:
                sink.write(batch)
            elif passed:
                break
    wait_until(lambda: _ends(settings, "read_committed") == _ends(settings, "read_uncommitted"), 30, "the end of every transaction in Kafka")


def _snapshot(shop: psycopg.Connection, bound: str) -> int:
    return shop.execute(f"SELECT pg_snapshot_{bound}(pg_current_snapshot())::text::bigint").fetchone()[0]  # type: ignore[index]


def _ends(settings: Settings, isolation: str) -> dict[tuple[str, int], int]:
    with topics.consumer(settings, "test", **{"isolation.level": isolation}) as client:
        return topics.ends_of(client, [(p.topic, p.partition) for p in topics.partitions_of(client, consumer.TOPICS)])


def drain(settings: Settings) -> None:
    """Let the consumer bring what waits in Kafka to the warehouse."""
    with consumer.work(settings, threading.Event())() as (source, sink):
        source.seek(sink.position())
        carry(source, sink, len(_ends(settings, "read_committed")))


@contextmanager
def once_a_reader_waits(release: Callable[[], object], looks: int = 20) -> Iterator[None]:
    """Release what keeps a reader from the end of a topic once it has looked so often in vain; at the end it has waited for that."""
    arrived, vain, released = topics.ToEnd.arrived, 0, False

    def looked(reader: topics.ToEnd, seconds: float = 0) -> list[Message]:
        nonlocal vain, released
        found = arrived(reader, seconds)
        vain = vain + 1 if seconds and not found else 0
        if vain == looks and not released:
            released = True
            release()
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(topics.ToEnd, "arrived", looked)
        yield
    assert released, "Nobody waited."


JAVA_TOLD_TO_END = 128 + signal.SIGTERM
"""The exit status of spark-submit once it was told to end."""


class Process:
    """A service as a process of its own, with what it said; it runs until its `with` ends."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str], settings: Settings, ends_with: int = 0) -> None:
        settings.log_dir.mkdir(parents=True, exist_ok=True)
        self.name, self._command, self._environment, self._ends_with = name, command, environment, ends_with
        self._log = (settings.log_dir / f"test-{name}.log").open("a")
        self.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        self.process = subprocess.Popen(self._command, env=self._environment, cwd=ROOT, stdout=self._log, stderr=self._log, start_new_session=True)

    def kill(self) -> None:
        """SIGKILL the whole process group, and start it again."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.start()

    def stop(self) -> None:
        """Ask it to end, which it does by itself, soon and well."""
        self.process.terminate()
        try:
            status = self.process.wait(20 * PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            status = self.process.wait()
        self._log.close()
        assert status == self._ends_with, f"{self.name} ended with {status}, not {self._ends_with}; its last words are in {self._log.name}"


def service(name: str, settings: Settings, *options: str) -> Process:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "include")}
    return Process(name, [sys.executable, "-m", "instashop", name, *options], environment, settings)


def live_metrics(settings: Settings) -> Process:
    """The Spark job, submitted as Airflow does."""
    return Process("live_metrics", live.submit_command(settings), live.submit_environment(settings), settings, JAVA_TOLD_TO_END)


def live_metrics_by_hand(settings: Settings, **environment: str) -> Process:
    """The Spark job, submitted by the README's own line, with more environment."""
    line = next(line for line in (ROOT / "README.md").read_text().splitlines() if "spark-submit" in line)
    assert "spark://127.0.0.1:7077" in line
    line = line.replace("spark://127.0.0.1:7077", settings.spark_master)
    return Process("live_metrics", ["bash", "-c", line], {**os.environ, **environment}, settings, JAVA_TOLD_TO_END)


@pytest.fixture(scope="session")
def connections() -> Iterator[tuple[psycopg.Connection, psycopg.Connection]]:
    """Two connections to a warehouse with all its tables; no other server is needed."""
    settings = load()
    try:
        prepare_warehouse(settings)
    except InstaShopError as error:
        _no_stack(error)
    with connect.warehouse(settings, "test", autocommit=True) as one, connect.warehouse(settings, "test", autocommit=True) as other:
        yield one, other


def _forget(db: psycopg.Connection) -> None:
    db.execute("DROP TABLE IF EXISTS realtime_events_20210304")
    for table in ("rollups.hours", "rollups.days"):
        db.execute(f"DELETE FROM {table} WHERE start < '2022-01-01'")
    for table in ("transactions", "transaction_items", "user_behavior", "searches", "cart_events"):
        db.execute(f"DELETE FROM warehouse.{table} WHERE occurred_at < '2022-01-01'")


@pytest.fixture
def day_of_2021(connections: tuple[psycopg.Connection, psycopg.Connection]) -> Iterator[datetime]:
    """A day of which nothing else knows, with a partition; what a test leaves in it goes."""
    db, day = connections[0], datetime(2021, 3, 4, tzinfo=UTC)
    _forget(db)
    low, high = (db.execute("SELECT warehouse.first_id(%s)", [moment]).fetchone()[0] for moment in (day, day + timedelta(days=1)))  # type: ignore[index]
    db.execute(f"CREATE TABLE realtime_events_20210304 PARTITION OF realtime_events FOR VALUES FROM ('{low}') TO ('{high}')")
    yield day
    _forget(db)
