"""The whole platform as `up` starts it, Airflow and dashboard included."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from instashop.local import chromium, health
from instashop.settings import Settings, load
from tests.screens import PATIENCE_MS, SIZES


@pytest.fixture(scope="session")
def platform() -> Settings:
    """The settings of the running platform, which has live numbers."""
    settings = load()
    events, why_none = health.live_events(settings)
    if not events:
        pytest.fail(f"no platform with live numbers is running ({why_none}); run the suite by `./instashop test`", pytrace=False)
    return settings


@pytest.fixture(scope="session")
def dashboard_url(platform: Settings) -> str:
    return f"http://{platform.host}:{platform.dashboard_port}"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = chromium.launch(playwright)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport=SIZES["desk"], color_scheme="light")  # type: ignore[arg-type]
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    yield page
    context.close()
