"""How long a round of the books waits for a stage, whom it names then, and which windows it compares."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from instashop.control.books import waiting, windows
from instashop.control.books.waiting import LOOK_CLOSER_SECONDS, OPEN_SECONDS, _behind, _read_until
from instashop.metrics import MEASURES, WINDOW_SECONDS


class Reader:
    """A reader of a page that has read what was written by a moment so many looks later."""

    def __init__(self, looks_later: int) -> None:
        self.looks, self.looks_later, self.until = 0, looks_later, 0

    def read_on(self) -> None:
        self.looks += 1

    def written(self) -> dict[tuple[str, int], int]:
        self.until = self.looks + self.looks_later
        return {("searches", 0): 9}

    def has_read(self, ends: dict[tuple[str, int], int]) -> bool:
        assert ends == {("searches", 0): 9}
        return self.looks >= self.until


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    """A clock that only waiting moves; seconds."""
    seconds = [1000.0]

    def wait(for_seconds: float) -> None:
        seconds[0] += for_seconds

    monkeypatch.setattr(waiting, "time", SimpleNamespace(monotonic=lambda: seconds[0]))
    monkeypatch.setattr(waiting, "threading", SimpleNamespace(Event=lambda: SimpleNamespace(wait=wait)))
    return seconds


def _nobody() -> str:
    raise AssertionError("Nobody needs to be asked.")


def _never() -> bool:
    return False


def _answers(*answers: str) -> Callable[[], str]:
    left = list(answers)
    return lambda: left.pop(0) if len(left) > 1 else left[0]


def test_a_page_that_is_all_there_is_waited_for_no_longer(clock):
    reader = Reader(99)
    assert _read_until(reader, lambda: reader.looks == 3, _nobody, clock[0] + 60) == ""
    assert reader.looks == 3


def test_a_stage_that_is_behind_at_the_deadline_is_named(clock):
    assert _read_until(Reader(0), _never, _answers("searches not published yet"), clock[0] + 60) == "searches not published yet"
    assert 1060 < clock[0] < 1061


def test_a_stage_that_has_passed_the_page_is_waited_for_until_what_it_wrote_is_read(clock):
    reader = Reader(looks_later=5)
    assert _read_until(reader, _never, _answers("behind", "behind", ""), clock[0] + 60) == ""
    assert reader.looks == reader.until
    assert 1000 + 3 * LOOK_CLOSER_SECONDS < clock[0] < 1060


def test_a_transaction_that_stays_open_in_kafka_is_told_once_kafka_would_have_ended_it(clock):
    assert "a transaction has been open" in _read_until(Reader(10**6), _never, _answers(""), clock[0] + 60)
    assert OPEN_SECONDS < clock[0] - 1000 < OPEN_SECONDS + 2 * LOOK_CLOSER_SECONDS


@pytest.mark.parametrize(
    ("at", "behind"),
    [
        ({("searches", 0): 5, ("searches", 1): 1}, ""),
        ({("searches", 0): 4, ("searches", 1): 1}, "searches/0 at 4 of 5"),
        ({("searches", 0): 9}, "searches/1 at 0 of 1"),
        ({}, "searches/0 at 0 of 5, searches/1 at 0 of 1"),
    ],
)
def test_a_reader_has_passed_a_message_when_its_next_one_lies_behind_it(at, behind):
    last = {("searches", 0): 4, ("searches", 1): 0, ("crm_interactions", 0): 7}
    assert _behind(last, at, lambda topic: topic == "searches") == behind


@pytest.mark.parametrize(("settled", "until"), [("12:00:40", "12:00:30"), ("12:00:39.999999", "12:00:00"), ("12:01:05", "12:00:30")])
def test_a_window_is_compared_once_no_event_in_time_can_come_any_more(monkeypatch, settled, until):
    asked = []
    for name in ("_in_redis", "_in_warehouse"):
        monkeypatch.setattr(windows, name, lambda _server, since, until: asked.append((since, until)) or {})
    line = windows.compare_windows(SimpleNamespace(live_expiry_seconds=3600), None, datetime.fromisoformat(f"2026-05-01T{settled}Z"))
    assert line.ok
    ((since, end),) = set(asked)
    assert end == datetime.fromisoformat(f"2026-05-01T{until}Z").timestamp()
    assert WINDOW_SECONDS <= since + WINDOW_SECONDS + 3600 - time.time() <= 3 * WINDOW_SECONDS, "The oldest must stay in Redis until it is read."


def test_windows_agree_only_if_each_has_the_same_groups_and_numbers(monkeypatch):
    one, other = dict.fromkeys(MEASURES, 1), dict.fromkeys(MEASURES, 1) | {"revenue_cents": 2}
    start = int((datetime(2026, 5, 1, 12, tzinfo=UTC) - timedelta(minutes=1)).timestamp())
    lines = []
    for found in ({(start, "total"): one}, {(start, "total"): other}, {(start, "total"): one, (start, "category:Ghosts"): one}, {}):
        monkeypatch.setattr(windows, "_in_redis", lambda _settings, _since, _until, found=found: found)
        monkeypatch.setattr(windows, "_in_warehouse", lambda _dwh, _since, _until: {(start, "total"): one})
        lines.append(windows.compare_windows(SimpleNamespace(live_expiry_seconds=3600), None, datetime(2026, 5, 1, 12, tzinfo=UTC)))
    assert [(line.ok, line.events, line.expected_events, line.cents, line.expected_cents) for line in lines] == [
        (True, 1, 1, 1, 1),
        (False, 1, 1, 2, 1),
        (False, 1, 1, 1, 1),
        (False, 0, 1, 0, 1),
    ]
    assert [line.detail[:50] for line in lines[:3]] == [
        "",
        "11:59:00 total: revenue_cents 2 instead of 1",
        "11:59:00 category:Ghosts: events 1 instead of None",
    ]
