"""Which DAGs are red, by tables of Airflow's form; no Airflow is needed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from instashop import sql

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("states", "dag", "red"),
    [
        ("sF", {}, True),
        ("Fs", {}, False),
        ("sFr", {}, True),
        ("Fq", {}, True),
        ("r", {}, False),
        ("sX", {}, True),
        ("sF", {"timetable_summary": "@once"}, True),
        ("sF", {"timetable_summary": "None"}, False),
        ("sF", {"timetable_summary": "@continuous"}, False),
        ("sF", {"is_paused": True}, False),
        ("sF", {"is_stale": True}, False),
    ],
)
def test_a_dag_with_a_schedule_is_red_when_the_last_of_its_runs_that_ended_failed(connections, states, dag, red):
    db, names = connections[0], {"s": "success", "F": "failed", "X": "failed", "r": "running", "q": "queued"}
    row = {"timetable_summary": "*/5 * * * *", "is_paused": False, "is_stale": False} | dag
    with db.transaction(force_rollback=True):
        db.execute("CREATE TEMP TABLE dag (dag_id text, timetable_summary text, is_paused boolean, is_stale boolean)")
        db.execute("CREATE TEMP TABLE dag_run (dag_id text, run_id text, state text, run_after timestamptz, start_date timestamptz, end_date timestamptz)")
        db.execute("INSERT INTO dag VALUES ('a', %(timetable_summary)s, %(is_paused)s, %(is_stale)s), ('green', '@daily', false, false)", row)
        db.execute("INSERT INTO dag_run VALUES ('green', 'g', 'success', now(), now(), now())")
        for number, state in enumerate(states):
            at = NOW + timedelta(minutes=number)
            begun, ended = (at if state not in "qX" else None), (at if state in "sFX" else None)  # X failed before it began.
            db.execute("INSERT INTO dag_run VALUES ('a', %s, %s, %s, %s, %s)", [str(number), names[state], at, begun, ended])
        found = db.execute(sql.statement("airflow/red_dags")).fetchall()
    number = max(states.find(failed) for failed in "FX")
    at = NOW + timedelta(minutes=number)
    assert found == ([("a", str(number), at, at)] if red else [])
