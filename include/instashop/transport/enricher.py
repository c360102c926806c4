"""transactions → transaction_items: each line of a paid or refunded order once, with what the catalogue says of its product.

Items and the offsets of `transactions` go into one Kafka transaction.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from instashop import connect
from instashop.errors import InstaShopError, OffsetsAhead, OffsetsMissing, WriterTaken
from instashop.events import Product, Transaction, TransactionItem, item_id, judge_of
from instashop.settings import Settings
from instashop.transport import hanging
from instashop.transport.loop import Batch, Sink, Source, Work
from instashop.transport.topics import (
    FOR_LONG,
    NEVER_ELSEWHERE,
    Offsets,
    ToEnd,
    TopicReader,
    beyond_end,
    consumer,
    partitions_of,
    place_of,
    publish,
    published,
    require,
)

GROUP = "instashop-enricher"
_GATHER_SECONDS = 0.5
"""How long orders are gathered: a Kafka transaction costs the brokers the same for one item as for hundreds."""
_FENCED = (KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH)
_judge_transaction = judge_of("transactions", Transaction)
_judge_product = judge_of("products", Product)
_judge_item = judge_of("transaction_items", TransactionItem)


class OffsetsNotTaken(InstaShopError):
    """The broker that keeps the offsets of group {group} has not answered for {seconds} s; a new session asks the cluster which one it is now."""


class Catalogue:
    """The newest version of each product, as topic `products` tells it."""

    def __init__(self, products: ToEnd) -> None:
        self._products = products
        self._known: dict[int, Product] = {}

    def read_to_end(self) -> None:
        """Take in every product published until now.

        Raises:
            TopicHeld: some are published, but cannot be read yet.
        """
        self._take(self._products)

    def renew(self, product_ids: Iterable[int]) -> None:
        """Take in what has come; if one of these products is not known even so, all that is published, since a product is before any order names it.

        Raises:
            TopicHeld: the same.
        """
        self._take(self._products.arrived())
        if not self._known.keys() >= set(product_ids):
            self.read_to_end()

    def _take(self, messages: Iterable[Message]) -> None:
        for message in messages:
            product = _judge_product(message.value(), message.timestamp()[1])
            if isinstance(product, Product):
                known = self._known.get(product.product_id)
                if known is None or known.version < product.version:
                    self._known[product.product_id] = product

    def known(self, product_id: int) -> Product | None:
        """Return a product of those read until now."""
        return self._known.get(product_id)


def items_of(event: Transaction, catalogue: Catalogue) -> list[TransactionItem]:
    """Return the items of a transaction: none unless money moved.

    An unknown product makes an item without a name: the judge refuses it, so it ends, counted, among the dead letters.
    """
    if event.status not in ("paid", "refunded"):
        return []
    items = []
    for line in event.lines:
        product = catalogue.known(line.product_id)
        items.append(
            TransactionItem(
                event_id=item_id(event.event_id, line.line),
                kind="transaction_items",
                schema_version=1,
                occurred_at=event.occurred_at,
                recorded_at=event.recorded_at,
                txid=event.txid,
                transaction_id=event.transaction_id,
                transaction_event_id=event.event_id,
                status=event.status,
                customer_id=event.customer_id,
                line=line.line,
                product_id=line.product_id,
                product_name=product.name if product else None,
                category=product.category if product else None,
                quantity=line.quantity,
                unit_price_cents=line.unit_price_cents,
                gross_cents=line.gross_cents,
                discount_cents=line.discount_cents,
                net_cents=line.net_cents,
                tax_cents=line.tax_cents,
                total_cents=line.total_cents,
            )
        )
    return items


class ItemsSink:
    """The sink: items and the offsets of what they were made of, in one Kafka transaction."""

    def __init__(self, producer: Producer, client: Consumer, catalogue: Catalogue, kept: Offsets) -> None:
        self._producer, self._client, self._catalogue, self._kept = producer, client, catalogue, kept

    def position(self) -> Offsets:
        """Return the offsets as Kafka kept them when this session began."""
        return self._kept

    def write(self, batch: Batch) -> None:
        """Publish the items of a batch and move its offsets, together; what the judge refuses has no items.

        Raises:
            WriterTaken: another enricher has begun meanwhile; nothing of this batch is published.
        """
        verdicts = [_judge_transaction(message.value(), message.timestamp()[1]) for message in batch.records]
        events = [verdict for verdict in verdicts if isinstance(verdict, Transaction)]
        self._catalogue.renew(line.product_id for event in events for line in event.lines)
        with _alone():
            self._publish(events, batch.position)

    def _publish(self, events: list[Transaction], position: Offsets) -> None:
        self._producer.begin_transaction()
        for event in events:
            for item in items_of(event, self._catalogue):
                publish(self._producer, "transaction_items", msgspec.json.encode(item), str(event.customer_id))
        self._send([TopicPartition(topic, number, offset) for (topic, number), offset in position.items()])
        self._producer.commit_transaction(connect.COMMIT_SECONDS)

    def _send(self, offsets: list[TopicPartition]) -> None:
        """Put offsets into the transaction, or give up in time.

        librdkafka does not keep its own timeout here: once the group's broker has left the cluster, the call may wait for ever (its
        issues 5456 and 5511). A call given up ends with an error when that broker is back, since a newer producer has the id by then.
        """
        sent: Future[None] = Future()
        group = self._client.consumer_group_metadata()

        def send() -> None:
            try:
                self._producer.send_offsets_to_transaction(offsets, group)
                sent.set_result(None)
            except KafkaException as error:
                sent.set_exception(error)

        threading.Thread(target=send, name="offsets", daemon=True).start()
        try:
            sent.result(connect.COMMIT_SECONDS)
        except TimeoutError:
            raise OffsetsNotTaken(group=GROUP, seconds=connect.COMMIT_SECONDS) from None


@contextmanager
def _alone() -> Iterator[None]:
    """Tell of another enricher that has fenced this one; Kafka also fences who holds a transaction open for too long."""
    began = time.monotonic()
    try:
        yield
    except KafkaException as error:
        if error.args[0].code() in _FENCED and time.monotonic() - began < connect.OPEN_SECONDS:
            raise WriterTaken(service="enricher", address="these brokers") from error
        raise


def kept_offsets(settings: Settings, client: Consumer) -> Offsets:
    """Return the offsets of `transactions` that Kafka keeps for the client's group.

    Raises:
        OffsetsMissing: a partition has none, yet items were made of it: both have the order's customer as their key.
        OffsetsAhead: one is beyond the end of its log.
        KafkaException: the brokers do not tell.
    """
    committed = client.committed(partitions_of(client, ["transactions"]), timeout=15)
    for place in committed:
        if place.error:
            raise KafkaException(place.error)
    kept = {(place.topic, place.partition): place.offset for place in committed if place.offset >= 0}
    missing = {place.partition for place in committed if place.offset < 0}
    if missing:
        items = (message for message in ToEnd(client, ["transaction_items"]) if message.partition() in missing)
        made = next((place_of(item)[1] for item in items if isinstance(_judge_item(item.value()), TransactionItem)), None)
        if made is not None:
            raise OffsetsMissing(group=GROUP, where=f"transactions/{made}")
    with consumer(settings, GROUP, **{"isolation.level": "read_uncommitted"}) as ends:  # A person may have set them behind an open transaction.
        ahead = beyond_end(ends, kept)
    if ahead:
        raise OffsetsAhead(group=GROUP, where=", ".join(f"{topic}/{number} up to {offset}" for (topic, number), offset in ahead.items()))
    return kept


def work(settings: Settings, _stop: threading.Event) -> Work:
    """Return what opens one session of the enricher: fencing, then the catalogue, then the offsets."""

    @contextmanager
    def session() -> Iterator[tuple[Source, Sink]]:
        with consumer(settings, GROUP, **FOR_LONG, **NEVER_ELSEWHERE) as client:
            require(client, settings, ["transactions", "products", "transaction_items"])
            producer = hanging.writer(settings, "instashop-enricher", ["transaction_items", hanging.GROUP_OFFSETS])
            with published(settings, "instashop-catalogue", ["products"], **FOR_LONG) as products:
                catalogue = Catalogue(products)
                catalogue.read_to_end()
                sink = ItemsSink(producer, client, catalogue, kept_offsets(settings, client))
                yield TopicReader(client, ["transactions"], settings.batch_limit, _GATHER_SECONDS), sink

    return session
