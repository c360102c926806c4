"""The enricher gives a call up that Kafka's client would wait for without end."""

import threading

import pytest
from confluent_kafka import KafkaError, KafkaException

from instashop import connect
from instashop.transport.enricher import ItemsSink, OffsetsNotTaken
from instashop.transport.loop import Batch


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


BATCH = Batch([], {("transactions", 1): 7})


def test_offsets_that_nobody_takes_end_the_session(monkeypatch):
    monkeypatch.setattr(connect, "COMMIT_SECONDS", 0.05)
    returned = threading.Event()
    producer = Broken(returned.wait)
    with pytest.raises(OffsetsNotTaken):
        ItemsSink(producer, Client(), None).write(BATCH)
    assert not producer.committed
    returned.set()


def test_an_error_of_the_client_is_told():
    def refuse():
        raise KafkaException(KafkaError(KafkaError._FENCED))

    producer = Broken(refuse)
    with pytest.raises(KafkaException):
        ItemsSink(producer, Client(), None).write(BATCH)
    assert not producer.committed


def test_taken_offsets_are_committed():
    producer = Broken(lambda: None)
    ItemsSink(producer, Client(), None).write(BATCH)
    assert producer.committed
