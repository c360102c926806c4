"""What `prepare` makes at the brokers, read from them, against the contract."""

from __future__ import annotations

import pytest
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from instashop import connect
from instashop.transport.prepare import prepare_topics
from tests.waiting import wait_until

DAY_MS, WEEK_MS = "86400000", "604800000"
ALIKE = {"min.insync.replicas": "2", "message.timestamp.type": "LogAppendTime"}
EVENTS = {**ALIKE, "cleanup.policy": "delete", "retention.ms": WEEK_MS, "segment.ms": DAY_MS}
CONTRACT = {
    "transactions": (3, EVENTS),
    "user_behavior": (3, EVENTS),
    "searches": (3, EVENTS),
    "cart_events": (3, EVENTS),
    "transaction_items": (3, EVENTS),
    "crm_interactions": (3, EVENTS),
    "products": (3, {**ALIKE, "cleanup.policy": "compact", "min.compaction.lag.ms": WEEK_MS}),
    "cursors": (1, {**ALIKE, "cleanup.policy": "compact"}),
}


@pytest.fixture(scope="module")
def admin(stack):
    return connect.kafka_admin(stack)


def _configuration(admin, kind: ResourceType, name: str) -> dict[str, str]:
    ((_resource, future),) = admin.describe_configs([ConfigResource(kind, name)]).items()
    return {entry.name: entry.value for entry in future.result().values()}


@pytest.mark.parametrize("topic", CONTRACT)
def test_a_topic_is_as_the_contract_says(admin, topic):
    partitions, wanted = CONTRACT[topic]
    found = admin.list_topics(topic, timeout=10).topics[topic].partitions
    assert len(found) == partitions
    assert {len(part.replicas) for part in found.values()} == {3}
    configuration = _configuration(admin, ResourceType.TOPIC, topic)
    assert {name: configuration[name] for name in wanted} == wanted


def test_a_topic_of_older_code_gets_its_segments(admin, stack):
    entry = ConfigEntry("segment.ms", WEEK_MS, incremental_operation=AlterConfigOpType.SET)
    ((_resource, future),) = admin.incremental_alter_configs([ConfigResource(ResourceType.TOPIC, "searches", incremental_configs=[entry])]).items()
    future.result()
    prepare_topics(stack)
    wait_until(lambda: _configuration(admin, ResourceType.TOPIC, "searches")["segment.ms"] == DAY_MS, 20, "segments of a day")


def test_no_broker_makes_a_topic_by_itself(admin):
    for broker in admin.list_topics(timeout=10).brokers:
        assert _configuration(admin, ResourceType.BROKER, str(broker))["auto.create.topics.enable"] == "false"
