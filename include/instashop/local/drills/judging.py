"""What a drill did to the books: lost, doubled, wrong, and how long until facts flowed again."""

from __future__ import annotations

from dataclasses import dataclass, field

from instashop.control.books.verdict import Line, Verdict


@dataclass
class Outcome:
    """The verdict over one drill."""

    drill: str
    lost: int = 0
    doubled: int = 0
    wrong: list[str] = field(default_factory=list)
    live_after_seconds: float | None = None
    live_within_seconds: float | None = None
    trouble: str = ""
    judged: bool = False
    """Whether the books were compared after it."""

    @property
    def whole(self) -> bool:
        """Whether nothing was lost, doubled or wrong, and everything came back, however long it took."""
        return not (self.lost or self.doubled or self.wrong or self.trouble)

    @property
    def passed(self) -> bool:
        """Whether it is whole, and facts flowed again in time."""
        in_time = self.live_within_seconds is None or (self.live_after_seconds is not None and self.live_after_seconds <= self.live_within_seconds)
        return self.whole and in_time

    def describe(self) -> str:
        """Return the outcome as a line to read."""
        live = "not live again" if self.live_within_seconds else ""
        if self.live_after_seconds is not None:
            live = f"live again after {self.live_after_seconds:.1f} s"
        live += f" (at most {self.live_within_seconds:.0f})" if self.live_within_seconds else ""
        books = f"{self.lost} lost, {self.doubled} doubled, {len(self.wrong)} wrong" if self.judged else ""
        parts = [books, live, *self.wrong, self.trouble]
        return f"{'PASSED' if self.passed else 'FAILED'}  {self.drill}: {'; '.join(filter(None, parts))}"


def judge(outcome: Outcome, verdict: Verdict) -> None:
    """Add what the books say to an outcome."""
    outcome.judged = True
    for line in verdict.lines:
        missing, more = _difference(line)
        outcome.lost += missing
        outcome.doubled += more
        if not line.ok:
            outcome.wrong.append(f"{line.stage} {line.stream}: {line.detail}"[:400])


def _difference(line: Line) -> tuple[int, int]:
    change = line.events - line.expected_events
    return (max(0, -change), max(0, change) + line.repeated) if line.stage in ("kafka", "items", "warehouse") else (0, 0)
