import itertools
import re
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient
from redis import RedisError

from dashboard import api, rows
from dashboard.app import build
from dashboard.filters import Filters, parse
from dashboard.past import Past
from dashboard.readings import WAREHOUSE_SECONDS, Reader
from dashboard.snapshot import Snapshot, Warehouse
from instashop.control.beats import Beat
from instashop.settings import Settings

NOWHERE = Settings(redis_url="redis://:secret@127.0.0.1:1/0", warehouse_dsn="postgresql://me:secret@127.0.0.1:1/dwh_db")


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader(NOWHERE)


@pytest.fixture(scope="module")
def browser(reader: Reader) -> Iterator[TestClient]:
    with TestClient(build(reader)) as client:
        yield client


def shown_at(browser: TestClient, path: str, query: str) -> str:
    """Return the page of an address as Dash answers a browser that has come there."""
    outputs = [{"id": "_pages_content", "property": "children"}, {"id": "_pages_store", "property": "data"}]
    place = [{"id": "_pages_location", "property": name, "value": value} for name, value in (("pathname", path), ("search", query))]
    asked = {
        "output": ".._pages_content.children..._pages_store.data..",
        "outputs": outputs,
        "inputs": place,
        "changedPropIds": ["_pages_location.pathname"],
    }
    return browser.post("/_dash-update-component", json=asked).text


def test_the_first_page_that_is_asked_for_has_its_styles_whichever_it_is(browser: TestClient) -> None:
    page = browser.get("/platform").text
    assert "/assets/style" in page
    assert "/assets/ages" in page


def test_an_error_of_redis_without_a_word_does_not_end_the_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_: Any) -> Snapshot:
        raise RedisError

    monkeypatch.setattr("dashboard.readings.read_redis", silent)
    reader = Reader(NOWHERE)
    reader.look()
    assert "does not answer (RedisError)" in reader.snapshot.trouble


def test_health_is_bad_until_the_reader_has_looked(browser: TestClient, reader: Reader) -> None:
    reader.looked_at = 0.0
    assert browser.get("/healthz").status_code == 503
    reader.look()
    assert browser.get("/healthz").status_code == 200


@pytest.mark.parametrize("query", ["", "?event_id=B", "?event_id=B&event_id=C"])
def test_a_query_changes_nothing_of_the_event_that_is_asked_for(browser: TestClient, query: str) -> None:
    assert "No event A in shop" in shown_at(browser, "/event/A", query)


def test_an_event_that_is_no_text_is_no_such_event(browser: TestClient) -> None:
    shown = shown_at(browser, "/event/A", "?event_in_path=B&event_in_path=C")
    assert "No event " in shown


def test_a_redis_that_does_not_answer_is_told_with_its_cure_and_without_its_password(browser: TestClient, reader: Reader) -> None:
    reader.look()
    told = browser.get("/api/live").json()
    assert told["state"] == "broken"
    assert told["events_since_start"] is None
    assert "INSTASHOP_REDIS_URL" in told["trouble"]
    assert "secret" not in browser.get("/api/live").text


@pytest.mark.parametrize("path", ["/history.csv", "/history-numbers.csv"])
def test_csv_without_a_warehouse_is_an_error_that_says_what_to_do(browser: TestClient, path: str) -> None:
    answer = browser.get(path)
    assert answer.status_code == 503
    assert "INSTASHOP_WAREHOUSE_DSN" in answer.text
    assert "secret" not in answer.text


def test_the_csv_of_a_span_that_was_cut_is_of_what_the_page_shows(browser: TestClient) -> None:
    shown, notes = parse({"last": "24h", "step": "window"}, time.time())
    assert notes
    for link in rows.downloads(shown, Past()).children:
        assert browser.get(link.href).status_code == 503, "Without a warehouse: its filters are taken as they are."


@pytest.mark.parametrize("path", ["/history.csv", "/history-numbers.csv"])
def test_csv_for_filters_that_are_wrong_is_refused_with_the_reason(browser: TestClient, path: str) -> None:
    answer = browser.get(path, params={"measure": "profit", "last": "forever"})
    assert answer.status_code == 400
    assert "There is no measure “profit”" in answer.text
    assert "“forever” is no span" in answer.text
    assert browser.get(path + "?measure=searches&term=a%00b").status_code == 400


def test_the_csv_of_numbers_reads_no_rows() -> None:
    asked: list[bool] = []

    class Asked(Reader):
        def past(self, filters: Filters, with_rows: bool = True) -> Past:
            asked.append(with_rows)
            return Past()

    assert api.numbers_csv(Asked(Settings()), {}, 1_800_000_000).status_code == 200
    assert asked == [False]


@pytest.mark.parametrize("csv_of", [api.rows_csv, api.numbers_csv])
def test_a_csv_that_lacks_its_newest_events_is_refused_and_says_which_part_is_whole(csv_of: Any) -> None:
    now = 1_800_000_000
    stopped = Beat("consumer", 1, *[datetime.fromtimestamp(now - 7_000, UTC)] * 2, state="stopped")

    class Lacking(Reader):
        snapshot = Snapshot(taken_at=now, beats={"consumer": stopped}, warehouse=Warehouse(read_at=now, moved_at=now - 7_000))  # type: ignore[assignment]

        def past(self, filters: Filters, with_rows: bool = True) -> Past:
            return Past(read_at=now, lacks=self.lacks(filters))

        def rows(self, filters: Filters) -> Iterator[str]:
            return iter(["event_id\r\n"])

    reader = Lacking(Settings(), lambda: now)
    answer = csv_of(reader, {"last": "24h"}, now)
    assert answer.status_code == 503
    assert "The consumer is stopped" in answer.body.decode()
    whole = re.search(r"Up to (\S+) UTC", answer.body.decode())
    assert whole
    assert csv_of(reader, {"to": whole[1]}, now).status_code == 200


def test_a_csv_of_rows_lacks_items_without_the_enricher_and_no_orders() -> None:
    now = 1_800_000_000
    moment = datetime.fromtimestamp(now, UTC)
    beats = {service: Beat(service, 1, moment, moment, state="running") for service in ("consumer", "producer")}
    beats["enricher"] = Beat("enricher", 1, moment, moment, state="stopped")

    class WithoutItems(Reader):
        snapshot = Snapshot(taken_at=now, beats=beats, warehouse=Warehouse(read_at=now, moved_at=now, items_moved_at=now - 1800))  # type: ignore[assignment]

    reader = WithoutItems(Settings(), lambda: now)
    for measure, lacks in (("sales_cents", True), ("events", True), ("revenue_cents", False)):
        assert ("The enricher is stopped" in reader.lacks(Filters(now - 900, now + 30, "window", measure=measure))) == lacks


def test_a_csv_of_rows_that_do_not_come_in_time_is_refused_before_its_heads_are_sent() -> None:
    class Slow(Reader):
        def lacks(self, filters: Filters) -> str:
            return ""

        def _rows(self, filters: Filters) -> Iterator[str]:
            yield "event_id\r\n"
            raise psycopg.errors.QueryCanceled

    answer = api.rows_csv(Slow(Settings()), {}, 1_800_000_000)
    assert (answer.status_code, answer.body) == (503, b"The warehouse takes too long to answer.\n")


def test_a_warehouse_that_does_not_answer_leaves_history_with_its_cure(reader: Reader) -> None:
    known = reader.past(parse({}, 1_800_000_000)[0])
    assert known.read_at is None
    assert "INSTASHOP_WAREHOUSE_DSN" in (known.trouble or "")


class OnePause(threading.Event):
    """A stop that is asked for in the first pause, and knows how long that would have been."""

    seconds: float | None = None

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds = timeout
        self.set()
        return True


def test_a_machine_that_sleeps_during_a_reading_of_the_shelf_makes_no_long_pause() -> None:
    eight_hours_each = itertools.count(1_800_000_000, 8 * 3600)
    reader = Reader(NOWHERE, clock=lambda: float(next(eight_hours_each)))
    reader._stop = OnePause()
    reader._watch_shelf()
    assert reader._stop.seconds == WAREHOUSE_SECONDS
