"""Transactions that Kafka has forgotten to end are ended by their writer as the coordinator had decided."""

from __future__ import annotations

from contextlib import closing, contextmanager
from uuid import uuid4

import pytest
from confluent_kafka import TopicPartition as Place
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic
from kafka import KafkaAdminClient, TopicPartition
from kafka.protocol.producer.produce import ProduceRequest
from kafka.record.memory_records import MemoryRecordsBuilder

from instashop import connect
from instashop.errors import TransactionHangs
from instashop.transport import hanging
from instashop.transport.topics import consumer, published
from tests.strangers import writing
from tests.waiting import wait_until


@pytest.fixture(scope="module", autouse=True)
def _unverified(stack):
    """Brokers that take a transaction's message without asking its coordinator, so that one can be left hanging."""
    with _of_all_brokers(stack, "transaction.partition.verification.enable", "false"):
        yield


@contextmanager
def _of_all_brokers(settings, name, value):
    admin = connect.kafka_admin(settings)

    def set_to(text, operation):
        entry = ConfigEntry(name, text, incremental_operation=operation)
        for number in admin.list_topics(timeout=10).brokers:
            resource = ConfigResource(ConfigResource.Type.BROKER, str(number), incremental_configs=[entry])
            admin.incremental_alter_configs([resource])[resource].result()

    set_to(value, AlterConfigOpType.SET)
    yield
    set_to(None, AlterConfigOpType.DELETE)


@pytest.fixture
def topic(stack):
    """A topic of two partitions that nobody else knows."""
    name, admin = f"hanging-{uuid4()}", connect.kafka_admin(stack)
    admin.create_topics([NewTopic(name, 2, 3)])[name].result()
    wait_until(lambda: len(admin.list_topics(name, timeout=10).topics[name].partitions) == 2, 20, "the topic")
    yield name
    admin.delete_topics([name])[name].result()


def _leave_hanging(settings, writer, topic, partition, sequence):
    """Send one more message of a transaction that its coordinator knows nothing of."""
    with closing(connect.independent_admin(settings)) as admin:
        known = admin.describe_transactions([writer])[writer]
        records = MemoryRecordsBuilder(2, 0, 1000, 0, True, known.producer_id, known.producer_epoch, sequence)
        records.append(timestamp=1, key=None, value=b"hung")
        records.close()
        data = ProduceRequest.TopicProduceData
        partitions = [data.PartitionProduceData(index=partition, records=records.buffer())]
        request = ProduceRequest(transactional_id=writer, acks=-1, timeout_ms=10_000, topic_data=[data(name=topic, partition_data=partitions)], max_version=11)

        def taken():
            (leader,) = admin._manager.run(admin._async_get_leader_for_partitions, [TopicPartition(topic, partition)])
            return admin._manager.run(admin._manager.send, request, leader).responses[0].partition_responses[0].error_code == 0

        wait_until(taken, 20, "the message")  # The new setting reaches each broker a moment later.


def _readable(settings, topic):
    with published(settings, "test", [topic]) as messages:
        return [message.value() for message in messages]


@pytest.mark.parametrize(("commits", "kept"), [(True, [b"first", b"hung"]), (False, [])])
def test_what_hangs_is_ended_as_its_coordinator_had_decided(stack, topic, commits, kept):
    name = f"hanging-{uuid4()}"
    with writing(stack, name) as writer:
        writer.produce(topic, b"first", partition=1)
        writer.flush()
        writer.commit_transaction(30) if commits else writer.abort_transaction(30)
        _leave_hanging(stack, name, topic, 1, sequence=1)
        assert hanging._held(stack, [topic]) == [(topic, 1)]
        hanging.finish(stack, name, [topic])
        assert hanging._held(stack, [topic]) == []
        assert _readable(stack, topic) == kept
        writer.begin_transaction()
        writer.produce(topic, b"next", partition=0)
        writer.commit_transaction(30)
        assert sorted(_readable(stack, topic)) == sorted([*kept, b"next"])


def test_what_nobody_decided_stops_its_writer(stack, topic):
    name = f"hanging-{uuid4()}"
    with writing(stack, name) as writer:
        writer.produce(topic, b"first", partition=0)
        writer.commit_transaction(30)
        _leave_hanging(stack, name, topic, 1, sequence=0)
        with pytest.raises(TransactionHangs, match=f"{topic}/1.*does not say how it ended"):
            hanging.finish(stack, name, [topic])
        assert hanging._held(stack, [topic]) == [(topic, 1)]


def test_a_transaction_at_work_is_left_alone(stack, topic):
    """Another writer's and, until its coordinator says that it is over, also one's own."""
    name = f"hanging-{uuid4()}"
    with writing(stack, name) as own, writing(stack, f"other-{uuid4()}") as other:
        own.produce(topic, b"own", partition=0)
        other.produce(topic, b"other", partition=1)
        own.flush()
        other.flush()
        hanging.finish(stack, name, [topic])
        assert hanging._held(stack, [topic]) == [(topic, 0), (topic, 1)]
        own.commit_transaction(30)
        other.commit_transaction(30)
        assert sorted(_readable(stack, topic)) == [b"other", b"own"]


@pytest.mark.parametrize("asked", ["describe_transactions", "describe_producers"])
def test_a_transaction_that_begins_meanwhile_is_left_alone(stack, topic, monkeypatch, asked):
    """As when two enrichers take the work from each other."""
    name = f"hanging-{uuid4()}"
    with writing(stack, name) as own, writing(stack, f"other-{uuid4()}") as other:
        other.produce(topic, b"other", partition=0)
        other.flush()
        own.produce(topic, b"before", partition=0)
        own.commit_transaction(30)
        ask = getattr(KafkaAdminClient, asked)

        def then_begin(*given):
            answer = ask(*given)
            own.begin_transaction()
            own.produce(topic, b"taken back", partition=0)
            own.flush()
            return answer

        monkeypatch.setattr(KafkaAdminClient, asked, then_begin)
        hanging.finish(stack, name, [topic])
        own.abort_transaction(30)
        other.commit_transaction(30)
        assert sorted(_readable(stack, topic)) == [b"before", b"other"]


def test_offsets_that_a_transaction_holds_are_seen(stack, topic):
    """A group is told no offsets that a transaction holds; the enricher could not go on."""
    with writing(stack, f"hanging-{uuid4()}") as writer, consumer(stack, f"group-{uuid4()}") as client:
        writer.send_offsets_to_transaction([Place(topic, 0, 7)], client.consumer_group_metadata())
        (held,) = hanging._held(stack, [hanging.GROUP_OFFSETS])
        assert held[0] == hanging.GROUP_OFFSETS
        writer.commit_transaction(30)
        assert hanging._held(stack, [hanging.GROUP_OFFSETS]) == []
