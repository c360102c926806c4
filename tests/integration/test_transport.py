"""Producer, consumer and enricher against real servers, each promise by itself.

All of it in one file, however long: a test finds in the topics what the ones before it have sent. The enricher has test_items.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from uuid import UUID, uuid4

import pytest
from confluent_kafka import KafkaException, Producer, TopicPartition
from confluent_kafka.admin import NewTopic
from psycopg.rows import dict_row

from instashop import connect
from instashop.control import beats, dead_letters
from instashop.errors import CursorAhead, DayNotMade, RowNotTaken, RowsAhead, SomebodyElseIsFurther
from instashop.settings import ROOT
from instashop.streams import BY_NAME, CURSORS, STREAMS, of_database
from instashop.transport import enricher, producer, topics
from instashop.transport.consumer import TOPICS, WarehouseSink
from instashop.transport.loop import Batch
from instashop.transport.topics import ToEnd, TopicReader, consumer, published
from tests import bodies
from tests.integration.conftest import carry, drain, in_kafka, next_batch, once_a_reader_waits, publish, service
from tests.integration.rows import columns_of
from tests.strangers import send, writing
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


def _repeated(ids: list[UUID]) -> dict[UUID, int]:
    """Return how often ids came that came more than once; a stranger of another test may have sent some again."""
    return {event_id: count for event_id, count in Counter(ids).items() if count > 1}


@contextmanager
def _topic(settings, name):
    """A topic of one partition that nobody else knows."""
    admin = connect.kafka_admin(settings)
    admin.create_topics([NewTopic(name, 1, 3)])[name].result()
    wait_until(lambda: len(admin.list_topics(name, timeout=10).topics[name].partitions) == 1, 20, "the topic")
    yield
    admin.delete_topics([name])[name].result()


def test_the_present_end_of_a_topic_is_reached_while_messages_keep_coming(stack):
    stop = threading.Event()

    def write():
        writer = Producer(connect.kafka_options(stack))
        while not stop.wait(0.01):
            writer.produce("never-quiet", b"again")
            writer.flush()

    thread = threading.Thread(target=write)
    with _topic(stack, "never-quiet"), consumer(stack, "test") as client:
        wait_until(lambda: "never-quiet" in client.list_topics(timeout=10).topics, 20, "the topic")
        thread.start()
        try:
            wait_until(lambda: len(list(ToEnd(client, ["never-quiet"]))) > 10, 20, "a beginning of the topic")
            began = len(list(ToEnd(client, ["never-quiet"])))
            assert len(list(ToEnd(client, ["never-quiet"]))) >= began
        finally:
            stop.set()
            thread.join()


def test_rows_that_commit_late_or_roll_back_reach_kafka_once_or_never(stack, shop):
    before = _repeated(in_kafka(stack, "searches"))
    with service("producer", stack), connect.shop(stack, "late") as late, connect.shop(stack, "rolled-back") as rolled:
        slow = _insert(late)  # Its transaction is older than all that follow, and stays open.
        never = _insert(rolled)
        rolled.rollback()
        quick = _insert(shop, 5)
        first = _insert(shop, 1)
        assert not {*slow, *quick, *first} & set(in_kafka(stack, "searches"))
        late.commit()
        wait_until(lambda: {*slow, *quick, *first} <= set(in_kafka(stack, "searches")), 20, "every committed row in Kafka")
        found = in_kafka(stack, "searches")
        assert not set(never) & set(found)
        assert _repeated(found) == before


def test_a_row_is_published_soon_though_the_producer_had_nothing_to_do(stack, shop):
    def idle() -> bool:
        beat = beats.read(stack.run_dir, "producer")
        return beat is not None and beat.pid == running.process.pid and (beat.state, beat.lag_events, beat.events_per_second) == ("running", 0, 0)

    with service("producer", stack) as running, published(stack, "test", ["searches"]) as searches:
        wait_until(idle, 30, "a producer that has nothing to do")
        assert list(searches)
        (event_id,) = _insert(shop)
        wait_until(lambda: any(str(event_id).encode() in message.value() for message in searches.arrived(0.1)), 2, "the row in Kafka")


def test_page_borders_inside_one_transaction_lose_and_double_nothing(stack, shop):
    before = _repeated(in_kafka(stack, "searches"))
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
    found = in_kafka(stack, "searches")
    assert set(ids) <= set(found)
    assert _repeated(found) == before


def test_replaying_whole_topics_changes_nothing(stack, dwh):
    drain(stack)
    before = dwh.execute("SELECT count(*), (SELECT count(*) FROM dead_letters) FROM realtime_events").fetchone()
    assert before[0] > 0
    dwh.execute("UPDATE consumer_offsets SET next_offset = 0")
    drain(stack)
    assert dwh.execute("SELECT count(*), (SELECT count(*) FROM dead_letters) FROM realtime_events").fetchone() == before


def test_the_columns_of_each_kept_event_say_what_its_body_says(dwh):
    """What metrics and books add up stands beside the body, and must be the same."""
    kept = dwh.cursor(row_factory=dict_row).execute("SELECT * FROM realtime_events").fetchall()
    assert {row["kind"] for row in kept} == set(BY_NAME)
    for row in kept:
        should = columns_of(row["kind"], row["payload"])
        assert {name: row[name] for name in should} == should, row["event_id"]


def test_a_consumer_that_is_behind_another_keeps_nothing(stack, dwh):
    drain(stack)
    with connect.warehouse(stack, "test", autocommit=True) as connection, consumer(stack, "test") as client:
        sink = WarehouseSink(connection)
        stale = {place: offset - 1 for place, offset in sink.position().items() if offset > 0}
        place, offset = next(iter(stale.items()))
        reader = TopicReader(client, TOPICS, 10, 1.0)
        reader.seek({**sink.position(), place: offset})
        batch = next_batch(reader)
        sink._offsets[place] = offset
        with pytest.raises(SomebodyElseIsFurther):
            sink.write(batch)


def _refused(dwh) -> Counter[tuple[str, int]]:
    """Return how many messages of each partition the consumer says that it has refused."""
    return Counter({(topic, number): refused for topic, number, refused in dwh.execute('SELECT topic, "partition", refused FROM consumer_offsets')})


def _letters(dwh) -> Counter[tuple[str, int]]:
    return Counter(dwh.execute('SELECT topic, "partition" FROM dead_letters').fetchall())


def test_the_same_poison_is_refused_by_consumer_enricher_and_spark(stack, dwh):
    refused_before, letters_before = _refused(dwh), _letters(dwh)  # A test may have let the consumer read everything twice.
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
    assert (_letters(dwh) - letters_before).total() >= len(wanted)
    assert _refused(dwh) - refused_before == _letters(dwh) - letters_before
    assert {bytes(body) for _t, _r, body in letters if body is not None} >= {body for _t, body, _r in corpus if body}
    items = [i for i in in_kafka(stack, "transaction_items") if i.int >> 80 == UUID(good["event_id"]).int >> 80]
    assert not items  # Refused by the one judge, whoever asks.


def test_items_of_a_product_that_is_known_by_now_are_replayed_once(stack, dwh):
    """After the test before: two items wait for product 10**9."""
    before = _repeated(in_kafka(stack, "transaction_items"))
    send(stack, ("products", bodies.raw(bodies.product(product_id=10**9)), str(10**9)))
    assert len(dead_letters.replay(stack, reason="unknown_product").published) >= 2
    assert not dead_letters.replay(stack, reason="unknown_product").published
    drain(stack)
    named = dwh.execute("SELECT count(*) FROM realtime_events WHERE kind = 'transaction_items' AND payload ->> 'product_id' = %s", [str(10**9)]).fetchone()
    assert named == (2,)
    assert _repeated(in_kafka(stack, "transaction_items")) == before


def test_a_replay_that_is_under_way_does_not_hide_the_producers_cursor(stack, shop):
    with producer.work(stack, threading.Event())() as (source, sink), writing(stack, "a-replay") as replay:
        replay.produce(CURSORS, b"{}", "replay/test")
        replay.flush()
        _insert(shop)
        source.seek(sink.position())
        batch = next_batch(source)
        sink.write(batch)
        with once_a_reader_waits(replay.abort_transaction):
            assert producer.stored_cursor(stack, sink._systems)["instashop"] == batch.position["instashop"]


def test_a_shop_that_was_set_back_is_told(stack):
    with producer.work(stack, threading.Event())() as (_source, sink):
        systems, cursor = sink._systems, sink.position()
    name = "instashop"

    def keep(places):
        send(stack, (CURSORS, bodies.raw({"system_identifier": systems[name], "places": places}), f"producer/{name}"))

    keep({**cursor[name], "searches": (2**50, 1)})
    try:
        with pytest.raises(CursorAhead, match=f"`{name}` is at transaction {2**50}"), producer.work(stack, threading.Event())():
            pass
    finally:
        keep(cursor[name])
    assert producer.stored_cursor(stack, systems) == cursor


def test_a_shop_that_was_set_back_and_has_written_on_is_told(stack, shop):
    with producer.work(stack, threading.Event())() as (source, sink):
        feed, places = source._feeds[0], sink.position()["instashop"]
        feed.require_past(places)
        txid, row_id = places["searches"]
        with pytest.raises(CursorAhead, match=f"is at transaction {txid}, which this Postgres no longer has in searches, though it has those before"):
            feed.require_past({**places, "searches": (txid, row_id + 10**9)})
        feed.require_past({**places, "searches": (1, 1)})  # As if somebody had tidied up all that was published.


def test_rows_that_a_dump_brought_from_a_server_further_on_are_told_until_they_have_ids_of_this_one(stack, shop):
    (event_id,) = _insert(shop)
    shop.execute("UPDATE searches SET txid = '1125899906842624' WHERE event_id = %s", [event_id])
    try:
        with pytest.raises(RowsAhead, match="Rows of `searches` in instashop"), producer.work(stack, threading.Event())():
            pass
    finally:
        cure = next(line for line in (ROOT / "docs" / "running.md").read_text().splitlines() if line.startswith("UPDATE searches SET txid"))
        shop.execute(cure)
    publish(stack)
    assert in_kafka(stack, "searches").count(event_id) == 1


def test_what_kafka_has_deleted_before_it_was_read_is_told(stack, caplog):
    admin, name = connect.kafka_admin(stack), f"short-{uuid4()}"
    with _topic(stack, name):
        writer = Producer(connect.kafka_options(stack))
        for number in range(5):
            writer.produce(name, str(number))
        writer.flush(10)
        admin.delete_records([TopicPartition(name, 0, 3)])[TopicPartition(name, 0)].result()
        for stored, said in ((0, False), (1, True), (2, False), (3, False)):  # At 2 only one offset is gone, as the mark of a transaction would be.
            caplog.clear()
            with consumer(stack, "test", **topics.NEVER_ELSEWHERE) as client:
                reader = TopicReader(client, [name], 10, 0.2)
                reader.seek({(name, 0): stored})
                assert [message.value() for message in next_batch(reader).records] == [b"3", b"4"]
            assert (f"{name}/0 offsets 1 to 2" in caplog.text) is said


def test_a_log_that_has_lost_its_tail_is_told_and_kept_from_its_beginning(stack, dwh, caplog):
    drain(stack)
    events, letters = (dwh.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("realtime_events", "dead_letters"))
    place = "WHERE topic = 'searches' AND \"partition\" = 0"
    (offset,) = dwh.execute(f"UPDATE consumer_offsets SET next_offset = next_offset + 1000 {place} RETURNING next_offset").fetchone()
    body = bodies.search()
    with writing(stack) as writer:
        writer.produce("searches", bodies.raw(body), "7", partition=0)
        writer.commit_transaction(30)
    drain(stack)
    assert f"searches/0 was read up to offset {offset}, beyond its end" in caplog.text
    assert dwh.execute("SELECT count(*) FROM realtime_events WHERE event_id = %s", [body["event_id"]]).fetchone() == (1,)
    counted = dwh.execute("SELECT (SELECT count(*) FROM realtime_events), (SELECT count(*) FROM dead_letters)").fetchone()
    assert counted == (events + 1, letters)
    assert dwh.execute(f"SELECT next_offset < %s FROM consumer_offsets {place}", [offset]).fetchone() == (True,)


def test_more_rows_than_the_client_may_hold_wait_for_the_brokers(stack):
    small = connect.kafka_producer(stack, "small", **{"queue.buffering.max.messages": 10})
    small.init_transactions(30)
    rows = [producer.Row("narrow", 1, number, "key", "{}") for number in range(500)]
    with _topic(stack, "narrow"), published(stack, "test", ["narrow"]) as messages:
        producer.KafkaSink(small, {}, {}).write(Batch(rows, {}))
        assert len(list(messages)) == 500


def test_a_row_that_kafka_does_not_take_is_named(stack, shop):
    (event_id,) = _insert(shop)
    (row_id,) = shop.execute("UPDATE searches SET term = repeat('x', 1200000) WHERE event_id = %s RETURNING id", [event_id]).fetchone()
    try:
        with producer.work(stack, threading.Event())() as (source, sink):
            source.seek(sink.position())
            batch = next_batch(source)
            with pytest.raises(RowNotTaken, match=f"Row {row_id} of `searches`"):
                sink.write(batch)
    finally:
        shop.execute("DELETE FROM searches WHERE event_id = %s", [event_id])


@pytest.mark.parametrize("moment", ["infinity", "-infinity", "0044-03-15 12:00:00 BC"])
def test_a_row_of_no_time_is_read_like_any_other(stack, shop, moment):
    (top,) = shop.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint - 1").fetchone()
    places = {stream.name: (top, 2**62) for stream in of_database("instashop")}
    (event_id,) = _insert(shop)
    try:
        shop.execute("UPDATE searches SET recorded_at = %s WHERE event_id = %s", [moment, event_id])
        with connect.feed(stack, "instashop", "test", autocommit=True) as connection:
            feed = producer.Feed("instashop", connection, 10)
            assert feed.waiting(places) == (1, None)
            reader = producer.FeedReader([feed], 0.0, threading.Event())
            reader.seek({"instashop": places})
            assert next_batch(reader).newest_recorded_at is None
    finally:
        shop.execute("DELETE FROM searches WHERE event_id = %s", [event_id])


def test_a_reader_that_gets_nothing_more_says_for_how_long(stack):
    send(stack, ("searches", bodies.raw(bodies.search()), "7"))
    with consumer(stack, "test") as client:
        reader = TopicReader(client, ["searches"], 1, 0.2)
        reader.seek({})
        next_batch(reader)
        client.pause(topics.partitions_of(client, ["searches"]))
        read = [reader.read(), reader.read()]
        assert not read[-1].records
        assert read[-1].lag_events > 0
        assert read[-1].lag_seconds > 0


def test_a_fault_while_the_group_gives_partitions_ends_the_read_as_any_other(stack):
    with consumer(stack, f"given-{uuid4()}") as client:

        def stored():
            client.seek(TopicPartition("searches", 0, 0))  # The client raises: nothing is assigned yet.
            return {}

        reader = TopicReader(client, ["searches"], 10, 0.2, stored=stored)
        reader.seek({})
        with pytest.raises(KafkaException, match="Failed to seek"):
            wait_until(lambda: reader.read().records, 20, "the fault")


def test_what_waits_behind_an_open_transaction_is_lag(stack, monkeypatch, caplog):
    monkeypatch.setattr(topics, "HELD_UP_SECONDS", 1)
    name = f"held-{uuid4()}"
    with _topic(stack, name), consumer(stack, "test") as client, writing(stack, "slow") as slow:
        reader = TopicReader(client, [name], 10, 0.2)
        reader.seek({})
        wait_until(lambda: reader.read().lag_events == 0, 20, "the end of an empty topic")
        slow.produce(name, b"first")
        slow.flush()
        send(stack, (name, b"second", "7"))
        held = wait_until(lambda: (batch := reader.read()).lag_events and batch, 20, "the lag")
        assert (held.records, held.lag_events) == ([], 3)  # Two messages, and the mark of the transaction that is committed.
        assert 1 < held.lag_seconds < 20
        assert caplog.text.count(f"{name}/0 holds 3 offsets behind a transaction") == 1
        slow.abort_transaction(30)
        assert [message.value() for message in next_batch(reader).records] == [b"second"]
        wait_until(lambda: reader.read().lag_events == 0, 20, "the end of the topic")


DAY = date(2021, 3, 5)


@contextmanager
def _making_a_day(settings):
    """What makes the table of DAY in a session of its own."""
    with connect.warehouse(settings, "maker", autocommit=True) as connection:
        sink = WarehouseSink(connection)

        def make():
            with connection.transaction(), connection.cursor() as cursor:
                sink._make_partitions(cursor, {DAY})

        yield make
        connection.execute(f"DROP TABLE IF EXISTS realtime_events_{DAY:%Y%m%d}")


def test_a_new_day_is_made_beside_a_forgotten_reader_and_an_open_writer(stack, dwh):
    made = "SELECT to_regclass(%s) IS NOT NULL"
    with connect.warehouse(stack, "forgotten") as reader, connect.warehouse(stack, "writer") as writer, _making_a_day(stack) as make:
        reader.execute("SELECT count(*) FROM realtime_events WHERE false")
        writer.execute("UPDATE realtime_events SET kind = kind WHERE false")
        make()
        assert dwh.execute(made, [f"realtime_events_{DAY:%Y%m%d}"]).fetchone() == (True,)
        reader.rollback()
        writer.rollback()


def test_of_two_members_that_make_one_day_the_second_waits_a_moment_and_both_go_on(stack, dwh):
    with connect.warehouse(stack, "other") as other, ThreadPoolExecutor(1) as beside, _making_a_day(stack) as make:
        sink = WarehouseSink(other)
        with other.cursor() as cursor:
            sink._make_partitions(cursor, {DAY})
        second = beside.submit(make)
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'realtime_events'::regclass"
        wait_until(lambda: second.done() or dwh.execute(waiting).fetchone() == (1,), 10, "the second in the queue", every=0.01)
        other.commit()
        second.result(10)


def test_a_day_whose_other_maker_never_ends_is_said_to_wait(stack):
    with connect.warehouse(stack, "other") as other, _making_a_day(stack) as make:
        other.execute("LOCK TABLE ONLY realtime_events IN SHARE UPDATE EXCLUSIVE MODE")
        with pytest.raises(DayNotMade, match=r"lock timeout.*Somebody else makes it"):
            make()
        other.rollback()
        make()


def test_a_killed_clients_lock_goes_though_it_waits_for_another(stack, dwh):
    script = (
        "from instashop import connect; from instashop.settings import load; db = connect.warehouse(load(), 'doomed', autocommit=True);"
        "db.execute('SELECT pg_advisory_lock(4711)'); db.execute('BEGIN'); db.execute('LOCK TABLE realtime_events')"
    )
    with connect.warehouse(stack, "forgotten") as reader:
        reader.execute("SELECT count(*) FROM realtime_events WHERE false")
        doomed = subprocess.Popen([sys.executable, "-c", script])
        where = "FROM pg_stat_activity WHERE application_name = 'instashop-doomed'"
        wait_until(lambda: dwh.execute(f"SELECT 1 {where} AND wait_event_type = 'Lock'").fetchone(), 20, "the wait for a lock")
        doomed.kill()
        doomed.wait()
        wait_until(lambda: not dwh.execute(f"SELECT 1 {where}").fetchone(), 15, "the end of its session")
        assert dwh.execute("SELECT pg_try_advisory_lock(4711), pg_advisory_unlock(4711)").fetchone() == (True, True)


def test_a_peer_that_goes_is_given_up_on_both_sides(stack, tmp_path):
    """While data are under way no keepalive is sent, and Linux would send them again for a quarter of an hour."""
    from_elsewhere = stack.model_copy(update={"home": tmp_path})
    with connect.warehouse(from_elsewhere, "test") as dwh, socket.socket(fileno=os.dup(dwh.fileno())) as ours:
        assert dwh.execute("SHOW tcp_keepalives_idle").fetchone() == ("10",)
        assert dwh.execute("SHOW tcp_user_timeout").fetchone() == ("30000",)
        assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000


@pytest.fixture
def letter(stack, dwh):
    """A dead letter of an item whose product has come to be known since: its id, and where it is."""
    number = uuid4().int % 2**50
    item = bodies.item(product_id=number, product_name=None, category=None)
    send(stack, ("transaction_items", bodies.raw(item), "late"))
    drain(stack)
    send(stack, ("products", bodies.raw(bodies.product(product_id=number)), str(number)))
    where = dwh.execute('SELECT topic, "partition", "offset" FROM dead_letters WHERE event_id = %s AND replayed_at IS NULL', [item["event_id"]]).fetchone()
    return UUID(item["event_id"]), where


def _replay(*words: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "instashop", "dead-letters", "replay", "--reason", "unknown_product", "--topic", "transaction_items", *words]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_replay_by_hand_asks_publishes_once_and_changes_nothing_the_second_time(stack, dwh, letter):
    event_id, _where = letter
    with _replay() as unanswered:
        assert "Publish what the judge finds valid now" in unanswered.communicate()[0]
    assert unanswered.returncode == 1
    assert event_id not in in_kafka(stack, "transaction_items")
    for times in (1, 0):
        with _replay("--yes") as done:
            assert done.communicate()[0].startswith(f"{times} published again; still refused:")
        assert done.returncode == 0
    assert in_kafka(stack, "transaction_items").count(event_id) == 1
    drain(stack)
    assert dwh.execute("SELECT count(*) FROM realtime_events WHERE event_id = %s", [event_id]).fetchone() == (1,)


def test_a_replay_killed_between_kafkas_commit_and_its_mark_publishes_nothing_twice(stack, dwh, letter):
    event_id, where = letter
    with connect.warehouse(stack, "test") as holder:  # Whoever marks the letter waits for this one.
        holder.execute('SELECT FROM dead_letters WHERE topic = %s AND "partition" = %s AND "offset" = %s FOR UPDATE', where)
        with _replay("--yes") as killed:
            waits = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'instashop-dead-letters' AND wait_event_type = 'Lock'"
            wait_until(lambda: dwh.execute(waits).fetchone() == (1,), 60, "a replay at its mark")
            killed.kill()
    assert in_kafka(stack, "transaction_items").count(event_id) == 1
    marked = 'SELECT replayed_at IS NOT NULL FROM dead_letters WHERE topic = %s AND "partition" = %s AND "offset" = %s'
    assert dwh.execute(marked, where).fetchone() == (False,)
    drain(stack)  # The consumer keeps it before somebody replays again.
    assert dead_letters.replay(stack, reason="unknown_product").published == []
    assert in_kafka(stack, "transaction_items").count(event_id) == 1
    assert dwh.execute(marked, where).fetchone() == (True,)


def test_what_is_no_event_stays_a_dead_letter_when_it_is_replayed(stack):
    done = dead_letters.replay(stack, reason="not_json")
    assert not done.published
    assert done.refused["not_json"] > 0


def test_the_same_id_with_another_body_is_a_dead_letter(stack, dwh):
    body = bodies.search()
    send(stack, *(("searches", bodies.raw(changed), "double") for changed in (body, body, {**body, "results": 99})))
    drain(stack)
    assert dwh.execute("SELECT count(*) FROM realtime_events WHERE event_id = %s", [body["event_id"]]).fetchone() == (1,)
    assert dwh.execute("SELECT reason FROM dead_letters WHERE event_id = %s", [body["event_id"]]).fetchall() == [("same_id_other_body",)]


def test_of_one_id_with_many_bodies_in_a_batch_the_first_is_kept(stack, dwh):
    body = bodies.search()
    large = [bodies.search(term="\N{BLACK STAR}" * number) for number in range(110, 200, 3)]  # Postgres puts a small row where a large one did not fit.
    with writing(stack, "doubler") as writer:
        for each in (*large, *({**body, "results": number} for number in range(60))):
            writer.produce("searches", bodies.raw(each), "double")
        writer.commit_transaction(30)
    drain(stack)
    kept = dwh.execute("SELECT (payload ->> 'results')::int FROM realtime_events WHERE event_id = %s", [body["event_id"]]).fetchone()
    assert kept == (0,)
