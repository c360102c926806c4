"""What the dashboard tells programs: health, and the Live page's numbers as JSON from the same snapshot."""

from __future__ import annotations

from typing import Any

from fastapi import Response
from fastapi.responses import JSONResponse

from dashboard import spans
from dashboard.readings import Snapshot

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
        "events_since_start": shown.events_since_start,
        "started_at": snapshot.started_at,
        "progress_at": shown.as_of,
        "progress_age_seconds": None if shown.as_of is None else round(now - shown.as_of, 3),
        "snapshot_age_seconds": round(now - snapshot.taken_at, 3),
        "span_seconds": spans.SPAN_SECONDS,
        "kpis": {name: {"value": number.value, "before": number.before} for name, number in measured.items()},
    }
