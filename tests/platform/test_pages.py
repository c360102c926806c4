"""Every page in a real browser, on the running platform.

All of it in one file, however long: one browser, and one shop that the pages have to tell alike.
"""

from __future__ import annotations

import csv
import io
import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from instashop import connect
from instashop.control.books import verify
from instashop.control.build import build_warehouse
from instashop.settings import Settings
from instashop.shop.generator import ShopSink
from instashop.shop.shopper import Row
from instashop.transport.loop import Batch
from tests import bodies
from tests.screens import PATIENCE_MS, SIZES

PAGES = {
    "live": "/",
    "products": "/products",
    "behaviour": "/behaviour",
    "history": "/history?last=15m",
    "platform": "/platform",
    "missing": "/no-such-page",
}
WIDTHS = (320, 360, 768, 1024, 1180, 1440)
TURN_MS = 20_000
"""How long the wall shows a page."""
AGREES = "the same as the number above"
STATES = re.compile(r"\bstate-(starting|zero|live|behind|stale|broken)\b")
pytestmark = pytest.mark.usefixtures("left_open")  # From the first test on: what its own test waits for takes a minute.


def fetched(url: str) -> str:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=30) as answer:
        return answer.read().decode()


def told(dashboard_url: str) -> dict[str, object]:
    return json.loads(fetched(f"{dashboard_url}/api/live"))


def events(page: Page) -> int:
    return int(page.inner_text("#events-since-start").replace(",", ""))


def test_the_live_page_counts_events_and_goes_on_counting_by_pushes(page: Page, dashboard_url: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.post_data or "") if "_dash-update-component" in request.url else None)
    page.goto(dashboard_url)
    expect(page.locator("#live")).to_have_class(re.compile("state-live"))
    first = events(page)  # Every five seconds: at one, a dashboard that stands still for three is asked for good reason.
    assert first > 0
    page.wait_for_function("first => Number(document.querySelector('#events-since-start').dataset.value) > first", arg=first)
    assert not [body for body in asked if '"ask"' in body], "The fallback asked by HTTP although pushes come."


def test_the_page_and_the_json_tell_the_same(page: Page, dashboard_url: str) -> None:
    page.goto(dashboard_url)
    page.wait_for_selector("#events-since-start")
    least = told(dashboard_url)["events_since_start"]
    page.reload()
    page.wait_for_selector("#events-since-start")
    shown = events(page)
    most = told(dashboard_url)["events_since_start"]
    assert isinstance(least, int)
    assert isinstance(most, int)
    if least <= most:  # Else an old window has just expired.
        assert least <= shown <= most


def test_every_number_has_an_age_that_goes_on(page: Page, dashboard_url: str) -> None:
    page.goto(dashboard_url)
    page.wait_for_selector("#live .kpi")
    cards, ages = page.locator(".kpi"), page.locator(".kpi .age")
    assert cards.count() == ages.count() == 7
    page.click("#pause")
    first = ages.first.inner_text()
    expect(ages.first).not_to_have_text(first)


def test_today_is_told_apart_from_the_last_minutes_and_leads_to_its_rows(page: Page, dashboard_url: str) -> None:
    page.goto(dashboard_url)
    row = page.locator("#live-today")
    expect(row).to_contain_text(re.compile("as of .* ago"))
    for name in ("orders", "visitors", "active-carts"):
        expect(row.locator(f"#today-{name}")).to_have_text(re.compile(r"^[\d,]+$"))
    for name in ("revenue", "average-order", "conversion"):
        expect(row.locator(f"#today-{name}")).to_have_text(re.compile(r"\d|—"))
    row.locator("#today-orders .number").click()
    page.get_by_role("heading", name="Orders paid by hour").wait_for()
    expect(page.locator("#history-summary")).to_contain_text(AGREES)


def test_a_paused_page_changes_no_number_and_goes_on_when_asked(page: Page, dashboard_url: str) -> None:
    page.goto(dashboard_url)
    expect(page.locator("#live")).to_have_class(re.compile("state-live"))
    page.get_by_text("1 s", exact=True).click()
    page.click("#pause")
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    said = "getComputedStyle(document.querySelector('#state .pill > span'), '::after').content"
    assert page.evaluate(said) == '"paused"', "The header goes on saying that the numbers are live."
    pushed = "document.querySelector('#pulse').dataset.at"
    quiet_for = f"""milliseconds => {{
        if (window.lastPush !== {pushed}) [window.lastPush, window.quietSince] = [{pushed}, performance.now()];
        return performance.now() - window.quietSince > milliseconds;
    }}"""
    page.wait_for_function(quiet_for, arg=2_500)  # What was under way may come; at a push a second it would never be quiet for so long.
    before = page.evaluate(pushed)
    page.click("#pause")
    page.wait_for_function(f"before => {pushed} !== before", arg=before)


def test_light_and_dark_and_the_pace_are_remembered(page: Page, dashboard_url: str) -> None:
    page.goto(dashboard_url)
    scheme = "document.documentElement.dataset.mantineColorScheme"
    page.wait_for_selector("#theme")
    expect(page.get_by_role("radiogroup", name="Refresh every")).to_be_visible()
    assert page.evaluate(scheme) == "light"
    page.click("#theme")
    page.get_by_text("15 s", exact=True).click()
    page.wait_for_function(f"{scheme} === 'dark'")
    tones = "name => getComputedStyle(document.documentElement).getPropertyValue(name).trim()"
    bar = page.locator("#live-orders .barlayer .trace:first-child .point path").first
    red, green, blue = bytes.fromhex(page.evaluate(tones, "--indigo")[1:])
    expect(bar).to_have_css("fill", f"rgb({red}, {green}, {blue})")
    page.reload()
    page.wait_for_selector("#live")
    assert page.evaluate(scheme) == "dark"
    page.wait_for_function("document.querySelector('#pulse').dataset.seconds === '15'")


@pytest.fixture(scope="module")
def left_open(browser: Browser, dashboard_url: str) -> Iterator[tuple[Page, str]]:
    """A history that stays open while the others are looked at, and the span it told first."""
    page = browser.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(f"{dashboard_url}/history?last=15m")
    yield page, page.locator("#history-span").inner_text()
    page.close()


@pytest.fixture(scope="module")
def balanced(platform: Settings) -> None:
    """Books that were compared just now, and balance."""
    verdict = verify(platform, wait_seconds=120)
    assert verdict.balanced, verdict.describe()


@pytest.fixture(scope="module")
def built(platform: Settings) -> None:
    """A warehouse that has been built, as the DAG does every five minutes."""
    *_, page = build_warehouse(platform)
    assert page.events_in_all > 0


@pytest.fixture
def refused(platform: Settings) -> Iterator[str]:
    """A topic of which one message was refused."""
    with connect.warehouse(platform, "test", autocommit=True) as dwh:
        dwh.execute(
            'INSERT INTO dead_letters (topic, "partition", "offset", reason, detail, published_at)'
            " VALUES ('of-a-page', 0, 0, 'not_json', 'a test of the page', now())"
        )
        yield "of-a-page"
        dwh.execute("DELETE FROM dead_letters WHERE topic = 'of-a-page'")


@pytest.fixture
def abandoned(platform: Settings) -> None:
    """A cart of the shop, abandoned just now."""
    cart = {name: value for name, value in bodies.cart().items() if name not in ("kind", "txid")}
    with connect.shop(platform, "test", autocommit=True) as shop:
        ShopSink(shop, shop).write(Batch([Row("cart_events", cart)], None))


@pytest.mark.usefixtures("balanced")
def test_the_platform_page_shows_every_arrow_service_and_the_books(page: Page, dashboard_url: str, refused: str) -> None:
    page.goto(dashboard_url)
    page.click("#to-platform")
    page.wait_for_selector("#platform")
    for carrier in ("generator", "producer", "consumer", "enricher", "live_metrics", "windows"):
        expect(page.locator("#platform-way .arrow", has_text=carrier)).to_have_count(1)
    assert page.locator("#platform-services tbody tr").count() == 5
    expect(page.locator("#platform-books .verdict strong")).to_have_text("The books balance")
    expect(page.locator("#platform-refused .letters")).to_contain_text(refused)
    expect(page.locator("#platform-refused .list-foot")).to_have_text(re.compile(r"^[\d,]+ in all, as of "))


@pytest.mark.usefixtures("built")
def test_the_products_page_ranks_products_and_tells_what_is_left(page: Page, dashboard_url: str) -> None:
    page.goto(dashboard_url)
    page.click("#to-products")
    expect(page.locator("#products")).to_have_class(re.compile("state-live"))
    expect(page.locator("#products-top .step")).to_have_count(10)
    expect(page.locator("#products-trending")).to_have_text(re.compile(r"\+[\d,]+ items?|minutes before"))
    expect(page.locator("#products-stock .step").first).to_have_text(re.compile(r"[\d,]+ left"))
    assert page.locator("#products .kpi").count() == 4
    page.locator("#products-top .number").first.click()
    page.wait_for_selector("#history-summary")
    assert re.search(r"product=\d+", page.url)


@pytest.mark.usefixtures("abandoned")
def test_the_behaviour_page_shows_funnel_carts_and_searches(page: Page, dashboard_url: str) -> None:
    page.goto(dashboard_url)
    page.click("#to-behaviour")
    expect(page.locator("#behaviour")).to_have_class(re.compile("state-live"))
    expect(page.locator("#behaviour-funnel .step")).to_have_count(4)
    expect(page.locator("#behaviour-funnel")).to_have_text(re.compile("of product views"))
    expect(page.locator("#behaviour-terms .step").first).to_be_visible()
    expect(page.locator("#behaviour-carts .number").first).to_have_text(re.compile(r"^€[\d,]+\.\d\d$"))
    page.locator("#behaviour-terms .step .number").first.click()
    expect(page.locator("#history-rows td[data-head='Stream']").first).to_have_text("searches")


def test_from_a_live_number_one_click_leads_to_rows_that_add_up_to_it(page: Page, dashboard_url: str) -> None:
    page.goto(dashboard_url)
    for number in ("#kpi-revenue", "#kpi-orders", "#kpi-sessions", "#kpi-refunds"):
        expect(page.locator("#live")).to_have_class(re.compile("state-live"))
        page.locator(f"{number} .number").click()
        expect(page.locator("#history-summary")).to_contain_text(AGREES)
        expect(page.locator("#history-rows tbody tr")).not_to_have_count(0)
        page.go_back()


def test_filters_are_the_address_and_survive_a_reload(page: Page, dashboard_url: str) -> None:
    page.goto(f"{dashboard_url}/history?last=15m")
    page.click("#history-measure")
    page.get_by_role("option", name="Orders paid", exact=True).click()
    page.wait_for_url(re.compile("measure=orders_paid"))
    page.get_by_role("heading", name="Orders paid by 30-second window").wait_for()
    page.click("#history-counted")
    page.get_by_role("option", name="Restated: both").click()
    page.wait_for_url(re.compile("counted=restated"))
    page.reload()
    page.get_by_role("heading", name="Orders paid by 30-second window").wait_for()
    expect(page.locator("#history .page-head")).to_contain_text("restated")
    page.get_by_role("link", name="1 hour", exact=True).click()
    page.wait_for_url(re.compile("last=1h.*measure=orders_paid"))
    page.go_back()
    page.wait_for_url(re.compile("last=15m"))
    expect(page.locator("#history-summary")).to_contain_text(AGREES)


def test_a_number_of_history_brings_its_rows_into_view(page: Page, dashboard_url: str) -> None:
    page.goto(f"{dashboard_url}/history?last=1h")
    page.locator("#kpi-orders-paid .number").click()
    page.get_by_role("heading", name="Rows behind Orders paid").wait_for()
    page.wait_for_function("document.querySelector('#rows').getBoundingClientRect().top < window.innerHeight / 2")


def test_a_bar_leads_into_its_own_span(page: Page, dashboard_url: str) -> None:
    page.goto(f"{dashboard_url}/history?last=15m&measure=events")
    page.locator("#history-chart .barlayer .point path").first.wait_for(state="attached")
    bars = page.locator("#history-chart .barlayer .point path").filter(visible=True)  # A window without events has a bar of no height.
    bars.first.wait_for()
    box = max((bar.bounding_box() for bar in bars.all()), key=lambda box: box["height"])
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 3)
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] - 3)
    page.wait_for_url(re.compile("from=.*to="))
    expect(page.locator("#history-summary")).to_contain_text(AGREES)


def test_an_open_history_says_the_span_of_its_newest_numbers(left_open: tuple[Page, str]) -> None:
    page, first = left_open
    expect(page.locator("#history-from")).to_contain_text("15 minutes ago")
    expect(page.locator("#history-span")).not_to_have_text(first, timeout=120_000)  # A minute, and the next reading.


def test_a_row_leads_to_the_whole_way_of_its_event(page: Page, dashboard_url: str) -> None:
    page.goto(f"{dashboard_url}/history?last=15m")
    page.locator("#history-rows .number").last.click()
    page.wait_for_selector("#event .stages-passed")
    for stage in ("shop", "kafka", "warehouse", "window"):
        expect(page.locator(f".stages-passed .is-{stage}")).to_have_count(1)
    expect(page.locator("#event .fields")).to_contain_text("total_cents")


@pytest.mark.usefixtures("built")
def test_hours_are_exact(page: Page, dashboard_url: str) -> None:
    page.goto(f"{dashboard_url}/history?last=24h")
    expect(page.locator("#history-summary")).to_contain_text(AGREES)


@pytest.mark.usefixtures("built")
def test_a_history_that_takes_long_is_dimmed_until_it_comes(page: Page, dashboard_url: str, platform: Settings) -> None:
    page.goto(f"{dashboard_url}/history?last=24h")
    expect(page.locator("#history-summary")).to_contain_text(AGREES)
    with connect.warehouse(platform, "test") as dwh:
        dwh.execute("LOCK TABLE rollups.hours IN ACCESS EXCLUSIVE MODE")
        page.click("#history-counted")
        page.get_by_role("option", name="Late only").click()
        expect(page.locator("#history")).to_have_css("opacity", "0.5")
        expect(page.locator("#_pages_content")).to_have_css("cursor", "progress")
    expect(page.locator("#history")).to_have_css("opacity", "1")
    expect(page.locator("#history-span")).to_contain_text("late events only")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("measure=profit", "There is no measure “profit”."),
        ("product=lamp", "“lamp” is no product"),
        ("from=tomorrow", "“tomorrow” is no time"),
        ("last=40d&step=hour", "shown are its last 31 days"),
        ("kind=%3Cscript%3E", "There is no kind “<script>”; known are"),
    ],
)
def test_a_filter_that_is_wrong_is_said_and_the_page_is_there(page: Page, dashboard_url: str, query: str, words: str) -> None:
    page.goto(f"{dashboard_url}/history?{query}")
    expect(page.locator("#history .banner.is-note")).to_contain_text(words)
    page.wait_for_selector("#history .kpi")


def test_an_event_and_a_page_that_do_not_exist_say_so(page: Page, dashboard_url: str) -> None:
    page.goto(f"{dashboard_url}/event/nonsense")
    expect(page.locator("#event .banner")).to_contain_text("No event nonsense")
    page.goto(f"{dashboard_url}/no-such-page")
    expect(page.locator("#missing")).to_contain_text("There is no such page")


def test_the_csv_holds_the_rows_that_the_page_counts(page: Page, dashboard_url: str) -> None:
    page.goto(f"{dashboard_url}/history?last=15m&measure=orders_paid")
    first = page.locator(".download").first
    first.wait_for()
    span = re.search(r"Numbers", page.locator(".downloads").inner_text())
    assert span
    end = "from=2026-01-01T00:00&to=2026-01-01T01:00"
    assert list(csv.reader(io.StringIO(fetched(f"{dashboard_url}/history.csv?{end}"))))[1:] == []
    rows = list(csv.DictReader(io.StringIO(fetched(dashboard_url + (first.get_attribute("href") or "")))))
    assert rows
    assert {row["status"] for row in rows} == {"paid"}
    steps = list(csv.DictReader(io.StringIO(fetched(f"{dashboard_url}/history-numbers.csv?last=15m"))))
    assert len(steps) == 30
    with pytest.raises(urllib.error.HTTPError, match="400"):
        fetched(f"{dashboard_url}/history.csv?measure=profit")


def test_the_csv_of_a_span_that_was_cut_is_of_the_three_hours_shown(page: Page, dashboard_url: str) -> None:
    page.goto(f"{dashboard_url}/history?last=24h&step=window&measure=searches")
    expect(page.locator("#history .banner.is-note")).to_contain_text("shown are its last 3 hours")
    numbers = page.locator(".download").last.get_attribute("href") or ""
    assert len(list(csv.DictReader(io.StringIO(fetched(dashboard_url + numbers))))) == 3 * 120


def test_the_wall_has_no_controls_turns_the_pages_and_ends_by_escape(page: Page, dashboard_url: str) -> None:
    page.clock.install()
    page.goto(dashboard_url)
    page.click("#wall")
    page.wait_for_url(re.compile("wall=1"))
    expect(page.locator(".controls")).to_be_hidden()
    page.wait_for_selector("#live .kpi")
    expect(page.locator("#live-money .step", has_text="Kept")).to_be_visible()
    page.wait_for_function("document.documentElement.scrollHeight <= window.innerHeight")
    page.clock.fast_forward(TURN_MS)
    page.wait_for_selector("#products .kpi")
    assert "/products?wall=1" in page.url
    page.clock.fast_forward(TURN_MS)
    page.wait_for_selector("#behaviour .card")
    assert "/behaviour?wall=1" in page.url
    page.keyboard.press("Escape")
    expect(page.locator(".controls")).to_be_visible()
    assert "wall" not in page.url


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_its_screen_and_asks_nobody_else(browser: Browser, dashboard_url: str, name: str, size: str) -> None:
    context = browser.new_context(viewport=SIZES[size])  # type: ignore[arg-type]
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    errors: list[str] = []
    asked: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: asked.append(request.url))
    page.goto(dashboard_url + PAGES[name])
    page.wait_for_selector(f"#{name}")
    page.wait_for_function("[...document.querySelectorAll('.chart')].every(chart => chart.querySelector('.main-svg'))")
    assert STATES.search(page.get_attribute(f"#{name}", "class") or "")
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size]["width"]
    overlapping = page.evaluate(
        "[...document.querySelectorAll('.card')].filter(card => [...card.querySelectorAll('.main-svg')]"
        ".some(svg => svg.getBoundingClientRect().bottom > card.getBoundingClientRect().bottom + 1)).length"
    )
    assert overlapping == 0
    assert not errors
    assert not [url for url in asked if not url.startswith((dashboard_url, "data:", "blob:"))]
    context.close()


@pytest.mark.parametrize("name", PAGES)
def test_no_page_scrolls_sideways_and_no_head_leaves_its_card_at_any_width(page: Page, dashboard_url: str, name: str) -> None:
    page.goto(dashboard_url + PAGES[name])
    page.wait_for_selector(f"#{name}")
    page.wait_for_function("[...document.querySelectorAll('.chart')].every(chart => chart.querySelector('.main-svg'))")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_function("width => document.documentElement.clientWidth === width", arg=width)
        page.wait_for_function("document.documentElement.scrollWidth <= document.documentElement.clientWidth")  # Charts follow a moment later.
        larger = "document.querySelectorAll('.step-value a').forEach(value => value.textContent = '€1,130,364.81')"
        assert page.evaluate(f"{larger} || document.documentElement.scrollWidth") == width, f"A larger shop's amounts leave the page at {width} px."
        out = "[...document.querySelectorAll('.card-head > *')].filter(part => part.getBoundingClientRect().right > part.closest('.card').getBoundingClientRect().right)"
        assert page.evaluate(f"{out}.map(part => part.textContent)") == [], f"Out of its card at {width} px."
        nav = page.locator(".nav")
        assert nav.evaluate("nav => nav.scrollWidth <= nav.clientWidth"), f"A link is cut at {width} px."


@pytest.mark.parametrize("name", ["live", "products", "behaviour"])
def test_the_numbers_of_a_row_stand_on_one_line(page: Page, dashboard_url: str, name: str) -> None:
    page.goto(dashboard_url + PAGES[name])
    page.wait_for_selector(f"#{name} .kpi")
    for width in (320, 390, 1200, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_function("width => document.documentElement.clientWidth === width", arg=width)
        places = page.evaluate(
            "[...document.querySelectorAll('.kpi')].map(kpi => [kpi, kpi.querySelector('.kpi-value')].map((part, end) => part.getBoundingClientRect()[end ? 'bottom' : 'top']))"
        )
        rows = {top: {round(bottom) for of, bottom in places if of == top} for top, _bottom in places}
        assert all(len(bottoms) == 1 for bottoms in rows.values()), f"at {width} px: {rows}"


@pytest.mark.parametrize("name", ["live", "products", "behaviour", "platform"])
def test_the_wall_is_no_smaller_than_the_page_and_keeps_its_size(page: Page, dashboard_url: str, name: str) -> None:
    page.set_viewport_size({"width": 1920, "height": 1080})
    page.goto(f"{dashboard_url}{PAGES[name]}?wall=1")
    page.wait_for_selector(f"#{name} .card")
    zoom = "Number(document.documentElement.style.getPropertyValue('--wall-zoom'))"
    calm = f"""milliseconds => {{
        if (window.lastZoom !== {zoom}) [window.lastZoom, window.sameSince] = [{zoom}, performance.now()];
        return {zoom} && performance.now() - window.sameSince > milliseconds && document.documentElement.scrollHeight <= window.innerHeight;
    }}"""
    page.wait_for_function(calm, arg=4_000)
    assert page.evaluate(zoom) >= 1


def test_a_calendar_in_the_dark_has_the_colours_of_the_cards(page: Page, dashboard_url: str) -> None:
    page.emulate_media(color_scheme="dark")
    page.goto(f"{dashboard_url}/history?last=15m")
    page.click("#history-from")
    day = page.locator(".mantine-DateTimePicker-day[data-weekend]:not([data-outside])").first
    colour = "part => getComputedStyle(part).{}"
    day.wait_for()
    assert day.evaluate(colour.format("color")) == page.locator("body").evaluate(colour.format("color"))
    assert page.locator(".mantine-Popover-dropdown:visible").evaluate(colour.format("backgroundColor")) == page.locator(".card").first.evaluate(
        colour.format("backgroundColor")
    )


def test_the_head_of_the_rows_stays_below_the_header_which_covers_no_focus(page: Page, dashboard_url: str) -> None:
    page.goto(f"{dashboard_url}/history?last=15m")
    links = page.locator("#history-rows .rows .number")
    links.nth(60).wait_for()
    below = "part => part.getBoundingClientRect().top - document.querySelector('.top').getBoundingClientRect().bottom"
    links.nth(60).evaluate("link => link.scrollIntoView({block: 'start'})")
    head = page.locator(".rows thead th").first
    assert head.evaluate(below) == pytest.approx(0, abs=1)
    links.nth(40).focus()
    assert links.nth(40).evaluate(below) >= head.evaluate("head => head.getBoundingClientRect().height")


def test_an_address_of_rows_opens_at_them(page: Page, dashboard_url: str) -> None:
    page.goto(f"{dashboard_url}/history?last=15m#rows")
    page.wait_for_selector("#history-rows .rows")
    page.wait_for_selector("#history-chart .main-svg")
    page.wait_for_function("Math.abs(document.querySelector('#rows').getBoundingClientRect().top - document.querySelector('.top').offsetHeight) < 30")
