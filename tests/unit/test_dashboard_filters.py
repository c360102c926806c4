import re
import time
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard import filters, measures
from dashboard.filters import HOUR, LIMIT_SECONDS, STEP_SECONDS, Filters, parse
from dashboard.past import conditions
from instashop import sql
from instashop.metrics import MEASURES
from instashop.streams import BY_NAME

NOW = 1_800_000_015.0
NAMES = ("from", "to", "last", "step", "counted", "measure", "category", "product", "kind", "term")
HOSTILE = st.one_of(
    st.text(max_size=40),
    st.lists(st.text(max_size=10), max_size=3),
    st.sampled_from(
        [
            "",
            "a\0b",
            "0d",
            "99999d",
            "1h",
            "-1",
            "1e9",
            "2026-13-01",
            "0001-01-01T00:00",
            "9999-12-31T23:59:59+14:00",
            "'; DROP TABLE",
            "١٢",
            "revenue_cents",
            "day",
        ]
    ),
    st.datetimes().map(lambda moment: moment.isoformat()),
)
SPANS = st.fixed_dictionaries({"last": st.sampled_from(["15m", "3h", "4h", "24h", "32d"]), "step": st.sampled_from(list(STEP_SECONDS))})


def at(address: str) -> Filters:
    return parse(filters.asked_in(urlsplit(address).query), NOW)[0]


@given(st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=8), HOSTILE))
def test_anything_in_an_address_gives_filters_within_the_limits(query: dict[str, Any]) -> None:
    asked, notes = parse(query, NOW)
    size = STEP_SECONDS[asked.step]
    assert asked.since % size == asked.until % size == 0
    assert 0 < asked.seconds <= LIMIT_SECONDS[asked.step]
    assert asked.until <= NOW + size
    assert asked.measure in MEASURES
    assert asked.category is None or asked.product is None
    assert all(note.strip() for note in notes)
    assert "\0" not in f"{asked.category}{asked.term}", "Postgres takes no such text."
    assert conditions(asked)["kinds"]


@given(st.dictionaries(st.sampled_from(NAMES), HOSTILE) | SPANS)
def test_an_address_made_of_filters_gives_the_same_filters_without_a_note(query: dict[str, Any]) -> None:
    asked, _notes = parse(query, NOW)
    if asked.last is None or re.fullmatch(r"[1-9]\d?[mhd]", asked.last):
        again, notes = parse(filters.asked_in(filters.query(asked)), NOW)
        assert again == asked
        assert notes == ()


@pytest.mark.parametrize(
    ("query", "note"),
    [
        ({"measure": "profit"}, "There is no measure “profit”"),
        ({"step": "week"}, "known are window, hour, day"),
        ({"counted": "all"}, "There is no counted “all”"),
        ({"kind": "emails"}, "There is no kind “emails”"),
        ({"product": "lamp"}, "“lamp” is no product"),
        ({"product": "9007199254740993"}, "“9007199254740993” is no product"),
        ({"last": "forever"}, "“forever” is no span"),
        ({"last": "0h"}, "“0h” is no span"),
        ({"from": "2019-12-31T23:59"}, "is outside of what the shop can know"),
        ({"from": "2026-01-01", "to": "2026-01-01"}, "ends before it begins"),
        ({"from": "yesterday"}, "“yesterday” is no time"),
        ({"from": "2026-01-02", "to": "2026-01-01"}, "ends before it begins"),
        ({"from": "2031-01-01"}, "ends before it begins"),
        ({"from": "2031-01-01", "to": "2031-01-02"}, "lies in the future"),
        ({"last": "99999d"}, "its last 3 years"),
        ({"last": "40d", "step": "hour"}, "its last 31 days. A larger step reaches further."),
        ({"last": "4h", "step": "window"}, "its last 3 hours"),
        ({"category": "Books", "product": "7"}, "by category or by product, not by both; shown is product 7."),
        ({"category": "Bo\0oks"}, "No category has the character U+0000"),
        ({"term": "a\0b"}, "No term has the character U+0000"),
        ({"kind": "\0"}, "There is no kind"),
        ({"category": "Books", "measure": "sessions"}, "Sessions is not known by category or product"),
        ({"product": "7", "measure": "sessions"}, "Sessions is not known by category or product"),
    ],
)
def test_what_cannot_be_taken_is_said(query: dict[str, str], note: str) -> None:
    assert any(note in said for said in parse(query, NOW)[1]), parse(query, NOW)[1]


@pytest.mark.parametrize(("last", "step", "steps"), [("15m", "window", 30), ("1h", "window", 120), ("24h", "hour", 24), ("7d", "day", 7), ("30d", "day", 30)])
def test_a_span_that_ends_now_has_as_many_steps_as_its_name_says(last: str, step: str, steps: int) -> None:
    asked, notes = parse({"last": last}, NOW)
    assert (asked.step, asked.seconds) == (step, steps * STEP_SECONDS[step])
    assert asked.until - STEP_SECONDS[step] <= NOW < asked.until
    assert asked.last == last
    assert not notes


def test_a_span_with_one_end_is_the_day_before_it_or_lasts_until_now() -> None:
    asked, _notes = parse({"to": "2026-11-20T12:00", "step": "hour"}, NOW)
    assert (filters.iso(asked.since), filters.iso(asked.until), asked.last) == ("2026-11-19T12:00", "2026-11-20T12:00", None)
    for end in ({}, {"to": "2031-01-01"}):
        asked, _notes = parse({"from": "2027-01-10", "step": "hour", **end}, NOW)
        assert filters.iso(asked.since) == "2027-01-10T00:00"
        assert asked.until - HOUR <= NOW < asked.until
        assert asked.last is None


@pytest.mark.parametrize(("counted", "late"), [("in_time", [False]), ("late", [True]), ("restated", [False, True])])
def test_what_is_counted_stays_in_the_address(counted: str, late: list[bool]) -> None:
    asked = at(filters.href(Filters(0, HOUR, counted=counted)))
    assert (asked.counted, asked.late) == (counted, late)


@pytest.mark.parametrize("name", [" Books", "Books ", "", "  "])
def test_a_category_or_word_is_taken_as_the_shop_writes_it(name: str) -> None:
    by_category = at(filters.href(Filters(0, HOUR, measure="sales_cents", category=name)))
    assert (by_category.category, by_category.measure) == (name, "sales_cents")
    assert at(filters.href(Filters(0, HOUR, measure="searches", term=name))).term == name


@pytest.mark.parametrize("chosen", [{"category": "Books"}, {"product": "7"}])
@pytest.mark.parametrize(("measure", "shown"), [("", "sales_cents"), ("items_sold", "items_sold"), ("revenue_cents", "sales_cents")])
def test_of_a_category_or_a_product_sales_are_shown(chosen: dict[str, str], measure: str, shown: str) -> None:
    asked, notes = parse({**chosen, "measure": measure}, NOW)
    assert asked.measure == shown
    assert bool(notes) == (measure not in ("", shown))


def test_every_product_of_the_shop_can_be_asked_for() -> None:
    assert at("/history?product=9007199254740992").product == 2**53
    assert at("/history?product=%207%20&step=%20day&last=7d%20") == at("/history?product=7&step=day&last=7d")


def test_a_span_is_widened_to_whole_steps() -> None:
    asked, _notes = parse({"from": "2026-11-24T06:50", "to": "2026-11-24T07:10", "step": "hour"}, NOW)
    assert (filters.iso(asked.since), filters.iso(asked.until)) == ("2026-11-24T06:00", "2026-11-24T08:00")


def test_a_time_without_a_zone_is_of_utc_wherever_the_dashboard_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        asked, notes = parse({"from": "2020-01-01", "to": "2020-01-02"}, NOW)
    time.tzset()
    assert (asked.since, asked.seconds, notes) == (1_577_836_800, 86_400, ())


def test_times_in_an_address_may_have_a_zone_and_a_plus_read_as_a_space() -> None:
    assert at("/history?from=2026-11-24T09:00+02:00&to=2026-11-24T08:00Z").since == at("/history?from=2026-11-24T07:00&to=2026-11-24T08:00").since


def test_a_bar_leads_to_its_own_span_in_smaller_steps() -> None:
    day = Filters(1_799_366_400, 1_799_366_400 + 7 * 86_400, "day", last="7d")
    inner = at(filters.href(day, since=day.since, until=day.since + 86_400))
    assert (inner.since, inner.seconds, inner.step, inner.last) == (day.since, 86_400, "hour", None)


def test_a_live_number_leads_to_the_same_windows_of_the_warehouse() -> None:
    inner = at(filters.rows_behind("refund_cents", 1_799_999_130, 1_800_000_030))
    assert (inner.since, inner.until, inner.step, inner.measure, inner.counted) == (1_799_999_130, 1_800_000_030, "window", "refund_cents", "in_time")


def test_every_measure_has_a_title_and_rows() -> None:
    assert set(measures.MEASURES) == set(MEASURES)
    assert {kind for measure in measures.MEASURES.values() for kind in measure.kinds} <= set(BY_NAME)


@pytest.mark.parametrize("name", [name for name in MEASURES if name != "events"])
def test_rows_are_chosen_by_the_conditions_of_the_metric_text(name: str) -> None:
    """The table of measures is compared with windows.sql, the only definition."""
    line = next(line for line in sql.statement("metrics/windows").splitlines() if line.rstrip(",").endswith(f" AS {name}"))
    measure = measures.MEASURES[name]
    conditions = {"kind": re.search(r"kind = '(\w+)'", line), "status": re.search(r"status = '(\w+)'", line), "results": re.search(r"results = (\d+)", line)}
    found = {column: match[1] if match else None for column, match in conditions.items()}
    summed = re.search(r"sum\((\w+)\)", line)
    assert (found["kind"],) == measure.kinds
    assert found["status"] == measure.status
    assert found["results"] == (None if measure.results is None else str(measure.results))
    field = {"value_cents": "total_cents"}.get(measure.field or "", measure.field)  # The view calls a cart's value total_cents, too.
    assert (summed[1] if summed else None) == field


def test_rows_of_a_category_are_items_only() -> None:
    assert conditions(Filters(0, HOUR, measure="events", category="Books"))["kinds"] == ["transaction_items"]


def test_rows_of_a_whole_stream_have_no_condition_of_the_measure() -> None:
    asked = conditions(Filters(0, HOUR, measure="revenue_cents", kind="products"))
    assert (asked["kinds"], asked["status"], asked["field"]) == (["products"], None, None)
