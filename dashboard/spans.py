"""What a snapshot means: the state of the screen, and sums over spans of windows. Pure; time is handed in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from dashboard import formats
from dashboard.shelf import LATE_LOOK_SECONDS, OLD_SECONDS, Late, Shelf
from dashboard.snapshot import Snapshot, Window
from instashop.control.beats import Beat
from instashop.metrics import LATE_SECONDS, WINDOW_SECONDS, window_of

SPAN_SECONDS = 900
STALE_SECONDS = 10
BEHIND_SECONDS = 10
"""What has waited longer than this is missing."""
BRINGS = {"producer": "what the shop did", "enricher": "what was sold of each item and category", "consumer": "what reached Kafka"}
"""What the numbers lack when a service does not bring it."""
TO_WINDOWS = ("producer", "enricher")
"""The services that the windows of Spark depend on."""
TO_WAREHOUSE = ("consumer", "producer")
"""Those without which the newest of everything is missing in the warehouse."""
TO_ITEMS = ("enricher",)
"""Those without which only items are."""

State = Literal["starting", "zero", "live", "behind", "stale", "broken"]
"""starting: Spark has said nothing since the start · zero: all is fresh and nothing happened · behind: fresh, but something is missing ·
stale: Spark's word is old · broken: Redis does not answer."""


@dataclass(frozen=True)
class Measured:
    """One number of the Live page; `before` is the same number for the span before, None when that span is not kept."""

    value: float | None
    before: float | None = None

    @property
    def change(self) -> float | None:
        """How much more than before, as a share of before; a refund is the larger the further below zero it is."""
        if self.value is None or not self.before:
            return None
        return (abs(self.value) - abs(self.before)) / abs(self.before)


@dataclass(frozen=True)
class Live:
    """Everything the Live page shows, as of `as_of`, Spark's last word; None when there is none, or Redis no longer keeps its windows: then nothing is known."""

    state: State
    as_of: float | None
    since: float
    until: float
    now: Mapping[str, int]
    before: Mapping[str, float] | None
    categories: Mapping[str, int]
    events_since_start: int | None
    revenue_by_window: Mapping[int, int] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    """What the numbers lack, and why: a sentence for each."""
    late: Mapping[int, Late] | None = None
    """What came late for windows of the span, which no other number here counts; None while the warehouse has not said."""

    def measured(self, name: str) -> Measured:
        """Return a measure of the span, beside the span before."""
        known = self.as_of is not None
        return Measured(self.now.get(name, 0) if known else None, self.before.get(name, 0) if known and self.before is not None else None)

    def ratio(self, above: str, below: str) -> Measured:
        """Return one measure over another; without the latter there is none."""
        over, under = self.measured(above), self.measured(below)
        return Measured(_ratio(over.value, under.value), _ratio(over.before, under.before))


def _ratio(over: float | None, under: float | None) -> float | None:
    return over / under if over is not None and under else None


def state_of(snapshot: Snapshot, now: float) -> State:
    """Return what the screen may claim."""
    progress = snapshot.progress
    if snapshot.trouble is not None:
        return "broken"
    if progress is None or (snapshot.started_at is not None and progress.at < snapshot.started_at):
        return "starting"
    if now - progress.at > STALE_SECONDS:
        return "stale"
    if missing(snapshot, now):
        return "behind"
    return "live" if sums(snapshot.windows, span(progress.at)).get("events") else "zero"


def missing(snapshot: Snapshot, now: float) -> tuple[str, ...]:
    """Return what the windows lack however fresh Spark's word is, and why: a sentence for each; nothing when they are whole."""
    said = [_not_brought(service, snapshot.beats.get(service), now) for service in TO_WINDOWS]
    if snapshot.progress and snapshot.progress.behind:
        said.append(
            f"Spark has more to read than a batch takes (about {formats.count(snapshot.progress.behind)} events of one partition): the newest minutes are missing."
        )
    if not snapshot.filled:
        away = ", which does not answer now" if snapshot.warehouse.trouble else ""
        said.append(f"Redis was emptied or restarted, or Spark began anew: windows from before are missing until they are filled from the warehouse{away}.")
    return tuple(sentence for sentence in said if sentence)


def unread(snapshot: Snapshot, now: float, brought_by: Iterable[str] = TO_WAREHOUSE) -> str:
    """Return what the warehouse lacks however fresh its answer is, and why; nothing when these services brought it what they should."""
    said = [_not_brought(service, snapshot.beats.get(service), now) for service in brought_by if not _unheard(snapshot, service, now)]
    return next(filter(None, said), "")


def _unheard(snapshot: Snapshot, service: str, now: float) -> bool:
    """Whether nobody can know of a service: Redis does not answer, and no beat from there is no sign."""
    return bool(snapshot.trouble) and service_state(snapshot.beats.get(service), now) in ("never", "silent")


def read_until(snapshot: Snapshot) -> float:
    """Return from when on the warehouse lacks something, as long as it does."""
    return _less_lag(snapshot, snapshot.warehouse.moved_at, TO_WAREHOUSE)


def items_until(snapshot: Snapshot) -> float:
    """Return from when on it lacks items, as long as it does."""
    return _less_lag(snapshot, snapshot.warehouse.items_moved_at, TO_ITEMS)


def _less_lag(snapshot: Snapshot, moved_at: float | None, brought_by: Iterable[str]) -> float:
    beats = [snapshot.beats.get(service) for service in brought_by]
    return (moved_at or 0) - max((beat.lag_seconds or 0 for beat in beats if beat), default=0)


def _not_brought(service: str, beat: Beat | None, now: float) -> str:
    """Return that a service does not bring what it should, or nothing: it works, and whatever waits has just come."""
    state, lag_seconds = service_state(beat, now), (beat.lag_seconds if beat else None) or 0
    if state == "running" and lag_seconds <= BEHIND_SECONDS:
        return ""
    how = f"is {lag_seconds:.0f} s behind" if state == "running" else f"is {state}" if beat else "was never seen"
    return f"The {service} {how}: {BRINGS[service]} meanwhile is missing."


def service_state(beat: Beat | None, now: float) -> str:
    """Return a service's state as the screen may claim it: an old beat of a running service is silence."""
    if beat is None:
        return "never"
    if beat.state != "stopped" and now - beat.at.timestamp() > STALE_SECONDS:
        return "silent"
    return beat.state


def span(until: float) -> range:
    """Return the starts of the windows of the span up to a moment, the window of that moment among them."""
    last = window_of(until)
    return range(last - SPAN_SECONDS + WINDOW_SECONDS, last + 1, WINDOW_SECONDS)


def unfinished(start: int, as_of: float) -> bool:
    """Return whether a window could still change at Spark's last word: its end and the allowance for lateness had not passed."""
    return start + WINDOW_SECONDS + LATE_SECONDS > as_of


def still_open(as_of: float) -> list[int]:
    """Return the windows of the live span that can still grow."""
    return [start for start in span(as_of) if unfinished(start, as_of)]


def sums(windows: Mapping[int, Window], starts: Iterable[int]) -> Counter[str]:
    """Return every measure added up over windows of a span that is kept; one that is not there had no events."""
    added: Counter[str] = Counter()
    for start in starts:
        if start in windows:
            added.update(windows[start].total)
    return added


def live_of(snapshot: Snapshot, now: float) -> Live:
    """Return what the Live page shows."""
    state, progress = state_of(snapshot, now), snapshot.progress
    if progress is None or state == "starting":  # What an earlier run left behind is nobody's number now.
        return _nothing(state, now)
    starts = span(progress.at)
    redis_lets_go = starts[0] + WINDOW_SECONDS + snapshot.kept_seconds
    if redis_lets_go <= snapshot.taken_at:  # Of what Spark said last; its sums would shrink to zero.
        return replace(_nothing(state, now), missing=missing(snapshot, now))
    categories: Counter[str] = Counter()
    for start in starts:
        for name, measures in snapshot.windows[start].categories.items() if start in snapshot.windows else ():
            categories[name] += measures.get("sales_cents", 0)
    return Live(
        state=state,
        as_of=progress.at,
        since=starts[0],
        until=progress.at,
        now=sums(snapshot.windows, starts),
        before=_before(snapshot.windows, starts, progress.at),
        categories=categories,
        events_since_start=_since_start(snapshot),
        missing=missing(snapshot, now),
        late=_late(snapshot.shelf, starts, now),
        revenue_by_window={start: snapshot.windows[start].total.get("revenue_cents", 0) if start in snapshot.windows else 0 for start in starts},
    )


def _nothing(state: State, now: float) -> Live:
    """Return a page on which no number is known."""
    return Live(state, None, span(now)[0], now, {}, None, {}, None)


def _late(shelf: Shelf, starts: range, now: float) -> dict[int, Late] | None:
    """Return what came late for windows; None when the warehouse has not said, or too long ago to know of them, or not of the oldest, or lacked events itself."""
    if shelf.read_at is None or shelf.lacks or now - shelf.read_at > OLD_SECONDS:
        return None
    if starts[0] < shelf.read_at - LATE_LOOK_SECONDS:  # Spark's last word is so old that the warehouse did not look at all of its windows.
        return None
    return {start: shelf.late[start] for start in starts if start in shelf.late}


def _before(windows: Mapping[int, Window], starts: range, until: float) -> dict[str, float] | None:
    """Return the span before, of the same length: of its last window only the share that has passed of the present one."""
    shares = earlier(windows, starts, until)
    if shares is None:
        return None
    added: Counter[str] = Counter()
    for start, share in shares.items():
        for name, value in windows[start].total.items() if start in windows else ():
            added[name] += value * share  # type: ignore[assignment]
    return dict(added)


def earlier(windows: Mapping[int, Window], starts: range, until: float) -> dict[int, float] | None:
    """Return the windows of the span before and which share of each counts; None when they are not all kept."""
    before = [start - SPAN_SECONDS for start in starts]
    if not windows or min(windows) > before[0]:
        return None
    return {**dict.fromkeys(before, 1.0), before[-1]: (until - starts[-1]) / WINDOW_SECONDS}


def _since_start(snapshot: Snapshot) -> int | None:
    if snapshot.started_at is None:
        return None
    return sum(window.total.get("events", 0) for start, window in snapshot.windows.items() if start >= snapshot.started_at)
