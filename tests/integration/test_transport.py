"""Producer, consumer and enricher against real servers, each promise by itself."""

from __future__ import annotations

import json
import threading
from collections import Counter
from uuid import UUID

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import NewTopic

from instashop import connect
from instashop.control import dead_letters
from instashop.errors import SomebodyElseIsFurther
from instashop.events import Refusal, judge_of
from instashop.streams import BY_NAME, STREAMS
from instashop.transport import enricher, producer
from instashop.transport.consumer import TOPICS, WarehouseSink
from instashop.transport.loop import Batch
from instashop.transport.topics import ToEnd, TopicReader, consumer
from tests import bodies
from tests.integration.conftest import carry, drain, service
from tests.waiting import wait_until


def _insert(connection, count=1):
    ids = []
    for _ in range(count):
        body = bodies.search()
        connection.execute(
            "INSERT INTO searches (event_id, occurred_at, session_id, query, term, results) VALUES (%s, %s, %s, 'typed', 'kettle', 1)",
            [body["event_id"], body["occurred_at"], body["session_id"]],
        )
        ids.append(UUID(body["event_id"]))
    return ids


def _in_kafka(settings, topic) -> list[UUID]:
    with consumer(settings, "test") as client:
        messages = list(ToEnd(client, [topic]))
    verdicts = map(judge_of(topic, BY_NAME[topic].event_type), (message.value() for message in messages))
    return [event.event_id for event in verdicts if not isinstance(event, Refusal)]


def _repeated(ids: list[UUID]) -> dict[UUID, int]:
    """Return how often ids came that came more than once; a stranger of another test may have sent some again."""
    return {event_id: count for event_id, count in Counter(ids).items() if count > 1}


def test_the_present_end_of_a_topic_is_reached_while_messages_keep_coming(stack):
    admin, stop = connect.kafka_admin(stack), threading.Event()
    admin.create_topics([NewTopic("never-quiet", 1, 1)])["never-quiet"].result()

    def write():
        writer = Producer(connect.kafka_options(stack))
        while not stop.wait(0.01):
            writer.produce("never-quiet", b"again")
            writer.flush()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        with consumer(stack, "test") as client:
            wait_until(lambda: len(list(ToEnd(client, ["never-quiet"]))) > 10, 20, "a beginning of the topic")
            began = len(list(ToEnd(client, ["never-quiet"])))
            assert len(list(ToEnd(client, ["never-quiet"]))) >= began
    finally:
        stop.set()
        thread.join()
        admin.delete_topics(["never-quiet"])["never-quiet"].result()


def test_rows_that_commit_late_or_roll_back_reach_kafka_once_or_never(stack, shop):
    before = _repeated(_in_kafka(stack, "searches"))
    with service("producer", stack), connect.shop(stack, "late") as late, connect.shop(stack, "rolled-back") as rolled:
        slow = _insert(late)  # Its transaction is older than all that follow, and stays open.
        never = _insert(rolled)
        rolled.rollback()
        quick = _insert(shop, 5)
        first = _insert(shop, 1)
        assert not {*slow, *quick, *first} & set(_in_kafka(stack, "searches"))
        late.commit()
        wait_until(lambda: {*slow, *quick, *first} <= set(_in_kafka(stack, "searches")), 20, "every committed row in Kafka")
        found = _in_kafka(stack, "searches")
        assert not set(never) & set(found)
        assert _repeated(found) == before


def test_page_borders_inside_one_transaction_lose_and_double_nothing(stack, shop):
    before = _repeated(_in_kafka(stack, "searches"))
    small = stack.model_copy(update={"feed_limit": 7})
    with connect.shop(stack, "big") as big:
        ids = _insert(big, 100)
        big.commit()
    stop = threading.Event()
    with producer.work(small, stop)() as (source, sink):
        source.seek(sink.position())
        while True:
            batch = source.read()
            if not batch.records:
                break
            assert len(batch.records) <= 7 * len(STREAMS)
            sink.write(batch)
    found = _in_kafka(stack, "searches")
    assert set(ids) <= set(found)
    assert _repeated(found) == before


def test_the_producers_role_sees_no_personal_data(stack):
    with connect.feed(stack, "instashop", "test") as feed:
        for table in ("customers", "searches", "transactions"):
            with pytest.raises(connect.psycopg.errors.InsufficientPrivilege), feed.transaction():
                feed.execute(f"SELECT * FROM public.{table} LIMIT 1")
        columns = {name for stream in STREAMS for name in stream.event_type.__struct_fields__}
        assert not columns & {"email", "phone", "query", "note"}


def test_replaying_whole_topics_changes_nothing(stack, dwh):
    drain(stack)
    before = dwh.execute("SELECT count(*), (SELECT count(*) FROM dead_letters) FROM realtime_events").fetchone()
    assert before[0] > 0
    dwh.execute("UPDATE consumer_offsets SET next_offset = 0")
    drain(stack)
    assert dwh.execute("SELECT count(*), (SELECT count(*) FROM dead_letters) FROM realtime_events").fetchone() == before


def test_a_consumer_that_is_behind_another_keeps_nothing(stack, dwh):
    drain(stack)
    with connect.warehouse(stack, "test", autocommit=True) as connection, consumer(stack, "test") as client:
        sink = WarehouseSink(connection)
        stale = {place: offset - 1 for place, offset in sink.position().items() if offset > 0}
        place, offset = next(iter(stale.items()))
        reader = TopicReader(client, TOPICS, 10, 1.0)
        reader.seek({**sink.position(), place: offset})
        read: list[Batch] = []
        wait_until(lambda: read.append(reader.read()) or read[-1].records, 20, "a message")
        batch = read[-1]
        sink._offsets[place] = offset
        with pytest.raises(SomebodyElseIsFurther):
            sink.write(batch)


def test_the_same_poison_is_refused_by_consumer_enricher_and_spark(stack, dwh):
    corpus = bodies.poison()
    good = bodies.transaction(product_id=10**9)  # Valid, but nobody sells this product.
    sender = connect.kafka_producer(stack, "poisoner")
    sender.init_transactions(30)
    sender.begin_transaction()
    for topic, body, _reason in corpus:
        sender.produce(topic, body, "poison")
    sender.produce("transactions", bodies.raw(good), "7")
    sender.commit_transaction(30)
    sender.close()
    with enricher.work(stack, threading.Event())() as (source, sink):
        source.seek(sink.position())
        carry(source, sink)
    drain(stack)
    wanted = sorted([(topic, reason.value) for topic, _body, reason in corpus] + [("transaction_items", "unknown_product")] * 2)
    letters = dwh.execute(
        "SELECT topic, reason, body FROM dead_letters WHERE message_key = 'poison' OR (reason = 'unknown_product' AND message_key <> 'stranger')"
    ).fetchall()
    assert sorted((topic, reason) for topic, reason, _body in letters) == wanted
    assert {bytes(body) for _t, _r, body in letters if body is not None} >= {body for _t, body, _r in corpus if body}
    items = [i for i in _in_kafka(stack, "transaction_items") if i.int >> 80 == UUID(good["event_id"]).int >> 80]
    assert not items  # Refused by the one judge, whoever asks.


def test_items_of_a_product_that_is_known_by_now_are_replayed_once(stack, dwh):
    """After the test before: two items wait for product 10**9."""
    before = _repeated(_in_kafka(stack, "transaction_items"))
    product = bodies.product(product_id=10**9)
    sender = connect.kafka_producer(stack, "catalogue")
    sender.init_transactions(30)
    sender.begin_transaction()
    sender.produce("products", bodies.raw(product), str(10**9))
    sender.commit_transaction(30)
    sender.close()
    assert len(dead_letters.replay(stack, reason="unknown_product").published) >= 2
    assert not dead_letters.replay(stack, reason="unknown_product").published
    drain(stack)
    named = dwh.execute("SELECT count(*) FROM realtime_events WHERE kind = 'transaction_items' AND payload ->> 'product_id' = %s", [str(10**9)]).fetchone()
    assert named == (2,)
    assert _repeated(_in_kafka(stack, "transaction_items")) == before


def test_what_is_no_event_stays_a_dead_letter_when_it_is_replayed(stack):
    done = dead_letters.replay(stack, reason="not_json")
    assert not done.published
    assert done.refused["not_json"] > 0


def test_the_same_id_with_another_body_is_a_dead_letter(stack, dwh):
    body = bodies.search()
    sender = connect.kafka_producer(stack, "doubler")
    sender.init_transactions(30)
    sender.begin_transaction()
    for changed in (body, body, {**body, "results": 99}):
        sender.produce("searches", json.dumps(changed), "double")
    sender.commit_transaction(30)
    sender.close()
    drain(stack)
    assert dwh.execute("SELECT count(*) FROM realtime_events WHERE event_id = %s", [body["event_id"]]).fetchone() == (1,)
    assert dwh.execute("SELECT reason FROM dead_letters WHERE event_id = %s", [body["event_id"]]).fetchall() == [("same_id_other_body",)]
