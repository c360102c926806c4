"""Products, Behaviour, History and one event: what each says in each state. Pure; no server is needed.

In one file, a little long, since all of them are made of the windows, the shelf and the past that are made here.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from dash import html

from dashboard import figures, filters, formats, goods, past, rows, sales, sheets, spans, table, visits
from dashboard.filters import Filters
from dashboard.pages import behaviour, event, history, live, products
from dashboard.past import Group, Past, Row
from dashboard.readings import past_as_known
from dashboard.shelf import Cart, Product, Searched, Shelf, Term
from dashboard.snapshot import Sale, Snapshot, Warehouse, Window
from instashop.control.trace import Stop
from instashop.metrics import MEASURES
from instashop.streams import STREAMS
from tests.unit.test_dashboard import DAY, NOW, PAID, STATES, WINDOW, beat, by_id, snapshot, texts, window

LAMP = Product(7, "Lamp", "Home", stock=100, sold=40, active=True, at=NOW - 3600)
SHELF = Shelf(
    read_at=NOW - 5,
    products=(LAMP,),
    terms=(Term("lamp", 4, 1), Term(None, 2, 2)),
    searched=Searched(1_006, 13, 251),
    carts=(Cart("0192", NOW - 60, 1999, None),),
)
ASKED = Filters(1_799_913_600, 1_800_000_000, "hour", last="24h")
BODY = {"status": "paid", "total_cents": 1000, "lines": [{}], "payment_method": "card", "customer_id": 5}


def sold(start: int, items: int, number: int = 7, name: str = "Lamp") -> Window:
    return replace(window(start, **PAID, items_sold=items), products={number: Sale(name, items, items * 900)})


def goods_of(known: Snapshot) -> list[goods.Good]:
    return goods.sold(known, spans.live_of(known, NOW))


def row(**more: Any) -> Row:
    at = datetime.fromtimestamp(NOW, UTC)
    kept = {"event_id": "01a20c7a-5cde-761b-8f8e-3e5e09bb357c", "kind": "transactions", "occurred_at": at, "recorded_at": at, "arrived_at": at}
    return Row(**{**kept, "topic": "transactions", "partition": 0, "offset": 3, "payload": BODY, **more})


PAST = Past(
    read_at=NOW,
    series={ASKED.since: Counter(PAID), ASKED.until - 3600: Counter(PAID)},
    before={"events": 10, "revenue_cents": 11_900},
    groups=(Group("Home", None, "Home", 2700), Group(None, 7, "Lamp", 2700)),
    rows=(row(),),
    rows_count=4,
    rows_total=23_800,
)


def test_products_are_ranked_by_sales_and_compared_with_the_span_before() -> None:
    before = [sold(start - 900, 1) for start in spans.span(NOW)]
    good = goods_of(snapshot(*before, sold(WINDOW, 40), progress_age=0.0))[0]
    assert (good.name, good.items, good.cents, good.items_before) == ("Lamp", 40, 36_000, 29.5)
    assert good.gain == 10.5


def test_trending_is_ranked_and_drawn_by_what_was_gained() -> None:
    before = [replace(sold(start - 900, 1), products={7: Sale("Lamp", 3, 1), 8: Sale("Rug", 1, 1)}) for start in spans.span(NOW)]
    known = snapshot(*before, replace(sold(WINDOW, 1), products={7: Sale("Lamp", 100, 1), 8: Sale("Rug", 60, 1)}), progress_age=0.0)
    shown = goods.trending(goods_of(known), spans.live_of(known, NOW))
    assert [texts(step)[:3] for step in shown] == ["Rug", "Lam"]
    assert [part.style["width"] for step in shown for part in step._traverse() if "bar-fill" in getattr(part, "className", "")] == ["100.00%", "37.70%"]


def test_without_a_span_before_nothing_is_trending_and_that_is_said() -> None:
    known = snapshot(sold(WINDOW, 40))
    assert "no 15 minutes before" in texts(goods.trending(goods_of(known), spans.live_of(known, NOW)))


def test_stock_is_what_was_recorded_less_what_was_paid_and_lasts_at_the_pace_of_now() -> None:
    known = snapshot(sold(WINDOW, 30), shelf=SHELF)
    [(product, lasts)] = goods.stock(SHELF, goods_of(known))
    assert (product.left, lasts) == (60, 1800)
    assert "60 left for 30 min" in texts(products.values(known, NOW)["products-stock"]["children"])


def test_the_bars_of_the_stock_say_what_they_are_a_share_of() -> None:
    known = snapshot(sold(WINDOW, 30), shelf=SHELF)
    shown = by_id(products.layout(known, NOW), "products-stock")
    assert [part.style["width"] for part in shown._traverse() if "bar-fill" in getattr(part, "className", "")] == ["60.00%"]
    assert "bar: share of the recorded stock" in texts(by_id(products.layout(known, NOW), "products-stock-age"))


def test_a_renamed_product_has_its_new_name_also_beside_a_span_of_the_old_one() -> None:
    before = [sold(start - 900, 1, name="Lamp") for start in spans.span(NOW)]
    (good,) = goods_of(snapshot(*before, sold(WINDOW, 40, name="Lantern"), progress_age=0.0))
    assert (good.name, good.items) == ("Lantern", 40)


def test_a_product_that_sold_more_than_there_was_is_said_to_be_oversold() -> None:
    known = snapshot(sold(WINDOW, 30), shelf=replace(SHELF, products=(replace(LAMP, sold=103),)))
    assert "0 left 3 oversold" in texts(products.values(known, NOW)["products-stock"]["children"])


def test_sold_out_looks_worse_than_running_low_and_is_counted_apart() -> None:
    shelf = replace(SHELF, products=(LAMP, replace(LAMP, product_id=8, sold=100), replace(LAMP, product_id=9, sold=103), replace(LAMP, product_id=10)))
    shown = products.values(snapshot(sold(WINDOW, 60), sold(WINDOW - 30, 1, 8), shelf=shelf), NOW)
    assert [row.className for row in shown["products-stock"]["children"]] == ["step is-out", "step is-out", "step is-soon", "step is-category"]
    assert "Running low 2 sold out 1 sell out within an hour at this pace" in texts(shown["products-kpis"]["children"])


def test_products_not_on_sale_have_no_stock_to_watch() -> None:
    assert goods.stock(replace(SHELF, products=(replace(LAMP, active=False),)), []) == []


@pytest.mark.parametrize(
    ("shelf", "words"),
    [
        (Shelf(), "has not been read yet"),
        (Shelf(trouble="gone; run `./instashop up`"), "gone; run ./instashop up"),
        (Shelf(read_at=NOW), "No product has reached the warehouse yet."),
        (replace(SHELF, read_at=NOW - 9, trouble="gone"), "This is from 9 s ago . gone"),
        (replace(SHELF, products=(), stock_trouble="It takes too long."), "It takes too long."),
    ],
)
def test_stock_that_is_not_known_says_why(shelf: Shelf, words: str) -> None:
    assert words in texts(products.values(snapshot(sold(WINDOW, 30), shelf=shelf), NOW)["products-stock"]["children"])


LACKS = "The consumer is 11 s behind: what reached Kafka meanwhile is missing."
NO_ITEMS = "The enricher is stopped: what was sold of each item and category meanwhile is missing."


def test_a_warehouse_that_lacks_events_claims_no_stock_and_no_number_of_searches() -> None:
    known = snapshot(sold(WINDOW, 30), shelf=replace(SHELF, lacks=LACKS))
    assert texts(products.values(known, NOW)["products-stock"]["children"]) == f"Not known. {LACKS}"
    assert texts(by_id(products.layout(known, NOW), "kpi-low")) == "—"
    searched = texts(visits.terms(known.shelf, NOW))
    assert "lamp 4 1 without result" in searched
    assert "— searches in the last hour — without result — different words" in searched
    for listed in (searched, texts(visits.carts(known.shelf, NOW))):
        assert f"This is from 5 s ago . {LACKS}" in listed
    without_items = products.layout(replace(known, shelf=replace(SHELF, stock_trouble=NO_ITEMS)), NOW)
    assert texts(by_id(without_items, "kpi-low")) == "—"
    assert texts(by_id(without_items, "products-stock")) == f"Not known. {NO_ITEMS}"
    nothing = replace(known.shelf, terms=(), carts=())
    assert {texts(visits.terms(nothing, NOW)), texts(visits.carts(nothing, NOW))} == {f"Not known. {LACKS}"}


def test_a_list_without_rows_says_from_when_it_is_while_the_warehouse_is_away() -> None:
    nothing = replace(SHELF, read_at=NOW - 300, terms=(), carts=())
    away = replace(nothing, trouble="gone; run `./instashop up`")
    for part, words in ((visits.carts, "No cart was abandoned in the last hour."), (visits.terms, "Nobody searched in the last hour.")):
        assert texts(part(nothing, NOW)) == words
        assert texts(part(away, NOW)) == f"{words} This is from 5 min 0 s ago . gone; run ./instashop up"


@pytest.mark.parametrize("page", [products, behaviour])
def test_nothing_known_is_never_shown_as_zero(page: Any) -> None:
    shown = page.values(STATES["starting"], NOW)
    for name, props in shown.items():
        if not name.endswith(("-span", "-ages", "-banner")) and "children" in props:
            assert not any(letter.isdigit() for letter in texts(props["children"])), (name, texts(props["children"]))


@pytest.mark.parametrize("page", [products, behaviour])
@pytest.mark.parametrize("state", ["zero", "live", "behind", "stale", "broken"])
def test_no_number_is_without_its_age(page: Any, state: str) -> None:
    shown = page.values(replace(STATES[state], shelf=SHELF), NOW)
    for card in shown[f"{page.NAME.lower()}-kpis"]["children"]:
        assert [part for part in card._traverse() if getattr(part, "data-at", None)], texts(card)
    for name in (name for name in shown if name.endswith("-age") or name.endswith("-ages")):
        assert [part for part in html.Div(shown[name]["children"])._traverse() if getattr(part, "data-at", None)], name


def test_the_funnel_tells_each_rate_to_the_step_before() -> None:
    known = snapshot(window(WINDOW, events=1, sessions=10, product_views=20, cart_adds=8, checkouts=2, carts_abandoned=6))
    shown = texts(visits.funnel(spans.live_of(known, NOW)))
    assert "Product views 20 2.0 × sessions" in shown
    assert "Added to cart 8 40.0 % of product views" in shown
    assert "Checkouts 2 25.0 % of added to cart" in shown
    assert "75.0 % of ended carts abandoned" in shown
    assert "sessions to checkouts" not in shown, "The number at the top says it."
    assert "Conversion checkouts per session" in texts(visits.kpis(spans.live_of(known, NOW), NOW))
    assert "paid" not in shown, "Orders are made apart from visits, so they are no step of them."


def test_a_conversion_above_one_is_written_as_times_everywhere() -> None:
    assert [formats.conversion(value) for value in (0.0, 0.125, 1.0, 4.0, None)] == ["0.0\u00a0%", "12.5\u00a0%", "100.0\u00a0%", "4.0\u00a0×", "—"]
    few = {"events": 5, "sessions": 1, "checkouts": 4}
    known = snapshot(window(WINDOW, **few), shelf=replace(DAY, today={**dict.fromkeys(MEASURES, 0), **few}))
    asked = Filters(WINDOW, WINDOW + 30, "window")
    of_history = by_id(rows.kpis(asked, Past(read_at=NOW, series={WINDOW: few}), NOW), "kpi-conversion")
    of_live, of_today = by_id(live.layout(known, NOW), "kpi-conversion"), by_id(live.layout(known, NOW), "today-conversion")
    of_behaviour = by_id(behaviour.layout(known, NOW), "kpi-checkouts")
    for part in (of_history, of_live, of_today, of_behaviour):
        assert "4.0 ×" in " ".join(texts(part).split())


def test_abandoned_carts_and_searches_are_listed_with_their_value_and_links() -> None:
    shown = html.Div(visits.carts(SHELF, NOW))
    assert "€19.99 a guest 1 min 0 s ago" in texts(shown)
    assert "/event/0192" in [getattr(part, "href", None) for part in shown._traverse()]
    assert "lamp 4 1 without result" in texts(visits.terms(SHELF, NOW))
    assert "1,006 searches in the last hour 13 without result 251 different words" in texts(visits.terms(SHELF, NOW))


def test_searches_lead_to_all_of_them_late_ones_too() -> None:
    links = [part.href for part in html.Div(visits.terms(SHELF, NOW))._traverse() if getattr(part, "className", "") == "number"]
    assert len(links) == 3
    assert all("counted=restated" in link for link in links)


def test_searches_without_result_stand_on_those_that_found_something() -> None:
    known = snapshot(window(WINDOW, events=1, searches=3, searches_without_result=1))
    _none, found, _none, upper = figures.searches(known.windows, spans.live_of(known, NOW)).data
    assert (found.y, found.text) == ((2,), ("3 searches, 1 without result",))
    assert (upper.name, upper.base, upper.y, upper.text) == ("unfinished without result", (2,), (1,), ("1 without result",))
    assert upper.marker.pattern.shape == found.marker.pattern.shape == "/", "Also what found nothing can still grow."
    assert texts(behaviour.values(known, NOW)["behaviour-searches-words"]["children"]).startswith(
        "3 in all; the highest bar is 3, 08:00:00–08:00:30 UTC, unfin"
    )
    many = snapshot(window(WINDOW, events=1, searches=1), window(WINDOW - 60, searches=2, searches_without_result=2))
    finished, unfinished, *_upper = figures.searches(many.windows, spans.live_of(many, NOW)).data
    assert (finished.y, unfinished.text) == ((), ("1 search",))


def test_history_shows_numbers_rows_and_that_they_agree() -> None:
    shown = history.layout(snapshot(shelf=SHELF), ASKED, (), PAST, NOW)
    assert "Revenue €238 .00 ▲ 100.0 % €119.00 before as of 0 s ago" in texts(shown)
    assert "4 events make €238.00 · ✓ the same as the number above · the newest 1 are shown" in texts(shown)
    assert "paid · 1 line · card · customer 5" in texts(shown)


def test_what_the_shop_gave_no_name_has_a_label_wherever_it_is_drawn() -> None:
    unnamed = "(without a name)"
    nameless = replace(PAST, groups=(Group("", None, "", 2700), Group(None, 7, "", 2700)))
    lamp = replace(LAMP, name="", category="")
    known = snapshot(replace(sold(WINDOW, 3, name=""), categories={"": {"sales_cents": 2700}}), shelf=replace(SHELF, products=(lamp,)))
    live, sales_of = spans.live_of(known, NOW), goods_of(known)
    for drawn in (
        rows.groups(ASKED, nameless, of_products=False),
        rows.groups(ASKED, nameless, of_products=True),
        sales.categories(live),
        goods.top(sales_of, known.shelf, live),
        goods.left(known, live, sales_of, NOW),
    ):
        assert texts(drawn).startswith(unnamed), texts(drawn)
    page = history.layout(known, replace(ASKED, category="", measure="sales_cents"), (), PAST, NOW)
    for choice in ("history-category", "history-product"):
        assert unnamed in [one["label"] for one in by_id(page, choice).data]


@pytest.mark.parametrize(
    ("more", "notes", "marked"),
    [
        ({}, ["paid items, tax included"] * 2, []),
        ({"category": "Home"}, ["all categories, with tax", "all products, with tax"], ["Home"]),
        ({"product": 7}, ["all categories, with tax", "all products, with tax"], ["Lamp"]),
        ({"product": 30}, ["all categories, with tax", "all products, with tax"], ["P30"]),
        ({"category": "Cars"}, ["all categories, with tax", "all products, with tax"], []),
    ],
)
def test_sales_of_all_say_so_beside_a_filter_and_mark_the_chosen_row(more: dict[str, Any], notes: list[str], marked: list[str]) -> None:
    many = tuple(Group(None, number, f"P{number}", 100 - number) for number in range(20, 31))
    known = replace(PAST, groups=(*PAST.groups, Group("Garden", None, "Garden", 50), *many))
    parts = list(history.layout(snapshot(shelf=SHELF), replace(ASKED, measure="sales_cents", **more), (), known, NOW)._traverse())
    assert [texts(part) for part in parts if getattr(part, "className", "") == "card-note" and " tax" in texts(part)] == notes
    steps = [part for part in parts if str(getattr(part, "className", "")).startswith("step is-")]
    assert [texts(part.children[0]) for part in steps if "is-chosen" in part.className] == marked
    assert [getattr(part, "aria-current") for part in steps if hasattr(part, "aria-current")] == ["true"] * len(marked)
    assert len(steps) == 2 + rows.GROUPS, "The chosen one is among those that are shown, however little it sold."


def test_rows_that_do_not_add_up_to_the_number_are_said_not_to() -> None:
    assert "≠ not the number above" in texts(rows.summary(ASKED, replace(PAST, rows_total=1)))


@pytest.mark.parametrize(
    ("known", "state", "words"),
    [
        (
            Past(trouble="The warehouse at x does not answer.", rows_trouble="The warehouse at x does not answer."),
            "broken",
            "The warehouse at x does not answer.",
        ),
        (replace(PAST, **past.too_long(ASKED, 8)), "live", "did not answer within 8 s; choose a shorter span or a larger step."),
        (replace(PAST, **past.too_long(ASKED, 8)), "live", "did not find the rows within 8 s; choose a shorter span."),
        (replace(PAST, **past.too_long(replace(ASKED, step="day"), 8)), "live", "did not answer within 8 s; choose a shorter span."),
        (Past(read_at=NOW, rows_count=0), "live", "No event of this span fits these filters."),
    ],
)
def test_history_says_why_something_is_missing(known: Past, state: str, words: str) -> None:
    shown = history.layout(snapshot(), ASKED, (), known, NOW)
    assert f"state-{state}" in shown.className
    assert words in texts(shown)


@pytest.mark.parametrize(
    ("lacks", "since", "until", "known"),
    [
        ("", -900, 30, PAST),
        (LACKS, -900, -60, PAST),
        (LACKS, -900, 30, replace(PAST, lacks=f"{LACKS} Up to 2027-01-15T07:59 UTC nothing is missing.")),
        (LACKS, -60, 30, Past(read_at=NOW, trouble=LACKS, rows_trouble=LACKS)),
    ],
    ids=["nothing is lacked", "before it", "the newest part", "all of it"],
)
def test_a_span_is_known_as_far_as_the_warehouse_has_its_events(lacks: str, since: int, until: int, known: Past) -> None:
    asked = Filters(WINDOW + since, WINDOW + until, "window")
    assert past.lacking(PAST, asked, lacks, WINDOW - 60) == known


@pytest.mark.parametrize(
    ("more", "since", "until", "known"),
    [
        ({}, -900, 30, replace(PAST, lacks=NO_ITEMS)),
        ({"measure": "events"}, -900, 30, replace(PAST, lacks=NO_ITEMS)),
        ({}, -3600, -1800, PAST),
        ({"measure": "sales_cents"}, -3600, 30, replace(PAST, lacks=f"{NO_ITEMS} Up to 2027-01-15T07:30 UTC nothing is missing.")),
        ({"measure": "sales_cents"}, -900, 30, Past(read_at=NOW, trouble=NO_ITEMS, rows_trouble=NO_ITEMS)),
        ({"measure": "events", "category": "Home"}, -900, 30, Past(read_at=NOW, trouble=NO_ITEMS, rows_trouble=NO_ITEMS)),
        ({"measure": "events", "product": 7}, -900, 30, Past(read_at=NOW, trouble=NO_ITEMS, rows_trouble=NO_ITEMS)),
    ],
)
def test_without_the_enricher_a_span_after_it_knows_everything_but_items(more: dict[str, Any], since: int, until: int, known: Past) -> None:
    beats = {"consumer": beat(), "producer": beat("producer"), "enricher": beat("enricher", state="stopped")}
    moved = snapshot(beats=beats, warehouse=Warehouse(read_at=NOW, moved_at=NOW, items_moved_at=float(WINDOW - 1800)))
    assert past_as_known(PAST, Filters(WINDOW + since, WINDOW + until, "window", **more), moved, NOW) == known
    running = replace(moved, beats={**beats, "enricher": beat("enricher")})
    assert past_as_known(PAST, Filters(WINDOW + since, WINDOW + until, "window", **more), running, NOW) == PAST


def test_a_history_that_lacks_its_newest_events_says_so_and_calls_nothing_none() -> None:
    lacking = Past(read_at=NOW, lacks=LACKS, rows_count=0)
    answer = history.read_again(ASKED, (), lacking, NOW)
    assert texts(answer["trouble"]) == f"The newest events of this span are missing {LACKS}"
    assert texts(history.layout(snapshot(), ASKED, (), lacking, NOW)).count("Not known.") == 3
    assert figures.by_step(lacking, ASKED, NOW).layout.annotations[0].text == "not known"
    assert "The numbers of this span are not known" in texts(rows.trouble(Past(read_at=NOW, trouble=LACKS)))


def test_an_open_history_tells_the_span_of_its_newest_numbers() -> None:
    later = replace(ASKED, since=ASKED.since + 3600, until=ASKED.until + 3600)
    answer = history.read_again(later, (), PAST, NOW)
    assert (answer["className"], answer["trouble"]) == ("page state-live", None)
    assert answer["span"] == rows.span_words(later, PAST) != rows.span_words(ASKED, PAST)
    assert "€238" in texts(answer["shown"])


def test_rows_that_are_no_longer_kept_are_no_difference() -> None:
    begin = ASKED.since + 3600
    partly = replace(PAST, rows_count=1, rows_total=1000, dropped_before=begin)
    assert "≠" in texts(rows.summary(ASKED, replace(partly, dropped_before=None)))
    assert "events before Thu 14 Jan 2027 09:00 UTC are no longer kept" in texts(rows.summary(ASKED, partly))
    none = replace(PAST, rows=(), rows_count=0, dropped_before=float(ASKED.until))
    assert texts(rows.table_of(ASKED, none)) == "The events of this span are no longer kept."
    assert "fits these filters" in texts(rows.table_of(ASKED, replace(none, dropped_before=begin)))


@pytest.mark.parametrize(
    ("step", "since", "dropped_before", "is_known"),
    [
        ("window", WINDOW - 30, WINDOW + 20.0, False),
        ("window", WINDOW, WINDOW + 20.0, True),
        ("window", WINDOW - 30, None, True),
        ("hour", WINDOW - 3600, WINDOW + 20.0, True),
    ],
)
def test_windows_whose_events_are_no_longer_kept_are_not_known_instead_of_zero(step: str, since: int, dropped_before: float | None, is_known: bool) -> None:
    said = past.no_windows(Filters(since, WINDOW + 3600, step), dropped_before)
    assert said == (None if is_known else past.NO_WINDOWS.format(day="Fri 15 Jan 2027 08:00"))


def test_the_rows_of_searches_have_the_fields_of_every_version() -> None:
    assert sheets.columns(["searches"])[len(sheets.PLACE) :] == ["schema_version", "txid", "session_id", "customer_id", "term", "results", "sort"]


def test_a_span_without_one_before_is_said_once() -> None:
    assert rows.span_words(ASKED, replace(PAST, before=None)).endswith("as Live counts them; nothing from before to compare.")
    assert "before" not in rows.span_words(ASKED, PAST) + rows.span_words(ASKED, Past(trouble="gone"))


@pytest.mark.parametrize(
    ("step", "begin", "is_said"),
    [("hour", WINDOW - 3600, True), ("hour", WINDOW, True), ("hour", WINDOW + 3600, False), ("window", WINDOW - 30, True), ("window", WINDOW, False)],
)
def test_a_span_that_begins_before_the_first_event_says_from_when_on_it_is_known(step: str, begin: int, is_said: bool) -> None:
    said = rows.span_words(Filters(begin, begin + 7200, step), replace(PAST, before=None, known_from=WINDOW + 20.0))
    assert said.endswith("; the warehouse knows events from 15 Jan 08:00 on.") == is_said
    assert ("nothing from before" in said) != is_said, "One says the other."


@pytest.mark.parametrize(
    ("first_event", "first_hour", "known_from"),
    [(500.0, 3600.0, 500.0), (500.0, math.inf, 500.0), (90_000.0, 3600.0, 0.0), (math.inf, 3600.0, 0.0), (math.inf, math.inf, None)],
    ids=["all kept", "not built yet", "retention has dropped some", "retention has dropped all", "no event"],
)
def test_the_first_event_may_be_known_by_its_hour_alone(first_event: float, first_hour: float, known_from: float | None) -> None:
    assert past.first_known(first_event, first_hour) == known_from


@pytest.mark.parametrize(
    ("until", "known_from", "counted_in", "is_known"),
    [(-3600, WINDOW + 20.0, (), False), (0, WINDOW + 20.0, (), False), (30, WINDOW + 20.0, (), True), (0, None, (), True), (0, WINDOW + 20.0, (-3600,), True)],
)
def test_a_span_before_the_first_event_is_not_known_instead_of_zero(until: int, known_from: float | None, counted_in: tuple[int, ...], is_known: bool) -> None:
    asked = Filters(WINDOW - 7200, WINDOW + until, "window")
    said = past.not_yet(asked, known_from, [WINDOW + start for start in counted_in])
    assert said == (None if is_known else "The warehouse knows events from Fri 15 Jan 2027 08:00 UTC on; choose a later span.")
    if said:
        shown = history.layout(snapshot(), asked, (), Past(read_at=NOW, trouble=said, rows_count=0), NOW)
        assert said in texts(shown)
        assert "€0" not in texts(shown)
        assert "0 events" not in texts(shown)


def test_a_moment_of_another_year_has_its_year() -> None:
    assert [formats.since(WINDOW, until) for until in (WINDOW + 60, WINDOW + 365 * 86_400)] == ["15 Jan 08:00", "15 Jan 2027 08:00"]


def test_numbers_of_a_row_are_of_one_size() -> None:
    assert {number.style["--length"] for number in rows.kpis(ASKED, PAST, NOW)} == {len("€119.00")}


def test_an_open_history_keeps_its_numbers_with_their_span_while_the_warehouse_is_away() -> None:
    answer = history.read_again(ASKED, (), Past(trouble="gone"), NOW)
    assert answer.keys() == {"className", "trouble"}
    assert answer["className"] == "page state-broken"
    assert "gone" in texts(answer["trouble"])


@pytest.mark.parametrize(
    ("last", "value", "placeholder"),
    [("24h", None, "24 hours ago"), ("3h", None, "3 hours ago"), ("1d", None, "1 day ago"), (None, "2027-01-14 08:00:00", None)],
)
def test_a_picker_claims_no_moment_of_a_span_that_moves_on(last: str | None, value: str | None, placeholder: str | None) -> None:
    picker = by_id(history.layout(snapshot(), replace(ASKED, last=last), (), PAST, NOW), "history-from")
    assert (picker.value, picker.placeholder) == (value, placeholder)


def test_a_history_that_is_not_known_shows_no_number() -> None:
    shown = rows.kpis(ASKED, Past(trouble="gone"), NOW)
    assert "€" not in texts(shown)
    assert not [part for part in html.Div(shown)._traverse() if getattr(part, "href", None)]


def test_what_the_catalogue_does_not_know_is_said() -> None:
    said = texts(rows.notes(("a note",), replace(ASKED, product=99, category="Cars"), SHELF.products))
    assert said.startswith("Not everything could be shown as asked")
    assert "a note There is no product 99 in the catalogue. There is no category “Cars” in the catalogue." in said
    assert rows.notes((), replace(ASKED, product=99), ()) == []  # Nothing is known of the catalogue.


def test_of_the_last_step_before_only_the_share_that_has_passed_is_compared() -> None:
    asked = Filters(1_800_000_000, 1_800_000_000 + 7200, "hour", last="2h")
    steps = {asked.since - 7200: {"events": 10}, asked.since - 3600: {"events": 10}, asked.since: {"events": 99}}
    assert past.before(steps, asked, asked.until - 1800, known_from=0) == {"events": 15}


def test_a_span_is_not_compared_with_one_of_which_only_a_part_is_known() -> None:
    asked = Filters(1_800_000_000, 1_800_000_000 + 7200, "hour")
    steps = {asked.since - 3600: {"events": 10}}
    assert past.before(steps, asked, NOW, known_from=asked.since - 7199) is None
    assert past.before(steps, asked, asked.until, known_from=asked.since - 7200) == {"events": 10}
    assert past.before({}, asked, NOW, known_from=0) == {}, "Nothing happened, and that is known."


@pytest.mark.parametrize(("seconds", "written"), [(300, "%H:%M:%S"), (600, "%H:%M"), (86_400, "%H:%M<br>%d %b")])
def test_no_two_ticks_of_an_axis_say_the_same(seconds: int, written: str) -> None:
    asked = replace(ASKED, until=ASKED.since + seconds)
    assert figures.by_step(PAST, asked, NOW).layout.xaxis.tickformat == written


def test_the_step_that_has_not_ended_is_hatched_and_each_bar_leads_inside() -> None:
    series = {start: Counter(PAID) for start in range(ASKED.since, ASKED.until, 3600)}
    finished, unfinished = figures.by_step(replace(PAST, series=series), ASKED, ASKED.until - 60).data
    assert figures.by_step(replace(PAST, series={**series, ASKED.until - 3600: Counter()}), ASKED, ASKED.until - 60).data[1].x == (), "Nothing is no bar."
    assert (len(finished.x), len(unfinished.x)) == (23, 1)
    assert (finished.x[0].timestamp(), finished.y[0]) == (ASKED.since + 1800, PAID["revenue_cents"] / 100)
    orders, _unfinished = figures.by_step(replace(PAST, series=series), replace(ASKED, measure="orders_paid"), ASKED.until - 60).data
    assert set(orders.y) == {PAID["orders_paid"]}
    inner, notes = filters.parse(filters.asked_in(finished.customdata[0][1].partition("?")[2]), NOW)
    assert (inner.since, inner.seconds, inner.step, notes) == (ASKED.since, 3600, "window", ())


def test_money_below_zero_is_written_one_way_on_axis_bar_and_number() -> None:
    asked, known = replace(ASKED, measure="refund_cents"), replace(PAST, series={ASKED.since: Counter(refund_cents=-6_242_275)})
    page = history.layout(snapshot(), asked, (), known, NOW)
    graph = by_id(page, "history-chart")
    assert [text for trace in graph.figure.data for text in trace.text] == ["−€62,422.75"]
    assert all("%{y" not in trace.hovertemplate for trace in graph.figure.data)
    assert "−€62,422.75 in all" in texts(page)
    assert graph.figure.layout.yaxis.tickformat == "$~s"
    assert graph.figure.layout.yaxis.tickprefix is None, "A prefix stands before the sign."
    assert graph.config["locales"]["en"]["format"]["currency"] == ["€", ""]


def test_a_chart_of_history_is_told_in_words_and_leads_to_the_rows_below() -> None:
    words = by_id(history.layout(snapshot(), ASKED, (), PAST, NOW), "history-chart-words")
    assert texts(words) == "€238.00 in all; the highest bar is €119.00, Thu 14 Jan, 08:00–09:00 UTC. Rows behind Revenue"
    assert words.children[-1].href == "/history?last=24h&measure=revenue_cents#rows"


def test_every_head_of_the_rows_is_of_its_column() -> None:
    heads = table.of([row()]).children.partition("<tbody>")[0]
    assert re.findall(r"<th\b[^>]*>", heads) == ['<th scope="col">'] * 6


def test_a_text_of_a_row_stands_for_itself_and_ends_no_html() -> None:
    found = row(kind="searches", payload={"term": "<b>{alert(1)}</b>\n\n# lamp", "results": 1})
    shown = table.of([found]).children
    assert "“&lt;b&gt;&#123;alert(1)&#125;&lt;/b&gt; # lamp” · 1 result</td>" in shown
    assert not {"{", "}", "\n"} & set(shown)


def test_an_event_is_late_as_the_metric_text_says() -> None:
    end = datetime.fromtimestamp(WINDOW + 30, UTC)
    assert not table.is_late(row(recorded_at=end + timedelta(seconds=10)))
    assert table.is_late(row(recorded_at=end + timedelta(seconds=10, microseconds=1)))


@pytest.mark.parametrize(
    ("kind", "payload", "words"),
    [
        ("searches", {"term": None, "results": 0}, "no word of the catalogue · 0 results"),
        ("cart_events", {"action": "add", "product_id": 7, "quantity": 2}, "add · product 7 · 2 items"),
        ("cart_events", {"action": "checkout", "product_id": None, "quantity": 1}, "checkout · 1 item"),
        ("crm_interactions", {"channel": "chat", "reason": "delivery", "satisfaction": None}, "chat · delivery"),
        ("products", {"name": "Lamp", "category": "Home", "version": 2, "stock": 5}, "Lamp · Home · version 2 · stock 5"),
        ("transaction_items", {"status": "paid", "quantity": 2, "product_name": "Lamp", "category": "Home"}, "paid · 2 × Lamp · Home"),
        ("user_behavior", {"action": "page_view", "page": "/", "device": "phone"}, "page_view · / · phone"),
    ],
)
def test_each_stream_says_what_happened(kind: str, payload: dict[str, Any], words: str) -> None:
    assert table.facts(kind, payload) == words


def test_csv_has_every_field_whole_cents_and_no_formula() -> None:
    given = {name: getattr(row(), name) for name in sheets.PLACE} | {"payload": {**BODY, "payment_method": '=HYPERLINK("x")', "total_cents": -5}}
    heads, line = csv.reader(io.StringIO("".join(sheets.rows_csv([given], ["transactions"]))))
    read = dict(zip(heads, line, strict=True))
    assert heads[: len(sheets.PLACE)] == list(sheets.PLACE)
    assert (read["total_cents"], read["payment_method"], read["lines"]) == ("-5", '\'=HYPERLINK("x")', "[{}]")


def test_csv_of_numbers_has_a_line_for_each_step() -> None:
    lines = list(csv.DictReader(io.StringIO("".join(sheets.numbers_csv(PAST)))))
    assert [line["revenue_cents"] for line in lines] == ["11900", "11900"]


def test_an_event_shows_every_stage_and_every_field() -> None:
    stops = [Stop("shop", "instashop.transactions id 1"), Stop("books", "not compared yet", reached=False), Stop("window", "08:00:00: 3 events in it now")]
    found = {"kind": "transactions", "occurred_at": datetime.fromtimestamp(NOW, UTC), "payload": {**BODY, "note": None}}
    page = event.layout("0192", stops, found, None, NOW)
    shown = texts(page)
    assert "shop instashop.transactions id 1 books not compared yet window 08:00:00: 3 events in it now" in shown
    dots = [part.className for part in page._traverse() if type(part).__name__ == "Li"]
    assert dots == ["is-shop", "is-books is-waiting", "is-window"], "Where it is not yet looks so."
    assert "total_cents 1,000 €10.00" in shown
    assert "note —" in shown


@pytest.mark.parametrize(("kind", "is_live"), [(stream.name, stream.live) for stream in STREAMS])
def test_an_event_leads_to_its_window_only_when_it_is_among_the_events_there(kind: str, is_live: bool) -> None:
    found = {"kind": kind, "occurred_at": datetime.fromtimestamp(NOW, UTC), "payload": {}}
    links = [part.href for part in event.layout("0192", [Stop("shop", "here")], found, None, NOW)._traverse() if getattr(part, "className", "") == "number"]
    assert links == ([filters.rows_behind("events", WINDOW, WINDOW + 30, counted="restated")] if is_live else [])


def test_an_event_that_nobody_knows_says_so() -> None:
    assert "cannot be shown No event x" in texts(event.layout("x", [], None, "No event x", NOW))


def test_an_address_that_leads_nowhere_says_which_pages_there_are() -> None:
    assert "Live, Products, Behaviour, History and Platform" in texts(event.missing())
