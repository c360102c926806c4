"""Spark's reports are added up, whatever of them was not looked at in time; no server is needed."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta

import pytest

from instashop import metrics
from instashop.transport.reports import Reports


class _Query:
    """A query that has reported so often."""

    def __init__(self) -> None:
        self.recentProgress: list[dict] = []

    @property
    def lastProgress(self) -> dict | None:
        return self.recentProgress[-1] if self.recentProgress else None

    def report(self, batch: int, rows: int = 0, dropped: int = 0, behind: int = 0) -> None:
        """Report a batch with so many rows, or a trigger that found none for it, or `behind` ones that are too few."""
        self.recentProgress.append(
            {
                "batchId": batch,
                "timestamp": f"2026-05-01T12:00:{len(self.recentProgress):02}.000Z",
                "numInputRows": rows,
                "durationMs": {"addBatch": 5, "triggerExecution": 20} if rows else {"triggerExecution": 1},
                "sources": [{"endOffset": json.dumps({"searches": {"0": 10 * batch}}), "metrics": {"maxOffsetsBehindLatest": str(behind)}}],
                "stateOperators": [{"numRowsDroppedByWatermark": dropped}],
            }
        )


def test_until_a_batch_has_ended_there_is_no_progress() -> None:
    query = _Query()
    reports = Reports(query, 1)
    assert reports.look() == 0
    query.report(0)
    assert reports.look() == 0
    assert reports.progress is None


def test_each_batch_counts_once_however_often_it_is_looked_at() -> None:
    query = _Query()
    reports = Reports(query, 1)
    query.report(0, rows=7, dropped=2)
    assert [reports.look(), reports.look()] == [7, 0]
    query.report(1)  # Nothing has come yet for batch 1.
    assert reports.look() == 0
    query.report(1, rows=4, behind=2)
    assert reports.look() == 4
    query.report(2, behind=1)  # Too few have come for batch 2.
    assert reports.look() == 0
    assert reports.progress is not None
    assert {name: reports.progress[name] for name in ("batch", "checkpoint_ms", "end_offsets", "behind", "dropped_by_watermark")} == {
        "batch": 1,
        "checkpoint_ms": 1,
        "end_offsets": {"searches": {"0": 10}},
        "behind": 2,
        "dropped_by_watermark": 2,
    }


def test_what_is_new_is_said_of_an_empty_trigger_but_not_of_one_that_lets_a_few_events_wait() -> None:
    query = _Query()
    reports = Reports(query, 1)
    said = []
    for batch, rows, behind in ((0, 5, 0), (1, 0, 0), (1, 0, 3), (1, 8, 0)):
        query.report(batch, rows=rows, behind=behind)
        assert reports.look() == rows
        assert reports.progress is not None
        said.append((reports.progress["batch"], reports.progress["began"][-7:-5], reports.progress["behind"]))
    assert said == [(0, "00", 0), (0, "01", 0), (0, "01", 0), (1, "03", 0)]


def test_batches_that_ended_between_two_looks_are_added_up() -> None:
    query = _Query()
    reports = Reports(query, 1)
    query.report(0, rows=1)
    reports.look()
    query.report(1)
    reports.look()
    for batch, dropped in ((1, 3), (2, 0), (3, 4)):
        query.report(batch, rows=10, dropped=dropped)
    query.report(4)
    assert reports.look() == 30
    assert reports.progress is not None
    assert reports.progress["dropped_by_watermark"] == 7
    query.report(4, rows=10)
    reports.look()
    for batch in (5, 6):
        query.report(batch, rows=20)
    assert reports.look() == 40


def test_a_job_that_starts_anew_goes_on_from_the_sum_of_its_checkpoint() -> None:
    query = _Query()
    query.report(5, rows=1, dropped=1)
    sums = []
    for checkpoint_ms in (1, 2):
        reports = Reports(query, checkpoint_ms)
        reports.look()
        assert reports.progress is not None
        last = reports.progress["dropped_at"]
        reports.carry_on(json.dumps({"checkpoint_ms": 1, "batch": 4, "dropped_by_watermark": 3, "dropped_at": "2026-05-01T11:00:00+00:00"}))
        sums.append(reports.progress["dropped_by_watermark"])
        assert reports.progress["dropped_at"] == last
    assert sums == [4, 1]
    reports.carry_on(None)
    assert reports.progress["dropped_by_watermark"] == 1


@pytest.mark.parametrize(("ago", "told"), [(None, 0), (timedelta(0), 7), (timedelta(minutes=59, seconds=59), 7), (timedelta(hours=1), 0)])
def test_what_the_watermark_dropped_is_told_of_for_an_hour(ago: timedelta | None, told: int) -> None:
    now = datetime(2026, 5, 1, 12, tzinfo=UTC)
    assert metrics.dropped({"dropped_by_watermark": 7, "dropped_at": "" if ago is None else (now - ago).isoformat()}, now) == told


@pytest.mark.parametrize(
    ("checkpoint_ms", "first", "went_back"),
    [(1, 8, False), (1, 7, False), (1, 6, True), (1, 0, True), (2, 6, False)],  # Batch 7 may have to be repeated.
)
def test_a_checkpoint_that_begins_below_the_last_batch_was_set_back(checkpoint_ms: int, first: int, went_back: bool) -> None:
    query = _Query()
    reports = Reports(query, checkpoint_ms)
    reports.carry_on(json.dumps({"checkpoint_ms": 1, "batch": 7, "dropped_by_watermark": 0, "dropped_at": ""}))
    reports.look()
    assert not reports.went_back
    for batch in range(first, first + 12):
        query.report(batch, rows=1)
    reports.look()
    query.report(first + 12, rows=1)
    reports.look()
    assert reports.went_back is went_back


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    """A clock that stands still until a test moves it; seconds."""
    seconds = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: seconds[0])
    return seconds


def test_a_batch_that_takes_far_longer_than_any_before_hangs(clock) -> None:
    query = _Query()
    reports = Reports(query, 1)

    def after(seconds: float, waits: bool = False) -> float | None:
        clock[0] += seconds
        reports.look()
        return reports.hang(waits)

    assert after(900) is None, "The first batch of a job may have much to read."
    query.report(0, rows=7)
    assert after(0) is None
    assert after(79) is None
    assert after(2) == 81
    query.report(1, rows=7)
    assert after(0) is None
    assert after(500, waits=True) is None, "It waits for Redis."
    assert after(79) is None
    assert after(2) == 81
    query.report(2)
    assert after(0) is None, "Nothing to do is no hang."


def test_a_slow_machine_is_given_more_time(clock) -> None:
    query = _Query()
    reports = Reports(query, 1)
    query.report(0, rows=7)
    query.recentProgress[-1]["durationMs"]["triggerExecution"] = 60_000
    reports.look()
    clock[0] += 299
    assert reports.hang() is None
    clock[0] += 2
    assert reports.hang() == 301
