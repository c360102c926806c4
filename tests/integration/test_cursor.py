"""A cursor that is lost, or of another shop: the producer ends with it, and publishes nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest
from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from instashop import connect
from instashop.errors import CursorMissing, CursorOfAnotherShop
from instashop.settings import ROOT
from instashop.streams import CURSORS
from instashop.transport import producer
from instashop.transport.prepare import prepare_topics
from instashop.transport.topics import ToEnd, consumer
from tests import bodies
from tests.integration.conftest import publish
from tests.integration.rows import insert
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def systems(stack, shop) -> dict[str, str]:
    """The system of each shop database; their topics hold events, and the cursors are behind them."""
    body = bodies.search()
    values = {name: body[name] for name in ("event_id", "occurred_at", "session_id", "term", "results")}
    insert(shop, "searches", {**values, "query": "typed"})
    publish(stack)
    (found,) = shop.execute("SELECT system_identifier::text FROM pg_control_system()").fetchone()
    return {"instashop": found, "crm_db": found}


@pytest.fixture
def kept(stack, systems):
    """What topic `cursors` says; it says so again after the test."""
    with consumer(stack, "test") as client:
        before = {message.key(): message.value() for message in ToEnd(client, [CURSORS])}
    yield before
    _say(stack, before)
    assert producer.stored_cursor(stack, systems)


def _say(settings, messages: dict[bytes, bytes]) -> None:
    sender = connect.kafka_producer(settings, "instashop-producer")  # Fences a producer that is still there.
    sender.init_transactions(30)
    sender.begin_transaction()
    for key, value in messages.items():
        sender.produce(CURSORS, value, key)
    sender.commit_transaction(30)
    sender.close()


def _producer_ends() -> str:
    """Return what the service says on its standard error; a fault that it takes for passing would keep it trying."""
    ended = subprocess.run([sys.executable, "-m", "instashop", "producer"], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "trying again" not in ended.stdout
    return ended.stderr


def test_a_cursor_of_another_postgres_ends_the_producer(stack, systems, kept):
    key = b"producer/instashop"
    _say(stack, {key: kept[key].replace(systems["instashop"].encode(), b"17")})
    with pytest.raises(CursorOfAnotherShop, match=f"`instashop` was written for Postgres system 17, but this is system {systems['instashop']}"):
        producer.stored_cursor(stack, systems)
    assert f"error: {CursorOfAnotherShop(database='instashop', known='17', found=systems['instashop'])}" in _producer_ends()


@pytest.fixture
def lost(stack, kept):
    """Topic `cursors` without a message, beside topics with events."""
    admin = connect.kafka_admin(stack)
    before = _topic_id(admin)
    admin.delete_topics([CURSORS])[CURSORS].result()
    # A broker may tell of the topic that is gone, and nothing is made then.
    wait_until(lambda: prepare_topics(stack) or _topic_id(admin) not in (None, before), 30, "a new topic")


def _topic_id(admin: AdminClient) -> str | None:
    try:
        return str(admin.describe_topics(TopicCollection([CURSORS]))[CURSORS].result().topic_id)
    except KafkaException:
        return None


@pytest.mark.usefixtures("lost")
def test_a_lost_cursor_beside_topics_with_events_ends_the_producer(stack, systems):
    with pytest.raises(CursorMissing, match="no cursor for `instashop`, yet its topics hold events"):
        producer.stored_cursor(stack, systems)
    assert f"error: {CursorMissing(database='instashop')}" in _producer_ends()


@pytest.mark.usefixtures("lost")
def test_a_first_transaction_while_somebody_looks_for_the_cursor_is_no_lost_cursor(stack, systems, kept, monkeypatch):
    look = producer._holds_events

    def look_after_the_commit(client, database):
        _say(stack, kept)
        return look(client, database)

    monkeypatch.setattr(producer, "_holds_events", look_after_the_commit)
    assert producer.stored_cursor(stack, systems)["instashop"]["searches"] > (0, 0)
