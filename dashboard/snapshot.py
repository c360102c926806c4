"""What is known at one moment, of Redis and the warehouse: plain values, which pages turn into components."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from dashboard.shelf import Shelf
from instashop.control.beats import Beat
from instashop.control.books import Line
from instashop.metrics import Mark


class Sale(NamedTuple):
    """What one product sold in a window."""

    name: str
    items: int
    cents: int


@dataclass(frozen=True)
class Window:
    """One window as Redis keeps it: the measures of its total and of each category, what each product sold, and the mark of its last writing."""

    start: int
    total: Mapping[str, int]
    categories: Mapping[str, Mapping[str, int]]
    written: str = ""
    products: Mapping[int, Sale] = field(default_factory=dict)


@dataclass(frozen=True)
class Progress:
    """How far Spark's last batch came; `at` is in Unix seconds."""

    at: float
    batch: int = 0
    checkpoint_ms: int = 0
    behind: int = 0
    """Events of one partition, at most, that the batch left to later ones; 0 when it took all there were."""
    batch_seconds: float = 0.0


@dataclass(frozen=True)
class Verdict:
    """The newest verdict of the books, and when they balanced last."""

    at: float
    balanced: bool
    lines: tuple[Line, ...]
    seconds: float = 0.0
    last_true_at: float | None = None
    stages_true_at: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class DeadLetters:
    """Refused events of one reason."""

    reason: str
    count: int
    newest_at: float
    topics: tuple[str, ...]
    newest_ids: tuple[str, ...] = ()
    """The newest of those that name an id."""


@dataclass(frozen=True)
class Warehouse:
    """What the warehouse said at `read_at`; `trouble` says why the last attempt since then failed, and what to do."""

    read_at: float | None = None
    trouble: str | None = None
    messages: int = 0
    """Taken in ever; one that repeats an event is counted again."""
    moved_at: float | None = None
    """When the newest message came, of any topic."""
    items_moved_at: float | None = None
    """When the newest item came: while the enricher is away, all other messages go on."""
    verdict: Verdict | None = None
    dead_letters: tuple[DeadLetters, ...] = ()


@dataclass(frozen=True)
class Snapshot:
    """Everything on one screen, read in one go at `taken_at`; `trouble` says why Redis has not answered since then, and what to do."""

    taken_at: float
    trouble: str | None = None
    started_at: float | None = None
    progress: Progress | None = None
    filled: bool = True
    """Whether Redis has every window of Spark's checkpoint, also those from before it was emptied or restarted."""
    beats: Mapping[str, Beat] = field(default_factory=dict)
    windows: Mapping[int, Window] = field(default_factory=dict)
    warehouse: Warehouse = field(default_factory=Warehouse)
    shelf: Shelf = field(default_factory=Shelf)
    kept_seconds: int = 3600

    @property
    def batch(self) -> int:
        """The newest batch of Spark in the windows; -1 without one."""
        marks = [Mark.read(window.written) for window in self.windows.values() if window.written]
        return max(marks).batch if marks else -1
