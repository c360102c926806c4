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

Windows = dict[tuple[int, str], dict[str, int]]


def compare_windows(settings: Settings, dwh: psycopg.Connection, settled: datetime) -> Line:
    """Compare the windows closed before `settled`, the moment before which every row of the shop is below the horizon."""
    until = window_of((settled - timedelta(seconds=LATE_SECONDS)).timestamp())
    since = window_of(time.time() - settings.live_expiry_seconds) + 2 * WINDOW_SECONDS
    should, found = _in_warehouse(dwh, since, until), _in_redis(settings, since, until)
    wrong = sorted(place for place in should.keys() | found.keys() if should.get(place) != found.get(place))
    totals = [[values for (_start, name), values in table.items() if name == "total"] for table in (found, should)]
    events, expected_events = (sum(values["events"] for values in table) for table in totals)
    cents, expected_cents = (sum(values["revenue_cents"] for values in table) for table in totals)
    return Line("windows", "all", not wrong, events, expected_events, cents, expected_cents, _different(wrong, found, should))


def _in_warehouse(dwh: psycopg.Connection, since: int, until: int) -> Windows:
    span = {"since": datetime.fromtimestamp(since, UTC), "until": datetime.fromtimestamp(until, UTC)}
    with dwh.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(sql.statement("metrics/events_between") + sql.statement("metrics/windows"), span)  # type: ignore[arg-type]
        return {(int(row["win"].timestamp()), field_of(row)): {name: int(row[name]) for name in MEASURES} for row in rows}


def _in_redis(settings: Settings, since: int, until: int) -> Windows:
    found: Windows = {}
    redis = connect.redis(settings)
    for start in range(since, until, WINDOW_SECONDS):
        for name, text in redis.hgetall(window_key(start)).items():
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
