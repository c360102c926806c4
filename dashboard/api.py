"""What the dashboard tells programs: health, the Live page's numbers as JSON from the same snapshot, and History as CSV."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import psycopg
from fastapi import Response
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse

from dashboard import filters, sheets, spans, today
from dashboard.filters import Filters
from dashboard.readings import Reader, why
from dashboard.snapshot import Snapshot
from instashop.errors import InstaShopError

DEAD_READER_SECONDS = 15


def health(looked_at: float, now: float) -> Response:
    """Return 200 while the reader looks at Redis, whatever Redis answers; 503 when it has stopped looking."""
    age = now - looked_at
    well = age < DEAD_READER_SECONDS
    return JSONResponse({"status": "ok" if well else "the reader has stopped", "reader_age_seconds": round(age, 3)}, status_code=200 if well else 503)


def live(snapshot: Snapshot, now: float) -> dict[str, Any]:
    """Return the numbers of the Live page; a number that is not known is null."""
    shown = spans.live_of(snapshot, now)
    measured = {
        "revenue_cents": shown.measured("revenue_cents"),
        "orders_paid": shown.measured("orders_paid"),
        "average_order_cents": shown.ratio("revenue_cents", "orders_paid"),
        "conversion": shown.ratio("checkouts", "sessions"),
        "sessions": shown.measured("sessions"),
        "refund_cents": shown.measured("refund_cents"),
    }
    return {
        "state": shown.state,
        "trouble": snapshot.trouble,
        "missing": tuple(dict.fromkeys((*shown.missing, *filter(None, [today.missing(snapshot.shelf)])))),  # The producer is missing in both.
        "events_since_start": shown.events_since_start,
        "started_at": snapshot.started_at,
        "progress_at": shown.as_of,
        "progress_age_seconds": None if shown.as_of is None else round(now - shown.as_of, 3),
        "snapshot_age_seconds": round(now - snapshot.taken_at, 3),
        "span_seconds": spans.SPAN_SECONDS,
        "today": {**asdict(today.of(snapshot.shelf, now)), "read_at": snapshot.shelf.read_at},
        "kpis": {name: {"value": number.value, "before": number.before} for name, number in measured.items()},
    }


def rows_csv(reader: Reader, query: Mapping[str, str], now: float) -> Response:
    """Return the rows behind a number as CSV, sent while they are read; 400 for filters that are wrong, 503 when they are not all known."""
    asked, notes = filters.parse(query, now)
    if notes:
        return _wrong(notes)
    lacks = reader.lacks(asked)  # Asked before reading: what comes meanwhile may be among the rows or not.
    try:
        lines = reader.rows(asked)
    except (psycopg.Error, InstaShopError) as error:
        return _not_known(why(error))
    return _not_known(lacks) if lacks else _csv("rows", asked, lines)


def numbers_csv(reader: Reader, query: Mapping[str, str], now: float) -> Response:
    """Return every measure by step as CSV; 400 for filters that are wrong, 503 when the numbers are not all known."""
    asked, notes = filters.parse(query, now)
    if notes:
        return _wrong(notes)
    known = reader.past(asked, with_rows=False)
    trouble = known.trouble or known.lacks
    return _not_known(trouble) if trouble else _csv("numbers", asked, sheets.numbers_csv(known))


def _wrong(notes: tuple[str, ...]) -> Response:
    return PlainTextResponse("\n".join(notes) + "\n", status_code=400)


def _not_known(trouble: str) -> Response:
    return PlainTextResponse(trouble + "\n", status_code=503)


def _csv(what: str, asked: Filters, lines: Iterator[str]) -> Response:
    name = f"instashop-{what}-{filters.iso(asked.since)}--{filters.iso(asked.until)}.csv".replace(":", "")
    return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers={"Content-Disposition": f'attachment; filename="{name}"'})
