"""The enricher against real servers: the names of products, and its offsets."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from uuid import UUID, uuid4

import pytest
from confluent_kafka import KafkaException, TopicPartition

from instashop.errors import OffsetsAhead, OffsetsMissing, TopicHeld, WriterTaken
from instashop.events import item_id
from instashop.transport import enricher, topics
from instashop.transport.topics import consumer, published
from tests import bodies
from tests.integration.conftest import carry, in_kafka, next_batch, once_a_reader_waits
from tests.strangers import send, writing
from tests.waiting import wait_until


def _names_of(settings, product_id) -> list[str | None]:
    """Return what the items of a product are called, one for each line."""
    with published(settings, "test", ["transaction_items"]) as messages:
        found = [json.loads(message.value()) for message in messages if message.key() == b"7"]
    return [item["product_name"] for item in found if item["product_id"] == product_id]


@contextmanager
def _order_before_its_product(settings, product_id):
    """An enricher's sink, the batch of an order that can be read, and the open transaction of the order's product."""
    with enricher.work(settings, threading.Event())() as (source, sink), writing(settings, "slow") as slow:
        source.seek(sink.position())
        carry(source, sink, 3)
        slow.produce("products", bodies.raw(bodies.product(product_id=product_id)), "x")
        slow.flush()
        send(settings, ("transactions", bodies.raw(bodies.transaction(product_id=product_id)), "7"))
        yield sink, next_batch(source), slow


def test_an_order_that_can_be_read_before_its_product_gets_the_products_name(stack):
    with _order_before_its_product(stack, 10**9 + 1) as (sink, batch, slow), once_a_reader_waits(slow.commit_transaction):
        sink.write(batch)
    assert _names_of(stack, 10**9 + 1) == ["Blue Kettle"] * 2


def test_an_order_is_not_carried_while_its_product_may_still_be_committed(stack, monkeypatch):
    with _order_before_its_product(stack, 10**9 + 2) as (sink, batch, slow):
        monkeypatch.setattr(topics, "HELD_SECONDS", 1)
        with pytest.raises(TopicHeld, match="products/"):
            sink.write(batch)
        slow.commit_transaction(30)
        monkeypatch.undo()
        sink.write(batch)
    assert _names_of(stack, 10**9 + 2) == ["Blue Kettle"] * 2


def test_a_product_that_changes_its_name_is_called_so_without_a_new_session(stack):
    with enricher.work(stack, threading.Event())() as (source, sink):
        source.seek(sink.position())
        send(stack, ("products", bodies.raw(bodies.product(product_id=10**9 + 3)), "7"))
        send(stack, ("transactions", bodies.raw(bodies.transaction(product_id=10**9 + 3)), "7"))
        carry(source, sink)
        send(stack, ("products", bodies.raw(bodies.product(product_id=10**9 + 3, version=2, name="Green Kettle")), "7"))

        def renamed():
            send(stack, ("transactions", bodies.raw(bodies.transaction(product_id=10**9 + 3)), "7"))
            carry(source, sink)
            return _names_of(stack, 10**9 + 3)[-1] == "Green Kettle"

        wait_until(renamed, 10, "an item of the new name")
    assert _names_of(stack, 10**9 + 3)[:2] == ["Blue Kettle"] * 2


def test_a_product_published_after_the_enrichers_start_is_known_when_an_order_of_it_comes(stack):
    number = uuid4().int % 2**50
    order = bodies.transaction(product_id=number)
    with enricher.work(stack, threading.Event())() as (source, sink):
        source.seek(sink.position())
        carry(source, sink)
        send(stack, ("products", bodies.raw(bodies.product(product_id=number)), str(number)), ("transactions", bodies.raw(order), "7"))
        carry(source, sink)
    assert {item_id(UUID(order["event_id"]), line) for line in (1, 2)} <= set(in_kafka(stack, "transaction_items"))


def test_an_enricher_whose_place_another_one_takes_says_so(stack):
    with enricher.work(stack, threading.Event())() as (source, sink):
        source.seek(sink.position())
        send(stack, ("transactions", bodies.raw(bodies.transaction()), "7"))
        batch = next_batch(source)
        with enricher.work(stack, threading.Event())(), pytest.raises(WriterTaken, match="Another enricher is already at work"):
            sink.write(batch)


def _commit(client, offsets):
    client.commit(offsets=[TopicPartition("transactions", number, offset) for number, offset in offsets.items()], asynchronous=False)


def _partition_with_items(settings) -> int:
    with consumer(settings, "test") as client:
        return next(message.partition() for message in topics.ToEnd(client, ["transaction_items"]) if message.key() == b"7")


def test_an_enricher_without_offsets_beside_items_does_not_begin_at_zero(stack):
    with consumer(stack, "nobody-yet") as client, pytest.raises(OffsetsMissing):
        enricher.kept_offsets(stack, client)


def test_one_partition_without_its_offset_beside_its_items_does_not_begin_at_zero(stack):
    lost = _partition_with_items(stack)
    with consumer(stack, f"one-lost-{uuid4()}") as client:
        _commit(client, {number: 0 for number in range(3) if number != lost})
        with pytest.raises(OffsetsMissing, match=f"for transactions/{lost}, yet the same"):
            enricher.kept_offsets(stack, client)
        _commit(client, {lost: 0})
        assert enricher.kept_offsets(stack, client) == {("transactions", number): 0 for number in range(3)}


def test_an_enricher_beyond_the_end_of_its_log_does_not_begin_at_zero(stack):
    with consumer(stack, f"ahead-{uuid4()}") as client, consumer(stack, "test", **{"isolation.level": "read_uncommitted"}) as ends:
        end = topics.ends_of(ends, [("transactions", number) for number in range(3)])
        _commit(client, {number: end["transactions", number] for number in range(3)})
        assert enricher.kept_offsets(stack, client) == end
        _commit(client, {1: end["transactions", 1] + 1})
        with pytest.raises(OffsetsAhead, match=f"transactions/1 up to {end['transactions', 1] + 1}, beyond the end"):
            enricher.kept_offsets(stack, client)


def test_a_log_that_loses_its_tail_under_a_running_enricher_ends_its_session(stack):
    with enricher.work(stack, threading.Event())() as (source, sink):
        (place, offset), *others = sink.position().items()
        source.seek({**dict(others), place: offset + 10**6})
        with pytest.raises(KafkaException, match="out of range"):
            next_batch(source)
