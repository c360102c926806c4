"""What Spark reports of its batches, added up: none is left out, however seldom the job looks."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

HANG_SECONDS, HANG_TIMES = 80.0, 5
"""A batch hangs that takes longer than this, and so many times as long as the longest of this job."""

Report = Mapping[str, Any]
"""One of Spark's StreamingQueryProgress: of a batch, or of a trigger that found nothing."""


class Query(Protocol):
    """What is needed of Spark's StreamingQuery; it keeps its last hundred reports."""

    @property
    def lastProgress(self) -> Report | None:
        """Return the newest report."""

    @property
    def recentProgress(self) -> Sequence[Report]:
        """Return the reports that are kept, the newest last."""


class Reports:
    """The reports of one query on one checkpoint; Spark counts what its watermark drops anew in each, here they are added up."""

    def __init__(self, query: Query, checkpoint_ms: int) -> None:
        self._query, self._checkpoint_ms = query, checkpoint_ms
        self._seen, self._next = "", 0
        self._last: dict[str, Any] | None = None
        self._dropped, self._dropped_at = 0, ""
        self._first = self._before = -1
        self._heard_at = self._longest = 0.0

    @property
    def progress(self) -> dict[str, Any] | None:
        """Return what Redis keeps under `live:progress`; None until a batch has ended."""
        return self._last and {**self._last, "dropped_by_watermark": self._dropped, "dropped_at": self._dropped_at}

    def look(self) -> int:
        """Take what is new into `progress`; return how many events the batches had that ended since the last look."""
        last = self._query.lastProgress
        if last is None or last["timestamp"] == self._seen:
            return 0
        new = [last] if last["batchId"] == self._next else [report for report in self._query.recentProgress if report["timestamp"] > self._seen]
        self._first = new[0]["batchId"] if self._first < 0 else self._first
        self._seen, self._next = last["timestamp"], last["batchId"] + ("addBatch" in last["durationMs"])
        self._heard_at = time.monotonic()
        self._drop(sum(state["numRowsDroppedByWatermark"] for report in new for state in report["stateOperators"]), _now())
        if self._next and not _waits(last):
            self._last = self._progress_of(last)
            self._longest = max(self._longest, self._last["batch_seconds"])
        return sum(report["numInputRows"] for report in new)

    def hang(self, waits: bool = False) -> float | None:
        """Return for how many seconds a batch hangs, else None; one that `waits` for somebody does not, nor does a job's first, which may have much to read."""
        if waits:
            self._heard_at = time.monotonic()
        silent = time.monotonic() - self._heard_at
        return silent if self._last and silent > max(HANG_SECONDS, HANG_TIMES * self._longest) else None

    @property
    def went_back(self) -> bool:
        """Whether this job began below the last batch of the one before: its checkpoint was set back, and windows in Redis rank higher than what comes."""
        return 0 <= self._first < self._before

    def carry_on(self, kept: bytes | str | None) -> None:
        """Go on from the sum and the batch that an earlier job on this checkpoint left in Redis; a new checkpoint begins with nothing dropped."""
        before = json.loads(kept) if kept else {}
        if before.get("checkpoint_ms") == self._checkpoint_ms:
            self._before = before["batch"]
            self._drop(before["dropped_by_watermark"], before["dropped_at"])

    def _drop(self, rows: int, at: str) -> None:
        if rows:
            self._dropped, self._dropped_at = self._dropped + rows, max(self._dropped_at, at)

    def _progress_of(self, last: Report) -> dict[str, Any]:
        return {
            "batch": self._next - 1,  # A trigger that found nothing reports the number of the batch to come.
            "began": last["timestamp"],
            "at": _now(),
            "checkpoint_ms": self._checkpoint_ms,
            "end_offsets": json.loads(last["sources"][0]["endOffset"]) or {},
            "behind": _behind(last),
            "rows": last["numInputRows"],
            "rows_per_second": last.get("processedRowsPerSecond", 0.0),
            "batch_seconds": last["durationMs"].get("triggerExecution", 0) / 1000,
        }


def _waits(last: Report) -> bool:
    """Whether a trigger left the little that there is to a later one: the batch before is still the newest that is known."""
    return "addBatch" not in last["durationMs"] and _behind(last) > 0


def _behind(last: Report) -> int:
    return int(float(last["sources"][0]["metrics"].get("maxOffsetsBehindLatest", 0)))


def _now() -> str:
    return datetime.now(UTC).isoformat()
