"""What the books say: sums, lines and the verdict."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from instashop.words import counted, euros

SHOWN = 5
"""Differing ids or windows shown of a line; the rest is counted."""
KEPT = 10_000
"""Differing ids kept of a page's line, so that a person can accept each of them after Kafka has forgotten the page."""
EVENT_ID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")


@dataclass
class Sum:
    """What is compared of a stream at a stage: events, cents, and the sum of the ids' low 64 bits modulo 2^64."""

    events: int = 0
    cents: int = 0
    ids: int = 0

    @classmethod
    def of(cls, events: int, cents: int, ids: int) -> Sum:
        """Return the sum of a row of include/sql/books."""
        return cls(int(events), int(cents), int(ids) % 2**64)

    @classmethod
    def over(cls, cents_by_id: dict[UUID, int]) -> Sum:
        """Return the sum of these events."""
        total = cls()
        for event_id, cents in cents_by_id.items():
            total.add(event_id, cents)
        return total

    def add(self, event_id: UUID, cents: int) -> None:
        """Count one event."""
        self.events += 1
        self.cents += cents
        self.ids = (self.ids + event_id.int) % 2**64

    def __add__(self, other: Sum) -> Sum:
        """Return both together."""
        return Sum(self.events + other.events, self.cents + other.cents, (self.ids + other.ids) % 2**64)


@dataclass(frozen=True)
class Line:
    """One comparison: a stream (or the windows) at a stage against what it should be."""

    stage: str
    stream: str
    ok: bool
    events: int
    expected_events: int
    cents: int = 0
    expected_cents: int = 0
    detail: str = ""
    """What is wrong; a page is kept with up to `KEPT` ids of what differs, and who shows it shortens them."""
    repeated: int = 0
    """Messages in Kafka of which an earlier one has the same id; `events` does not count them."""

    @classmethod
    def of(cls, stage: str, stream: str, found: Sum, should: Sum, trouble: str = "", repeated: int = 0) -> Line:
        """Compare two sums; a trouble makes the line red also when they are equal."""
        same = found == should
        if not same:
            events, cents = found.events - should.events, found.cents - should.cents
            trouble = f"{'+' if events >= 0 else ''}{counted(events, 'event')}, {'+' if cents > 0 else ''}{euros(cents)} {trouble}".strip()
        return cls(stage, stream, same and not trouble, found.events, should.events, found.cents, should.cents, trouble, repeated)


@dataclass
class Verdict:
    """What a round of the books found: per stage and stream all pages so far, and the live windows."""

    horizon: int
    lines: list[Line] = field(default_factory=list)
    seconds: float = 0.0
    pages: int = 0
    """Pages that this round compared."""
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def balanced(self) -> bool:
        """Whether every line agrees."""
        return bool(self.lines) and all(line.ok for line in self.lines)

    def report(self) -> dict[str, Any]:
        """Return the verdict as plain values, as `verdicts.report` keeps it."""
        stages = [asdict(line) for line in self.lines]
        return {
            "balanced": self.balanced,
            "horizon": self.horizon,
            "at": self.at.isoformat(),
            "seconds": self.seconds,
            "pages": self.pages,
            "stages": stages,
        }

    def describe(self) -> str:
        """Return the verdict as lines to read, each difference with its size and ids."""
        rows = [
            f"{'ok ' if ln.ok else 'NO '} {ln.stage:<10} {ln.stream:<18} {ln.events:>11,} events {euros(ln.cents):>17}  {ln.detail}".rstrip()
            for ln in self.lines
        ]
        word = "The books balance" if self.balanced else "The books do NOT balance"
        return "\n".join([*rows, f"{word} below horizon {self.horizon} ({self.seconds:.1f} s, {counted(self.pages, 'page')} compared)."])


NOT_ALL = re.compile(r" and (\d+) more")
_RUN = re.compile(rf"({EVENT_ID.pattern}(?:, {EVENT_ID.pattern})+)(?:{NOT_ALL.pattern})?")


def shortened(detail: str, accepted: Collection[UUID] = ()) -> str:
    """Return a line's detail with the first ids of each run of them that are not accepted yet."""

    def some(run: re.Match[str]) -> str:
        ids = run[1].split(", ")
        open_ones = [one for one in ids if UUID(one) not in accepted]
        return named(open_ones, more=int(run[2] or 0)) or f"{len(ids)} accepted"

    return _RUN.sub(some, detail)


def named(ids: Iterable[object], most: int = SHOWN, more: int = 0) -> str:
    """Return the first of the ids, and how many there are beyond them and beyond `ids`."""
    words = [str(one) for one in ids]
    more += max(0, len(words) - most)
    return ", ".join(words[:most]) + (f" and {more} more" if more else "")
