import time
from datetime import UTC, datetime
from itertools import pairwise
from typing import Literal, get_type_hints
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instashop.events import FIRST_DAY, Event, Refusal, Search, SearchV2, item_id, judge_of, uuid7, versions_of
from instashop.streams import BY_NAME, STREAMS
from tests import bodies

JUDGES = {stream.name: judge_of(stream.name, stream.event_type) for stream in STREAMS}


@pytest.mark.parametrize(
    ("topic", "body"),
    [
        ("transactions", bodies.transaction()),
        ("searches", bodies.search()),
        ("searches", bodies.search_v2()),
        ("user_behavior", bodies.behavior()),
        ("cart_events", bodies.cart()),
        ("transactions", bodies.transaction(status="refunded")),
        ("transaction_items", bodies.item()),
        ("transaction_items", bodies.item(status="refunded")),
        ("transactions", bodies.of_one_line(quantity=0, gross_cents=0, net_cents=0, tax_cents=0, total_cents=0)),
        ("transactions", bodies.of_one_line(discount_cents=1000, net_cents=0, tax_cents=0, total_cents=0)),
        ("searches", bodies.search(occurred_at="2026-05-01T12:00:05Z", recorded_at="2026-05-01T12:00:00Z")),
        ("searches", bodies.search(FIRST_DAY)),
        ("searches", bodies.search(customer_id=2**53, term="x" * 200)),
        ("cart_events", bodies.cart(quantity=-(10**9), value_cents=10**12)),
    ],
)
def test_a_good_event_passes_the_judge(topic, body):
    event = JUDGES[topic](bodies.raw(body))
    assert isinstance(event, BY_NAME[topic].event_type)
    assert event.event_id == bodies.event_id_of(body)


@pytest.mark.parametrize(("topic", "body", "reason"), bodies.poison())
def test_poison_is_refused_with_its_reason(topic, body, reason):
    verdict = JUDGES[topic](body, time.time() * 1000)
    assert isinstance(verdict, Refusal)
    assert verdict.reason == reason, verdict.detail


@pytest.mark.parametrize(("seconds_later", "event_type"), [(0, Search), (0.001, Refusal)])
def test_the_shops_clock_may_be_an_hour_ahead_of_kafkas(seconds_later, event_type):
    at = datetime(2026, 5, 1, 12, tzinfo=UTC)
    verdict = JUDGES["searches"](bodies.raw(bodies.search(at)), (at.timestamp() - 3600 - seconds_later) * 1000)
    assert isinstance(verdict, event_type)


def test_both_versions_of_a_search_are_events_and_each_stays_its_own():
    one, two = (JUDGES["searches"](bodies.raw(body)) for body in (bodies.search(), bodies.search_v2(sort="newest")))
    assert (type(one), one.schema_version) == (Search, 1)
    assert (type(two), two.schema_version, two.sort) == (SearchV2, 2, "newest")
    assert isinstance(two, Search)  # Whoever reads version 1 reads it, too.


def test_a_refusal_speaks_of_the_version_that_the_message_claims():
    assert "`sort`" in JUDGES["searches"](bodies.raw(bodies.search(schema_version=2))).detail
    assert "unknown field `sort`" in JUDGES["searches"](bodies.raw(bodies.search(sort="price"))).detail


def test_a_new_version_is_numbered_on_and_keeps_every_field():
    for stream in STREAMS:
        oldest_first = versions_of(stream.event_type)[::-1]
        assert [get_type_hints(v)["schema_version"] for v in oldest_first] == [Literal[n] for n in range(1, len(oldest_first) + 1)]
        assert all(issubclass(new, old) for old, new in pairwise(oldest_first))


def test_an_escaped_backslash_before_u0000_is_no_null_character():
    verdict = JUDGES["searches"](bodies.raw(bodies.search(term="a\\u0000b")))
    assert isinstance(verdict, Event)


@given(st.binary(max_size=300) | st.none())
def test_any_bytes_get_a_verdict(body):
    for judge in JUDGES.values():
        assert isinstance(judge(body), Refusal)


@given(st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2099, 1, 1)), st.integers(0, 2**74 - 1))
def test_a_uuid7_keeps_its_time_and_its_version(at, bits):
    at = at.replace(tzinfo=UTC)
    made = uuid7(at, bits)
    assert made.version == 7
    assert made.variant == "specified in RFC 4122"
    assert made.int >> 80 == int(at.timestamp() * 1000)
    assert ((made.int >> 64) & 0xFFF) << 62 | made.int & (2**62 - 1) == bits


def test_an_items_id_depends_on_event_and_line_alone():
    event = uuid7(datetime.now(UTC), uuid4().int & (2**74 - 1))
    ids = {item_id(event, line) for line in range(1, 100)}
    assert len(ids) == 99
    assert item_id(event, 5) == item_id(event, 5)
    assert all(made.version == 7 and made.int >> 80 == event.int >> 80 for made in ids)
