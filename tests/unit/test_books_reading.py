"""Reading a page from Kafka while more is written, and what a drill makes of the verdict."""

from __future__ import annotations

import json
import time
from collections import namedtuple
from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest
from kafka import TopicPartition

from instashop.control.books import reading
from instashop.control.books.comparing import _items
from instashop.control.books.explained import Explained
from instashop.control.books.pages import Page
from instashop.control.books.reading import Client, PageReader, StandsStill, StreamRead, forgotten
from instashop.control.books.verdict import Line, Sum, Verdict, named, shortened
from instashop.events import item_id
from instashop.local.drills.judging import Outcome, judge
from instashop.streams import BY_NAME
from tests import bodies

AT = TopicPartition("searches", 0)
Record = namedtuple("Record", "offset value timestamp")


class Partition:
    """A client of one partition that is written to while it is read: a call for its end tells less than a poll brings."""

    def __init__(self, txids, refused=()):
        changes = [{"txid": txid, **({"results": -1} if n in refused else {})} for n, txid in enumerate(txids)]
        self.records = [Record(n, json.dumps(bodies.search(**change)).encode(), time.time_ns() // 10**6) for n, change in enumerate(changes)]
        self.told, self.at = 0, 0

    def partitions_for_topic(self, topic):
        return {0} if topic == AT.topic else set()

    def end_offsets(self, _places):
        self.told = min(self.told + 2, len(self.records))
        return {AT: self.told}

    def seek(self, _at, offset):
        self.at = offset

    def poll(self, **_options):
        found, self.at = self.records[self.at : self.told + 3], min(self.told + 3, len(self.records))
        return {AT: found} if found else {}

    def position(self, _at):
        return self.at

    def assign(self, _places): ...


def test_the_ids_of_a_detail_are_shortened_when_it_is_shown():
    ids = [str(UUID(int=number)) for number in range(8)]
    assert shortened(f"8 repeated: {', '.join(ids)}; not in shop: {ids[0]}") == f"8 repeated: {', '.join(ids[:5])} and 3 more; not in shop: {ids[0]}"
    accepted = {UUID(one) for one in ids[1:]}
    assert shortened(f"8 repeated: {', '.join(ids)}", accepted) == f"8 repeated: {ids[0]}"
    assert shortened(f"7 repeated: {', '.join(ids[1:])}", accepted) == "7 repeated: 7 accepted"
    assert shortened(f"-9 events not in Kafka: {named(ids, 6)}") == f"-9 events not in Kafka: {', '.join(ids[:5])} and 3 more"


def test_what_is_written_while_a_page_is_read_does_not_end_it():
    reader = PageReader(Client(lambda: Partition([5, 6, 7, 8, 9, 10, 11])), Page(5, 10, datetime.now(UTC)), lambda: 12)
    for _ in range(3):
        reader.read_on()
    assert reader.streams["searches"].sum.events == 5
    assert reader.next == {("searches", 0): 5}
    assert reader.has_read({("searches", 0): 7})
    reader._reached["searches", 1] = 3  # Another partition, whose end is not reached.
    assert not reader.has_read({("searches", 0): 7, ("searches", 1): 4})


def test_a_page_counts_cents_names_what_came_twice_and_knows_the_items_that_must_come():
    paid, created, refund, broken = (bodies.transaction(status=status, txid=5) for status in ("paid", "created", "refunded", "paid"))
    item = bodies.item(txid=5, transaction_event_id=paid["event_id"])
    broken["total_cents"] += 1
    stub = {"event_id": str(uuid4()), "txid": 5}
    came = {"transactions": [paid, created, refund, broken, paid, stub, None], "transaction_items": [item, item], "user_behavior": [bodies.behavior(txid=5)]}
    reader = PageReader(Client(lambda: Partition([])), Page(5, 10, datetime.now(UTC)), lambda: 20)
    for topic, messages in came.items():
        records = [Record(number, body and bodies.raw(body), time.time_ns() // 10**6) for number, body in enumerate(messages)]
        assert not reader._take((topic, 0), records, len(records))
    orders, items, visits = (reader.streams[name] for name in came)
    ids = {name: bodies.event_id_of(body) for name, body in (("paid", paid), ("broken", broken), ("stub", stub), ("item", item))}
    assert orders.ids == {bodies.event_id_of(order): order["total_cents"] for order in (paid, created, refund)}
    assert orders.sum == Sum.over(orders.ids)
    assert (orders.repeats, items.repeats) == ([(ids["paid"], ids["paid"])], [(ids["item"], ids["paid"])])
    assert (orders.refused, orders.claims) == (3, {ids["broken"]: broken["total_cents"], ids["stub"]: 0})
    assert orders.items == {item_id(bodies.event_id_of(order), line["line"]): line["total_cents"] for order in (paid, refund) for line in order["lines"]}
    assert (items.sum.cents, visits.sum.cents, visits.sum.events) == (item["total_cents"], 0, 1)


def test_a_page_that_is_read_again_ends_where_it_ended_whatever_the_shop_has_begun_since():
    reader = PageReader(Client(lambda: Partition([5, 15, 6, 4, 10, 11, 12])), Page(5, 10, datetime.now(UTC), end={("searches", 0): 5}), lambda: 20)
    for _ in range(4):
        reader.read_on()
    read = reader.streams["searches"]
    assert (read.sum.events, len(read.strangers)) == (2, 3)


class Slow(Partition):
    """A client that brings a message at every other call, `brings` at most, and takes most of the time for two in which it may stand still."""

    def __init__(self, clock, brings):
        super().__init__([5, 6, 7])
        self.clock, self.brings, self.closed, self.told, self.calls = clock, brings, False, 3, 0

    def poll(self, **_options):
        self.clock[0] += 0.4 * reading.STALL_SECONDS
        self.calls += 1
        found = self.records[self.at : min(self.at + 1, self.brings)] if self.calls % 2 == 0 else []
        self.at += len(found)
        return {AT: found} if found else {}

    def close(self):
        self.closed = True


@pytest.mark.parametrize(("brings", "opened"), [((3,), 1), ((1, 3), 2), ((1, 0, 3), 3)])
def test_a_client_that_stands_still_is_replaced_by_one_that_goes_on_there(monkeypatch, brings, opened):
    clock = [100.0]
    monkeypatch.setattr(reading, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    clients = [Slow(clock, count) for count in brings]
    waiting = iter(clients)
    reader = PageReader(Client(lambda: next(waiting)), Page(5, 10, datetime.now(UTC)), lambda: 20)
    reader.read_on()
    read = reader.streams["searches"]
    assert (read.sum.events, len(read.repeats)) == (3, 0)
    assert [client.closed for client in clients] == [True] * (opened - 1) + [False]


def test_a_kafka_that_stands_still_for_every_client_is_told(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(reading, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    reader = PageReader(Client(lambda: Slow(clock, brings=1)), Page(5, 10, datetime.now(UTC)), lambda: 20)
    with pytest.raises(StandsStill):
        reader.read_on()


@pytest.mark.parametrize(("kept", "is_forgotten"), [((3, 5, 99), False), ((3, 6, 0), True), ((4, 6, 0), True)])
def test_a_page_is_forgotten_when_kafka_lacks_its_first_message_of_a_partition(kept, is_forgotten):
    begins, ends = ({("searches", number): offset for number, offset in enumerate(offsets)} for offsets in ((3, 5, 7), (9, 9, 7)))
    page = Page(5, 10, datetime.now(UTC), begin=begins, end=ends)
    client = SimpleNamespace(beginning_offsets=lambda places: {place: kept[place.partition] for place in places})
    assert forgotten(Client(lambda: client), page) is is_forgotten


@pytest.mark.parametrize(
    ("txids", "refused", "events", "claims", "counted", "begins"),
    [
        ([5, 6, 12, 13], {2}, 2, 0, 0, 2),
        ([5, 6, 7, 12], {1, 3}, 2, 1, 1, 3),
        ([5, 12, 6, 7, 13], {1}, 3, 0, 1, 4),
        ([5, 12, 99, 6, 13], {1, 2}, 2, 0, 2, 4),
        ([5, 12, 99, 13], {1, 2}, 1, 0, 0, 1),
        ([5, 6, 12], {0}, 1, 1, 1, 2),
        ([4, 10, 6, 12], {0, 1}, 1, 0, 2, 3),
        ([5, 6, 7, 12], {2}, 2, 1, 1, 3),
        ([5, 20, 12], {1}, 1, 0, 1, 2),
    ],
    ids=[
        "the next page's first",
        "its last so far",
        "a stranger's claim",
        "two strangers'",
        "the next page's first two",
        "its first",
        "just outside",
        "its last",
        "of a transaction that has not begun",
    ],
)
def test_a_refused_message_is_of_the_page_in_whose_middle_it_stands(txids, refused, events, claims, counted, begins):
    """A page [5, 10) of a shop that has begun 20."""
    reader = PageReader(Client(lambda: Partition(txids, refused)), Page(5, 10, datetime.now(UTC)), lambda: 20)
    for _ in range(4):
        reader.read_on()
    read = reader.streams["searches"]
    assert (read.sum.events, len(read.claims), read.refused) == (events, claims, counted)
    assert reader.next == {("searches", 0): begins}
    assert reader.last == {("searches", 0): begins - 1}
    assert reader.has_read({("searches", 0): len(txids)})
    assert not read.strangers


def test_the_sum_of_ids_is_that_of_a_server_which_knows_no_unsigned_numbers():
    cents = {uuid4(): 100, uuid4(): -7}
    low = [int.from_bytes(event_id.bytes[8:], "big", signed=True) for event_id in cents]
    assert all(number < 0 for number in low)
    assert Sum.over(cents) == Sum.of(2, 93, sum(low)) == Sum.of(1, 100, low[0]) + Sum.of(1, -7, low[1])


def test_the_books_balance_only_if_there_is_a_line_and_each_agrees():
    one, other = Sum(1, 100, 5), Sum(1, 100, 6)
    good, strange, wrong = (
        Line.of("kafka", "searches", one, one),
        Line.of("kafka", "searches", one, one, "1 repeated"),
        Line.of("kafka", "searches", one, other),
    )
    assert [line.ok for line in (good, strange, wrong)] == [True, False, False]
    assert [Verdict(1, lines).balanced for lines in ([], [good], [good, wrong])] == [False, True, False]
    assert Verdict(1, [good, wrong]).describe().splitlines()[1].startswith("NO  kafka")
    assert "do NOT balance" in Verdict(1, [good, wrong]).describe()


@pytest.mark.parametrize(
    ("line", "lost", "doubled"),
    [
        (Line("kafka", "searches", True, 9, 9), 0, 0),
        (Line("kafka", "searches", False, 7, 9), 2, 0),
        (Line("warehouse", "searches", False, 9, 7), 0, 2),
        (Line("items", "transaction_items", False, 9, 9, repeated=3), 0, 3),
        (Line("windows", "all", False, 9, 7), 0, 0),
    ],
)
def test_a_drill_counts_what_was_lost_and_what_was_doubled(line, lost, doubled):
    outcome = Outcome("a drill")
    judge(outcome, Verdict(1, [line]))
    assert (outcome.lost, outcome.doubled, len(outcome.wrong)) == (lost, doubled, 0 if line.ok else 1)


def test_a_page_is_complete_with_the_refused_rows_of_the_shop():
    kept, refused, both = (uuid4() for _ in range(3))
    read = StreamRead(ids={kept: 100, both: 1}, claims={refused: 7, both: 1})
    read.sum = Sum.over(read.ids)
    assert read.with_refused({refused, both}) == Sum.over({kept: 100, both: 1, refused: 7})
    assert read.with_refused({kept}) == Sum.over({kept: 100, both: 1})


@pytest.mark.parametrize(
    ("cents", "claims", "detail"),
    [
        ({1: 100, 2: 50}, {}, ""),
        ({1: 100}, {2: 50}, ""),
        ({1: 100}, {}, "-1 event, −€0.50 not in items: {2}"),
        ({1: 100, 2: 49}, {}, "+0 events, −€0.01"),
        ({1: 100, 2: 50, 3: 7}, {}, "+1 event, +€0.07 not in transactions: {3}"),
        ({1: 100, 3: 50}, {}, "+0 events, €0.00 not in items: {2}; not in transactions: {3}"),
    ],
    ids=["all there", "one refused", "one missing", "a cent missing", "one of no transaction", "another one instead"],
)
def test_an_item_that_is_missing_or_too_many_is_named(cents, claims, detail):
    reader = PageReader(Client(lambda: Partition([])), Page(5, 10, datetime.now(UTC)), lambda: 20)
    items = reader.streams["transaction_items"]
    items.ids, items.claims = ({UUID(int=number): value for number, value in given.items()} for given in (cents, claims))
    items.sum = Sum.over(items.ids)
    reader.streams["transactions"].items = {UUID(int=1): 100, UUID(int=2): 50}
    line = _items(BY_NAME["transaction_items"], reader)
    assert (line.ok, line.detail) == (not detail, detail.format(*(UUID(int=number) for number in range(4))))


def test_what_is_explained_is_not_named_and_an_accepted_stranger_counts_nowhere():
    repeated, foreign, replayed, item, other = (uuid4() for _ in range(5))
    read = StreamRead(
        ids={repeated: 100, foreign: 7},
        repeats=[(repeated, repeated), (item, repeated), (other, other)],
        strangers=[(replayed, replayed), (item, foreign), (other, other)],
    )
    read.sum = Sum.over(read.ids)
    read.leave_out(Explained(replayed=frozenset({replayed}), strangers=frozenset({foreign}), repeats=frozenset({repeated})))
    assert read.ids == {repeated: 100}
    assert read.sum == Sum.over({repeated: 100})
    assert read.repeats == [(other, other)]
    assert read.strangers == [(other, other)]


def test_an_outcome_says_when_facts_flowed_if_that_was_measured_or_has_a_limit():
    assert (
        Outcome("kill-producer", live_within_seconds=30, judged=True).describe()
        == "FAILED  kill-producer: 0 lost, 0 doubled, 0 wrong; not live again (at most 30)"
    )
    assert Outcome("soak", judged=True).describe() == "PASSED  soak: 0 lost, 0 doubled, 0 wrong"
    killed = Outcome("random-kills", live_after_seconds=131.54, judged=True)
    assert killed.describe() == "PASSED  random-kills: 0 lost, 0 doubled, 0 wrong; live again after 131.5 s"
