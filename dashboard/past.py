"""What the warehouse says of a span: numbers by step, groups, and the rows behind a number, all as of one moment. On a connection that is handed in."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import psycopg

from dashboard import formats, measures
from dashboard.filters import HOUR, STEP_SECONDS, Filters, iso
from dashboard.shelf import as_of_one_moment
from instashop import sql
from instashop.metrics import MEASURES, window_of

ROWS_SHOWN = 200
ROWS_IN_CSV = 100_000
NOT_YET = "The warehouse knows events from {day} UTC on; choose a later span."
NO_WINDOWS = "Events before {day} UTC are no longer kept, only their hours and days; choose hours or days, or a later span."


@dataclass(frozen=True)
class Group:
    """Sales of a category or of a product in the span."""

    category: str | None
    product_id: int | None
    name: str
    sales_cents: int


@dataclass(frozen=True)
class Row:
    """One event as the warehouse keeps it."""

    event_id: str
    kind: str
    occurred_at: datetime
    recorded_at: datetime
    arrived_at: datetime
    topic: str
    partition: int
    offset: int
    payload: Mapping[str, Any]


@dataclass(frozen=True)
class Past:
    """A span of the warehouse as of `read_at`; `trouble` says why there are no numbers, `rows_trouble` why there are no rows."""

    read_at: float | None = None
    trouble: str | None = None
    lacks: str = ""
    """What the newest part of the span lacks, and why; nothing when the warehouse has all of it."""
    series: Mapping[int, Mapping[str, int]] = field(default_factory=dict)
    before: Mapping[str, float] | None = None
    groups: tuple[Group, ...] = ()
    rows: tuple[Row, ...] = ()
    rows_count: int | None = None
    rows_total: int | None = None
    rows_trouble: str | None = None
    dropped_before: float | None = None
    """Events of before this moment are no longer kept, only their hours and days; None when all are kept."""
    known_from: float | None = None
    """When the first event that the warehouse counts happened: of before nothing is known, which is not zero. None when there is no event."""

    @property
    def is_whole(self) -> bool:
        """Whether everything is known, so that nothing is none."""
        return self.trouble is None and not self.lacks

    @property
    def totals(self) -> Counter[str]:
        """Return every measure added up over the span."""
        added: Counter[str] = Counter()
        for measured in self.series.values():
            added.update(measured)
        return added


def read(connection: psycopg.Connection[dict[str, Any]], filters: Filters, now: float, seconds: float, with_rows: bool = True) -> Past:
    """Return numbers and, if they are wanted, rows of one snapshot of the warehouse, so that they agree; each half has `seconds` to answer.

    Raises:
        psycopg.Error: the warehouse does not answer, or its tables are not there.
    """
    as_of_one_moment(connection)
    parts = ((_numbers, "trouble"), (_rows, "rows_trouble")) if with_rows else ((_numbers, "trouble"),)
    known: dict[str, Any] = {}
    with connection.transaction():
        for part, name in parts:
            try:
                with connection.transaction():
                    known |= part(_Asking(connection, seconds), filters, now)
            except psycopg.errors.QueryCanceled:
                known[name] = too_long(filters, seconds)[name]
    return Past(read_at=now, **known)


def too_long(filters: Filters, seconds: float) -> dict[str, str]:
    """Return what is said of numbers and of rows that do not come in time: no step is larger than a day, and rows have none."""
    larger = "" if filters.step == "day" else " or a larger step"
    return {
        "trouble": f"The warehouse did not answer within {seconds:g} s; choose a shorter span{larger}.",
        "rows_trouble": f"The warehouse did not find the rows within {seconds:g} s; choose a shorter span.",
    }


def lacking(known: Past, filters: Filters, lacks: str, read_until: float) -> Past:
    """Return a span as far as it is known when the warehouse lacks events from a moment on: nothing of one that begins later."""
    said = lacks_of(filters, lacks, read_until)
    if not said or known.trouble:
        return known
    if filters.since >= read_until:
        return Past(read_at=known.read_at, trouble=said, rows_trouble=said)
    return replace(known, lacks=said)


def lacks_of(filters: Filters, lacks: str, read_until: float) -> str:
    """Return what a span lacks when the warehouse lacks events from a moment on, and which part of it is whole; nothing when all of it is."""
    if not lacks or filters.until <= read_until:
        return ""
    size = STEP_SECONDS[filters.step]
    whole = int(read_until // size) * size
    return f"{lacks} Up to {iso(whole)} UTC nothing is missing." if whole > filters.since else lacks


class _Asking:
    """Asks one statement after the other, which have so many seconds together."""

    def __init__(self, connection: psycopg.Connection[dict[str, Any]], seconds: float) -> None:
        self.connection, self._until = connection, time.monotonic() + seconds

    def __call__(self, text: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Return the rows of a statement.

        Raises:
            psycopg.errors.QueryCanceled: it, and those before it, took too long.
        """
        left_ms = max(1, round(1000 * (self._until - time.monotonic())))
        self.connection.execute("SELECT set_config('statement_timeout', %s, true)", [str(left_ms)])
        return self.connection.execute(text, parameters).fetchall()  # type: ignore[arg-type]


def _numbers(ask: _Asking, filters: Filters, now: float) -> dict[str, Any]:
    first = _firsts(ask)
    trouble = no_windows(filters, _dropped_before(*first, now))
    if trouble:
        return {"trouble": trouble}
    exact = _exact(filters)
    group = {"category": filters.category, "product": filters.product, "late": filters.late}
    span = {"since": _time(filters.since - filters.seconds), "until": _time(filters.until)}
    found = ask(f"WITH {exact} {sql.statement('dashboard/series')}", {**group, **span})
    known_from = first_known(*first)
    steps: dict[int, Counter[str]] = {}
    for row in found:
        steps.setdefault(int(row["start"].timestamp()), Counter()).update({name: int(row[name]) for name in MEASURES})
    trouble = not_yet(filters, known_from, steps)
    if trouble:
        return {"trouble": trouble}
    groups = ask(f"WITH {exact} {sql.statement('dashboard/groups')}", {**group, **span, "since": _time(filters.since)})
    return {
        "series": {start: steps.get(start, Counter()) for start in range(filters.since, filters.until, STEP_SECONDS[filters.step])},
        "before": before(steps, filters, now, _lived_from(*first, filters)),
        "groups": tuple(Group(**row) for row in groups),
        "known_from": known_from,
    }


def _exact(filters: Filters) -> str:
    """Return the source of a step, of one name and shape for every step: roll-ups, or the text of the live metrics over the events themselves."""
    if filters.step != "window":
        return f"exact AS ({sql.statement('dashboard/exact').format(step=filters.step)})"
    columns = ", ".join(MEASURES)
    return (
        f"events AS ({sql.statement('dashboard/window_events')}), windows AS ({sql.statement('metrics/windows')}), "
        f"exact AS (SELECT win AS start, category, product_id, product_name, {columns} FROM windows)"
    )


def no_windows(filters: Filters, dropped_before: float | None) -> str | None:
    """Return why a span cannot be told by window: its events, of which windows are made, are not all kept. None when they are."""
    if filters.step != "window" or dropped_before is None or filters.since >= window_of(dropped_before):  # In the window of the first event none is missing.
        return None
    return NO_WINDOWS.format(day=formats.day(dropped_before))


def first_known(first_event: float, first_hour: float) -> float | None:
    """Return when the first event that is counted happened; of one that is no longer kept only its hour is known, by whose end. None when there is none."""
    if math.isinf(min(first_event, first_hour)):
        return None
    return first_event if first_event < first_hour else first_hour - HOUR


def not_yet(filters: Filters, known_from: float | None, steps: Iterable[int]) -> str | None:
    """Return why a span is not known: it ends before the first event, and none was counted in it since. None when it is known."""
    if known_from is None or filters.until > known_from or any(start >= filters.since for start in steps):
        return None
    return NOT_YET.format(day=formats.day(known_from))


def _dropped_before(first_event: float, first_hour: float, now: float) -> float | None:
    """Return from when on events are kept, when those of before are known only by hour and day; None when all are kept."""
    first_kept = min(first_event, now)
    return first_kept if first_hour <= first_kept else None


def _lived_from(first_event: float, first_hour: float, filters: Filters) -> float:
    """Return from when on the source of a step knows all that happened."""
    return first_event if filters.step == "window" else min(first_event, first_hour)


def _firsts(ask: _Asking) -> tuple[float, float]:
    """Return when the first event that is kept happened, and by when the first one ever had; infinity when there is none."""
    event, hour = (
        [row["first_at"].timestamp() for row in ask(sql.statement(f"dashboard/{source}")) if row["first_at"]] for source in ("first_event", "first_hour")
    )
    return min(event, default=math.inf), min(hour, default=math.inf)


def before(steps: Mapping[int, Mapping[str, int]], filters: Filters, now: float, known_from: float) -> dict[str, float] | None:
    """Return the span before, as long as this one: of its last step only the share that has passed of the present one. None when it is not all known."""
    if known_from > filters.since - filters.seconds:
        return None
    size, ends = STEP_SECONDS[filters.step], filters.since
    passed = min(max((now - (filters.until - size)) / size, 0.0), 1.0)
    added: Counter[str] = Counter()
    for start, measured in steps.items():
        if start < ends:
            share = passed if start == ends - size else 1
            added.update({name: value * share for name, value in measured.items()})  # type: ignore[misc]
    return dict(added)


def _rows(ask: _Asking, filters: Filters, now: float) -> dict[str, Any]:
    asked = conditions(filters)
    rows = ask(of_rows("rows"), {**asked, "limit": ROWS_SHOWN})
    (total,) = ask(of_rows("rows_total"), asked)
    return {
        "dropped_before": _dropped_before(*_firsts(ask), now),
        "rows": tuple(Row(**{**row, "event_id": str(row["event_id"])}) for row in rows),
        "rows_count": total["rows"],
        "rows_total": total["total"] if asked["field"] else None,
    }


def of_rows(name: str) -> str:
    """Return a statement about the events behind a number, with `conditions` as its parameters."""
    return f"WITH behind AS ({sql.statement('dashboard/behind')}) {sql.statement(f'dashboard/{name}')}"


def conditions(filters: Filters) -> dict[str, Any]:
    """Return which events are behind the chosen measure, or, when a kind is chosen, all of that kind; as parameters of `behind.sql`."""
    measure = measures.MEASURES[filters.measure]
    of_items = filters.category is not None or filters.product is not None
    kinds = ("transaction_items",) if of_items and filters.measure == "events" else measure.kinds
    named = filters.kind is None
    return {
        "kinds": list(kinds) if filters.kind is None else [filters.kind],
        "status": measure.status if named else None,
        "results": measure.results if named else None,
        "field": measure.field if named else None,
        "since": _time(filters.since),
        "until": _time(filters.until),
        "late": filters.late,
        "category": filters.category,
        "product": filters.product,
        "term": filters.term,
    }


def _time(unix_seconds: float) -> datetime:
    return datetime.fromtimestamp(unix_seconds, UTC)
