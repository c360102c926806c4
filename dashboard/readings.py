"""What the dashboard knows: one background reader takes a snapshot of Redis, and now and then of the warehouse. The only clients are here."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row
from redis import Redis, RedisError

from instashop import connect
from instashop.control import beats
from instashop.control.beats import Beat
from instashop.errors import InstaShopError, RedisUnreachable
from instashop.metrics import PLATFORM_KEY, PROGRESS_KEY, WINDOW_SECONDS, WRITTEN_FIELD, window_key, window_of
from instashop.settings import Settings

log = logging.getLogger(__name__)

SNAPSHOT_SECONDS = 0.5
WAREHOUSE_SECONDS = 5.0


@dataclass(frozen=True)
class Window:
    """One window as Redis keeps it: the measures of its total and of each category, and the mark of its last writing."""

    start: int
    total: Mapping[str, int]
    categories: Mapping[str, Mapping[str, int]]
    written: str = ""


@dataclass(frozen=True)
class Progress:
    """How far Spark's last batch came; `at` is in Unix seconds."""

    at: float
    batch: int = 0
    behind: int = 0
    rows_per_second: float = 0.0
    batch_seconds: float = 0.0
    dropped_by_watermark: int = 0


@dataclass(frozen=True)
class BooksLine:
    """What the books found for one stream at one stage."""

    stage: str
    stream: str
    ok: bool
    events: int
    expected_events: int
    cents: int = 0
    expected_cents: int = 0
    detail: str = ""


@dataclass(frozen=True)
class Verdict:
    """The newest verdict of the books, and when they balanced last."""

    at: float
    balanced: bool
    lines: tuple[BooksLine, ...]
    seconds: float = 0.0
    last_true_at: float | None = None


@dataclass(frozen=True)
class DeadLetters:
    """Refused events of one reason."""

    reason: str
    count: int
    newest_at: float
    topics: tuple[str, ...]


@dataclass(frozen=True)
class Warehouse:
    """What the warehouse said at `read_at`; `trouble` says why the last attempt since then failed, and what to do."""

    read_at: float | None = None
    trouble: str | None = None
    events: int = 0
    moved_at: float | None = None
    verdict: Verdict | None = None
    dead_letters: tuple[DeadLetters, ...] = ()


@dataclass(frozen=True)
class Snapshot:
    """Everything on one screen, read in one go at `taken_at`; `trouble` says why Redis has not answered since then, and what to do."""

    taken_at: float
    trouble: str | None = None
    started_at: float | None = None
    progress: Progress | None = None
    beats: Mapping[str, Beat] = field(default_factory=dict)
    windows: Mapping[int, Window] = field(default_factory=dict)
    warehouse: Warehouse = field(default_factory=Warehouse)
    kept_seconds: int = 3600


@cache
def statement(name: str) -> str:
    """Return the text of `dashboard/sql/{name}.sql`."""
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text(encoding="utf-8")


class Reader:
    """Reads in the background, so that every screen shows one and the same snapshot and no screen waits for a server."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._settings, self._clock = settings, clock
        self._redis: Redis = connect.redis(settings)
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._warehouse = Warehouse()
        self._snapshot = Snapshot(taken_at=clock(), kept_seconds=settings.live_expiry_seconds)
        self.looked_at = 0.0
        """When the reader last tried Redis (Unix seconds), whether or not it answered."""

    @property
    def snapshot(self) -> Snapshot:
        """The newest snapshot."""
        return replace(self._snapshot, warehouse=self._warehouse)

    def start(self) -> None:
        """Take a first snapshot, then go on in the background."""
        self.look()
        for name, work in (("redis", self._watch_redis), ("warehouse", self._watch_warehouse)):
            thread = threading.Thread(target=work, name=f"read-{name}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """End the background work and close the clients."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=3)
        self._redis.close()

    def look(self) -> None:
        """Take a snapshot of Redis now; when it does not answer, keep the last one and say so."""
        try:
            self._snapshot = read_redis(self._redis, self._snapshot, self._clock())
        except RedisError as error:
            cause = str(error).strip().splitlines()[0] or type(error).__name__
            trouble = str(RedisUnreachable(address=connect.address(self._settings.redis_url), cause=cause))
            self._snapshot = replace(self._snapshot, trouble=trouble, beats={**self._snapshot.beats, **read_beat_files(self._settings)})
        self.looked_at = self._clock()

    def _watch_redis(self) -> None:
        while not self._stop.wait(SNAPSHOT_SECONDS):
            self.look()

    def _watch_warehouse(self) -> None:
        while not self._stop.is_set():
            try:
                with connect.warehouse(self._settings, "dashboard", autocommit=True, row_factory=dict_row) as connection:
                    connection.execute("SET statement_timeout = '3s'")
                    while not self._stop.is_set():
                        self._warehouse = read_warehouse(connection, self._clock())
                        self._stop.wait(WAREHOUSE_SECONDS)
            except psycopg.errors.UndefinedTable:
                self._say("Its tables are not there yet; the DAG `prepare_platform` makes them.")
            except (psycopg.Error, InstaShopError) as error:
                self._say(str(error).strip().splitlines()[0])
            self._stop.wait(WAREHOUSE_SECONDS)

    def _say(self, trouble: str) -> None:
        if trouble != self._warehouse.trouble:
            log.warning("The warehouse: %s", trouble)
        self._warehouse = replace(self._warehouse, trouble=trouble)


def read_redis(redis: Redis, last: Snapshot, now: float) -> Snapshot:
    """Return a new snapshot; a window that was not written since the last one is not read again.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    newest = window_of(now) + WINDOW_SECONDS
    starts = range(newest - WINDOW_SECONDS * (last.kept_seconds // WINDOW_SECONDS + 1), newest + 1, WINDOW_SECONDS)
    with redis.pipeline(transaction=False) as pipeline:
        pipeline.get(PROGRESS_KEY)
        pipeline.hget(PLATFORM_KEY, "started_at")
        for start in starts:
            pipeline.hget(window_key(start), WRITTEN_FIELD)
        progress, started_at, *written = pipeline.execute()
    marks = {start: mark for start, mark in zip(starts, written, strict=True) if mark is not None}
    known = {start: last.windows[start] for start, mark in marks.items() if start in last.windows and last.windows[start].written == mark}
    changed = [start for start in marks if start not in known]
    with redis.pipeline(transaction=False) as pipeline:
        for start in changed:
            pipeline.hgetall(window_key(start))
        found = {start: window_from(start, fields) for start, fields in zip(changed, pipeline.execute(), strict=True) if fields}
    return Snapshot(
        taken_at=now,
        started_at=unix(started_at),
        progress=progress_from(progress),
        beats=beats.read_all(redis),
        windows=dict(sorted((known | found).items())),
        kept_seconds=last.kept_seconds,
    )


def window_from(start: int, fields: Mapping[str, str]) -> Window:
    """Return the window that a Redis hash holds; products are left in Redis."""
    categories = {name.partition(":")[2]: json.loads(text) for name, text in fields.items() if name.startswith("category:")}
    return Window(start, json.loads(fields.get("total", "{}")), categories, fields.get(WRITTEN_FIELD, ""))


def progress_from(text: str | None) -> Progress | None:
    """Return Spark's progress as Redis keeps it."""
    if text is None:
        return None
    known = json.loads(text)
    names = ("batch", "behind", "rows_per_second", "batch_seconds", "dropped_by_watermark")
    return Progress(at=datetime.fromisoformat(known["at"]).timestamp(), **{name: known[name] for name in names if name in known})


def read_beat_files(settings: Settings) -> dict[str, Beat]:
    """Return the beats that services leave in files: they do not need Redis to say that they are alive."""
    found = (beats.read(settings.run_dir, service) for service in beats.SERVICES)
    return {beat.service: beat for beat in found if beat is not None}


def read_warehouse(connection: psycopg.Connection[dict[str, Any]], now: float) -> Warehouse:
    """Return what the warehouse holds of books and refused events.

    Raises:
        psycopg.Error: it does not answer, or its tables are not there.
    """
    arrived = connection.execute(statement("arrived")).fetchone() or {}
    verdict = connection.execute(statement("verdicts")).fetchone()
    letters = connection.execute(statement("dead_letters")).fetchall()
    return Warehouse(
        read_at=now,
        events=arrived["events"],
        moved_at=unix(arrived["moved_at"]),
        verdict=verdict_from(verdict) if verdict else None,
        dead_letters=tuple(DeadLetters(row["reason"], row["letters"], row["newest_at"].timestamp(), tuple(row["topics"])) for row in letters),
    )


def verdict_from(row: Mapping[str, Any]) -> Verdict:
    """Return a row of `verdicts`."""
    names = BooksLine.__dataclass_fields__
    lines = tuple(BooksLine(**{name: value for name, value in line.items() if name in names}) for line in row["report"].get("stages", ()))
    return Verdict(row["at"].timestamp(), row["balanced"], lines, row["report"].get("seconds", 0.0), unix(row["last_true_at"]))


def unix(moment: str | datetime | None) -> float | None:
    """Return a moment in Unix seconds."""
    if moment is None:
        return None
    return (datetime.fromisoformat(moment) if isinstance(moment, str) else moment).timestamp()
