"""Reading topics: a read-committed source whose position is kept by the sink, and a topic's whole content up to now."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import NamedTuple, cast

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import TopicMetadata

from instashop import connect
from instashop.errors import NotPrepared, OtherPartitions, TopicHeld
from instashop.settings import Settings
from instashop.streams import PARTITIONS_OF
from instashop.transport.loop import Batch

log = logging.getLogger(__name__)

Offsets = dict[tuple[str, int], int]
"""The next offset of each topic and partition."""

FOR_LONG = {"fetch.wait.max.ms": "500"}
"""Options of a client that stays when it has read all: it asks seldom whether there is more. Data is answered at once even so."""
NEVER_ELSEWHERE = {"auto.offset.reset": "error"}
"""Options of a client that reads from the offsets that a service keeps: one that its log does not have ends the session. Kafka's client would go elsewhere in silence."""
HELD_SECONDS = 2 * connect.OPEN_SECONDS
"""How long an open transaction may keep a reader from the end of a topic: Kafka looks every ten seconds for those that it has to roll back."""
HELD_UP_SECONDS = 3
"""From then on what waits behind an open transaction counts as lag: a service's own is over long before."""


def place_of(message: Message) -> tuple[str, int]:
    """Return a message's topic and partition."""
    return cast("str", message.topic()), cast("int", message.partition())


def after(message: Message) -> int:
    """Return the offset after a message."""
    return cast("int", message.offset()) + 1


@contextmanager
def consumer(settings: Settings, group: str, **options: str) -> Iterator[Consumer]:
    """Open a read-committed consumer and leave it for good at the end."""
    opened = connect.kafka_consumer(settings, group, **options)
    try:
        yield opened
    finally:
        opened.close()


def require(client: Consumer, settings: Settings, names: Sequence[str]) -> None:
    """Return if each topic is there in our shape.

    Raises:
        NotPrepared: one is missing.
        OtherPartitions: one has more or fewer partitions.
    """
    there = client.list_topics(timeout=10).topics
    missing = [name for name in names if name not in there]
    if missing:
        raise NotPrepared(what=f"topic {', '.join(missing)} at {settings.kafka_bootstrap}")
    require_partitions({name: there[name] for name in names}, settings)


def require_partitions(there: Mapping[str, TopicMetadata], settings: Settings) -> None:
    """Return if those of these topics that are ours have our partitions.

    Raises:
        OtherPartitions: one has more or fewer.
    """
    counts = {name: (len(topic.partitions), PARTITIONS_OF[name]) for name, topic in there.items() if name in PARTITIONS_OF}
    others = [f"{name} ({found}, not {wanted})" for name, (found, wanted) in counts.items() if found != wanted]
    if others:
        raise OtherPartitions(address=settings.kafka_bootstrap, topics=", ".join(others))


def publish(producer: Producer, topic: str, body: str | bytes, key: str | bytes | None) -> None:
    """Hand a message to the client; one that holds as many as it may first lets the brokers take them.

    Raises:
        KafkaException: the client does not take this message.
        BufferError: the brokers take none.
    """
    try:
        producer.produce(topic, body, key)
    except BufferError:
        producer.flush(connect.OPEN_SECONDS)
        producer.produce(topic, body, key)


def partitions_of(client: Consumer, topics: Sequence[str]) -> list[TopicPartition]:
    """Return every partition of the topics, to be read from the beginning."""
    there = client.list_topics(timeout=10).topics
    return [TopicPartition(topic, number, 0) for topic in topics for number in there[topic].partitions]


def ends_of(client: Consumer, places: Iterable[tuple[str, int]]) -> Offsets:
    """Return the present ends of partitions, as the client's isolation sees them; each broker is asked once for all that it leads.

    Raises:
        KafkaException: a broker does not tell.
    """
    return _offsets_at(client, places, OFFSET_END)


def beyond_end(client: Consumer, stored: Offsets) -> Offsets:
    """Return those of these offsets that are beyond the end of their log, as the client's isolation sees it: the log has lost its tail, or was made anew.

    Raises:
        KafkaException: a broker does not tell.
    """
    ends = ends_of(client, stored)
    return {place: offset for place, offset in stored.items() if offset > ends[place]}


def _offsets_at(client: Consumer, places: Iterable[tuple[str, int]], where: int) -> Offsets:
    asked = [TopicPartition(topic, number, where) for topic, number in places]
    found = client.offsets_for_times(asked, timeout=10) if asked else []
    for place in found:
        if place.error:
            raise KafkaException(place.error)
    return {(place.topic, place.partition): place.offset for place in found}


def _say_what_is_lost(stored: Offsets, begins: Offsets) -> None:
    """Say in the log what Kafka has deleted before it was read; the reader goes on after it, and the books name each event."""
    for (topic, number), begin in begins.items():
        offset = stored.get((topic, number), 0)
        # One offset alone is the mark that ended the transaction of what was read last: a quiet week deletes it, too.
        if offset and begin > offset + 1:
            what = f"{topic}/{number} offsets {offset} to {begin - 1}"
            log.error("Kafka has deleted %s before they were read: this reader was away for longer than Kafka keeps events", what)


class ToEnd:
    """Reads what is in some topics up to their present end; each call goes on where the last one ended.

    The end is that of the call: a topic into which messages keep coming never stands still at the end of a partition. `ends` is a
    client that is asked for it: a read-uncommitted one also knows of messages that are committed, while a transaction that began
    before them, or the mark of their own, still keeps them from read-committed readers; then the call waits for them.
    """

    def __init__(self, client: Consumer, topics: Sequence[str], ends: Consumer | None = None) -> None:
        places = partitions_of(client, topics)
        self._client, self._ends = client, ends or client
        self._next = {(p.topic, p.partition): p.offset for p in places}
        client.assign(places)

    def __iter__(self) -> Iterator[Message]:
        """Yield everything up to the present end.

        Raises:
            TopicHeld: an open transaction keeps the reader from it.
        """
        ends = ends_of(self._ends, self._next)
        behind, since = self._behind(ends), time.monotonic()
        while behind:
            yield from self.arrived(0.05)
            before, behind = behind, self._behind(ends)
            if behind != before:
                since = time.monotonic()
            elif time.monotonic() - since > HELD_SECONDS:
                raise TopicHeld(topic=", ".join(f"{topic}/{number}" for topic, number in behind), seconds=HELD_SECONDS)

    def _behind(self, ends: Offsets) -> Offsets:
        return {place: self._next[place] for place, end in ends.items() if self._next[place] < end}

    def arrived(self, seconds: float = 0) -> list[Message]:
        """Return what has come since the last call; waits for it no longer than asked."""
        messages = []
        for message in self._client.consume(5000, timeout=seconds):
            error = message.error()
            if error is None:
                self._next[place_of(message)] = after(message)
                messages.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                self._next[place_of(message)] = cast("int", message.offset())  # After the marks of transactions, which are no messages.
            elif not error.retriable():
                raise KafkaException(error)
        return messages


@contextmanager
def published(settings: Settings, group: str, topics: Sequence[str], **options: str) -> Iterator[ToEnd]:
    """Give a reader of all that is published in these topics, also of what a transaction still keeps from readers: it waits for that."""
    with consumer(settings, group, **options) as client, consumer(settings, group, **{"isolation.level": "read_uncommitted"}) as ends:
        yield ToEnd(client, topics, ends)


class _End(NamedTuple):
    """Where a partition ends for a read-committed reader, since when it knows of more behind it, and whether the log has that."""

    offset: int
    held_since: float | None = None
    told: bool = False


class TopicReader:
    """A source of messages from topics, read-committed, beginning at the offsets the sink has stored.

    It reads all partitions; as a member of a group (`stored` is given) those that the group gives it, each from what `stored`
    returns at that moment.
    """

    def __init__(self, client: Consumer, topics: Sequence[str], limit: int, wait_seconds: float, stored: Callable[[], Offsets] | None = None) -> None:
        self._client, self._topics, self._limit, self._wait, self._stored = client, topics, limit, wait_seconds, stored
        self._at_end: dict[tuple[str, int], _End | None] = {}
        self._position: Offsets = {}
        self._moved_over = False
        self._published: datetime

    def seek(self, position: Offsets) -> None:
        """Begin at these offsets; a partition without one, or whose offset Kafka has deleted, begins at its first event."""
        if self._stored is None:
            self._begin(self._client, partitions_of(self._client, self._topics), position)
        else:
            self._client.subscribe(list(self._topics), on_assign=self._given, on_revoke=self._taken, on_lost=self._taken)

    def _given(self, client: Consumer, places: list[TopicPartition]) -> None:
        assert self._stored is not None
        try:
            self._begin(client, places, self._stored())
        except KafkaException:
            raise  # As it is caught here it is a real exception; the client would hand on its bare KafkaError, which is none and passes every `except`.
        self._moved_over = True
        log.info("the group gives %d partitions to this member", len(places))

    def _taken(self, client: Consumer, places: list[TopicPartition]) -> None:
        self._at_end, self._position = {}, {}
        client.unassign()
        log.info("the group takes %d partitions from this member", len(places))

    def _begin(self, client: Consumer, places: list[TopicPartition], position: Offsets) -> None:
        begins = _offsets_at(client, [(p.topic, p.partition) for p in places], OFFSET_BEGINNING)
        _say_what_is_lost(position, begins)
        for place in places:
            there = (place.topic, place.partition)
            place.offset = max(position.get(there, 0), begins[there])
        self._at_end = {(p.topic, p.partition): None for p in places}
        self._position = {(p.topic, p.partition): p.offset for p in places}
        self._published = datetime.now(UTC)  # Until a message tells: whoever is behind has been so at least from here on.
        client.assign(places)

    def read(self) -> Batch:
        """Return up to `limit` messages; waits for them no longer than `wait_seconds`.

        Raises:
            KafkaException: the cluster reports an error that is not the end of a partition.
        """
        records: list[Message] = []
        moved: Offsets = {}
        came = self._client.consume(self._limit, timeout=self._wait)
        for message in came:
            place = place_of(message)
            error = message.error()
            if error is None:
                records.append(message)
                moved[place] = after(message)
                self._at_end[place] = None
            elif error.code() == KafkaError._PARTITION_EOF:
                self._at_end[place] = _End(cast("int", message.offset()))
            elif not error.retriable():
                raise KafkaException(error)
        if self._moved_over:  # Some of these were fetched before the group moved partitions: all of them are read again.
            self._moved_over = False
            self._client.assign([TopicPartition(topic, number, offset) for (topic, number), offset in self._position.items()])
            records, moved = [], {}
        self._position.update(moved)
        if records:
            self._published = datetime.fromtimestamp(records[-1].timestamp()[1] / 1000, UTC)
        lag = self._lag(len(came) < self._limit) if self._at_end else (None, None)
        return Batch(records, moved, self._published if records else None, *lag)

    def _lag(self, all_taken: bool) -> tuple[int, float]:
        """Return an upper bound of the messages not read yet, and how long one has waited at least; exact when zero, since offsets also number the marks of transactions."""
        waiting = [self._waiting(place, all_taken) for place in self._at_end]
        return sum(events for events, _seconds in waiting), max((seconds for events, seconds in waiting if events), default=0.0)

    def _waiting(self, place: tuple[str, int], all_taken: bool) -> tuple[int, float]:
        _low, high = self._client.get_watermark_offsets(TopicPartition(*place), cached=True)
        end, now = self._at_end[place], time.monotonic()
        if end is None:
            return max(0, high - self._position.get(place, 0)), (datetime.now(UTC) - self._published).total_seconds()
        if high <= end.offset or not all_taken:
            self._at_end[place] = _End(end.offset)
        elif end.held_since is None:
            self._at_end[place] = _End(end.offset, now)
        elif now - end.held_since > HELD_UP_SECONDS:
            if not end.told:
                log.warning("%s/%d holds %d offsets behind a transaction that is still open", *place, high - end.offset)
                self._at_end[place] = end._replace(told=True)
            return high - end.offset, now - end.held_since
        return 0, 0.0
