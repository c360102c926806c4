"""History on a real warehouse: for every measure, the rows behind the number make the number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec
import psycopg
import pytest
from psycopg.rows import dict_row, tuple_row

from dashboard import past, readings, shelf
from dashboard.filters import COUNTED, DAY, EARLIEST, Filters
from dashboard.readings import Reader
from instashop import connect, sql
from instashop.control.beats import Beat, key_of
from instashop.metrics import MEASURES
from instashop.settings import Settings
from tests import bodies
from tests.integration.rows import keep_body
from tests.waiting import wait_until

BEGIN = datetime(2026, 5, 1, 12, tzinfo=UTC)
TERM = "lamp of history"
ASKED = Filters(int(BEGIN.timestamp()), int(BEGIN.timestamp()) + 300, "window")


def events() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield one event of every status and action in each of some windows, every fifth of them late."""
    number = 0
    for window in range(6):
        made = [("transactions", bodies.transaction, {"status": status}) for status in ("created", "paid", "failed", "refunded")]
        made += [("transaction_items", bodies.item, {"status": status, "product_id": 7 + window % 2, "category": "Books"}) for status in ("paid", "refunded")]
        made += [("user_behavior", bodies.behavior, {"action": action}) for action in ("session_start", "page_view", "product_view", "wishlist_add")]
        made += [("searches", bodies.search, {"results": results, "term": TERM}) for results in (0, 5)]
        made += [("cart_events", bodies.cart, {"action": action}) for action in ("add", "remove", "checkout", "abandon")]
        for kind, body, more in made:
            number += 1
            at = BEGIN + timedelta(seconds=30 * window + number % 29)
            yield kind, {**body(at, **more), "recorded_at": (at + timedelta(seconds=60 if number % 5 == 0 else 0)).isoformat()}


@pytest.fixture
def filled(dwh: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """The warehouse with those events, for one test; its rows are dictionaries, as the dashboard reads them."""
    with dwh.transaction(force_rollback=True):
        if not dwh.execute("SELECT 1 FROM pg_partitioned_table WHERE partrelid = 'realtime_events'::regclass AND partdefid <> 0").fetchone():
            dwh.execute("CREATE TABLE realtime_events_test PARTITION OF realtime_events DEFAULT")
        for kind, body in events():
            keep_body(dwh, kind, body)
        dwh.row_factory = dict_row  # type: ignore[assignment]
        yield dwh
        dwh.row_factory = tuple_row


@pytest.mark.parametrize("counted", COUNTED)
@pytest.mark.parametrize("measure", MEASURES)
def test_the_rows_behind_a_number_make_the_number(filled: Any, measure: str, counted: str) -> None:
    known = past.read(filled, replace(ASKED, measure=measure, counted=counted), ASKED.until, 8)
    assert (known.trouble, known.rows_trouble) == (None, None)
    made = known.rows_count if known.rows_total is None else known.rows_total
    assert made == known.totals[measure]
    assert known.rows_count, "Every measure has events, in time and late."
    assert len(known.rows) == min(known.rows_count, past.ROWS_SHOWN)


def test_a_span_is_compared_only_with_one_that_the_warehouse_has_lived_through(filled: Any) -> None:
    first = int(filled.execute(sql.statement("dashboard/first_event")).fetchone()["first_at"].timestamp()) // 30 * 30
    for begin, is_known in ((first - 30, False), (first + 30, True)):
        asked = Filters(begin + 300, begin + 600, "window")
        assert (past.read(filled, asked, asked.until, 8).before is not None) == is_known


def test_by_window_nothing_is_known_of_events_that_are_no_longer_kept(filled: Any) -> None:
    """Retention dropped them: their hours are there, and they themselves are not."""
    first = filled.execute(sql.statement("dashboard/first_event")).fetchone()["first_at"].replace(minute=0, second=0, microsecond=0)
    columns = ", ".join(MEASURES)
    filled.execute(
        f"INSERT INTO rollups.hours (start, late, {columns}) SELECT %s, false, {', '.join('7' for _ in MEASURES)}",
        [first - timedelta(days=30)],
    )
    begin = int((first - timedelta(days=30)).timestamp())
    by_window = past.read(filled, Filters(begin, begin + 7200, "window"), ASKED.until, 8)
    assert (by_window.read_at, by_window.series) == (ASKED.until, {})
    assert "are no longer kept" in (by_window.trouble or "")
    assert past.read(filled, Filters(begin, begin + 7200, "hour"), ASKED.until, 8).totals["revenue_cents"] == 7
    assert past.read(filled, ASKED, ASKED.until, 8).trouble is None


def test_of_before_the_first_event_nothing_is_known(filled: Any) -> None:
    before = past.read(filled, Filters(EARLIEST, EARLIEST + DAY, "day"), ASKED.until, 8)
    assert (before.read_at, before.series) == (ASKED.until, {})
    assert "The warehouse knows events from" in (before.trouble or "")
    since = past.read(filled, replace(ASKED, step="hour", since=EARLIEST), ASKED.until, 8)
    assert (since.trouble, since.totals["revenue_cents"] > 0) == (None, True)
    assert EARLIEST < (since.known_from or 0) < ASKED.until


def test_numbers_are_read_without_their_rows_when_nobody_wants_them(filled: Any) -> None:
    known = past.read(filled, ASKED, ASKED.until, 8, with_rows=False)
    assert known.totals == past.read(filled, ASKED, ASKED.until, 8).totals
    assert (known.rows_count, known.rows_trouble) == (None, None)


def test_restated_is_in_time_and_late_together(filled: Any) -> None:
    in_time, late, both = (past.read(filled, replace(ASKED, counted=counted), ASKED.until, 8).totals for counted in COUNTED)
    assert both == Counter({name: in_time[name] + late[name] for name in both})  # A sum of Counters has nothing below zero, as refunds are.
    assert late["events"] > 0


@pytest.mark.parametrize("only", [{"category": "Books"}, {"product": 8}, {"category": "Books", "counted": "restated"}])
@pytest.mark.parametrize("measure", ["sales_cents", "items_sold", "events"])
def test_the_rows_of_a_category_or_product_make_its_number(filled: Any, measure: str, only: dict[str, Any]) -> None:
    known = past.read(filled, replace(ASKED, measure=measure, **only), ASKED.until, 8)
    made = known.rows_count if known.rows_total is None else known.rows_total
    assert made == known.totals[measure] > 0


def test_a_category_without_a_name_is_a_group_of_that_name(filled: Any) -> None:
    keep_body(filled, "transaction_items", bodies.item(BEGIN, status="paid", product_id=9, category=""))
    groups = past.read(filled, ASKED, ASKED.until, 8).groups
    assert [(group.product_id, group.name) for group in groups if group.category == ""] == [(None, "")]


def test_rows_of_a_term_and_of_a_whole_stream_are_found(filled: Any) -> None:
    assert past.read(filled, replace(ASKED, measure="searches", counted="restated", term=TERM), ASKED.until, 8).rows_count == 12
    assert past.read(filled, replace(ASKED, measure="searches", counted="restated", term="hose"), ASKED.until, 8).rows_count == 0
    assert past.read(filled, replace(ASKED, kind="cart_events", counted="restated"), ASKED.until, 8).rows_count == 24


def test_searches_and_abandoned_carts_of_the_last_hour_are_read(filled: Any) -> None:
    read = shelf.read(filled, ASKED.until)
    assert (TERM, 12, 6) in [(term.term, term.searches, term.without_result) for term in read.terms]
    assert read.carts
    assert [cart.at for cart in read.carts] == sorted((cart.at for cart in read.carts), reverse=True)


def test_searches_are_counted_whole_however_many_words_there_are(filled: Any) -> None:
    before = shelf.read(filled, ASKED.until).searched
    for number in range(201):
        for results in (0, 3):
            keep_body(filled, "searches", bodies.search(BEGIN, term=f"word {number}", results=results))
    keep_body(filled, "searches", bodies.search(BEGIN, term=None, results=0))
    after = shelf.read(filled, ASKED.until)
    assert len(after.terms) == 200
    assert (after.searched.searches, after.searched.without_result, after.searched.words) == (
        before.searches + 403,
        before.without_result + 202,
        before.words + 201,
    )


def test_what_a_consumer_has_not_brought_is_missing_in_history_and_shelf(stack: Settings) -> None:
    redis, now, reader = connect.redis(stack), datetime.now(UTC), Reader(stack)
    redis.set(key_of("consumer"), msgspec.json.encode(Beat("consumer", 1, now, now, "stopped")))
    reader.start()
    try:
        wait_until(lambda: reader.snapshot.shelf.read_at, 30, "a first reading of the shelf")
        words = "The consumer is stopped: what reached Kafka meanwhile is missing."
        assert reader.snapshot.shelf.lacks == words
        ahead = int(now.timestamp()) // 30 * 30 + 60
        assert reader.past(Filters(ahead, ahead + 60, "window")).trouble == words
    finally:
        reader.stop()
        redis.delete(key_of("consumer"))
        redis.close()


def test_a_stock_that_takes_too_long_leaves_the_rest_of_the_shelf(stack: Settings, filled: Any) -> None:
    filled.execute("SET LOCAL statement_timeout = '3s'")
    with connect.warehouse(stack, "test") as other:
        other.execute("LOCK TABLE warehouse.products IN ACCESS EXCLUSIVE MODE")
        read = shelf.read(filled, ASKED.until)
    assert (read.products, read.stock_trouble) == ((), shelf.STOCK_TOO_LONG)
    assert read.terms
    assert read.carts
    assert read.today
    assert shelf.read(filled, ASKED.until).stock_trouble is None


def test_numbers_and_rows_that_take_too_long_say_each_what_helps(stack: Settings, filled: Any) -> None:
    with connect.warehouse(stack, "test") as other:
        other.execute("LOCK TABLE rollups.hours IN ACCESS EXCLUSIVE MODE")
        known = past.read(filled, replace(ASKED, step="hour"), ASKED.until, 0.3)
    assert (known.trouble, known.rows_trouble) == tuple(past.too_long(replace(ASKED, step="hour"), 0.3).values())


def test_a_csv_of_rows_that_do_not_come_in_time_is_an_error_before_its_heads(stack: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past, "of_rows", lambda _name: "SELECT pg_sleep(9) LIMIT %(limit)s")
    monkeypatch.setattr(readings, "CSV_SECONDS", 0.2)
    with pytest.raises(psycopg.errors.QueryCanceled):
        Reader(stack).rows(ASKED)


def test_today_is_what_history_says_of_the_day(filled: Any) -> None:
    read = shelf.read(filled, ASKED.until)
    begin = shelf.day_of(ASKED.until)
    day = past.read(filled, Filters(begin, begin + DAY, "day"), ASKED.until, 8)
    assert read.today == {name: day.totals[name] for name in MEASURES}
    assert read.today["revenue_cents"] > 0


def test_a_visitor_is_a_session_and_a_cart_is_active_until_it_ends(filled: Any) -> None:
    now = datetime.now(UTC)
    before = shelf.read(filled, now.timestamp())
    visit = {"session_id": str(uuid4())}
    for kind, body in (
        ("user_behavior", bodies.behavior(now, **visit)),
        ("searches", bodies.search(now - timedelta(seconds=200), **visit)),
        ("user_behavior", bodies.behavior(now - timedelta(seconds=400))),
        ("transactions", bodies.transaction(now)),
    ):
        keep_body(filled, kind, body)
    for actions, ago in (
        (("add",), 600),
        (("add", "remove"), 600),
        (("add", "checkout"), 600),
        (("add", "abandon"), 600),
        (("remove",), 600),
        (("add",), 1000),
    ):
        cart = str(uuid4())
        for action in actions:
            keep_body(filled, "cart_events", bodies.cart(now - timedelta(seconds=ago), action=action, cart_id=cart))
    after = shelf.read(filled, now.timestamp())
    assert (after.visitors or 0) - (before.visitors or 0) == 1
    assert (after.active_carts or 0) - (before.active_carts or 0) == 2


def test_a_refused_message_is_not_taken_in(filled: Any) -> None:
    before = filled.execute(sql.statement("dashboard/arrived")).fetchone()["messages"]
    filled.execute("INSERT INTO consumer_offsets (topic, \"partition\", events, refused) VALUES ('of this test', 0, 10, 4)")
    assert filled.execute(sql.statement("dashboard/arrived")).fetchone()["messages"] == before + 6
