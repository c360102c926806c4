"""Both pages in a real browser, on the running platform."""

from __future__ import annotations

import json
import os
import re
import urllib.request
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

SIZES = {"desk": {"width": 1440, "height": 900}, "phone": {"width": 390, "height": 844}}
PAGES = {"live": "/", "platform": "/platform"}
STATES = re.compile(r"\bstate-(starting|zero|live|stale|broken)\b")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport=SIZES["desk"], color_scheme="light")  # type: ignore[arg-type]
    page = context.new_page()
    page.set_default_timeout(20_000)
    yield page
    context.close()


def told(dashboard_url: str) -> dict[str, object]:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{dashboard_url}/api/live", timeout=5) as answer:
        return json.load(answer)


def events(page: Page) -> int:
    return int(page.inner_text("#events-since-start").replace(",", ""))


def test_the_live_page_counts_events_and_goes_on_counting_by_pushes(page: Page, dashboard_url: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.post_data or "") if "_dash-update-component" in request.url else None)
    page.goto(dashboard_url)
    expect(page.locator("#live")).to_have_class(re.compile("state-live"), timeout=30_000)
    page.get_by_text("1 s", exact=True).click()
    first = events(page)
    assert first > 0
    page.wait_for_function("first => Number(document.querySelector('#events-since-start').dataset.value) > first", arg=first, timeout=60_000)
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


def test_a_paused_page_changes_no_number_and_goes_on_when_asked(page: Page, dashboard_url: str) -> None:
    page.goto(dashboard_url)
    expect(page.locator("#live")).to_have_class(re.compile("state-live"), timeout=30_000)
    page.get_by_text("1 s", exact=True).click()
    page.click("#pause")
    expect(page.locator("#pause")).to_have_attribute("aria-pressed", "true")
    pushed = "document.querySelector('#pulse').dataset.at"
    page.wait_for_timeout(1_500)  # What was under way has come.
    before = page.evaluate(pushed)
    page.wait_for_timeout(3_000)
    assert page.evaluate(pushed) == before
    page.click("#pause")
    page.wait_for_function(f"before => {pushed} !== before", arg=before)


def test_light_and_dark_and_the_pace_are_remembered(page: Page, dashboard_url: str) -> None:
    page.goto(dashboard_url)
    scheme = "document.documentElement.dataset.mantineColorScheme"
    page.wait_for_selector("#theme")
    assert page.evaluate(scheme) == "light"
    page.click("#theme")
    page.get_by_text("15 s", exact=True).click()
    page.wait_for_function(f"{scheme} === 'dark'")
    page.reload()
    page.wait_for_selector("#live")
    assert page.evaluate(scheme) == "dark"
    page.wait_for_function("document.querySelector('#pulse').dataset.seconds === '15'")


def test_the_platform_page_shows_every_arrow_service_and_the_books(page: Page, dashboard_url: str) -> None:
    page.goto(dashboard_url)
    page.click("#to-platform")
    page.wait_for_selector("#platform")
    for carrier in ("generator", "producer", "consumer", "enricher", "live_metrics", "windows"):
        expect(page.locator("#platform-way .arrow", has_text=carrier)).to_have_count(1)
    assert page.locator("#platform-services tbody tr").count() == 5
    expect(page.locator("#platform-books .verdict strong")).to_have_text(re.compile("books balance|books do not balance|Never verified"))
    expect(page.locator("#platform-refused")).to_have_text(re.compile("in all|Nothing was refused"))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_its_screen_and_asks_nobody_else(browser: Browser, dashboard_url: str, name: str, size: str) -> None:
    context = browser.new_context(viewport=SIZES[size])  # type: ignore[arg-type]
    page = context.new_page()
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
