"""Shop → Kafka: each committed row exactly once to a read-committed reader.

A row is read once its transaction is below the horizon, in the order (txid, id). Its message and the new
cursor go into one Kafka transaction, so after any kill both are there or neither is.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
import psycopg
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from psycopg.rows import args_row

from instashop import connect
from instashop.errors import CursorAhead, CursorMissing, CursorOfAnotherShop, NotPrepared, RowNotTaken, RowsAhead, WriterTaken
from instashop.events import FIRST_DAY, LAST_DAY
from instashop.settings import Settings
from instashop.streams import CURSORS, DATABASES, of_database
from instashop.transport import hanging
from instashop.transport.loop import Batch, Sink, Source, Work
from instashop.transport.pace import Pace
from instashop.transport.topics import ToEnd, consumer, publish, published, require

log = logging.getLogger(__name__)

Place = tuple[int, int]
"""(txid, id) of the last row of a stream that was published."""

Cursor = dict[str, dict[str, Place]]
"""The places of each database's streams."""


class StoredCursor(msgspec.Struct):
    """A cursor as topic `cursors` keeps it, one message for each database."""

    system_identifier: str
    places: dict[str, Place]


class Row(msgspec.Struct, frozen=True, gc=False):
    """A row of a feed view, with its stream's topic; Python's collector need not look at thousands that are in no cycle."""

    topic: str
    txid: int
    id: int
    key: str
    body: str


@dataclass
class Feed:
    """One database of the shop, seen through its feed views."""

    database: str
    connection: psycopg.Connection
    limit: int

    def __post_init__(self) -> None:
        self.streams = of_database(self.database)
        found = self.connection.execute("SELECT system_identifier::text FROM pg_control_system()").fetchone()
        assert found is not None
        self.system_identifier: str = found[0]
        # One statement is one snapshot: whatever an event names was published before it, but for decision 4's exception.
        self._next = " UNION ALL ".join(
            f"(SELECT '{s.name}' AS topic, txid::text::bigint AS number, id, key, body FROM feed.{s.name}"
            f" WHERE (txid, id) > (%s::text::xid8, %s) AND txid < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY txid, id LIMIT {self.limit})"
            for s in self.streams
        )
        self._waiting = " UNION ALL ".join(
            f"SELECT count(*), min(recorded_at) FILTER (WHERE recorded_at >= '{FIRST_DAY}' AND recorded_at < '{LAST_DAY}')"
            f" FROM (SELECT recorded_at FROM feed.{s.name} WHERE (txid, id) > (%s::text::xid8, %s) ORDER BY txid, id LIMIT 10000) AS waiting"
            for s in self.streams
        )

    def _arguments(self, places: dict[str, Place]) -> list[Any]:
        arguments: list[Any] = []
        for stream in self.streams:
            txid, row_id = places.get(stream.name, (0, 0))
            arguments += [str(txid), row_id]
        return arguments

    def rows(self, places: dict[str, Place]) -> list[Row]:
        """Return the next rows below the horizon; only products while more of them wait than fit."""
        with self.connection.cursor(row_factory=args_row(Row)) as cursor:
            rows = cursor.execute(self._next, self._arguments(places), prepare=True).fetchall()
        first = [row for row in rows if row.topic == self.streams[0].name]
        return first if len(first) == self.limit else rows

    def require_past(self, places: dict[str, Place]) -> None:
        """Return if this server has begun every transaction up to these places and of its rows, and has the rows that were published last.

        Raises:
            CursorAhead: it was set back; when it has written on since, its transactions may have passed the cursor again.
            RowsAhead: rows came from another server.
        """
        txid = max((txid for txid, _id in places.values()), default=0)
        found = self.connection.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint").fetchone()
        assert found is not None
        if txid >= found[0]:
            raise CursorAhead(database=self.database, txid=txid, why=f"has not begun yet (its next is {found[0]})")
        for name, place in places.items():
            # Where rows of before are gone, too, somebody has tidied them up.
            (lost,) = self.connection.execute(
                f"SELECT NOT EXISTS (SELECT FROM feed.{name} WHERE txid = %s::text::xid8 AND id = %s)"  # type: ignore[arg-type]
                f" AND EXISTS (SELECT FROM feed.{name} WHERE (txid, id) < (%s::text::xid8, %s))",
                [str(place[0]), place[1], str(place[0]), place[1]],
            ).fetchone() or (False,)
            if lost:
                raise CursorAhead(database=self.database, txid=place[0], why=f"no longer has in {name}, though it has those before")
        for stream in self.streams:
            ahead = self.connection.execute(
                f"SELECT pg_snapshot_xmax(pg_current_snapshot())::text FROM feed.{stream.name} WHERE txid >= pg_snapshot_xmax(pg_current_snapshot()) LIMIT 1"  # type: ignore[arg-type]
            ).fetchone()
            if ahead:
                raise RowsAhead(stream=stream.name, database=self.database, next=ahead[0])

    def waiting(self, places: dict[str, Place]) -> tuple[int, datetime | None]:
        """Return how many rows (at most 10,000 of each stream) are not published, and when the oldest was written; also those above the horizon.

        A time that no event may have is nobody's age.
        """
        found = self.connection.execute(self._waiting, self._arguments(places), prepare=True).fetchall()
        times = [oldest for _count, oldest in found if oldest is not None]
        return sum(count for count, _oldest in found), min(times, default=None)


class FeedReader:
    """The source: rows of every feed, from the cursor on."""

    def __init__(self, feeds: Sequence[Feed], pause_seconds: float, stop: threading.Event) -> None:
        self._feeds, self._pace, self._stop = feeds, Pace(pause_seconds), stop
        self._cursor: Cursor = {}
        self._counted = 0.0
        self._lag: tuple[int | None, float | None] = (None, None)

    def seek(self, position: Cursor) -> None:
        """Go on after the rows of this cursor."""
        self._cursor = {feed.database: dict(position.get(feed.database, {})) for feed in self._feeds}

    def read(self) -> Batch:
        """Return the next rows of all feeds, at the pace of the shop."""
        self._stop.wait(self._pace.rest(time.monotonic()))
        began = time.monotonic()
        records: list[Row] = []
        moved: Cursor = {}
        full = False
        for feed in self._feeds:
            rows = feed.rows(self._cursor[feed.database])
            if not rows:
                continue
            records += rows
            full |= len(rows) >= feed.limit
            last = {row.topic: row for row in rows}
            self._cursor[feed.database] |= {topic: (row.txid, row.id) for topic, row in last.items()}
            moved[feed.database] = dict(self._cursor[feed.database])
        self._count()
        self._pace.looked(began, time.monotonic(), len(records), full)
        return Batch(records, moved, _recorded_at(records[-1]) if records else None, *self._lag)

    def _count(self) -> None:
        """Look once a second at what waits, also above the horizon: a long writing transaction shows as lag."""
        if time.monotonic() - self._counted < 1:
            return
        self._counted = time.monotonic()
        events, oldest = 0, []
        for feed in self._feeds:
            count, since = feed.waiting(self._cursor[feed.database])
            events += count
            oldest += [since] if since else []
        age = (datetime.now(UTC) - min(oldest)).total_seconds() if oldest else 0.0
        self._lag = (events, round(age, 3))


class _Recorded(msgspec.Struct):
    recorded_at: datetime


def _recorded_at(row: Row) -> datetime | None:
    """Return when a row was written, unless it says what is no time of an event: Postgres also knows infinity and years before Christ."""
    try:
        return msgspec.json.decode(row.body, type=_Recorded).recorded_at
    except msgspec.MsgspecError:
        return None


class KafkaSink:
    """The sink: messages and cursor in one Kafka transaction."""

    def __init__(self, producer: Producer, cursor: Cursor, systems: dict[str, str]) -> None:
        self._producer, self._cursor, self._systems = producer, cursor, systems

    def position(self) -> Cursor:
        """Return the cursor as Kafka kept it when this session began."""
        return self._cursor

    def write(self, batch: Batch) -> None:
        """Publish rows and cursor together.

        Raises:
            RowNotTaken: a row is too large for a message; nothing of this batch is published.
            KafkaException: it is not known whether they were published; a new session reads the cursor and knows.
        """
        producer = self._producer
        producer.begin_transaction()
        for row in batch.records:
            try:
                publish(producer, row.topic, row.body, row.key)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.MSG_SIZE_TOO_LARGE:
                    raise
                raise RowNotTaken(row_id=row.id, stream=row.topic, txid=row.txid, cause=error.args[0].str()) from error
        for database, places in batch.position.items():
            stored = StoredCursor(self._systems[database], places)
            publish(producer, CURSORS, msgspec.json.encode(stored), f"producer/{database}")
        producer.commit_transaction(connect.COMMIT_SECONDS)


def stored_cursor(settings: Settings, systems: dict[str, str]) -> Cursor:
    """Read the cursor of each database from Kafka.

    Raises:
        CursorMissing: there is none, yet the topics hold events.
        CursorOfAnotherShop: it was written for another Postgres.
    """
    with consumer(settings, "instashop-cursor") as client:
        names = [CURSORS, *(stream.name for database in DATABASES for stream in of_database(database))]
        require(client, settings, names)
        stored = _stored(settings)
        begun = [database for database in systems if database not in stored and _holds_events(client, database)]
    if begun:
        stored = _stored(settings)  # The very first transaction may have come between the two looks: events and cursor together.
    for database, system in systems.items():
        known = stored.get(database)
        if known is None:
            if database in begun:
                raise CursorMissing(database=database)
        elif known.system_identifier != system:
            raise CursorOfAnotherShop(database=database, known=known.system_identifier, found=system)
    return {database: stored[database].places for database in systems if database in stored}


def _stored(settings: Settings) -> dict[str, StoredCursor]:
    """Return what topic `cursors` keeps for each database."""
    stored: dict[str, StoredCursor] = {}
    with published(settings, "instashop-cursor", [CURSORS]) as cursors:  # A replay that is under way may hold it.
        for message in cursors:
            writer, _, database = (message.key() or b"").decode().partition("/")
            if writer != "producer":
                continue  # A note of a replay.
            stored[database] = msgspec.json.decode(message.value() or b"", type=StoredCursor)
    return stored


def _holds_events(client: Consumer, database: str) -> bool:
    return next(iter(ToEnd(client, [stream.name for stream in of_database(database)])), None) is not None


def _only_one(feed: Feed, settings: Settings) -> None:
    row = feed.connection.execute("SELECT pg_try_advisory_lock(hashtext('instashop producer'))").fetchone()
    if not row or not row[0]:
        raise WriterTaken(service="producer", address=connect.address(settings.shop_feed_dsn))


def work(settings: Settings, stop: threading.Event) -> Work:
    """Return what opens one session of the producer: advisory lock, then fencing, then the cursor."""

    @contextmanager
    def session() -> Iterator[tuple[Source, Sink]]:
        with ExitStack() as opened:
            feeds = []
            for database in DATABASES:
                connection = opened.enter_context(connect.feed(settings, database, "producer", autocommit=True))
                feeds.append(_feed(database, connection, settings))
            _only_one(feeds[0], settings)
            producer = hanging.writer(settings, "instashop-producer", [CURSORS, *(stream.name for feed in feeds for stream in feed.streams)])
            systems = {feed.database: feed.system_identifier for feed in feeds}
            cursor = stored_cursor(settings, systems)
            for feed in feeds:
                feed.require_past(cursor.get(feed.database, {}))
            log.info("publishing after %s", cursor or "the very first row")
            yield FeedReader(feeds, settings.feed_pause_ms / 1000, stop), KafkaSink(producer, cursor, systems)

    return session


def _feed(database: str, connection: psycopg.Connection, settings: Settings) -> Feed:
    missing = [s.name for s in of_database(database) if not connection.execute("SELECT to_regclass(%s)", [f"feed.{s.name}"]).fetchone()[0]]  # type: ignore[index]
    if missing:
        raise NotPrepared(what=f"feed view {', '.join(missing)} in {database}")
    return Feed(database, connection, settings.feed_limit)
