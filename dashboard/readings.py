"""What the dashboard knows: one background reader takes snapshots of Redis and the warehouse; what a page asks for is read at once. The only clients are here."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from itertools import chain, islice
from typing import Any

import psycopg
from psycopg.rows import dict_row
from redis import Redis, RedisError

from dashboard import past, sheets, shelf, spans
from dashboard.filters import Filters
from dashboard.measures import MEASURES
from dashboard.past import Past
from dashboard.shelf import Shelf
from dashboard.snapshot import DeadLetters, Progress, Sale, Snapshot, Verdict, Warehouse, Window
from instashop import connect, sql
from instashop.control import beats
from instashop.control.beats import Beat
from instashop.control.books import Line
from instashop.control.trace import Stop, stops
from instashop.errors import InstaShopError, RedisUnreachable, first_line
from instashop.metrics import FILLED_KEY, PLATFORM_KEY, PROGRESS_KEY, WINDOW_SECONDS, WRITTEN_FIELD, window_key, window_of
from instashop.settings import Settings
from instashop.transport.refill import filled_mark

log = logging.getLogger(__name__)

SNAPSHOT_SECONDS = 0.5
WAREHOUSE_SECONDS = 5.0
SHELF_SECONDS = 30.0
"""Pause between two looks at stock, searches and carts; longer when a look takes long, so that it never is more than a tenth of the time."""
ASKED_SECONDS = 8.0
"""How long the warehouse may take for each half of what a page asks for."""
CSV_SECONDS = 120.0
NOT_PREPARED = "The warehouse's tables are not there yet; the DAG `prepare_platform` makes them."


class Reader:
    """Reads in the background, so that every screen shows one and the same snapshot and no screen waits for a server."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._settings, self._clock = settings, clock
        self._redis: Redis = connect.redis(settings)
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._warehouse, self._shelf = Warehouse(), Shelf()
        self._snapshot = Snapshot(taken_at=clock(), kept_seconds=settings.live_expiry_seconds)
        self.looked_at = 0.0
        """When the reader last tried Redis (Unix seconds), whether or not it answered."""

    @property
    def snapshot(self) -> Snapshot:
        """The newest snapshot."""
        return replace(self._snapshot, warehouse=self._warehouse, shelf=self._shelf)

    def start(self) -> None:
        """Take a first snapshot, then go on in the background."""
        self.look()
        for name, work in (("redis", self._watch_redis), ("warehouse", self._watch_warehouse), ("shelf", self._watch_shelf)):
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
            trouble = str(RedisUnreachable(address=self._settings.where("redis_url"), cause=first_line(error)))
            self._snapshot = replace(self._snapshot, trouble=trouble, beats={**self._snapshot.beats, **read_beat_files(self._settings)})
        self.looked_at = self._clock()

    def _watch_redis(self) -> None:
        while not self._stop.wait(SNAPSHOT_SECONDS):
            self.look()

    def _watch_warehouse(self) -> None:
        while not self._stop.is_set():
            try:
                with self._open() as connection:
                    connection.execute("SET statement_timeout = '3s'")
                    while not self._stop.is_set():
                        self._warehouse = read_warehouse(connection, self._clock())
                        self._stop.wait(WAREHOUSE_SECONDS)
            except (psycopg.Error, InstaShopError) as error:
                trouble = why(error)
                if trouble != self._warehouse.trouble:
                    log.warning("The warehouse: %s", trouble)
                self._warehouse = replace(self._warehouse, trouble=trouble)
            self._stop.wait(WAREHOUSE_SECONDS)

    def _watch_shelf(self) -> None:
        while not self._stop.is_set():
            now, begun = self._clock(), time.monotonic()  # A clock that is set, or a machine that slept, makes no reading long.
            try:
                with self._open() as connection:
                    connection.execute("SET statement_timeout = '20s'")
                    self._shelf = shelf_as_known(shelf.read(connection, now), self._snapshot, now)
            except (psycopg.Error, InstaShopError) as error:
                self._shelf = replace(self._shelf, trouble=why(error))
            pause = WAREHOUSE_SECONDS if self._shelf.trouble or self._shelf.lacks or self._shelf.stock_trouble else SHELF_SECONDS
            self._stop.wait(max(pause, 9 * (time.monotonic() - begun)))

    def past(self, filters: Filters, with_rows: bool = True) -> Past:
        """Read a span of the warehouse now, its rows only if they are wanted; one that does not answer, or lacks events, is told, not raised."""
        snapshot, now = self.snapshot, self._clock()
        try:
            with self._open() as connection:
                known = past.read(connection, filters, now, ASKED_SECONDS, with_rows)
                return past_as_known(known, filters, snapshot, now)
        except (psycopg.Error, InstaShopError) as error:
            return Past(trouble=why(error), rows_trouble=why(error))

    def lacks(self, filters: Filters) -> str:
        """Return what the warehouse lacks of a span now, and why; nothing when it has all of it."""
        snapshot, now = self.snapshot, self._clock()
        lacks = past.lacks_of(filters, spans.unread(snapshot, now), spans.read_until(snapshot))
        if lacks or "transaction_items" not in past.conditions(filters)["kinds"]:
            return lacks
        return past.lacks_of(filters, spans.unread(snapshot, now, spans.TO_ITEMS), spans.items_until(snapshot))

    def rows(self, filters: Filters) -> Iterator[str]:
        """Return the rows behind a number as lines of CSV, read as they are sent.

        Raises:
            psycopg.Error, InstaShopError: the warehouse does not answer, or not in time; nothing has been sent then.
        """
        lines = self._rows(filters)
        begin = list(islice(lines, 2))  # The heads are ours: the warehouse begins to work for the first row.
        return chain(begin, lines)

    def _rows(self, filters: Filters) -> Iterator[str]:
        asked = past.conditions(filters)
        with self._open(autocommit=False) as connection, connection.cursor("rows") as cursor:
            connection.execute("SELECT set_config('statement_timeout', %s, true)", [f"{CSV_SECONDS:g}s"])
            connection.execute("SET LOCAL idle_in_transaction_session_timeout = '60s'")  # A download that stalls holds locks.
            cursor.execute(past.of_rows("rows"), {**asked, "limit": past.ROWS_IN_CSV})
            yield from sheets.rows_csv(cursor, asked["kinds"])

    def event(self, event_id: str) -> tuple[list[Stop], Mapping[str, Any] | None]:
        """Return the way of an event, stage by stage, and the event as the warehouse keeps it.

        Raises:
            psycopg.Error, InstaShopError: no stage knows it, or a stage does not answer.
        """
        passed = stops(self._settings, event_id)
        with self._open() as connection:
            return passed, connection.execute(sql.statement("dashboard/event"), {"event_id": event_id}).fetchone()

    def _open(self, autocommit: bool = True) -> psycopg.Connection[dict[str, Any]]:
        return connect.warehouse(self._settings, "dashboard", autocommit=autocommit, row_factory=dict_row)  # type: ignore[return-value]


def why(error: Exception) -> str:
    """Return one line that says what is wrong with the warehouse, and what to do."""
    if isinstance(error, psycopg.errors.UndefinedTable):
        return NOT_PREPARED
    if isinstance(error, psycopg.errors.QueryCanceled):
        return "The warehouse takes too long to answer."
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def shelf_as_known(read: Shelf, snapshot: Snapshot, now: float) -> Shelf:
    """Return a reading with what the warehouse lacked; without new items only the stock is not known, which is less what was paid."""
    return replace(read, lacks=spans.unread(snapshot, now), stock_trouble=read.stock_trouble or spans.unread(snapshot, now, spans.TO_ITEMS) or None)


def past_as_known(read: Past, asked: Filters, snapshot: Snapshot, now: float) -> Past:
    """Return a span as far as the warehouse has its events; without new items a span of orders or visits is still known, but not what was sold in it."""
    items, of_items = spans.unread(snapshot, now, spans.TO_ITEMS), asked.category is not None or asked.product is not None
    if of_items or MEASURES[asked.measure].kinds == ("transaction_items",):
        read = past.lacking(read, asked, items, spans.items_until(snapshot))
    elif not read.trouble:
        read = replace(read, lacks=past.lacks_of(asked, items, spans.items_until(snapshot)))
    return past.lacking(read, asked, spans.unread(snapshot, now), spans.read_until(snapshot))


def read_redis(redis: Redis, last: Snapshot, now: float) -> Snapshot:
    """Return a new snapshot; a window that was not written since the last one is not read again.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    newest = window_of(now) + WINDOW_SECONDS
    starts = range(newest - WINDOW_SECONDS * (last.kept_seconds // WINDOW_SECONDS + 1), newest + 1, WINDOW_SECONDS)
    with redis.pipeline(transaction=False) as pipeline:
        pipeline.get(PROGRESS_KEY)
        pipeline.get(FILLED_KEY)
        pipeline.hget(PLATFORM_KEY, "started_at")
        for start in starts:
            pipeline.hget(window_key(start), WRITTEN_FIELD)
        said, filled, started_at, *written = pipeline.execute()
    progress = progress_from(said)
    marks = {start: mark for start, mark in zip(starts, written, strict=True) if mark is not None}
    known = {start: last.windows[start] for start, mark in marks.items() if start in last.windows and last.windows[start].written == mark}
    changed = [start for start in marks if start not in known]
    with redis.pipeline(transaction=False) as pipeline:
        for start in changed:
            pipeline.hgetall(window_key(start))
        found = {start: window_from(start, fields) for start, fields in zip(changed, pipeline.execute(), strict=True) if fields}
    return Snapshot(
        taken_at=now,
        started_at=unix(started_at) or last.started_at,  # A flushed Redis has forgotten it.
        progress=progress,
        filled=progress is not None and filled == filled_mark(redis, progress.checkpoint_ms),
        beats=beats.read_all(redis),
        windows=dict(sorted((known | found).items())),
        kept_seconds=last.kept_seconds,
    )


def window_from(start: int, fields: Mapping[str, str]) -> Window:
    """Return the window that a Redis hash holds."""
    categories = {name.partition(":")[2]: json.loads(text) for name, text in fields.items() if name.startswith("category:")}
    products: dict[int, Sale] = {}
    for group in sorted(name.removeprefix("product:") for name in fields if name.startswith("product:")):
        number, _colon, name = group.partition(":")  # A product that changed its name in this window has a group for each.
        sold, before = json.loads(fields[f"product:{group}"]), products.get(int(number), Sale("", 0, 0))
        products[int(number)] = Sale(name, before.items + sold.get("items_sold", 0), before.cents + sold.get("sales_cents", 0))
    return Window(start, json.loads(fields.get("total", "{}")), categories, fields.get(WRITTEN_FIELD, ""), products)


def progress_from(text: str | None) -> Progress | None:
    """Return Spark's progress as Redis keeps it."""
    if text is None:
        return None
    known = json.loads(text)
    names = ("batch", "checkpoint_ms", "behind", "batch_seconds")
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
    arrived = connection.execute(sql.statement("dashboard/arrived")).fetchone() or {}
    verdict = connection.execute(sql.statement("dashboard/verdicts")).fetchone()
    letters = connection.execute(sql.statement("dashboard/dead_letters")).fetchall()
    return Warehouse(
        read_at=now,
        messages=arrived["messages"],
        moved_at=unix(arrived["moved_at"]),
        items_moved_at=unix(arrived["items_moved_at"]),
        verdict=verdict_from(verdict) if verdict else None,
        dead_letters=tuple(
            DeadLetters(row["reason"], row["letters"], row["newest_at"].timestamp(), tuple(row["topics"]), tuple(row["newest_ids"] or ())) for row in letters
        ),
    )


def verdict_from(row: Mapping[str, Any]) -> Verdict:
    """Return a row of `verdicts`."""
    names = Line.__dataclass_fields__
    lines = tuple(Line(**{name: value for name, value in line.items() if name in names}) for line in row["report"].get("stages", ()))
    return Verdict(row["at"].timestamp(), row["balanced"], lines, row["report"].get("seconds", 0.0), unix(row["last_true_at"]), row["stages_true_at"] or {})


def unix(moment: str | datetime | None) -> float | None:
    """Return a moment in Unix seconds."""
    if moment is None:
        return None
    return (datetime.fromisoformat(moment) if isinstance(moment, str) else moment).timestamp()
