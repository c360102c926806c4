"""What Kafka has of a page, read by kafka-python: another client than the one that wrote."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

import msgspec
from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaTimeoutError

from instashop import connect
from instashop.control.books.explained import Explained
from instashop.control.books.pages import Offsets, Page
from instashop.control.books.verdict import Sum
from instashop.errors import InstaShopError
from instashop.events import Event, Refusal, Transaction, TransactionItem, item_id, judge_of
from instashop.streams import BY_NAME, STREAMS

log = logging.getLogger(__name__)
T = TypeVar("T")

STALL_SECONDS = connect.OPEN_SECONDS + 5
"""Longer than an abandoned transaction blocks readers."""
ATTEMPTS = 4


class StandsStill(InstaShopError):
    """Kafka has messages that its client does not bring within {seconds} s; `./instashop doctor` tells whether all brokers are well."""


class _NoProgress(Exception):
    """The client brings nothing, although there is more."""


class Claim(msgspec.Struct):
    """What a refused message says of itself."""

    event_id: UUID
    txid: int
    total_cents: int | None = None
    value_cents: int | None = None


@dataclass
class StreamRead:
    """One stream's messages of a page: events by id, what was refused, and what should not be there."""

    sum: Sum = field(default_factory=Sum)
    ids: dict[UUID, int] = field(default_factory=dict)
    repeats: list[tuple[UUID, UUID]] = field(default_factory=list)
    """Events that came once more; each with the event that it was made of (itself, unless an item)."""
    strangers: list[tuple[UUID, UUID]] = field(default_factory=list)
    """Events whose `txid` belongs to an earlier page, or to none that the shop has begun; likewise."""
    refused: int = 0
    claims: dict[UUID, int] = field(default_factory=dict)
    """Refused messages that name an id and a `txid` of this page, with their cents; the shop says whether they are its own."""
    items: dict[UUID, int] = field(default_factory=dict)
    """The items that must come of these events, with their cents: a line each of every transaction in which money moved."""

    def with_refused(self, own: Collection[UUID]) -> Sum:
        """Return the sum of the events and of those refused messages whose claimed id is one of these."""
        return self.sum + Sum.over({event_id: cents for event_id, cents in self.claims.items() if event_id in own and event_id not in self.ids})

    def leave_out(self, known: Explained) -> None:
        """Take away what is explained: an accepted stranger counts nowhere; what was replayed, or repeated and accepted, is only not named."""
        named = known.replayed | known.strangers | known.repeats
        self.strangers = [event for event in self.strangers if named.isdisjoint(event)]
        self.repeats = [event for event in self.repeats if named.isdisjoint(event)]
        if foreign := known.strangers & self.ids.keys():
            for event_id in foreign:
                del self.ids[event_id]
            self.sum = Sum.over(self.ids)


class Client:
    """kafka-python's reader for a whole round: to open one takes longer than to read a page of a quiet shop."""

    def __init__(self, open_client: Callable[..., KafkaConsumer]) -> None:
        self._open = open_client
        self._now: KafkaConsumer | None = None

    @property
    def now(self) -> KafkaConsumer:
        """The reader; opened when it is asked for first."""
        if self._now is None:
            self._now = self._open()
        return self._now

    def uncommitted(self) -> KafkaConsumer:
        """Return another reader, which also sees open transactions; who asks for it closes it."""
        return self._open(isolation="read_uncommitted")

    def close(self) -> None:
        """Close the reader; whoever asks next gets a new one."""
        if self._now is not None:
            self._now.close()
            self._now = None


def forgotten(client: Client, page: Page) -> bool:
    """Whether the messages of a page that was read before are no longer all in Kafka, because of its retention."""
    begins = {place: page.begin.get(place, 0) for place, end in (page.end or {}).items() if end > page.begin.get(place, 0)}
    kept = client.now.beginning_offsets([TopicPartition(*place) for place in begins]) if begins else {}
    return any(kept[TopicPartition(*place)] > begin for place, begin in begins.items())


class PageReader:
    """Reads a page from Kafka, read-committed; each call of `read_on` goes on where the last one ended.

    In each partition events come in the order of their `txid`, so the first one beyond the page ends it there. A refused message
    that claims a `txid` beyond may be the next page's first or anybody's: the next event tells.
    """

    def __init__(self, client: Client, page: Page, next_txid: Callable[[], int]) -> None:
        self._client, self._page, self._next_txid = client, page, next_txid
        places = [(s.name, number) for s in STREAMS for number in sorted(client.now.partitions_for_topic(s.name) or ())]
        self.next: Offsets = {place: page.begin.get(place, 0) for place in places}
        self._reached: Offsets = dict(self.next)
        self._doubtful: dict[tuple[str, int], list[tuple[int, Claim | None]]] = {}
        """What was refused since the first claim of a later page: it is of this page only if an event of this page follows."""
        self.last: Offsets = {}
        """The offset of the last message read of each partition."""
        self.streams = {s.name: StreamRead() for s in STREAMS}
        self._judges = {s.name: judge_of(s.name, s.event_type) for s in STREAMS}
        self._ended: set[tuple[str, int]] = set()

    def read_on(self) -> None:
        """Read what has come since, up to the page's end.

        kafka-python now and then stops fetching after a partition's leader has changed; a new client goes on where it stood.

        Raises:
            StandsStill: new clients did not get on either.
        """
        _patiently(self._read_to_ends, self._client.close)

    def _read_to_ends(self) -> None:
        client, places = self._client.now, {TopicPartition(*place): place for place in self.next if place not in self._ended}
        if not places:
            return
        self._doubtful.clear()  # It is read again.
        client.assign(list(places))
        ends = client.end_offsets(list(places))
        if self._page.end is not None:
            ends = {at: min(ends[at], self._page.end.get(place, 0)) for at, place in places.items()}
        unread = {at for at, place in places.items() if self.next[place] < ends[at]}
        client.assign(list(unread))
        for at in unread:
            client.seek(at, self.next[places[at]])
        stood, moved_at = dict.fromkeys(unread, -1), time.monotonic()
        while unread:
            read = set()
            for at, records in client.poll(timeout_ms=200, max_records=20_000).items():
                if self._take(places[at], records, ends[at]):
                    self._ended.add(places[at])
                    read.add(at)
            stands = {at: client.position(at) for at in unread - read}
            if stands != stood:
                stood, moved_at = stands, time.monotonic()
            elif time.monotonic() - moved_at > STALL_SECONDS:
                raise _NoProgress
            for at, position in stands.items():
                if position >= ends[at]:
                    self._reached[places[at]] = ends[at]
                    self.next[places[at]] = self._doubtful[places[at]][0][0] if places[at] in self._doubtful else ends[at]
                    read.add(at)
            if read:  # Not paused: kafka-python may keep what it had of a paused partition, and never fetch it again once it is resumed.
                unread -= read
                client.assign(list(unread))

    def written(self) -> Offsets:
        """Return where each partition ends with the open transactions.

        Raises:
            StandsStill: no client was told.
        """
        return _patiently(self._written, lambda: None)

    def _written(self) -> Offsets:
        client = self._client.uncommitted()
        try:
            places = {TopicPartition(*place): place for place in self.next}
            return {places[at]: offset for at, offset in client.end_offsets(list(places)).items()}
        finally:
            client.close()

    def has_read(self, ends: Offsets) -> bool:
        """Whether each partition was read to here or to the page's end."""
        return all(place in self._ended or self._reached[place] >= end for place, end in ends.items())

    def _take(self, place: tuple[str, int], records: list[ConsumerRecord], end: int) -> bool:
        """Count messages; return whether one of them lies beyond the page and ends its partition.

        What was written after this call began, from `end` on, is left for the next one; it says nothing of the page's end.
        """
        return any(self._beyond(place, record.offset, record.value, record.timestamp) for record in records if record.offset < end)

    def _beyond(self, place: tuple[str, int], offset: int, body: bytes | None, published_ms: int) -> bool:
        """Count a message, unless it lies beyond the page; return whether it does."""
        if place in self._ended:
            return True
        event = self._judges[place[0]](body, published_ms)
        if isinstance(event, Refusal):
            claim = _claim(body)
            if place in self._doubtful or (claim and self._is_later(claim.txid)):
                self._doubtful.setdefault(place, []).append((offset, claim))
            else:
                self._refuse(place, offset, claim)
            return False
        doubtful = self._doubtful.pop(place, [])
        if self._is_later(event.txid):
            self.next[place] = doubtful[0][0] if doubtful else offset
            return True
        for earlier, claim in doubtful:
            self._refuse(place, earlier, claim)
        self.next[place], self.last[place] = offset + 1, offset
        read = self.streams[place[0]]
        if not self._page.from_txid <= event.txid < self._page.to_txid:
            read.strangers.append(_with_source(event))
        elif event.event_id in read.ids:
            read.repeats.append(_with_source(event))
        else:
            self._count(place[0], read, event)
        return False

    def _is_later(self, txid: int) -> bool:
        """Whether a `txid` is beyond the page, which has no end yet, and one that the shop has begun."""
        return self._page.end is None and self._page.to_txid <= txid < self._next_txid()

    def _refuse(self, place: tuple[str, int], offset: int, claim: Claim | None) -> None:
        self.next[place], self.last[place] = offset + 1, offset
        read = self.streams[place[0]]
        read.refused += 1
        if claim and self._page.from_txid <= claim.txid < self._page.to_txid:
            read.claims[claim.event_id] = _cents(place[0], claim)

    @staticmethod
    def _count(topic: str, read: StreamRead, event: Event) -> None:
        cents = _cents(topic, event)
        read.ids[event.event_id] = cents
        read.sum.add(event.event_id, cents)
        if isinstance(event, Transaction) and event.status in ("paid", "refunded"):
            read.items |= {item_id(event.event_id, line.line): line.total_cents for line in event.lines}

    def items_found(self) -> Sum:
        """Return the sum of the items, with those that the judge refused (of an unknown product) but that had to come."""
        return self.streams["transaction_items"].with_refused(self.streams["transactions"].items)


def _claim(body: bytes | None) -> Claim | None:
    try:
        return msgspec.json.decode(body or b"", type=Claim)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError):
        return None


def _cents(topic: str, event: Event | Claim) -> int:
    """Return the cents of a stream that the books compare; 0 where they compare none, or a claim names none."""
    field_name = BY_NAME[topic].cents
    return (getattr(event, field_name) or 0) if field_name else 0


def _with_source(event: Event) -> tuple[UUID, UUID]:
    return event.event_id, event.transaction_event_id if isinstance(event, TransactionItem) else event.event_id


def _patiently(work: Callable[[], T], anew: Callable[[], None]) -> T:
    """Return what `work` returns; while its client stands still, call `anew` and try again."""
    for _ in range(ATTEMPTS):
        try:
            return work()
        except (KafkaTimeoutError, _NoProgress) as error:
            log.warning("Kafka is asked with a new client, since the last one stood still (%s)", error or "no progress")
            anew()
    raise StandsStill(seconds=ATTEMPTS * STALL_SECONDS)
