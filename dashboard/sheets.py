"""History as CSV: a line for each row, or for each step of a span."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from dashboard.past import Past
from instashop.events import versions_of
from instashop.metrics import MEASURES
from instashop.streams import BY_NAME

PLACE = ("event_id", "kind", "occurred_at", "recorded_at", "arrived_at", "topic", "partition", "offset")


def columns(kinds: Iterable[str]) -> list[str]:
    """Return the columns of a CSV of rows: the place of each event, then every field of the kinds in it, in any schema version."""
    fields = dict.fromkeys(name for kind in kinds for version in versions_of(BY_NAME[kind].event_type) for name in version.__struct_fields__)
    return [*PLACE, *(name for name in fields if name not in PLACE)]


def rows_csv(rows: Iterable[Mapping[str, Any]], kinds: Iterable[str]) -> Iterator[str]:
    """Yield rows as lines of CSV, the heads first; money stays in whole cents, times in ISO 8601."""
    heads = columns(kinds)
    yield line(heads)
    for row in rows:
        yield line([cell(row[name] if name in PLACE else row["payload"].get(name)) for name in heads])


def numbers_csv(past: Past) -> Iterator[str]:
    """Yield the numbers of a span as lines of CSV, a line for each step."""
    yield line(["start", *MEASURES])
    for start, measured in past.series.items():
        yield line([datetime.fromtimestamp(start, UTC).isoformat(), *(measured.get(name, 0) for name in MEASURES)])


def cell(value: Any) -> Any:
    """Return a value as a cell; a text that a spreadsheet would take for a formula is marked as text."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list | dict):
        return msgspec.json.encode(value).decode()
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def line(cells: Iterable[Any]) -> str:
    """Return one line of CSV as RFC 4180 has it."""
    text = io.StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue()
