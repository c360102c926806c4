"""Somebody else who writes to Kafka."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import Producer

from instashop import connect
from instashop.settings import Settings


@contextmanager
def writing(settings: Settings, name: str = "stranger") -> Iterator[Producer]:
    """A transaction of a writer of that name, open until its caller ends it; what is sent is in Kafka when `flush` returns."""
    writer = connect.kafka_producer(settings, name)
    writer.init_transactions(30)
    writer.begin_transaction()
    yield writer
    writer.close()


def send(settings: Settings, *messages: tuple[str, bytes, str]) -> None:
    """Publish (topic, body, key) in one transaction."""
    with writing(settings) as writer:
        for topic, body, key in messages:
            writer.produce(topic, body, key)
        writer.commit_transaction(30)
