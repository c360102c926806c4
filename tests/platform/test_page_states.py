"""Every page in each state, and while a server goes away and comes back: a dashboard of its own, behind gates, on a Redis of the tests."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit, urlunsplit

import msgspec
import pytest
from playwright.sync_api import Page, expect
from redis import Redis

from dashboard.pages.history import AGAIN_SECONDS
from instashop.control.beats import Beat, State, key_of
from instashop.metrics import FILLED_KEY, PROGRESS_KEY
from instashop.settings import ROOT, Settings
from instashop.transport.refill import filled_mark
from tests.gate import Gate
from tests.waiting import wait_until

FRESH = -600
"""An age that stays below every limit for as long as a test takes."""
PUSHED = {"live": "/", "products": "/products", "behaviour": "/behaviour", "platform": "/platform"}


@dataclass
class Apart:
    """A dashboard whose servers can be taken away; its Redis database is empty and nobody else's."""

    url: str
    redis: Redis
    to_redis: Gate
    to_warehouse: Gate

    def progress(self, age_seconds: float | None, filled: bool = True, consumer: State = "running") -> None:
        """Say that Spark's last batch is so old (None: that there was none), and whether every window is in Redis; the services are as fresh, the consumer in a state."""
        self.redis.flushdb()
        if age_seconds is None:
            return
        at = datetime.fromtimestamp(time.time() - age_seconds, UTC)
        for service, state in (("producer", "running"), ("enricher", "running"), ("consumer", consumer)):
            self.redis.set(key_of(service), msgspec.json.encode(Beat(service, 1, at, at, state)))
        if filled:
            self.redis.set(FILLED_KEY, filled_mark(self.redis, 1))
        self.redis.set(PROGRESS_KEY, json.dumps({"at": at.isoformat(), "batch": 1, "checkpoint_ms": 1}))


def answers(url: str) -> bool:
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{url}/healthz", timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


@pytest.fixture(scope="module")
def apart(platform: Settings) -> Iterator[Apart]:
    redis, warehouse = urlsplit(platform.redis_url), urlsplit(platform.warehouse_dsn)
    to_redis, to_warehouse = Gate(redis.hostname or "", redis.port or 0), Gate(warehouse.hostname or "", warehouse.port or 0)
    port = platform.dashboard_port + 1
    environment = {
        **os.environ,
        "INSTASHOP_DASHBOARD_PORT": str(port),
        "INSTASHOP_REDIS_URL": to_redis.url(platform.redis_url, "/1"),
        "INSTASHOP_WAREHOUSE_DSN": to_warehouse.url(platform.warehouse_dsn),
        "PYTHONPATH": os.pathsep.join((str(ROOT / "include"), str(ROOT))),
    }
    process = subprocess.Popen([sys.executable, "-m", "dashboard"], cwd=ROOT, env=environment)
    client = Redis.from_url(urlunsplit(redis._replace(path="/1")), decode_responses=True)
    try:
        url = f"http://{platform.host}:{port}"
        wait_until(lambda: answers(url), 60, "a dashboard of the tests")
        yield Apart(url, client, to_redis, to_warehouse)
    finally:
        process.terminate()
        process.wait(timeout=20)
        client.flushdb()
        client.close()
        to_redis.close()
        to_warehouse.close()


@pytest.mark.parametrize("name", PUSHED)
def test_each_page_tells_its_state_and_the_next_while_it_is_open(page: Page, apart: Apart, name: str) -> None:
    apart.progress(None)
    page.goto(apart.url + PUSHED[name])
    page.get_by_text("1 s", exact=True).click()
    for state, age_seconds, words in (
        ("starting", None, "Starting"),
        ("stale", 90, "old"),
        ("behind", FRESH, "Catching up"),
        ("zero", FRESH, "Nothing happened"),
    ):
        apart.progress(age_seconds, filled=state != "behind")
        expect(page.locator(f"#{name}")).to_have_class(re.compile(f"state-{state}"))
        if (name, state) != ("platform", "zero"):
            expect(page.locator(f"#{name}-banner .banner.is-{state}")).to_contain_text(words)
    page.reload()  # Who comes only now is told the same.
    expect(page.locator(f"#{name}")).to_have_class(re.compile("state-zero"))


def test_a_redis_that_goes_away_while_pages_are_open_is_said_on_each_and_its_return_is_seen(page: Page, apart: Apart) -> None:
    apart.progress(90)
    tabs = {name: page.context.new_page() for name in PUSHED}
    for name, tab in tabs.items():
        tab.goto(apart.url + PUSHED[name])
        expect(tab.locator(f"#{name}")).to_have_class(re.compile("state-stale"))
    apart.to_redis.close()
    try:
        for name, tab in tabs.items():
            expect(tab.locator(f"#{name}-banner .banner.is-broken")).to_contain_text("Redis does not answer")
    finally:
        apart.to_redis.open()
    for name, tab in tabs.items():
        expect(tab.locator(f"#{name}")).to_have_class(re.compile("state-stale"))


def test_a_warehouse_that_goes_away_while_history_is_open_is_said_and_its_return_is_seen(page: Page, apart: Apart) -> None:
    apart.progress(FRESH)
    page.clock.install()
    page.goto(f"{apart.url}/history?last=15m")
    expect(page.locator("#history-summary")).to_contain_text("the same as the number above")
    apart.to_warehouse.close()
    try:
        page.clock.fast_forward(AGAIN_SECONDS * 1000)
        expect(page.locator("#history .banner.is-broken")).to_contain_text("does not answer", timeout=90_000)
        expect(page.locator("#history")).to_have_class(re.compile("state-broken"))
        assert "€" in page.locator("#history .kpis").inner_text(), "What was known stays, with its age."
        page.goto(f"{apart.url}/event/01a20c7a-5cde-761b-8f8e-3e5e09bb357c")
        expect(page.locator("#event .banner.is-broken")).to_contain_text("does not answer")
        page.goto(f"{apart.url}/history?last=15m")
        expect(page.locator("#history .banner.is-broken")).to_contain_text("does not answer")
    finally:
        apart.to_warehouse.open()
    page.clock.fast_forward(AGAIN_SECONDS * 1000)
    expect(page.locator("#history-summary")).to_contain_text("the same as the number above", timeout=90_000)
    expect(page.locator("#history .banner")).to_have_count(0)
    expect(page.locator("#history")).to_have_class(re.compile("state-live"))


def test_a_warehouse_that_is_away_leaves_the_live_numbers_and_says_what_is_missing(page: Page, apart: Apart) -> None:
    apart.to_warehouse.close()
    try:
        apart.progress(FRESH)
        page.goto(f"{apart.url}/platform")
        expect(page.locator("#platform-books")).to_contain_text("does not answer")
        page.goto(apart.url)
        expect(page.locator("#live-today")).to_contain_text(re.compile("does not answer|not been read"), timeout=90_000)
        page.goto(f"{apart.url}/products")
        expect(page.locator("#products-stock")).to_contain_text(re.compile("does not answer|not been read"), timeout=90_000)
    finally:
        apart.to_warehouse.open()


def test_a_consumer_that_is_stopped_is_said_wherever_the_warehouse_is_read(page: Page, apart: Apart) -> None:
    words = "The consumer is stopped: what reached Kafka meanwhile is missing."
    apart.progress(FRESH, consumer="stopped")
    page.goto(apart.url)
    expect(page.locator("#live-today .today-why")).to_have_text(words, timeout=90_000)
    expect(page.locator("#today-visitors")).to_have_text("—")
    for name, part in (("products", "stock"), ("behaviour", "carts"), ("behaviour", "terms")):
        page.goto(f"{apart.url}/{name}")
        expect(page.locator(f"#{name}-{part}")).to_contain_text(words)
    page.goto(f"{apart.url}/history?last=15m")
    expect(page.locator("#history .banner.is-behind")).to_contain_text(words)
    apart.progress(FRESH)
    page.goto(apart.url)
    expect(page.locator("#live-today .today-why")).to_have_count(0, timeout=90_000)
