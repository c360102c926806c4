"""The closed windows that Redis keeps against the same SQL text over the warehouse."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta

import psycopg
from psycopg.rows import dict_row

from instashop import connect, sql
from instashop.control.books.verdict import SHOWN, Line
from instashop.metrics import LATE_SECONDS, MEASURES, WINDOW_SECONDS, WRITTEN_FIELD, field_of, window_key, window_of
from instashop.settings import Settings

ADDED_UP = ""
"""The field that says that a window was added up, also when it has no events, and by which text."""

Windows = dict[tuple[int, str], dict[str, int]]


def compare_windows(settings: Settings, dwh: psycopg.Connection, settled: datetime) -> Line:
    """Compare the windows closed before `settled`, the moment before which every row of the shop is below the horizon."""
    until = window_of((settled - timedelta(seconds=LATE_SECONDS)).timestamp())
    since = window_of(time.time() - settings.live_expiry_seconds) + 2 * WINDOW_SECONDS
    found = _in_redis(settings, since, until)  # First: to add up an hour in the warehouse may take longer than the oldest windows still live.
    should = _in_warehouse(dwh, since, until)
    wrong = sorted(place for place in should.keys() | found.keys() if should.get(place) != found.get(place))
    totals = [[values for (_start, name), values in table.items() if name == "total"] for table in (found, should)]
    events, expected_events = (sum(values["events"] for values in table) for table in totals)
    cents, expected_cents = (sum(values["revenue_cents"] for values in table) for table in totals)
    return Line("windows", "all", not wrong, events, expected_events, cents, expected_cents, _different(wrong, found, should))


def _in_warehouse(dwh: psycopg.Connection, since: int, until: int) -> Windows:
    """Return what windows.sql says of each window; only those are added up that are new or have got events since the last round."""
    statement, span, text = sql.statement, {"since": _moment(since), "until": _moment(until)}, sql.fingerprint("metrics/windows")
    with dwh.transaction(), dwh.cursor(row_factory=dict_row) as cursor:
        row = dwh.execute(statement("books/windows_changed"), span).fetchone()  # type: ignore[arg-type]
        assert row is not None
        dwh.execute(statement("books/windows_forget"), {"since": since, "changed": row[1], "text": text})  # type: ignore[arg-type]
        kept = dwh.execute(statement("books/windows_kept"), {"since": since, "until": until}).fetchall()  # type: ignore[arg-type]
        windows = {(start, field): measures for start, field, measures in kept}
        missing = [start for start in range(since, until, WINDOW_SECONDS) if (start, ADDED_UP) not in windows]
        fresh: Windows = {}
        if missing:
            part = {"since": _moment(missing[0]), "until": _moment(missing[-1] + WINDOW_SECONDS), "starts": missing}
            for found in cursor.execute(statement("metrics/events_of_windows") + statement("metrics/windows"), part):  # type: ignore[arg-type]
                fresh[int(found["win"].timestamp()), field_of(found)] = {name: int(found[name]) for name in MEASURES}
        values = [{"start": start, "field": field, "measures": json.dumps(measures)} for (start, field), measures in fresh.items()]
        values += [{"start": start, "field": ADDED_UP, "measures": json.dumps({"text": text})} for start in missing]
        cursor.executemany(statement("books/windows_keep"), values)  # type: ignore[arg-type]
        dwh.execute(statement("books/windows_horizon"), {"kept_below": row[0]})  # type: ignore[arg-type]
    return {place: measures for place, measures in (windows | fresh).items() if place[1] != ADDED_UP}


def _moment(unix_seconds: int) -> datetime:
    return datetime.fromtimestamp(unix_seconds, UTC)


def _in_redis(settings: Settings, since: int, until: int) -> Windows:
    found: Windows = {}
    starts = range(since, until, WINDOW_SECONDS)
    with connect.redis(settings).pipeline(transaction=False) as asked:
        for start in starts:
            asked.hgetall(window_key(start))
        answers = asked.execute()
    for start, fields in zip(starts, answers, strict=True):
        for name, text in fields.items():
            if name != WRITTEN_FIELD:
                values = json.loads(text)
                found[start, str(name)] = {measure: values[measure] for measure in MEASURES}
    return found


def _different(wrong: list[tuple[int, str]], found: Windows, should: Windows) -> str:
    texts = []
    for start, name in wrong[:SHOWN]:
        ours, theirs = found.get((start, name), {}), should.get((start, name), {})
        measures = [f"{m} {ours.get(m)} instead of {theirs.get(m)}" for m in MEASURES if ours.get(m) != theirs.get(m)]
        texts.append(f"{datetime.fromtimestamp(start, UTC):%H:%M:%S} {name}: {', '.join(measures[:3])}")
    return "; ".join(texts) + (f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else "")
