"""Kafka → warehouse: each event once, whatever is replayed; what is no event goes to the dead letters.

Events, dead letters and offsets go into one database transaction, and the offsets move only from where this
consumer believes them to be; so a second consumer, a replay or a kill can neither lose nor double anything.
"""

from __future__ import annotations

import logging
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache, partial
from operator import attrgetter, itemgetter
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from confluent_kafka import Consumer, Message

from instashop import connect, sql
from instashop.errors import DayNotMade, NotPrepared, SomebodyElseIsFurther, WriterTaken
from instashop.events import Event, Reason, Refusal, judge_of
from instashop.metrics import FIELDS, LABELS, NUMBERS
from instashop.settings import Settings
from instashop.streams import PARTITIONS, STREAMS
from instashop.transport.loop import Batch, Sink, Source, Work
from instashop.transport.topics import FOR_LONG, NEVER_ELSEWHERE, Offsets, TopicReader, beyond_end, consumer, place_of, require

log = logging.getLogger(__name__)

GROUP = "instashop-consumer"
TOPICS = tuple(stream.name for stream in STREAMS)
_LOCK_TIMEOUT = "1s"
"""Who waits longer for another maker of a day, or for a migration, says so and tries again: one that only waits gives no beat."""
_DAY_MS, _EPOCH = 86_400_000, date(1970, 1, 1).toordinal()


class WarehouseSink:
    """The sink: `realtime_events`, `dead_letters` and the offsets in one transaction."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._db = connection
        self._judges = {stream.name: judge_of(stream.name, stream.event_type) for stream in STREAMS}
        self._packers = {stream.name: _packer(stream.name) for stream in STREAMS}
        self._days: set[date] = set()
        with self._db.transaction():
            self._db.execute(sql.statement("consumer/incoming"))  # type: ignore[arg-type]
        self._offsets = self._stored()

    def _stored(self) -> Offsets:
        places = [(topic, number) for topic in TOPICS for number in range(PARTITIONS)]
        with self._db.transaction(), self._db.cursor() as cursor:
            cursor.executemany('INSERT INTO consumer_offsets (topic, "partition") VALUES (%s, %s) ON CONFLICT DO NOTHING', places)
            rows = cursor.execute('SELECT topic, "partition", next_offset FROM consumer_offsets').fetchall()
        return {(topic, number): offset for topic, number, offset in rows}

    def position(self) -> Offsets:
        """Return the offsets that the warehouse keeps now; another member may have moved them."""
        self._offsets = self._stored()
        return dict(self._offsets)

    def write(self, batch: Batch) -> None:
        """Judge the messages and keep events, refusals and offsets together.

        Raises:
            SomebodyElseIsFurther: another consumer moved these offsets; nothing of this batch is kept.
            DayNotMade: the table of a new day has to wait; the same.
        """
        rows: list[bytes] = []
        refused: list[tuple[Message, Refusal, UUID | None]] = []
        numbers: set[int] = set()
        for message in batch.records:
            topic = message.topic()
            verdict = self._judges[topic](message.value(), message.timestamp()[1])
            if isinstance(verdict, Refusal):
                refused.append((message, verdict, _claimed_id(message)))
            else:
                rows.append(self._packers[topic](message, verdict))
                numbers.add((verdict.event_id.int >> 80) // _DAY_MS)
        days = {date.fromordinal(_EPOCH + number) for number in numbers}
        with self._db.transaction(), self._db.cursor() as cursor:
            self._make_partitions(cursor, days - self._days)
            others = self._keep(cursor, rows)
            by_place = {(m.topic(), m.partition(), m.offset()): m for m in batch.records} if others else {}
            refused += [
                (by_place[topic, number, offset], Refusal(Reason.SAME_ID_OTHER_BODY, f"event {event_id} is known with another body"), event_id)
                for topic, number, offset, event_id in others
            ]
            for message, refusal, event_id in refused:
                cursor.execute(sql.statement("consumer/bury"), _letter(message, refusal, event_id))  # type: ignore[arg-type]
            self._move(cursor, batch, Counter(place_of(m) for m, _refusal, _id in refused))
        self._days |= days
        self._offsets |= batch.position

    def _keep(self, cursor: psycopg.Cursor, rows: list[bytes]) -> list[tuple[str, int, int, UUID]]:
        if not rows or self._all_new(cursor, rows):
            return []
        _copy(cursor, "incoming", rows)
        cursor.execute(sql.statement("consumer/keep_new"))  # type: ignore[arg-type]
        return cursor.execute(sql.statement("consumer/other_bodies")).fetchall()  # type: ignore[arg-type]

    def _all_new(self, cursor: psycopg.Cursor, rows: list[bytes]) -> bool:
        """Copy a batch straight into its table; an id that is there already undoes the whole of it, and the batch has to take the longer way."""
        try:
            with self._db.transaction():
                _copy(cursor, "realtime_events", rows)
        except psycopg.errors.UniqueViolation:
            return False
        return True

    def _move(self, cursor: psycopg.Cursor, batch: Batch, refused: Counter[tuple[str, int]]) -> None:
        places = sorted(batch.position)
        judged = Counter(place_of(m) for m in batch.records)
        parameters: dict[str, Any] = {
            "topics": [topic for topic, _number in places],
            "partitions": [number for _topic, number in places],
            "was": [self._offsets[place] for place in places],
            "next": [batch.position[place] for place in places],
            "judged": [judged[place] for place in places],
            "refused": [refused[place] for place in places],
        }
        cursor.execute(sql.statement("consumer/move_offsets"), parameters)  # type: ignore[arg-type]
        if cursor.rowcount != len(places):
            raise SomebodyElseIsFurther(where=", ".join(f"{topic}/{number}" for topic, number in places))

    def _make_partitions(self, cursor: psycopg.Cursor, days: set[date]) -> None:
        for day in sorted(days):
            try:
                cursor.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
                cursor.execute("SELECT warehouse.make_partition(%s)", [day])
            except psycopg.errors.LockNotAvailable as error:
                raise DayNotMade(day=day, cause=error.diag.message_primary) from error


class _Claim(msgspec.Struct):
    event_id: UUID


def _claimed_id(message: Message) -> UUID | None:
    """Return the id that a refused message gives itself, if it has one that can be read."""
    try:
        return msgspec.json.decode(message.value() or b"", type=_Claim).event_id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


_ENVELOPE = ("event_id", "kind", "schema_version", "occurred_at", "recorded_at", "txid")
_COLUMNS = (*_ENVELOPE, "topic", '"partition"', '"offset"', *NUMBERS, "customer_id", *LABELS, "payload")
_COPY = f"COPY {{table}} ({', '.join(_COLUMNS)}) FROM STDIN (FORMAT binary)"
_BEGIN, _END = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
"""What comes before and after the rows of COPY's binary format (Postgres' manual, COPY, File Formats)."""
_NULL = b"\xff\xff\xff\xff"
_POSTGRES_EPOCH, _MICROSECOND = datetime(2000, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
_length = struct.Struct("!i").pack
_bigint = struct.Struct("!iq").pack


def _packer(topic: str) -> Callable[[Message, Event], bytes]:
    """Return what makes a topic's events rows of COPY's binary format: each value behind its length in bytes, -1 for none; a time as microseconds since 2000."""
    name = topic.encode()  # Also the kind: an event in another kind's topic is refused.
    width = len(name)
    fields = FIELDS.get(topic, {})
    there = [column for column in (*NUMBERS, *LABELS) if column in fields]
    read = attrgetter("schema_version", "txid", *(fields[column] for column in there))
    # The values of a row are the two lengths of a number, no word, and what is read; from them numbers, behind their lengths, and words are picked.
    place = {column: number for number, column in enumerate(there, 5)}
    numbers = itemgetter(*(at for column in NUMBERS for at in ((1, place[column]) if column in place else (0,))))
    words = itemgetter(*(place.get(column, 2) for column in LABELS))
    shape = "".join("iq" if column in place else "i" for column in NUMBERS)
    pack = struct.Struct(f"!h i16s i{width}s ih iq iq iq i{width}s ii iq {shape}").pack

    def packed(message: Message, event: Event) -> bytes:
        body = message.value() or b""
        values = (-1, 8, None, *read(event))
        occurred, recorded = (event.occurred_at - _POSTGRES_EPOCH) // _MICROSECOND, (event.recorded_at - _POSTGRES_EPOCH) // _MICROSECOND
        named = (len(_COLUMNS), 16, event.event_id.bytes, width, name, 2, values[3], 8, occurred, 8, recorded, 8, values[4])
        placed = (width, name, 4, message.partition(), 8, message.offset())
        customer = getattr(event, "customer_id", None)
        whose = _NULL if customer is None else _bigint(8, customer)
        return b"".join((pack(*named, *placed, *numbers(values)), whose, _words(*words(values)), _length(len(body)), body))

    return packed


@lru_cache(10_000)
def _words(*words: str | None) -> bytes:
    return b"".join(_NULL if word is None else _length(len(word.encode())) + word.encode() for word in words)


def _copy(cursor: psycopg.Cursor, table: str, rows: list[bytes]) -> None:
    with cursor.copy(_COPY.format(table=table)) as copy:
        copy.write(b"".join((_BEGIN, *rows, _END)))


def _letter(message: Message, refusal: Refusal, event_id: UUID | None) -> dict[str, Any]:
    return {
        "topic": message.topic(),
        "partition": message.partition(),
        "offset": message.offset(),
        "reason": refusal.reason.value,
        "detail": refusal.detail[:2000].replace("\0", "\\0"),
        "event_id": event_id,
        "key": message.key(),
        "body": message.value(),
        "published_at": datetime.fromtimestamp(message.timestamp()[1] / 1000, UTC),
    }


def work(settings: Settings, _stop: threading.Event, member: int = 1) -> Work:
    """Return what opens one session of the consumer as this member of its group; the members share the partitions.

    A member that is killed and comes back has its partitions at once, since the group knows it by its number.
    """

    @contextmanager
    def session() -> Iterator[tuple[Source, Sink]]:
        options = {**FOR_LONG, **NEVER_ELSEWHERE, "group.instance.id": f"{GROUP}-{member}", "partition.assignment.strategy": "range"}
        with connect.warehouse(settings, "consumer", autocommit=True) as connection, consumer(settings, GROUP, **options) as client:
            row = connection.execute(sql.statement("consumer/prepared")).fetchone()  # type: ignore[arg-type]
            if not row or None in row:
                raise NotPrepared(what=f"the warehouse's tables at {connect.address(settings.warehouse_dsn)}")
            _only_one(connection, settings, member)
            require(client, settings, TOPICS)
            sink = WarehouseSink(connection)
            stored = partial(_within_the_logs, client, sink)
            yield TopicReader(client, TOPICS, settings.batch_limit, wait_seconds=0.2, stored=stored), sink

    return session


def _within_the_logs(client: Consumer, sink: WarehouseSink) -> Offsets:
    """Return where to read on; a log that has lost its tail is read from its beginning, since nobody knows where the new part begins, and an event is kept once."""
    stored = sink.position()
    for (topic, number), offset in beyond_end(client, stored).items():
        what = f"{topic}/{number} was read up to offset {offset}, beyond its end"
        log.error("%s: Kafka has lost the newest part of it, or it was made anew; it is read again from its beginning", what)
        stored[topic, number] = 0
    return stored


def _only_one(connection: psycopg.Connection, settings: Settings, member: int) -> None:
    row = connection.execute("SELECT pg_try_advisory_lock(hashtext(%s))", [f"instashop consumer {member}"]).fetchone()
    if not row or not row[0]:
        raise WriterTaken(service=f"consumer {member}", address=connect.address(settings.warehouse_dsn))
