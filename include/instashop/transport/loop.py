"""The one loop: read, write with the position in one transaction, beat. Every service is this loop with another source and sink."""

from __future__ import annotations

import _thread
import gc
import logging
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import FrameType
from typing import Any, Protocol

import psycopg
from confluent_kafka import KafkaException
from redis import RedisError

from instashop import connect
from instashop.control import lease
from instashop.control.beats import Beat, BeatWriter, State
from instashop.errors import CursorAhead, CursorMissing, CursorOfAnotherShop, InstaShopError, OffsetsAhead, OffsetsMissing, RowsAhead, first_line
from instashop.settings import Settings

log = logging.getLogger(__name__)

PASSING = (
    psycopg.OperationalError,
    psycopg.errors.ReadOnlySqlTransaction,  # A standby that is not promoted yet. psycopg takes this and the next for faults of the server's own code.
    psycopg.errors.IdleInTransactionSessionTimeout,
    KafkaException,
    BufferError,
    RedisError,
    InstaShopError,
)
"""Faults after which the work is taken up again from the stored position."""

FINAL = (CursorMissing, CursorOfAnotherShop, CursorAhead, RowsAhead, OffsetsMissing, OffsetsAhead)
"""Faults that no waiting mends; the service ends with them."""


@dataclass(frozen=True)
class Batch:
    """What was read in one go, and the position after it."""

    records: Sequence[Any]
    position: Any
    newest_recorded_at: datetime | None = None
    lag_events: int | None = None
    lag_seconds: float | None = None


class Source(Protocol):
    """Where records come from; `read` waits a little for some and returns an empty batch when none came."""

    def seek(self, position: Any) -> None:
        """Begin after this position, as the sink had stored it."""

    def read(self) -> Batch:
        """Return the next records, in their order."""


class Sink(Protocol):
    """Where records go. `write` stores records and position together, or neither."""

    def position(self) -> Any:
        """Return the stored position."""

    def write(self, batch: Batch) -> None:
        """Return once records and position are stored for good."""


Work = Callable[[], AbstractContextManager[tuple[Source, Sink]]]


@dataclass
class Pulse:
    """Counts what a service has done and says it at most once in a beat's time."""

    service: str
    settings: Settings
    writer: BeatWriter
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    events_total: int = 0
    _next: float = 0.0
    _marks: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=60))
    _newest: datetime | None = None

    def beat(self, state: State, message: str = "", batch: Batch | None = None, now: bool = False) -> None:
        """Write a beat if it is time, or at once if asked."""
        if batch is not None:
            self._newest = batch.newest_recorded_at or self._newest
        clock = time.monotonic()
        if not now and clock < self._next:
            return
        self._marks.append((clock, self.events_total))
        while len(self._marks) > 2 and clock - self._marks[0][0] > 10:
            self._marks.popleft()
        (since, then), (until, total) = self._marks[0], self._marks[-1]
        rate = (total - then) / (until - since) if until > since else 0.0
        self.writer.write(
            Beat(
                service=self.service,
                pid=os.getpid(),
                started_at=self.started_at,
                at=datetime.now(UTC),
                state=state,
                message=message,
                events_total=self.events_total,
                events_per_second=round(rate, 2),
                lag_events=batch.lag_events if batch else None,
                lag_seconds=batch.lag_seconds if batch else None,
                awake=clock,
                newest_recorded_at=self._newest,
            )
        )
        self._next = time.monotonic() + self.settings.beat_seconds


def move(source: Source, sink: Sink, stop: threading.Event, pulse: Callable[[Batch], None]) -> None:
    """Carry batches from source to sink until the stop is asked for."""
    source.seek(sink.position())
    while not stop.is_set():
        batch = source.read()
        if batch.records:
            sink.write(batch)
        pulse(batch)


def run_service(service: str, work: Work, settings: Settings, stop: threading.Event) -> None:
    """Run a service in the foreground until the stop is asked for or its lifetime ends; return normally then.

    Passing faults are logged and the work is taken up again; nothing is lost, since the position is stored with the records.

    Raises:
        LeaseTaken: this service already runs here.
        CursorMissing, CursorOfAnotherShop, CursorAhead, RowsAhead, OffsetsMissing, OffsetsAhead: no waiting mends it.
    """
    gc.freeze()  # What was imported stays; Python's collector need not look at it again with every few thousand events.
    with lease.take(settings.run_dir, service):
        pulse = Pulse(service, settings, BeatWriter(settings.run_dir, connect.redis(settings)))
        pulse.beat("starting", now=True)

        def carried(batch: Batch) -> None:
            pulse.events_total += len(batch.records)
            pulse.beat("running", batch=batch)

        with lifetime(settings, stop):
            _work_on(work, stop, pulse, carried)
        pulse.beat("stopped", now=True)
        log.info("%s stopped cleanly after %d events", service, pulse.events_total)


def _work_on(work: Work, stop: threading.Event, pulse: Pulse, carried: Callable[[Batch], None]) -> None:
    """Open a session and carry batches; after a passing fault, open another."""
    pause = 0.2
    while not stop.is_set():
        began = time.monotonic()
        try:
            _session(work, stop, pulse, carried)
        except FINAL:
            raise
        except PASSING as error:
            _wait(error, pulse, stop, pause)
            pause = 0.2 if time.monotonic() - began > 30 else min(pause * 2, 3)


def _session(work: Work, stop: threading.Event, pulse: Pulse, carried: Callable[[Batch], None]) -> None:
    """Carry batches in one session; source and sink go with it."""
    with ExitStack() as open_things:
        with beating(pulse, "starting"):
            source, sink = open_things.enter_context(work())
        move(source, sink, stop, carried)


def _wait(error: Exception, pulse: Pulse, stop: threading.Event, seconds: float) -> None:
    message = first_line(error)
    log.warning("%s; trying again in %.1f s", message, seconds)
    pulse.beat("waiting", message, now=True)
    stop.wait(seconds)


def wait_for(ready: Callable[[], None], stop: threading.Event, pulse: Pulse) -> bool:
    """Ask until nothing passing is raised, saying what is waited for; return False when the stop came first."""
    while not stop.is_set():
        try:
            with beating(pulse, "starting"):
                ready()
            return True
        except PASSING as error:
            _wait(error, pulse, stop, 3)
    return False


@contextmanager
def beating(pulse: Pulse, state: State) -> Iterator[None]:
    """Beat beside a call that may take long, such as the opening of a session."""
    with every(pulse.settings.beat_seconds, lambda: pulse.beat(state)):
        yield


@contextmanager
def every(seconds: float, work: Callable[[], object]) -> Iterator[None]:
    """Do something every so many seconds beside a call that may take long."""
    done = threading.Event()

    def again() -> None:
        while not done.wait(seconds):
            work()

    thread = threading.Thread(target=again, name="beside", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@contextmanager
def lifetime(settings: Settings, stop: threading.Event) -> Iterator[None]:
    """Ask for the stop when the service has lived as long as it may."""
    timer = threading.Timer(settings.service_lifetime_seconds, stop.set)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def stop_on_signals() -> threading.Event:
    """Return a flag that SIGTERM and Ctrl-C set."""
    stop = threading.Event()

    def ask(number: int, _frame: FrameType | None) -> None:
        log.info("%s: finishing the batch, then stopping", signal.Signals(number).name)
        _thread.start_new_thread(stop.set, ())  # Not here: the thread that was interrupted may hold the flag's own lock.

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
    return stop
