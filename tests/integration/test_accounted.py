"""Every event of a labelled load is accounted for by id, and the sums are right to the cent."""

from __future__ import annotations

import json
import os
from collections import Counter

import pytest

from instashop import connect
from instashop.control.books import verify
from instashop.metrics import window_key
from instashop.shop.generator import make_base_data
from tests import labelled
from tests.integration.conftest import live_metrics, service

EVENTS = int(os.environ.get("INSTASHOP_TEST_LABELLED", "20000"))
"""How many; a million takes some minutes."""


@pytest.fixture(scope="module")
def labels(stack):
    with connect.shop(stack, "test") as shop:
        make_base_data(shop, 1)
    with service("producer", stack), service("enricher", stack), service("consumer", stack), live_metrics(stack):
        found = labelled.load(stack, EVENTS, seed=7)
        found.verdict = verify(stack, wait_seconds=300)
        yield found


def test_the_books_balance_with_everything_odd_in_them(labels):
    assert labels.verdict.balanced, labels.verdict.describe()


def test_each_event_is_kept_or_refused_for_its_reason_by_id(labels, dwh):
    every = list(labels.kept | set(labels.refused))
    kept = {str(row[0]) for row in dwh.execute("SELECT event_id FROM realtime_events WHERE event_id = ANY(%s::uuid[])", [every])}
    assert kept == labels.kept
    refused = {str(i): reason for i, reason in dwh.execute("SELECT event_id, reason FROM dead_letters WHERE event_id = ANY(%s::uuid[])", [every])}
    assert refused == {event_id: reason.value for event_id, reason in labels.refused.items()}
    strangers = Counter(dict(dwh.execute("SELECT reason, count(*) FROM dead_letters WHERE message_key = 'stranger' GROUP BY reason").fetchall()))
    assert strangers == Counter({reason.value: count for reason, count in labels.strangers.items()})


def test_late_is_decided_by_each_event_to_the_microsecond(labels, dwh):
    late = {str(row[0]) for row in dwh.execute("SELECT event_id FROM metrics.events WHERE recorded_at > win_end + INTERVAL '10 seconds'")}
    assert labels.late <= late
    assert not late & labels.in_time


def test_the_live_windows_add_up_to_the_cent(stack, labels):
    redis, events, revenue = connect.redis(stack), 0, 0
    for key in redis.scan_iter("window:*"):
        total = json.loads(redis.hget(window_key(int(key.split(":")[1])), "total"))
        items = sum(json.loads(value).get("events", 0) for field, value in redis.hgetall(key).items() if field.startswith("category:"))
        events += total["events"] - items
        revenue += total["revenue_cents"]
    assert events == len(labels.in_time)
    assert revenue == labels.revenue_cents
