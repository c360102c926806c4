"""Hanging transactions: still open in a partition, though their coordinator says that they are over. Readers of the partition wait for ever.

Kafka leaves them behind (its issue KAFKA-20734, in 4.3 and 4.4) when a coordinator completes a transaction while a partition of it has
no leader, as after a kill of a lone broker. Their writer ends them here, each as the coordinator had decided.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from confluent_kafka import Consumer, Producer

from instashop import connect
from instashop.errors import TransactionHangs
from instashop.settings import Settings
from instashop.transport.topics import ToEnd, consumer, ends_of, partitions_of

if TYPE_CHECKING:
    from kafka import KafkaAdminClient, TopicPartition

log = logging.getLogger(__name__)

GROUP_OFFSETS = "__consumer_offsets"
"""Kafka's topic of the offsets that groups have; a transaction can hold these, too."""
_STATE = "__transaction_state"
"""Kafka's topic of what coordinators have decided."""
_CLIENT = "instashop-hanging"


def writer(settings: Settings, transactional_id: str, topics: Sequence[str]) -> Producer:
    """Return the transactional producer of a writer, with nothing of its id open any more in these topics; raises what `finish` does."""
    producer = connect.kafka_producer(settings, transactional_id)
    producer.init_transactions(30)
    finish(settings, transactional_id, topics)
    return producer


def finish(settings: Settings, transactional_id: str, topics: Sequence[str]) -> None:
    """End what hangs of this id's transactions in these topics, once Kafka itself has ended all that it knows of (`init_transactions`).

    Raises:
        TransactionHangs: one cannot be ended; whatever the writer did next would decide it by chance.
        KafkaException: the brokers do not tell.
    """
    held = _held(settings, topics)
    if not held:
        return
    from kafka import TopicPartition  # Imported here: hardly ever needed, and half a second of each start.
    from kafka.errors import AuthorizationError, KafkaError, UnsupportedVersionError

    try:
        with closing(connect.independent_admin(settings)) as admin:
            _finish(settings, admin, transactional_id, [TopicPartition(*place) for place in held])
    except (AuthorizationError, UnsupportedVersionError) as error:  # Brokers of others. Somebody is at work there, most likely.
        log.warning("a transaction is open in %s; these brokers do not let us see whether it hangs: %s", _named(held), error)
    except KafkaError as error:
        raise TransactionHangs(id=transactional_id, where=_named(held), cause=error) from error


def _finish(settings: Settings, admin: KafkaAdminClient, transactional_id: str, held: list[TopicPartition]) -> None:
    at_work = admin.describe_producers(held)  # First: what another of this id begins from here on is not among them.
    known = admin.describe_transactions([transactional_id])[transactional_id]
    hanging = {
        place: producer
        for place, found in at_work.items()
        for producer in found.active_producers
        if producer.current_transaction_start_offset >= 0 and producer.producer_id == known.producer_id and place not in known.topic_partitions
    }
    decided = _decided(settings, transactional_id, known.producer_id) if hanging else {}
    if hanging.keys() - decided.keys():
        raise TransactionHangs(id=transactional_id, where=_named(hanging.keys() - decided.keys()), cause=f"topic {_STATE} does not say how it ended")
    for place, producer in hanging.items():
        _end(admin, place, producer, decided[place])
        outcome = "committed" if decided[place] else "rolled back"
        log.warning(
            "%s hung in %s from offset %d on; it is %s now, as Kafka had decided",
            transactional_id,
            _named([place]),
            producer.current_transaction_start_offset,
            outcome,
        )


def _held(settings: Settings, topics: Sequence[str]) -> list[tuple[str, int]]:
    """Return the partitions of these topics, as far as we may see them, of which a part is still behind an open transaction."""
    with consumer(settings, _CLIENT) as committed, consumer(settings, _CLIENT, **{"isolation.level": "read_uncommitted"}) as whole:
        places = [(p.topic, p.partition) for p in partitions_of(committed, _seen(committed, topics))]
        ends = ends_of(whole, places)
        return [place for place, end in ends_of(committed, places).items() if end < ends[place]]


def _seen(client: Consumer, topics: Sequence[str]) -> list[str]:
    there = client.list_topics(timeout=10).topics
    return [name for name in topics if name in there]


def _decided(settings: Settings, transactional_id: str, producer_id: int) -> dict[tuple[str, int], bool]:
    """Return for each partition whether the newest transaction of an id that wrote to it was committed."""
    decided: dict[tuple[str, int], bool] = {}
    with consumer(settings, _CLIENT) as client:
        records = ToEnd(client, _seen(client, [_STATE]))
        for record in records:
            key, value = record.key() or b"", record.value()
            if key[4:] == transactional_id.encode() and value:  # Before it stand the key's version and the length.
                writer, outcome, places = outcome_in(value)
                if writer == producer_id and outcome is not None:
                    decided |= dict.fromkeys(places, outcome)
    return decided


def _end(admin: KafkaAdminClient, place: TopicPartition, producer: Any, commit: bool) -> None:
    """Write the marker that the coordinator owes; kafka-python's own `abort_transaction` sends the same message, but never to commit."""
    from kafka.errors import for_code
    from kafka.protocol.producer.transaction import WriteTxnMarkersRequest

    marker = WriteTxnMarkersRequest.WritableTxnMarker
    request = WriteTxnMarkersRequest(
        markers=[
            marker(
                producer_id=producer.producer_id,
                producer_epoch=producer.producer_epoch,
                transaction_result=commit,
                topics=[marker.WritableTxnMarkerTopic(name=place.topic, partition_indexes=[place.partition])],
                coordinator_epoch=max(producer.coordinator_epoch, 0),
            )
        ]
    )
    (leader,) = admin._manager.run(admin._async_get_leader_for_partitions, [place])
    response = admin._manager.run(admin._manager.send, request, leader)
    for code in (part.error_code for marked in response.markers for topic in marked.topics for part in topic.partitions):
        if code:
            raise for_code(code)(f"no marker in {place.topic}/{place.partition}")


def _named(places: Any) -> str:
    return ", ".join(f"{topic}/{number}" for topic, number in sorted(places))


_HEAD = struct.Struct("!hqhib")
_OUTCOMES = {2: True, 3: False}
"""PrepareCommit and PrepareAbort (Kafka's TransactionState)."""


def outcome_in(value: bytes) -> tuple[int, bool | None, list[tuple[str, int]]]:
    """Return what a record of `__transaction_state` says: the producer's id, whether the transaction is committed (None: not decided here), and its partitions.

    The record is Kafka's TransactionLogValue.json, versions 0 and 1: version, producer's id and epoch, timeout, status, partitions by topic.
    """
    version, producer_id, _epoch, _timeout, status = _HEAD.unpack_from(value)
    return producer_id, _OUTCOMES.get(status), list(_Fields(value, _HEAD.size, compact=version > 0).places())


class _Fields:
    """Reads the fields of a record of Kafka's one after the other; in a compact version a length is a varint of one more, and tags may follow."""

    def __init__(self, data: bytes, at: int, compact: bool) -> None:
        self._data, self._at, self._compact = data, at, compact

    def places(self) -> Iterator[tuple[str, int]]:
        """Yield partitions that are grouped by their topic."""
        for _ in range(self._length("!i")):
            size = self._length("!h")
            topic = self._data[self._at : self._at + size].decode()
            self._at += size
            for _ in range(self._length("!i")):
                yield topic, self._number("!i")
            self._skip_tags()

    def _number(self, shape: str) -> int:
        (number,) = struct.unpack_from(shape, self._data, self._at)
        self._at += struct.calcsize(shape)
        return int(number)

    def _length(self, shape: str) -> int:
        return self._varint() - 1 if self._compact else self._number(shape)

    def _varint(self) -> int:
        number = shift = 0
        while True:
            byte = self._number("!B")
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number

    def _skip_tags(self) -> None:
        for _ in range(self._varint() if self._compact else 0):
            self._varint()
            size = self._varint()
            self._at += size
