"""The enricher makes whole items, gives a call up that Kafka's client would wait for without end, and reads the catalogue once a batch."""

import threading
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import UUID

import msgspec
import pytest
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, KafkaError, KafkaException, Message

from instashop import connect
from instashop.errors import WriterTaken
from instashop.events import Transaction, item_id
from instashop.transport.enricher import Catalogue, ItemsSink, OffsetsNotTaken, items_of, kept_offsets
from instashop.transport.loop import Batch
from tests import bodies


class Client:
    """A consumer of which only the group is asked."""

    def consumer_group_metadata(self):
        return "group"


class Broken:
    """A producer whose offsets are answered as a test says; whether it committed is kept."""

    def __init__(self, answer):
        self._answer, self.committed = answer, False

    def begin_transaction(self):
        pass

    def send_offsets_to_transaction(self, offsets, group):
        assert (group, [(p.topic, p.partition, p.offset) for p in offsets]) == ("group", [("transactions", 1, 7)])
        self._answer()

    def commit_transaction(self, seconds):
        self.committed = True


def said(body):
    """Return the message that Kafka took at this moment."""
    return Message(topic="products", value=bodies.raw(body), timestamp=(TIMESTAMP_LOG_APPEND_TIME, int(time.time() * 1000)))


class Shelf:
    """A list of products as topic `products`: what has come by itself, and what is there once somebody reads to its end."""

    def __init__(self, arrives=(), rest=()):
        self.arrives, self.rest, self.ends_read = list(arrives), list(rest), 0

    def arrived(self):
        came, self.arrives = self.arrives, []
        return map(said, came)

    def __iter__(self):
        self.ends_read += 1
        return map(said, self.rest)


BATCH = Batch([], {("transactions", 1): 7})

ORDER = {
    "event_id": "01968c1e-7a00-7abc-8def-0123456789ab",
    "kind": "transactions",
    "schema_version": 1,
    "occurred_at": "2026-05-01T12:00:00.123456Z",
    "recorded_at": "2026-05-01T12:00:04.654321Z",
    "txid": 815,
    "transaction_id": "11111111-1111-4111-8111-111111111111",
    "version": 2,
    "status": "paid",
    "customer_id": 42,
    "session_id": "22222222-2222-4222-8222-222222222222",
    "payment_method": "card",
    "currency": "EUR",
    "gross_cents": 6500,
    "discount_cents": 600,
    "net_cents": 5900,
    "tax_cents": 1121,
    "total_cents": 7021,
    "lines": [
        {
            "line": 1,
            "product_id": 5,
            "quantity": 3,
            "unit_price_cents": 2000,
            "gross_cents": 6000,
            "discount_cents": 600,
            "net_cents": 5400,
            "tax_cents": 1026,
            "total_cents": 6426,
        },
        {
            "line": 2,
            "product_id": 8,
            "quantity": 2,
            "unit_price_cents": 250,
            "gross_cents": 500,
            "discount_cents": 0,
            "net_cents": 500,
            "tax_cents": 95,
            "total_cents": 595,
        },
    ],
}
"""An order of two lines as it came."""
OF_THE_ORDER = {
    "kind": "transaction_items",
    "schema_version": 1,
    "occurred_at": "2026-05-01T12:00:00.123456Z",
    "recorded_at": "2026-05-01T12:00:04.654321Z",
    "txid": 815,
    "transaction_id": "11111111-1111-4111-8111-111111111111",
    "transaction_event_id": "01968c1e-7a00-7abc-8def-0123456789ab",
    "status": "paid",
    "customer_id": 42,
}
"""What its items have alike."""
PAID = [
    {**OF_THE_ORDER, **ORDER["lines"][0], "product_name": "Blue Kettle", "category": "Kitchen"},
    {**OF_THE_ORDER, **ORDER["lines"][1], "product_name": "Red Rake", "category": "Garden"},
]
"""Its items once it is paid, but for their ids."""
NEGATED = {"quantity", "gross_cents", "discount_cents", "net_cents", "tax_cents", "total_cents"}
"""What a refund carries with the other sign."""


def refunded(body):
    """Return an order, a line or an item as its refund says it."""
    said = {name: -value if name in NEGATED else value for name, value in body.items()}
    if "lines" in said:
        said["lines"] = [refunded(line) for line in said["lines"]]
    return {**said, "status": "refunded"} if "status" in said else said


@pytest.mark.parametrize(("order", "items"), [(ORDER, PAID), (refunded(ORDER), [refunded(item) for item in PAID])], ids=["paid", "refunded"])
def test_each_line_of_an_order_is_a_whole_item(order, items):
    catalogue = Catalogue(Shelf(rest=[bodies.product(product_id=5), bodies.product(product_id=8, name="Red Rake", category="Garden")]))
    catalogue.read_to_end()
    made = items_of(msgspec.convert(order, Transaction), catalogue)
    ids = [str(item_id(UUID(order["event_id"]), line)) for line in (1, 2)]
    assert [msgspec.to_builtins(item) for item in made] == [{"event_id": event_id, **item} for event_id, item in zip(ids, items, strict=True)]


@pytest.mark.parametrize("status", ["created", "failed"])
def test_an_order_whose_money_has_not_moved_has_no_items(status):
    assert items_of(msgspec.convert({**ORDER, "status": status}, Transaction), Catalogue(Shelf())) == []


def test_offsets_that_nobody_takes_end_the_session(monkeypatch):
    monkeypatch.setattr(connect, "COMMIT_SECONDS", 0.05)
    returned = threading.Event()
    producer = Broken(returned.wait)
    with pytest.raises(OffsetsNotTaken):
        ItemsSink(producer, Client(), Catalogue(Shelf()), {}).write(BATCH)
    assert not producer.committed
    returned.set()


def _failing(code):
    def refuse():
        raise KafkaException(KafkaError(code))

    return Broken(refuse)


def test_an_error_of_the_client_is_told():
    producer = _failing(KafkaError._TRANSPORT)
    with pytest.raises(KafkaException):
        ItemsSink(producer, Client(), Catalogue(Shelf()), {}).write(BATCH)
    assert not producer.committed


@pytest.mark.parametrize(("open_seconds", "told"), [(10, WriterTaken), (0, KafkaException)])
def test_who_is_fenced_names_another_enricher_unless_its_own_transaction_was_open_for_too_long(monkeypatch, open_seconds, told):
    monkeypatch.setattr(connect, "OPEN_SECONDS", open_seconds)
    with pytest.raises(told):
        ItemsSink(_failing(KafkaError._FENCED), Client(), Catalogue(Shelf()), {}).write(BATCH)


def test_taken_offsets_are_committed():
    producer = Broken(lambda: None)
    ItemsSink(producer, Client(), Catalogue(Shelf()), {}).write(BATCH)
    assert producer.committed


def test_a_known_product_that_changes_is_known_anew_without_reading_to_the_end():
    shelf = Shelf(arrives=[bodies.product(version=1)])
    catalogue = Catalogue(shelf)
    catalogue.renew([1])
    shelf.arrives = [bodies.product(version=2, name="Green Kettle")]
    catalogue.renew([1])
    assert catalogue.known(1).name == "Green Kettle"
    assert shelf.ends_read == 0


def test_a_product_that_the_warehouse_refuses_for_its_time_changes_no_name():
    ahead = datetime.now(UTC) + timedelta(hours=2)
    catalogue = Catalogue(Shelf(rest=[bodies.product(version=1), bodies.product(ahead, version=2, name="Of tomorrow")]))
    catalogue.read_to_end()
    assert catalogue.known(1).name == "Blue Kettle"


def test_products_that_are_not_known_are_looked_for_once_in_a_batch():
    shelf = Shelf(rest=[bodies.product(product_id=5)])
    catalogue = Catalogue(shelf)
    catalogue.renew([5, 6, 7, 6])
    assert (catalogue.known(5) is not None, catalogue.known(6), shelf.ends_read) == (True, None, 1)


def test_a_broker_that_does_not_tell_an_offset_is_no_beginning_from_zero():
    lost = SimpleNamespace(topic="transactions", partition=0, offset=-1001, error=KafkaError(KafkaError.COORDINATOR_LOAD_IN_PROGRESS))
    topics = SimpleNamespace(topics={"transactions": SimpleNamespace(partitions=[0])})
    client = SimpleNamespace(list_topics=lambda timeout: topics, committed=lambda places, timeout: [lost])
    with pytest.raises(KafkaException):
        kept_offsets(None, client)
