"""Every event of a labelled load is accounted for by id, and the sums are right to the cent."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from datetime import timedelta
from uuid import UUID

import pytest
from psycopg.rows import dict_row

from dashboard import shelf
from dashboard.shelf import Late
from instashop import connect
from instashop.control import beats
from instashop.control.books import accept, verify
from instashop.control.trace import trace
from instashop.metrics import FILLED_KEY, PROGRESS_KEY, window_key
from instashop.shop.generator import make_base_data
from tests import labelled
from tests.integration.conftest import live_metrics_by_hand, service
from tests.waiting import wait_until

EVENTS = int(os.environ.get("INSTASHOP_TEST_LABELLED", "20000"))
"""How many; a million takes some minutes."""
pytestmark = pytest.mark.timeout(900 + EVENTS // 500)
REPEATS = 3
"""Of each topic and status, so many events come once more."""
BATCHES = 10
"""Of how many batches Spark has to make the backlog at least."""


@pytest.fixture(scope="module")
def labels(stack):
    with connect.shop(stack, "test", autocommit=True) as shop:
        make_base_data(shop, 1)
    with service("producer", stack), service("enricher", stack), service("consumer", stack):
        wait_until(lambda: (beat := beats.read(stack.run_dir, "producer")) and beat.events_total, 60, "the producer's first events")
        redis = connect.redis(stack)
        redis.delete(FILLED_KEY)  # Of a job before this one.
        with live_metrics_by_hand(stack, INSTASHOP_LIVE_OFFSETS_LIMIT=str(EVENTS // BATCHES)):
            found = labelled.load(stack, EVENTS, seed=7)  # Long before the job reads its first message.
            wait_until(lambda: redis.get(FILLED_KEY), 600, "a Redis that has every window")  # What is filled is right again.
            labelled.repeat(stack, found, REPEATS)
            found.verdict = verify(stack, wait_seconds=600)
            accept(stack, map(UUID, found.repeated), "sent by a test")
            found.accepted = verify(stack, wait_seconds=120)
            yield found


def test_the_books_are_red_only_for_what_a_stranger_repeated_and_count_it(labels):
    red = {(line.stage, line.stream): line for line in labels.verdict.lines if not line.ok}
    windows = red.pop(("windows", "all"))
    assert set(red) == {("kafka", name) for name in ("transactions", "user_behavior", "searches", "cart_events")} | {("items", "transaction_items")}
    assert sum(line.repeated for (stage, _stream), line in red.items() if stage == "kafka") == len(labels.repeated)
    assert red["items", "transaction_items"].repeated > 0
    assert windows.events > windows.expected_events


def test_the_books_balance_with_everything_odd_in_them_once_a_person_has_accepted_the_repeats(labels):
    assert labels.accepted.balanced, labels.accepted.describe()


def test_each_event_is_kept_or_refused_for_its_reason_by_id(labels, dwh):
    every = list(labels.kept | set(labels.refused))
    kept = {str(row[0]) for row in dwh.execute("SELECT event_id FROM realtime_events WHERE event_id = ANY(%s::uuid[])", [every])}
    assert kept == labels.kept
    refused = {str(i): reason for i, reason in dwh.execute("SELECT event_id, reason FROM dead_letters WHERE event_id = ANY(%s::uuid[])", [every])}
    assert refused == {event_id: reason.value for event_id, reason in labels.refused.items()}
    strangers = Counter(dict(dwh.execute("SELECT reason, count(*) FROM dead_letters WHERE message_key = 'stranger' GROUP BY reason").fetchall()))
    assert strangers == Counter({reason.value: count for reason, count in labels.strangers.items()})


def test_late_is_decided_by_each_event_to_the_microsecond(labels, dwh):
    late = {str(event_id) for (event_id,) in dwh.execute("SELECT event_id FROM metrics.late_events WHERE kind <> 'transaction_items'")}
    assert late == labels.late


def test_what_came_late_is_shown_with_its_items_and_cents(stack, labels, monkeypatch):
    monkeypatch.setattr(shelf, "LATE_LOOK_SECONDS", 7200)  # The load is of the twenty minutes before this test began.
    with connect.warehouse(stack, "test", autocommit=True, row_factory=dict_row) as dwh:
        assert sum(shelf.read(dwh, time.time()).late.values(), Late()) == labels.came_late


def test_the_live_windows_add_up_to_the_cent(stack, labels):
    redis, events, revenue = connect.redis(stack), 0, 0
    for key in redis.scan_iter("window:*"):
        total = json.loads(redis.hget(window_key(int(key.split(":")[1])), "total"))
        items = sum(json.loads(value).get("events", 0) for field, value in redis.hgetall(key).items() if field.startswith("category:"))
        events += total["events"] - items
        revenue += total["revenue_cents"]
    assert events == len(labels.in_time)
    assert revenue == labels.revenue_cents


def test_a_backlog_of_minutes_with_skewed_keys_was_caught_up_with_and_nothing_dropped(stack, labels, dwh):
    progress = json.loads(connect.redis(stack).get(PROGRESS_KEY))
    assert progress["batch"] >= BATCHES - 1
    assert progress["dropped_by_watermark"] == 0
    middles = dwh.execute(
        "SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY recorded_at) FROM realtime_events"
        " WHERE kind = 'transactions' AND event_id = ANY(%s::uuid[]) GROUP BY \"partition\"",
        [list(labels.kept)],
    ).fetchall()
    assert max(middles)[0] - min(middles)[0] > timedelta(minutes=5), "No partition lay behind the others: the keys are not skewed."


def test_an_executor_writes_down_only_what_is_wrong(stack, labels):
    texts = [log.read_text() for log in (stack.home / "spark" / "work").glob("*/*/stderr")]
    quiet = [text for text in texts if "log4j2.xml" in text]
    assert quiet, "No executor was given the settings of the log."
    assert not [line for text in quiet for line in text.splitlines() if " INFO " in line]


def test_the_way_of_a_late_and_of_a_refused_event_says_why(stack, labels):
    late = [trace(stack, event_id) for event_id in sorted(labels.late)[:5]]
    assert any("left out of the live value: recorded" in way and "in the warehouse now" in way for way in late), late
    event_id, reason = next(iter(labels.refused.items()))
    refused = trace(stack, event_id)
    assert "shop " in refused
    assert f": {reason.value} (" in refused
    assert "realtime_events" not in refused


def test_the_way_of_an_event_is_told_also_while_redis_is_away(stack, labels):
    away = stack.model_copy(update={"redis_url": f"redis://{stack.host}:1/0"})
    ways = [trace(away, event_id) for event_id in sorted(labels.in_time)[:5]]
    assert any("live value not known, since Redis does not answer" in way for way in ways), ways
