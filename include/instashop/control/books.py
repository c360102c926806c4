"""The books: whether shop, Kafka, warehouse, items and live windows agree, to the event and to the cent."""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from kafka import KafkaConsumer, TopicPartition
from psycopg.rows import dict_row

from instashop import connect, sql
from instashop.events import Event, Refusal, Transaction, judge_of
from instashop.metrics import LATE_SECONDS, MEASURES, PROGRESS_KEY, WINDOW_SECONDS, WRITTEN_FIELD, field_of, window_key, window_of
from instashop.settings import Settings
from instashop.streams import STREAMS, Stream
from instashop.transport.enricher import GROUP
from instashop.transport.topics import consumer, partitions_of

LOW_64 = 2**64 - 1
SHOWN = 5
"""Differing ids or windows named in a line; the report counts the rest."""


@dataclass
class Sum:
    """What is compared of a stream at a stage: events, cents, and the sum of the ids' low 64 bits modulo 2^64."""

    events: int = 0
    cents: int = 0
    ids: int = 0

    @classmethod
    def of(cls, events: int, cents: int, ids: int) -> Sum:
        """Return the sum of a row of include/sql/books."""
        return cls(int(events), int(cents), int(ids) % 2**64)

    def add(self, event_id: UUID, cents: int) -> None:
        """Count one event."""
        self.events += 1
        self.cents += cents
        self.ids = (self.ids + _signed(event_id.int & LOW_64)) % 2**64


def _signed(bits: int) -> int:
    return bits - 2**64 if bits >> 63 else bits


@dataclass(frozen=True)
class Line:
    """One comparison: a stream (or the windows) at a stage against what it should be."""

    stage: str
    stream: str
    ok: bool
    events: int
    expected_events: int
    cents: int = 0
    expected_cents: int = 0
    detail: str = ""


@dataclass
class Verdict:
    """What a round of the books found."""

    horizon: int
    lines: list[Line] = field(default_factory=list)
    seconds: float = 0.0
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def balanced(self) -> bool:
        """Whether every line agrees."""
        return bool(self.lines) and all(line.ok for line in self.lines)

    def report(self) -> dict[str, Any]:
        """Return the verdict as plain values, as `verdicts.report` keeps it."""
        stages = [asdict(line) for line in self.lines]
        return {"balanced": self.balanced, "horizon": self.horizon, "at": self.at.isoformat(), "seconds": self.seconds, "stages": stages}

    def describe(self) -> str:
        """Return the verdict as lines to read, each difference with its size and ids."""
        rows = [
            f"{'ok ' if ln.ok else 'NO '} {ln.stage:<10} {ln.stream:<18} {ln.events:>9} events {ln.cents / 100:>14.2f} €  {ln.detail}".rstrip()
            for ln in self.lines
        ]
        word = "The books balance" if self.balanced else "The books do NOT balance"
        return "\n".join([*rows, f"{word} below horizon {self.horizon} ({self.seconds:.1f} s)."])


@dataclass
class Read:
    """What kafka-python read of a topic: valid events below the horizon by id, repeats, and the last message of each partition."""

    sum: Sum = field(default_factory=Sum)
    ids: dict[UUID, int] = field(default_factory=dict)
    repeats: list[UUID] = field(default_factory=list)
    refused: int = 0
    item_lines: Sum = field(default_factory=Sum)


def verify(settings: Settings, wait_seconds: float = 60) -> Verdict:
    """Take a horizon now, wait until every stage has passed it, and compare all stages.

    A stage that does not pass it in `wait_seconds` is a line that is not ok. The verdict is kept in `verdicts`.
    """
    began = time.monotonic()
    with connect.shop(settings, "books") as shop, connect.crm(settings, "books") as crm, connect.warehouse(settings, "books") as dwh:
        for connection in (shop, crm, dwh):
            connection.autocommit = True
        horizon, settled = shop.execute(sql.statement("books/horizon")).fetchone()  # type: ignore[arg-type, misc]
        verdict = Verdict(horizon)
        expected = {s.name: _shop_sum(shop if s.database == "instashop" else crm, s, horizon) for s in STREAMS if s.database}
        deadline = began + wait_seconds
        reads = _wait_for_kafka(settings, horizon, expected, deadline)
        lag = _wait_for_readers(settings, dwh, deadline)
        for stage, behind in lag.items():
            verdict.lines.append(Line(stage, "all", False, 0, 0, detail=f"has not passed the horizon in {wait_seconds:.0f} s: {behind}"))
        _compare_events(verdict, expected, reads, {"instashop": shop, "crm_db": crm}, dwh)
        if "windows" not in lag:
            verdict.lines.append(_compare_windows(settings, dwh, settled))
        verdict.seconds = round(time.monotonic() - began, 2)
        dwh.execute("INSERT INTO verdicts (horizon, balanced, report) VALUES (%s, %s, %s)", [horizon, verdict.balanced, json.dumps(verdict.report())])
    return verdict


def _table(stream: Stream) -> str:
    return "product_versions" if stream.name == "products" else stream.name


def _shop_sum(connection: psycopg.Connection, stream: Stream, horizon: int) -> Sum:
    text = sql.statement("books/shop").format(cents=stream.cents or "0", table=_table(stream))
    row = connection.execute(text, {"horizon": horizon}).fetchone()  # type: ignore[arg-type]
    assert row is not None
    return Sum.of(*row)


def _wait_for_kafka(settings: Settings, horizon: int, expected: dict[str, Sum], deadline: float) -> dict[str, Read]:
    """Read every topic with kafka-python until the shop's events below the horizon, and their items, are there."""
    judges = {s.name: judge_of(s.name, s.event_type) for s in STREAMS}
    reads = {s.name: Read() for s in STREAMS}
    client = connect.independent_reader(settings)
    try:
        places = [TopicPartition(s.name, number) for s in STREAMS for number in sorted(client.partitions_for_topic(s.name) or ())]
        client.assign(places)
        client.seek_to_beginning(*places)
        while True:
            _read_to_end(client, places, lambda topic, body: _count(reads[topic], judges[topic](body), horizon))
            there = all(reads[name].sum.events >= total.events for name, total in expected.items())
            items = reads["transaction_items"].sum.events + reads["transaction_items"].refused >= reads["transactions"].item_lines.events
            if (there and items) or time.monotonic() > deadline:
                return reads
            threading.Event().wait(0.2)
    finally:
        client.close()


def _read_to_end(client: KafkaConsumer, places: list[TopicPartition], take: Callable[[str, bytes | None], None]) -> None:
    ends = client.end_offsets(places)
    while any(client.position(place) < ends[place] for place in places):
        for place, records in client.poll(timeout_ms=200, max_records=20_000).items():
            for record in records:
                take(place.topic, record.value)


def _count(read: Read, event: Event | Refusal, horizon: int) -> None:
    if isinstance(event, Refusal):
        read.refused += 1
        return
    if event.txid >= horizon:
        return
    if event.event_id in read.ids:
        read.repeats.append(event.event_id)
        return
    cents = getattr(event, "total_cents", getattr(event, "value_cents", 0))
    read.ids[event.event_id] = cents
    read.sum.add(event.event_id, cents)
    if isinstance(event, Transaction) and event.status in ("paid", "refunded"):
        read.item_lines.events += len(event.lines)
        read.item_lines.cents += event.total_cents


def _wait_for_readers(settings: Settings, dwh: psycopg.Connection, deadline: float) -> dict[str, str]:
    """Wait until consumer, enricher and Spark have passed the last message that is there now; return who has not, and by how much."""
    client = connect.independent_reader(settings)
    try:
        places = [TopicPartition(s.name, number) for s in STREAMS for number in sorted(client.partitions_for_topic(s.name) or ())]
        last = _last_messages(client, places)
    finally:
        client.close()
    redis = connect.redis(settings)
    live = {s.name for s in STREAMS if s.live}
    with consumer(settings, GROUP) as group:
        while True:
            stored = {(t, n): o for t, n, o in dwh.execute('SELECT topic, "partition", next_offset FROM consumer_offsets')}
            committed = {(p.topic, p.partition): p.offset for p in group.committed(partitions_of(group, ["transactions"]), timeout=10)}
            ends = json.loads(redis.get(PROGRESS_KEY) or "{}").get("end_offsets", {})
            spark = {(topic, int(number)): offset for topic, numbers in ends.items() for number, offset in numbers.items()}
            behind = {
                "warehouse": _behind(last, stored, lambda topic: True),
                "items": _behind(last, committed, lambda topic: topic == "transactions"),
                "windows": _behind(last, spark, lambda topic: topic in live),
            }
            late = {stage: text for stage, text in behind.items() if text}
            if not late or time.monotonic() > deadline:
                return late
            threading.Event().wait(0.2)


def _last_messages(client: KafkaConsumer, places: list[TopicPartition]) -> dict[tuple[str, int], int]:
    """Return the offset of the last message of each partition; the last offsets of a partition may be marks of transactions."""
    ends, starts = client.end_offsets(places), client.beginning_offsets(places)
    last: dict[tuple[str, int], int] = {}
    client.assign(places)
    back = 64
    open_places = [place for place in places if ends[place] > starts[place]]
    while open_places:
        for place in places:
            client.seek(place, max(starts[place], ends[place] - back) if place in open_places else ends[place])
        while any(client.position(place) < ends[place] for place in open_places):
            for place, records in client.poll(timeout_ms=200).items():
                for record in records:
                    last[place.topic, place.partition] = max(record.offset, last.get((place.topic, place.partition), -1))
        open_places = [p for p in open_places if (p.topic, p.partition) not in last and ends[p] - back > starts[p]]
        back *= 8
    return last


def _behind(last: dict[tuple[str, int], int], at: dict[tuple[str, int], int], ours: Callable[[str], bool]) -> str:
    places = [
        f"{topic}/{number} at {at.get((topic, number), 0)} of {offset + 1}"
        for (topic, number), offset in last.items()
        if ours(topic) and at.get((topic, number), 0) <= offset
    ]
    return ", ".join(places[:SHOWN])


def _compare_events(verdict: Verdict, expected: dict[str, Sum], reads: dict[str, Read], shops: dict[str, psycopg.Connection], dwh: psycopg.Connection) -> None:
    kept: dict[str, Sum] = defaultdict(Sum)
    for kind, *values in dwh.execute(sql.statement("books/warehouse"), {"horizon": verdict.horizon}):  # type: ignore[arg-type]
        kept[kind] = Sum.of(*values)
    for stream in STREAMS:
        read = reads[stream.name]
        should = expected.get(stream.name, read.sum)
        cents = stream.cents is not None
        if stream.database:
            verdict.lines.append(_line("shop", stream.name, should, should, cents, ""))
            differing = "" if read.sum == should else _differing(shops[stream.database], _table(stream), verdict.horizon, read.ids, "shop")
            verdict.lines.append(_line("kafka", stream.name, read.sum, should, cents, "; ".join(filter(None, (_repeats(read), differing)))))
        else:
            lines = reads["transactions"].item_lines
            same = read.sum.events + read.refused == lines.events and (read.sum.cents == lines.cents or read.refused > 0) and not read.repeats
            detail = _repeats(read) or (f"{read.refused} refused" if read.refused else "")
            verdict.lines.append(Line("items", stream.name, same, read.sum.events, lines.events, read.sum.cents, lines.cents, detail))
        detail = "" if kept[stream.name] == read.sum else _differing(dwh, "realtime_events", verdict.horizon, read.ids, "warehouse", stream.name)
        verdict.lines.append(_line("warehouse", stream.name, kept[stream.name], read.sum, cents, detail))


def _line(stage: str, stream: str, found: Sum, should: Sum, cents: bool, detail: str) -> Line:
    same = found.events == should.events and found.ids == should.ids and (not cents or found.cents == should.cents)
    if not same:
        detail = f"{found.events - should.events:+d} events, {(found.cents - should.cents) / 100:+.2f} € {detail}".strip()
    money = (found.cents, should.cents) if cents else (0, 0)
    return Line(stage, stream, same and not (stage == "kafka" and detail), found.events, should.events, *money, detail)


def _repeats(read: Read) -> str:
    return f"{len(read.repeats)} repeated: {_named(read.repeats)}" if read.repeats else ""


def _named(ids: Iterable[object]) -> str:
    named = [str(one) for one in ids]
    return ", ".join(named[:SHOWN]) + (f" and {len(named) - SHOWN} more" if len(named) > SHOWN else "")


def _differing(connection: psycopg.Connection, table: str, horizon: int, in_kafka: dict[UUID, int], place: str, kind: str | None = None) -> str:
    """Name the ids below the horizon that only Kafka or only the place has."""
    text = f"SELECT event_id FROM {table} WHERE txid::text::bigint < %s" + (" AND kind = %s" if kind else "")
    there = {row[0] for row in connection.execute(text, [horizon, *([kind] if kind else [])])}  # type: ignore[arg-type]
    only = ((f"not in {place}", in_kafka.keys() - there), ("not in Kafka", there - in_kafka.keys()))
    return "; ".join(f"{word}: {_named(sorted(ids))}" for word, ids in only if ids)


def _compare_windows(settings: Settings, dwh: psycopg.Connection, settled: datetime) -> Line:
    """Compare each closed window that Redis keeps with the same SQL text over the warehouse."""
    until = window_of((settled - timedelta(seconds=LATE_SECONDS)).timestamp())
    since = window_of(time.time() - settings.live_expiry_seconds) + 2 * WINDOW_SECONDS
    span = {"since": datetime.fromtimestamp(since, UTC), "until": datetime.fromtimestamp(until, UTC)}
    should: dict[tuple[int, str], dict[str, int]] = {}
    with dwh.cursor(row_factory=dict_row) as cursor:
        for row in cursor.execute(sql.statement("books/windows_since") + sql.statement("metrics/windows"), span):  # type: ignore[arg-type]
            should[int(row["win"].timestamp()), field_of(row)] = {name: int(row[name]) for name in MEASURES}
    found: dict[tuple[int, str], dict[str, int]] = {}
    redis = connect.redis(settings)
    for start in range(since, until, WINDOW_SECONDS):
        for name, text in redis.hgetall(window_key(start)).items():
            if name != WRITTEN_FIELD:
                values = json.loads(text)
                found[start, str(name)] = {measure: values[measure] for measure in MEASURES}
    wrong = sorted(place for place in should.keys() | found.keys() if should.get(place) != found.get(place))
    totals = [[values for (_start, name), values in table.items() if name == "total"] for table in (found, should)]
    events, expected_events = (sum(values["events"] for values in table) for table in totals)
    cents, expected_cents = (sum(values["revenue_cents"] for values in table) for table in totals)
    return Line("windows", "all", not wrong, events, expected_events, cents, expected_cents, _different_windows(wrong, found, should))


def _different_windows(wrong: list[tuple[int, str]], found: dict[tuple[int, str], dict[str, int]], should: dict[tuple[int, str], dict[str, int]]) -> str:
    texts = []
    for start, name in wrong[:SHOWN]:
        ours, theirs = found.get((start, name), {}), should.get((start, name), {})
        measures = [f"{m} {ours.get(m)} instead of {theirs.get(m)}" for m in MEASURES if ours.get(m) != theirs.get(m)]
        texts.append(f"{datetime.fromtimestamp(start, UTC):%H:%M:%S} {name}: {', '.join(measures[:3])}")
    return "; ".join(texts) + (f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else "")
