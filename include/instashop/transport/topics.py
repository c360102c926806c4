"""Reading topics: a read-committed source whose position is kept by the sink, and a topic's whole content up to now."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from instashop import connect
from instashop.errors import NotPrepared
from instashop.settings import Settings
from instashop.transport.loop import Batch

log = logging.getLogger(__name__)

Offsets = dict[tuple[str, int], int]
"""The next offset of each topic and partition."""


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
    """Raise NotPrepared unless each topic is there."""
    there = client.list_topics(timeout=10).topics
    missing = [name for name in names if name not in there]
    if missing:
        raise NotPrepared(what=f"topic {', '.join(missing)} at {settings.kafka_bootstrap}")


def partitions_of(client: Consumer, topics: Sequence[str]) -> list[TopicPartition]:
    """Return every partition of the topics, to be read from the beginning."""
    there = client.list_topics(timeout=10).topics
    return [TopicPartition(topic, number, 0) for topic in topics for number in there[topic].partitions]


class ToEnd:
    """Reads what is in some topics up to their present end; each call goes on where the last one ended.

    The end is that of the call: a topic into which messages keep coming never stands still at the end of a partition.
    """

    def __init__(self, client: Consumer, topics: Sequence[str]) -> None:
        self._client = client
        self._next = {(p.topic, p.partition): p.offset for p in partitions_of(client, topics)}

    def __iter__(self) -> Iterator[Message]:
        ends = {place: self._client.get_watermark_offsets(TopicPartition(*place), timeout=10)[1] for place in self._next}
        waiting = {place for place, end in ends.items() if self._next[place] < end}
        self._client.assign([TopicPartition(topic, number, offset) for (topic, number), offset in self._next.items()])
        while waiting:
            messages = self._client.consume(5000, timeout=0.05)
            for message in messages:
                place = place_of(message)
                error = message.error()
                if error is None:
                    self._next[place] = after(message)
                    if self._next[place] >= ends[place]:
                        waiting.discard(place)
                    yield message
                elif error.code() == KafkaError._PARTITION_EOF:
                    waiting.discard(place)
                else:
                    raise KafkaException(error)


class TopicReader:
    """A source of messages from topics, read-committed, beginning at the offsets the sink has stored.

    It reads all partitions; as a member of a group (`stored` is given) those that the group gives it, each from what `stored`
    returns at that moment.
    """

    def __init__(self, client: Consumer, topics: Sequence[str], limit: int, wait_seconds: float, stored: Callable[[], Offsets] | None = None) -> None:
        self._client, self._topics, self._limit, self._wait, self._stored = client, topics, limit, wait_seconds, stored
        self._at_end: dict[tuple[str, int], bool] = {}
        self._position: Offsets = {}
        self._moved_over = False

    def seek(self, position: Offsets) -> None:
        """Begin at these offsets; a partition without one begins at its first event."""
        if self._stored is None:
            self._begin(self._client, partitions_of(self._client, self._topics), position)
        else:
            self._client.subscribe(list(self._topics), on_assign=self._given, on_revoke=self._taken, on_lost=self._taken)

    def _given(self, client: Consumer, places: list[TopicPartition]) -> None:
        assert self._stored is not None
        self._begin(client, places, self._stored())
        self._moved_over = True
        log.info("the group gives %d partitions to this member", len(places))

    def _taken(self, client: Consumer, places: list[TopicPartition]) -> None:
        self._at_end, self._position = {}, {}
        client.unassign()
        log.info("the group takes %d partitions from this member", len(places))

    def _begin(self, client: Consumer, places: list[TopicPartition], position: Offsets) -> None:
        for place in places:
            place.offset = position.get((place.topic, place.partition), 0)
        self._at_end = {(p.topic, p.partition): False for p in places}
        self._position = {(p.topic, p.partition): p.offset for p in places}
        client.assign(places)

    def read(self) -> Batch:
        """Return up to `limit` messages; waits for them no longer than `wait_seconds`.

        Raises:
            KafkaException: the cluster reports an error that is not the end of a partition.
        """
        records: list[Message] = []
        moved: Offsets = {}
        for message in self._client.consume(self._limit, timeout=self._wait):
            place = place_of(message)
            error = message.error()
            if error is None:
                records.append(message)
                moved[place] = after(message)
                self._at_end[place] = False
            elif error.code() == KafkaError._PARTITION_EOF:
                self._at_end[place] = True
            elif not error.retriable():
                raise KafkaException(error)
        if self._moved_over:  # Some of these were fetched before the group moved partitions: all of them are read again.
            self._moved_over = False
            self._client.assign([TopicPartition(topic, number, offset) for (topic, number), offset in self._position.items()])
            records, moved = [], {}
        self._position.update(moved)
        published = datetime.fromtimestamp(records[-1].timestamp()[1] / 1000, UTC) if records else None
        lag_events = self._behind() if self._at_end else None
        lag_seconds = 0.0 if lag_events == 0 else (datetime.now(UTC) - published).total_seconds() if published else None
        return Batch(records, moved, published, lag_events, lag_seconds)

    def _behind(self) -> int:
        """Return an upper bound of the messages not read yet; exact when zero, since offsets also number the marks of transactions."""
        behind = 0
        for (topic, number), ended in self._at_end.items():
            if not ended:
                _low, high = self._client.get_watermark_offsets(TopicPartition(topic, number), cached=True)
                behind += max(0, high - self._position.get((topic, number), 0))
        return behind
