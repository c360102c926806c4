"""The dashboard's figures and readings, from values alone; in one file, since all of it looks at one snapshot made here."""

import itertools
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from dash import html
from dash.development.base_component import Component

from dashboard import api, books, cards, figures, formats, frame, sales, spans, way
from dashboard.pages import behaviour, live, platform, products
from dashboard.readings import progress_from, shelf_as_known, verdict_from, window_from
from dashboard.shelf import LATE_LOOK_SECONDS, Late, Shelf
from dashboard.snapshot import DeadLetters, Progress, Sale, Snapshot, Verdict, Warehouse, Window
from instashop.control.beats import SERVICES, Beat
from instashop.control.books import Line
from instashop.metrics import MEASURES

NOW = 1_800_000_015.0  # Half way through a window.
WINDOW = 1_800_000_000
PAID = {
    "events": 10,
    "orders_paid": 2,
    "sessions": 4,
    "revenue_cents": 11_900,
    "gross_cents": 11_000,
    "discount_cents": 1_000,
    "net_cents": 10_000,
    "tax_cents": 1_900,
}


def window(start: int, **measures: int) -> Window:
    return Window(start, {**dict.fromkeys(MEASURES, 0), **measures}, {"Books": {"sales_cents": measures.get("revenue_cents", 0)}}, written="1 1 1")


def snapshot(*windows: Window, progress_age: float | None = 1.0, **more: Any) -> Snapshot:
    progress = None if progress_age is None else Progress(at=NOW - progress_age, batch=7, batch_seconds=0.4)
    beats = {service: beat(service, lag_events=0, lag_seconds=0.0) for service in ("producer", "enricher")}
    return Snapshot(**{"taken_at": NOW, "progress": progress, "windows": {one.start: one for one in windows}, "beats": beats, **more})


def beat(service: str = "consumer", age: float = 1.0, **more: Any) -> Beat:
    at = datetime.fromtimestamp(NOW - age, UTC)
    return Beat(**{"service": service, "pid": 1, "started_at": at, "at": at, "state": "running", **more})


def texts(part: Any) -> str:
    """Return every text in a component, in order."""
    if isinstance(part, Component):
        return texts(getattr(part, "children", None))
    if isinstance(part, list | tuple):
        return " ".join(" ".join(map(texts, part)).split())
    return "" if part is None else str(part).strip()


def by_id(part: Any, name: str) -> Component:
    if isinstance(part, Component) and getattr(part, "id", None) == name:
        return part
    inner = part if isinstance(part, list | tuple) else getattr(part, "children", None) or []
    for child in inner if isinstance(inner, list | tuple) else [inner]:
        if isinstance(child, Component):
            try:
                return by_id(child, name)
            except LookupError:
                continue
    raise LookupError(name)


STATES = {
    "starting": snapshot(progress_age=None),
    "zero": snapshot(),
    "live": snapshot(window(WINDOW, **PAID)),
    "behind": snapshot(window(WINDOW, **PAID), filled=False),
    "stale": snapshot(window(WINDOW, **PAID), progress_age=11.0, filled=False),
    "broken": snapshot(window(WINDOW, **PAID), trouble="Redis at nowhere does not answer; start it with `./instashop up`."),
}


@pytest.mark.parametrize("state", STATES)
def test_each_state_is_told_from_the_others(state: str) -> None:
    assert spans.state_of(STATES[state], NOW) == state
    assert live.values(STATES[state], NOW)["live"]["className"] == f"page state-{state}"


@pytest.mark.parametrize("state", ["starting", "zero", "behind", "stale", "broken"])
def test_each_state_that_needs_a_word_gets_one(state: str) -> None:
    shown = live.values(STATES[state], NOW)["live-banner"]["children"]
    assert f"is-{state}" in shown.className
    assert len(texts(shown)) > 40


@pytest.mark.parametrize("state", ["starting", "zero", "behind", "stale", "broken"])
def test_what_is_read_aloud_when_it_comes_does_not_tick(state: str) -> None:
    page = html.Div([live.layout(STATES[state], NOW), frame.frame({}, STATES[state], NOW)])
    aloud = [part for part in page._traverse() if getattr(part, "role", None) in ("alert", "status")]
    assert len(aloud) == 2
    assert all(isinstance(part.children, str) for part in aloud)


@pytest.mark.parametrize("page", [live, behaviour])
def test_every_chart_says_what_it_shows(page: Any) -> None:
    charts = [part for part in page.layout(STATES["live"], NOW)._traverse() if getattr(part, "role", None) == "img"]
    assert [type(chart.children[0]).__name__ for chart in charts] == ["Graph"] * 2
    assert all(getattr(chart, "aria-label").endswith((" by 30-second window", " without result")) for chart in charts)


@pytest.mark.parametrize("page", [live, behaviour])
@pytest.mark.parametrize("state", STATES)
def test_every_chart_is_told_in_words_with_a_way_to_its_rows(page: Any, state: str) -> None:
    shown = page.layout(STATES[state], NOW)
    for chart in [part for part in shown._traverse() if getattr(part, "role", None) == "img"]:
        words = by_id(shown, getattr(chart, "aria-describedby"))
        assert texts(words)[-1:] not in ("", ",")
        assert bool([part for part in words._traverse() if str(getattr(part, "href", "")).startswith("/history?")]) == (state != "starting")


def test_the_words_of_a_chart_are_the_sum_of_its_bars_and_the_highest() -> None:
    known = snapshot(window(WINDOW, **PAID), window(WINDOW - 60, **{**PAID, "revenue_cents": 30_001}), shelf=Shelf(read_at=NOW, late={WINDOW: Late(1, 1, 99)}))
    shown = live.values(known, NOW)
    assert texts(shown["live-revenue-words"]["children"]) == (
        "€419.01 in all; the highest bar is €300.01, 07:59:00–07:59:30 UTC. Rows behind Revenue"  # Of the live numbers, without what came late.
    )
    assert texts(shown["live-orders-words"]["children"]).startswith("4 in all; the highest bar is 2, ")
    assert texts(live.values(STATES["starting"], NOW)["live-revenue-words"]["children"]) == "no windows."


@pytest.mark.parametrize("page", [live, products, behaviour, platform])
def test_headings_leave_out_no_level_and_heads_of_columns_say_so(page: Any) -> None:
    parts = list(page.layout(STATES["live"], NOW)._traverse())
    levels = [int(type(part).__name__[1]) for part in parts if re.fullmatch("H[1-6]", type(part).__name__)]
    assert levels[0] == 1
    assert all(below - above <= 1 for above, below in itertools.pairwise(levels))
    assert all(part.scope in ("col", "row") for part in parts if type(part).__name__ == "Th")


def test_a_live_page_needs_no_banner() -> None:
    assert live.values(STATES["live"], NOW)["live-banner"]["children"] is None


LOST = {"filled": False, "warehouse": Warehouse(trouble="gone")}
BACKLOG = {"progress": Progress(at=NOW - 1, batch=7, behind=1_234)}


@pytest.mark.parametrize(
    ("known", "words"),
    [
        ({"filled": False}, "windows from before are missing until they are filled from the warehouse."),
        (LOST, "filled from the warehouse, which does not answer now."),
        (BACKLOG, "Spark has more to read than a batch takes (about 1,234 events of one partition): the newest minutes are missing."),
        ({"beats": {"producer": beat("producer")}}, "The enricher was never seen: what was sold of each item and category meanwhile is missing."),
        ({"beats": {"producer": beat("producer", age=11)}}, "The producer is silent: what the shop did meanwhile is missing."),
        ({"beats": {"producer": beat("producer", state="stopped")}}, "The producer is stopped: what the shop did meanwhile is missing."),
        ({"beats": {"producer": beat("producer", state="waiting", message="no Kafka")}}, "The producer is waiting: what the shop did meanwhile is missing."),
        ({"beats": {"producer": beat("producer", lag_events=9, lag_seconds=10.6)}}, "The producer is 11 s behind: what the shop did meanwhile is missing."),
        ({"beats": {"producer": beat("producer"), "enricher": beat("enricher", lag_events=9, lag_seconds=60.0)}}, "The enricher is 60 s behind"),
    ],
)
@pytest.mark.parametrize("windows", [(), (window(WINDOW, **PAID),)], ids=["no events", "events"])
def test_numbers_that_lack_something_say_what_and_claim_no_true_zero(windows: tuple[Window, ...], known: dict[str, Any], words: str) -> None:
    lacking = snapshot(*windows, **known)
    assert spans.state_of(lacking, NOW) == "behind"
    assert any(words in sentence for sentence in api.live(lacking, NOW)["missing"])
    for page in (live, products, behaviour, platform):
        banner = texts(page.values(lacking, NOW)[f"{page.NAME.lower()}-banner"]["children"])
        assert words in banner
        assert "true" not in banner
    assert "Not known: something is missing." in texts(products.values(lacking, NOW)["products-top"]["children"])
    later = NOW + spans.STALE_SECONDS
    assert spans.state_of(lacking, later) == "stale", "What is missing is told, too, when Spark's word is old."
    assert api.live(lacking, later)["missing"]


@pytest.mark.parametrize("lag", [{}, {"lag_events": 0, "lag_seconds": 0.0}, {"lag_events": 40, "lag_seconds": 9.9}])
def test_a_service_that_keeps_up_or_has_just_begun_is_not_behind(lag: dict[str, Any]) -> None:
    quiet = {service: beat(service, **lag) for service in ("producer", "enricher")} | {"generator": beat("generator", age=600, state="stopped")}
    assert spans.state_of(snapshot(beats=quiet), NOW) == "zero"
    assert spans.state_of(snapshot(window(WINDOW, **PAID), beats=quiet), NOW) == "live"
    assert api.live(snapshot(beats=quiet, shelf=DAY), NOW)["missing"] == ()


def test_progress_of_an_earlier_run_is_nobodys_number() -> None:
    left_behind = snapshot(window(WINDOW, **PAID), progress_age=5.0, started_at=NOW - 2)
    assert spans.state_of(left_behind, NOW) == "starting"
    assert spans.live_of(left_behind, NOW).measured("revenue_cents").value is None


@pytest.mark.parametrize("trouble", [None, "Redis at nowhere does not answer."])
def test_a_last_word_whose_windows_redis_has_begun_to_let_go_is_no_number(trouble: str | None) -> None:
    said_at = WINDOW + 0.0
    windows = {start: window(start, **PAID) for start in spans.span(said_at)}
    first_gone_at = min(windows) + 30 + 3600  # When Redis lets go of the first of them.
    for taken_at, value in ((first_gone_at - 1, 30 * PAID["revenue_cents"]), (first_gone_at, None)):
        known = replace(snapshot(), progress=Progress(at=said_at), taken_at=taken_at, windows=windows, trouble=trouble)
        told = api.live(known, taken_at)
        assert (told["state"], told["kpis"]["revenue_cents"]["value"]) == ("broken" if trouble else "stale", value)
        assert told["missing"], "What else is missing is told all the same."
        shown = live.values(known, taken_at)
        assert ("€" in texts(shown["live-kpis"]["children"])) == (value is not None)
        assert ("no windows" in texts(shown["live-revenue-words"]["children"])) == (value is None)
        banner = texts(shown["live-banner"]["children"])
        assert ("are gone" in banner or "no numbers to show" in banner) == (value is None)
        assert "never" not in banner


def test_nothing_known_is_never_shown_as_zero() -> None:
    shown = live.values(STATES["starting"], NOW)
    for name in ("live-kpis", "live-money", "live-categories", "live-behaviour"):
        assert not re.search(r"\d", texts(shown[name]["children"]).replace("last 15 minutes, by 30-second window", "")), texts(shown[name]["children"])
    assert numbers_of_today(STATES["starting"].shelf) == [formats.UNKNOWN] * 6


def test_a_true_zero_is_shown_as_zero() -> None:
    shown = live.values(STATES["zero"], NOW)["live-kpis"]["children"]
    assert texts(by_id(shown, "kpi-revenue")) == "€0 .00"
    assert texts(by_id(shown, "kpi-conversion")) == formats.UNKNOWN


@pytest.mark.parametrize("state", ["zero", "live", "behind", "stale", "broken"])
def test_no_number_is_without_its_age(state: str) -> None:
    for card in live.values(STATES[state], NOW)["live-kpis"]["children"]:
        ages = [part for part in card._traverse() if getattr(part, "data-at", None)]
        assert ages, texts(card)


def test_a_zero_of_the_span_is_the_sum_of_its_windows_up_to_the_unfinished_one() -> None:
    known = snapshot(window(WINDOW, **PAID), window(WINDOW - 870, **PAID), window(WINDOW - 900, **PAID))
    assert spans.live_of(known, NOW).measured("orders_paid").value == 4


def test_the_span_before_is_as_long_as_the_present_one() -> None:
    before = [window(start - 900, **PAID) for start in spans.span(NOW)]
    live = spans.live_of(snapshot(*before, progress_age=0.0), NOW)
    assert live.measured("orders_paid").before == 2 * 29 + 2 * 0.5  # Of the window half passed now, half.
    assert live.ratio("revenue_cents", "orders_paid").before == PAID["revenue_cents"] / PAID["orders_paid"]


def test_a_span_before_that_is_not_kept_is_not_compared() -> None:
    assert spans.live_of(STATES["live"], NOW).measured("orders_paid").before is None


def test_nothing_to_compare_with_is_said_once_and_each_number_has_a_dash() -> None:
    shown = live.values(STATES["live"], NOW)
    assert texts(shown["live-span"]["children"]) == "Last 15 minutes, 07:45:30–08:00:14 UTC, nothing from before to compare."
    dashes = [part for part in html.Div(shown["live-kpis"]["children"])._traverse() if getattr(part, "title", None) == cards.NOTHING_BEFORE]
    assert [texts(dash) for dash in dashes] == ["—"] * 6


@pytest.mark.parametrize(
    ("measured", "write", "words", "tone"),
    [
        (spans.Measured(120, 100), formats.count, "▲ 20.0 %", "is-good"),
        (spans.Measured(80, 100), formats.count, "▼ 20.0 %", "is-bad"),
        (spans.Measured(10_050, 10_000), formats.count, "▬ 0.5 %", "is-flat"),
        (spans.Measured(0.062, 0.045), formats.share, "▲ 1.7\u00a0pts", "is-good"),
        (spans.Measured(0.0601, 0.06), formats.share, "▬ 0.0\u00a0pts", "is-flat"),
        (spans.Measured(0.0051, 0.005), formats.share, "▬ 0.0\u00a0pts", "is-flat"),
        (spans.Measured(0.062, 0.045), formats.conversion, "▲ 1.7\u00a0pts", "is-good"),
        (spans.Measured(4.0, 0.5), formats.conversion, "▲ 700.0 %", "is-good"),
    ],
)
def test_a_share_changes_by_points_and_a_small_change_is_neither_good_nor_bad(measured: spans.Measured, write: Any, words: str, tone: str) -> None:
    compared = replace(spans.live_of(STATES["live"], NOW), before={})
    [change] = [part for part in cards.kpi("One", "one", measured, write, compared, NOW)._traverse() if "change " in str(getattr(part, "className", ""))]
    assert (texts(change), change.className) == (words, f"change {tone}")


def test_the_wide_card_is_revenue_with_a_bar_for_each_window() -> None:
    wide = live.values(STATES["live"], NOW)["live-kpis"]["children"][0]
    assert (texts(wide.children[0]), wide.className) == ("Revenue last 15 minutes, by 30-second window", "kpi is-wide")
    assert len([part for part in wide._traverse() if type(part).__name__ == "I"]) == 30
    assert all(live.values(known, NOW)["live-kpis"]["children"][0].className == "kpi is-wide" for known in STATES.values()), "No state moves the cards."


def test_refunds_further_below_zero_are_more_refunds() -> None:
    assert spans.Measured(-150, -100).change == 0.5


def test_events_since_start_begin_with_the_first_whole_window() -> None:
    known = snapshot(window(WINDOW, **PAID), window(WINDOW - 30, **PAID), window(WINDOW - 60, **PAID), started_at=WINDOW - 45.0)
    assert spans.live_of(known, NOW).events_since_start == 20
    card = by_id(live.values(known, NOW)["live-kpis"]["children"], "events-since-start")
    assert getattr(card, "data-value") == "20"
    assert api.live(known, NOW)["events_since_start"] == 20
    assert "from=2027-01-15T07%3A59%3A30&" in str(card)  # The rows behind it begin with the same window.
    assert "from=" not in str(by_id(live.values(replace(known, started_at=NOW), NOW)["live-kpis"]["children"], "events-since-start"))


@pytest.mark.parametrize(("ago", "title"), [(3_500, "Events since start"), (3_700, "Events of the last 60 minutes")])
def test_events_are_called_what_is_counted(ago: float, title: str) -> None:
    known = snapshot(window(WINDOW, **PAID), started_at=NOW - ago)
    assert texts(live.values(known, NOW)["live-kpis"]["children"][-1]).startswith(title)


def test_events_of_an_unknown_start_are_unknown() -> None:
    assert api.live(STATES["live"], NOW)["events_since_start"] is None


@pytest.mark.parametrize("state", STATES)
def test_the_json_of_each_state_is_json(state: str) -> None:
    told = json.loads(json.dumps(api.live(STATES[state], NOW)))
    assert told["state"] == state


def test_health_fails_when_nobody_reads_any_more() -> None:
    assert api.health(NOW - 1, NOW).status_code == 200
    assert api.health(NOW - 60, NOW).status_code == 503


@pytest.mark.parametrize("state", ["live", "behind", "stale", "broken", "zero"])
def test_every_number_of_the_live_page_leads_to_its_rows(state: str) -> None:
    shown = live.values(STATES[state], NOW)
    for name in ("live-kpis", "live-money", "live-behaviour"):
        links = [part.href for part in html.Div(shown[name]["children"])._traverse() if getattr(part, "className", "") == "number"]
        numbers = [text for text in texts(shown[name]["children"]).split() if text[:1] in "€−0123456789"]
        assert links, name
        assert numbers
        assert all(link.startswith("/history?") for link in links)


def test_a_bar_carries_the_address_of_its_rows() -> None:
    known = snapshot(window(WINDOW, **PAID))
    words, address = figures.revenue(known.windows, spans.live_of(known, NOW)).data[-1].customdata[0]
    assert "unfinished" in words
    assert address == "/history?from=2027-01-15T08:00&to=2027-01-15T08:00:30&measure=revenue_cents".replace(":", "%3A")


def test_windows_that_can_still_change_are_marked() -> None:
    known = snapshot(*(window(start, **PAID) for start in spans.span(NOW)), progress_age=0.0)
    finished, unfinished = figures.revenue(known.windows, spans.live_of(known, NOW)).data
    assert len(unfinished.x) == 1
    assert len(finished.x) == 29
    assert unfinished.marker.pattern.shape == "/"


def test_a_window_within_the_allowance_for_lateness_is_unfinished() -> None:
    assert spans.unfinished(0, 39.9)
    assert not spans.unfinished(0, 40.0)


def test_a_window_of_nothing_is_no_bar() -> None:
    nothing = {**PAID, "orders_paid": 0}
    known = snapshot(window(WINDOW - 90, **PAID), window(WINDOW - 60, **nothing), window(WINDOW, **nothing), progress_age=0.0)
    figure = figures.orders(known.windows, spans.live_of(known, NOW))
    assert [(trace.name, trace.y) for trace in figure.data] == [("finished", (2,)), ("unfinished", ())]
    assert "unfinished ▸" in [note.text for note in figure.layout.annotations]


def test_the_steps_from_gross_to_kept_add_up() -> None:
    shown = texts(sales.money_steps(spans.live_of(snapshot(window(WINDOW, **PAID, refund_cents=-1_900)), NOW)))
    assert re.findall(r"[+−]?€[\d,.]+", shown) == ["€110.00", "−€10.00", "€100.00", "+€19.00", "€119.00", "−€19.00", "€100.00"]


def test_more_refunds_than_revenue_are_drawn_in_full_and_nothing_is_kept() -> None:
    steps = sales.money_steps(spans.live_of(snapshot(window(WINDOW, **PAID, refund_cents=-23_800)), NOW))
    drawn = [part.style for step in steps for part in step._traverse() if "bar-fill" in getattr(part, "className", "")]
    revenue, refunds, kept = drawn[-3:]
    assert (revenue["left"], revenue["width"]) == ("0.00%", "50.00%")
    assert (refunds["left"], refunds["width"]) == ("0.00%", "100.00%")
    assert kept["width"] == "0.00%"
    assert texts(steps[-1]) == "Kept −€119.00"


def test_categories_that_do_not_fit_are_added_up() -> None:
    shop = replace(spans.live_of(STATES["live"], NOW), categories={f"C{number}": 100 for number in range(10)})
    assert "3 others €3.00" in texts(sales.categories(shop))


@pytest.mark.parametrize(
    ("given", "state"),
    [
        (None, "never"),
        (beat(), "running"),
        (beat(age=11), "silent"),
        (beat(age=11, state="stopped"), "stopped"),
        (beat(state="waiting", message="no topic"), "waiting"),
    ],
)
def test_an_old_beat_of_a_running_service_is_silence(given: Beat | None, state: str) -> None:
    assert spans.service_state(given, NOW) == state


def test_each_arrow_shows_rate_lag_and_age() -> None:
    known = snapshot(beats={"consumer": beat(events_per_second=18.4, lag_events=14, lag_seconds=0.4)})
    assert "consumer 18.4/s · lag ≤ 14, 0.4 s 1 s ago" in texts(way.picture(known, NOW))


def test_the_warehouse_says_what_it_has_taken_in_and_not_that_all_of_it_are_events() -> None:
    shown = texts(way.picture(snapshot(warehouse=Warehouse(read_at=NOW, messages=1_204)), NOW))
    assert "Warehouse 1,204 messages taken in" in shown


def test_the_pace_of_spark_while_it_works_is_not_told_as_events_a_second() -> None:
    text = json.dumps({"at": datetime.fromtimestamp(NOW - 1, UTC).isoformat(), "batch": 4, "rows_per_second": 96.6, "batch_seconds": 0.31})
    shown = texts(way.picture(replace(snapshot(), progress=progress_from(text)), NOW))
    assert "windows batch took 0.3 s 1 s ago" in shown
    assert "96.6" not in shown


def test_the_generator_follows_nobody_and_a_lag_of_no_time_is_not_told() -> None:
    assert way.lag_of(beat("generator", lag_events=0, lag_seconds=0.0)) == ""
    assert way.lag_of(beat("producer", lag_events=1, lag_seconds=0.01)) == "≤ 1"


def test_messages_have_a_column_when_there_are_any() -> None:
    well = {service: beat(service) for service in SERVICES}
    assert "Message" not in texts(way.services(snapshot(beats=well), NOW))
    assert "Message" in texts(way.services(snapshot(beats={**well, "consumer": beat(message="no topic")}), NOW))


def test_bars_in_the_dark_have_the_tones_of_the_lists() -> None:
    style = (Path(live.__file__).parents[1] / "assets" / "style.css").read_text(encoding="utf-8")
    for colour in (figures.REVENUE, figures.ORDERS, figures.LOST):
        red, green, blue = bytes.fromhex(colour[1:])
        for written in ('[style*="fill: {}"]', '[style*="stroke: {}"]', '[stroke="{}"]'):
            assert written.format(f"rgb({red}, {green}, {blue})") in style


def light_of(colour: str) -> float:
    """Return the relative luminance of a colour (WCAG 2.2)."""
    red, green, blue = (share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in (byte / 255 for byte in bytes.fromhex(colour[1:])))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [":root {", ':root[data-mantine-color-scheme="dark"] {'])
@pytest.mark.parametrize("tone", ["teal-fill", "indigo", "amber-fill", "red-fill"])
def test_bars_stand_out_from_their_card(scheme: str, tone: str) -> None:
    style = (Path(live.__file__).parents[1] / "assets" / "style.css").read_text(encoding="utf-8")
    tones = dict(re.findall(r"--([\w-]+): (#\w{6})", style[style.index(scheme) :].split("}")[0]))
    lighter, darker = sorted((light_of(tones[tone]), light_of(tones["card"])), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= 3


def test_a_silent_service_claims_no_rate() -> None:
    known = snapshot(beats={"consumer": beat(age=30, events_per_second=18.4)})
    assert "18.4" not in texts([way.picture(known, NOW), way.services(known, NOW)])


LINES = (Line("shop", "transactions", True, 5, 5, 100, 100), Line("kafka", "transactions", False, 6, 5, 100, 100, "+1 events not in shop: abc"))


@pytest.mark.parametrize(
    ("warehouse", "words"),
    [
        (Warehouse(), "has not been read yet"),
        (Warehouse(read_at=NOW), "Never verified"),
        (Warehouse(read_at=NOW, verdict=Verdict(NOW - 60, True, LINES[:1], 1.2, NOW - 60)), "The books balance Verified 1 min 0 s ago"),
        (
            Warehouse(read_at=NOW, verdict=Verdict(NOW - 7_200, True, LINES[:1], 1.2, NOW - 7_200)),
            "balanced when they were last compared Verified 2 h 0 min ago",
        ),
        (Warehouse(read_at=NOW, verdict=Verdict(NOW - 7_200, False, LINES, 1.2, None)), "The books do not balance Verified 2 h 0 min ago"),
        (Warehouse(read_at=NOW, verdict=Verdict(NOW, False, LINES, 1.2, NOW - 120)), "They balanced last 2 min 0 s ago"),
        (Warehouse(read_at=NOW, verdict=Verdict(NOW, False, LINES, 1.2, None)), "They have never balanced"),
    ],
)
def test_the_books_say_what_was_found_and_when(warehouse: Warehouse, words: str) -> None:
    assert words in texts(books.verdict(warehouse, NOW))


def test_each_stage_says_when_it_was_true_last() -> None:
    shown = texts(books.verdict(Warehouse(read_at=NOW, verdict=Verdict(NOW, False, LINES, stages_true_at={"shop": NOW - 9})), NOW))
    assert "transactions · 5 of 5 events, to the cent agreed 9 s ago" in shown
    assert "transactions · 6 of 5 events never agreed" in shown


def test_a_difference_in_the_books_is_named() -> None:
    assert "+1 events not in shop: abc" in texts(books.verdict(Warehouse(read_at=NOW, verdict=Verdict(NOW, False, LINES)), NOW))


def test_refused_events_are_counted_by_reason() -> None:
    letters = (DeadLetters("not_json", 6, NOW - 3, ("searches",)), DeadLetters("clock_ahead", 1, NOW, ("searches",)))
    shown = texts(books.refused(Warehouse(read_at=NOW, dead_letters=letters), NOW))
    assert "not_json searches newest 3 s ago 6" in shown
    assert "7 in all" in shown


def test_refused_and_differing_events_lead_to_their_pages() -> None:
    event_id = "01a20e97-80a3-71d5-935c-9c76b467172b"
    letters = (DeadLetters("clock_ahead", 1, NOW, ("searches",), (event_id,)),)
    wrong = (Line("kafka", "searches", False, 1, 2, 0, 0, f"-1 events not in Kafka: {event_id}"),)
    warehouse = Warehouse(read_at=NOW, dead_letters=letters, verdict=Verdict(NOW, False, wrong))
    for part in (books.refused(warehouse, NOW), books.verdict(warehouse, NOW)):
        assert f"/event/{event_id}" in str(part)


def test_a_warehouse_that_stopped_answering_says_from_when_its_numbers_are() -> None:
    assert "this is from 9 s ago" in texts(books.refused(Warehouse(read_at=NOW - 9, trouble="gone"), NOW))


@pytest.mark.parametrize("page", [live, products, behaviour, platform])
@pytest.mark.parametrize("state", STATES)
def test_every_changing_part_is_on_the_page(page: Any, state: str) -> None:
    laid_out = page.layout(STATES[state], NOW)
    for name in page.values(STATES[state], NOW):
        assert by_id(laid_out, name) is not None


def test_a_window_of_redis_keeps_total_categories_and_products_which_are_one_under_several_names() -> None:
    fields = {
        "total": '{"events": 3}',
        "category:Home: Garden": '{"sales_cents": 5}',
        "product:7:Lamp: blue": '{"items_sold": 2, "sales_cents": 90}',
        "product:7:Lamp": '{"items_sold": 1, "sales_cents": 45}',
        "product:8:Rug": '{"items_sold": 0, "sales_cents": 0}',
        "written": "1 2 3",
    }
    sold = {7: Sale("Lamp: blue", 3, 135), 8: Sale("Rug", 0, 0)}
    assert window_from(60, fields) == Window(60, {"events": 3}, {"Home: Garden": {"sales_cents": 5}}, "1 2 3", sold)


def test_progress_is_read_as_spark_writes_it() -> None:
    text = json.dumps({"at": "2027-01-15T08:00:00+00:00", "batch": 4, "behind": 0, "rows": 9, "end_offsets": {}})
    assert progress_from(text) == Progress(at=1_800_000_000.0, batch=4)
    assert progress_from(None) is None


def test_what_came_late_is_not_known_from_an_old_reading() -> None:
    for age, says in ((100, "Nothing came late"), (130, "not known yet")):
        known = snapshot(window(WINDOW, **PAID), shelf=Shelf(read_at=NOW - age))
        assert says in texts(sales.came_late(spans.live_of(known, NOW), known.shelf.read_at, NOW))


def test_what_came_late_is_not_known_of_windows_that_were_not_looked_at() -> None:
    first = spans.span(NOW - 1)[0]
    for read_at, says in ((first + LATE_LOOK_SECONDS, "Nothing came late"), (first + LATE_LOOK_SECONDS + 1, "not known yet")):
        known = replace(snapshot(window(WINDOW, **PAID)), shelf=Shelf(read_at=read_at))
        assert says in texts(sales.came_late(spans.live_of(known, read_at), read_at, read_at))


@pytest.mark.parametrize(
    ("money", "highest", "axis"),
    [
        (False, 2, {"tickformat": ",d", "nticks": 3}),
        (False, 5, {"tickformat": ",d", "nticks": 6}),
        (True, 2.5, {"tickformat": "$,.2f", "nticks": 6}),
        (True, 50, {"tickformat": "$~s", "nticks": 6}),
        (True, -50, {"tickformat": "$~s", "nticks": 6}),
    ],
)
def test_no_two_ticks_of_an_axis_say_the_same(money: bool, highest: float, axis: dict[str, Any]) -> None:
    drawn = figures._layout(money, 0, 900, [0, highest])["yaxis"]
    assert {name: drawn[name] for name in ("tickformat", "nticks")} == axis
    assert "range" not in drawn  # That is of a chart without values.
    assert figures._layout(money, 0, 900, [0, 0])["yaxis"]["range"] == [0, 1]


def test_a_verdict_with_fields_of_a_later_version_is_read() -> None:
    row: Mapping[str, Any] = {
        "at": datetime.fromtimestamp(NOW, UTC),
        "balanced": True,
        "last_true_at": None,
        "stages_true_at": None,
        "report": {"stages": [{"stage": "shop", "stream": "searches", "ok": True, "events": 1, "expected_events": 1, "new": 1}], "seconds": 2.0},
    }
    assert verdict_from(row).lines == (Line("shop", "searches", True, 1, 1),)


@pytest.mark.parametrize(
    ("seconds", "words"), [(None, "never"), (0.4, "0 s"), (59.9, "59 s"), (61, "1 min 1 s"), (3_599, "59 min"), (11_100, "3 h 5 min"), (180_000, "2 d")]
)
def test_ages_are_short_words(seconds: float | None, words: str) -> None:
    assert formats.age(seconds) == words


def test_money_is_exact_to_the_cent() -> None:
    assert [formats.money(cents) for cents in (0, 5, 123_450, -300, None)] == ["€0.00", "€0.05", "€1,234.50", "−€3.00", "—"]


def test_every_style_and_script_is_of_this_house() -> None:
    for file in (Path(live.__file__).parents[1] / "assets").iterdir():
        foreign = re.findall(r"(?:https?:)?//(?!www\.w3\.org)[a-z0-9.-]+\.[a-z]{2,}", file.read_text(encoding="utf-8"))
        assert not foreign, f"{file.name} asks {foreign}"


def test_late_money_is_told_beside_the_live_one() -> None:
    shelf = Shelf(read_at=NOW - 5, late={WINDOW: Late(3, 1, 500), WINDOW - 3600: Late(9, 9, 9)})
    shown = live.values(snapshot(window(WINDOW, **PAID), shelf=shelf), NOW)
    assert texts(shown["live-late"]["children"]).startswith("+3 events, +€5.00 came late and is not counted above; restated, revenue is €124.00")
    late = shown["live-revenue"]["figure"].data[-1]
    assert (late.name, late.y, late.base) == ("came late", (5.0,), (119.0,))
    assert "€119.00 live, €124.00 restated" in late.customdata[0][0]


def test_late_money_is_drawn_and_told_also_when_none_came_in_time() -> None:
    shown = live.values(snapshot(window(WINDOW, events=1), shelf=Shelf(read_at=NOW - 5, late={WINDOW: Late(3, 1, 500)})), NOW)
    for name, late, words in (("revenue", 5.0, "€5.00"), ("orders", 1.0, "1")):
        figure = shown[f"live-{name}"]["figure"]
        assert (figure.data[-1].name, figure.data[-1].y, figure.data[-1].base) == ("came late", (late,), (0.0,))
        assert figure.layout.yaxis.showticklabels is None, "An axis without numbers is of a chart without bars."
        assert "none in these windows" not in [note.text for note in figure.layout.annotations]
        assert texts(shown[f"live-{name}-words"]["children"]).startswith(f"Only what came late is drawn: {words}.")


DAY = Shelf(
    read_at=NOW - 5,
    today={**dict.fromkeys(MEASURES, 0), "revenue_cents": 250_000, "orders_paid": 20, "checkouts": 5, "sessions": 40},
    visitors=12,
    active_carts=3,
)


def numbers_of_today(shelf: Shelf) -> list[str]:
    row = html.Div(live.values(replace(STATES["live"], shelf=shelf), NOW)["live-today"]["children"])
    return [texts(part) for part in row._traverse() if str(getattr(part, "id", "")).startswith("today-")]


def test_today_and_who_is_here_are_told_apart_from_the_last_minutes() -> None:
    assert numbers_of_today(DAY) == ["€2,500.00", "20", "€125.00", "12.5\u00a0%", "12", "3"]
    row = html.Div(live.values(replace(STATES["live"], shelf=DAY), NOW)["live-today"]["children"])
    assert texts(row).endswith("as of 5 s ago")
    assert {"Visitors, 5 min", "Active carts, 15 min"} <= set(map(texts, row._traverse()))
    links = [part.href for part in row._traverse() if getattr(part, "className", "") == "number"]
    assert len(links) == 6
    assert links[0] == "/history?from=2027-01-15T00%3A00&to=2027-01-16T00%3A00&measure=revenue_cents"
    assert links[5].endswith("counted=restated&measure=events&kind=cart_events")


@pytest.mark.parametrize(
    ("shelf", "numbers", "words"),
    [
        (Shelf(), "— — — — — —", "has not been read yet"),
        (Shelf(trouble="gone; run `./instashop up`"), "— — — — — —", "gone; run ./instashop up"),
        (replace(DAY, trouble="gone"), "€2,500.00 20 €125.00 12.5\u00a0% 12 3", "as of 5 s ago . gone"),
        (replace(DAY, read_at=NOW - 301, trouble="gone"), "€2,500.00 20 €125.00 12.5\u00a0% — 3", "as of 5 min 1 s ago . gone"),
        (replace(DAY, read_at=NOW - 86_400, trouble="gone"), "— — — — — —", "gone"),
        (replace(DAY, today=dict.fromkeys(MEASURES, 0), visitors=0, active_carts=0), "€0.00 0 — — 0 0", "as of 5 s ago"),
        (replace(DAY, lacks="The consumer is stopped."), "— — — — — —", "as of 5 s ago . The consumer is stopped."),
    ],
)
def test_a_number_of_today_that_is_not_known_is_a_dash_and_says_why(shelf: Shelf, numbers: str, words: str) -> None:
    assert " ".join(numbers_of_today(shelf)) == numbers
    assert words in texts(live.values(replace(STATES["live"], shelf=shelf), NOW)["live-today"]["children"])


@pytest.mark.parametrize(
    ("consumer", "words"),
    [
        (None, "The consumer was never seen: what reached Kafka meanwhile is missing."),
        (beat(state="stopped"), "The consumer is stopped: what reached Kafka meanwhile is missing."),
        (beat(age=11), "The consumer is silent: what reached Kafka meanwhile is missing."),
        (beat(lag_events=9, lag_seconds=10.6), "The consumer is 11 s behind: what reached Kafka meanwhile is missing."),
        (beat(lag_events=9, lag_seconds=9.9), ""),
    ],
)
def test_a_consumer_that_does_not_bring_what_it_should_leaves_the_windows_whole(consumer: Beat | None, words: str) -> None:
    known = snapshot(window(WINDOW, **PAID))
    known = replace(known, beats={**known.beats, **({"consumer": consumer} if consumer else {})})
    assert spans.unread(known, NOW) == words
    assert spans.state_of(known, NOW) == "live"


def test_without_the_producer_nothing_of_now_is_known_and_without_the_enricher_only_the_stock_is_not() -> None:
    well = {service: beat(service) for service in ("consumer", "producer", "enricher")}
    for service, lacks, stock in (("producer", True, False), ("enricher", False, True)):
        read = shelf_as_known(DAY, snapshot(beats={**well, service: beat(service, state="stopped")}), NOW)
        said = f"The {service} is stopped: {spans.BRINGS[service]} meanwhile is missing."
        assert (read.lacks, read.stock_trouble) == (said if lacks else "", said if stock else None)
    assert shelf_as_known(replace(DAY, stock_trouble="slow"), snapshot(beats=well), NOW) == replace(DAY, stock_trouble="slow")


@pytest.mark.parametrize(("consumer", "is_told"), [(None, False), (beat(age=11), False), (beat(state="stopped"), True)])
def test_a_beat_that_redis_cannot_tell_is_no_sign_of_a_consumer_that_is_away(consumer: Beat | None, is_told: bool) -> None:
    known = snapshot(trouble="Redis at nowhere does not answer.", beats={"consumer": consumer} if consumer else {})
    assert bool(spans.unread(known, NOW)) == is_told


def test_a_warehouse_that_lacks_events_is_said_in_the_json_and_knows_nothing_of_late_ones() -> None:
    lacking = replace(STATES["live"], shelf=replace(DAY, lacks="The consumer is stopped."))
    told = api.live(lacking, NOW)
    assert (told["state"], told["missing"], told["today"]["visitors"]) == ("live", ("The consumer is stopped.",), None)
    assert texts(live.values(lacking, NOW)["live-late"]["children"]) == "What came late is not known yet."


def test_the_json_says_once_that_the_producer_is_missing_in_windows_and_warehouse() -> None:
    beats = {"consumer": beat(), "producer": beat("producer", state="stopped"), "enricher": beat("enricher")}
    known = snapshot(window(WINDOW, **PAID), beats=beats)
    told = api.live(replace(known, shelf=shelf_as_known(DAY, known, NOW)), NOW)
    assert told["missing"] == ("The producer is stopped: what the shop did meanwhile is missing.",)
    assert told["today"]["visitors"] is None


def test_the_warehouse_lacks_events_from_its_newest_on_or_from_as_long_ago_as_the_consumer_is_behind() -> None:
    moved = Warehouse(read_at=NOW, moved_at=NOW - 2)
    assert spans.read_until(snapshot(warehouse=moved)) == NOW - 2
    assert spans.read_until(snapshot(warehouse=moved, beats={"consumer": beat(lag_seconds=60.0), "producer": beat(lag_seconds=5.0)})) == NOW - 62
    assert spans.read_until(snapshot(warehouse=moved, beats={"consumer": beat(), "producer": beat(lag_seconds=90.0)})) == NOW - 92
    assert spans.read_until(snapshot()) == 0


def test_the_warehouse_lacks_items_from_its_newest_item_on_whatever_else_has_come_since() -> None:
    moved = Warehouse(read_at=NOW, moved_at=NOW - 2, items_moved_at=NOW - 1800)
    assert spans.items_until(snapshot(warehouse=moved, beats={"enricher": beat("enricher", state="stopped")})) == NOW - 1800
    assert spans.items_until(snapshot(warehouse=moved, beats={"enricher": beat("enricher", lag_seconds=60.0)})) == NOW - 1860


def test_the_json_tells_today_as_the_page_does() -> None:
    told = api.live(replace(STATES["live"], shelf=DAY), NOW)["today"]
    assert (told["revenue_cents"], told["conversion"], told["visitors"], told["read_at"]) == (250_000, 0.125, 12, NOW - 5)


@pytest.mark.parametrize(
    ("shelf", "missing"),
    [
        (Shelf(), ("The warehouse has not been read yet.",)),
        (Shelf(trouble="gone"), ("gone",)),
        (replace(DAY, trouble="gone", lacks="The consumer is stopped."), ("gone",)),
        (replace(DAY, lacks="The consumer is stopped."), ("The consumer is stopped.",)),
        (DAY, ()),
    ],
)
def test_the_json_says_why_numbers_of_today_are_missing(shelf: Shelf, missing: tuple[str, ...]) -> None:
    assert api.live(replace(STATES["live"], shelf=shelf), NOW)["missing"] == missing


def test_nothing_late_is_said_and_not_known_is_not_nothing() -> None:
    said = {
        known: texts(live.values(snapshot(window(WINDOW, **PAID), shelf=shelf), NOW)["live-late"]["children"])
        for known, shelf in ((True, Shelf(read_at=NOW)), (False, Shelf()))
    }
    assert said[True].startswith("Nothing came late in these 15 minutes.")
    assert said[False] == "What came late is not known yet."
