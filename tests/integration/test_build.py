"""The build while others write and read, and as the tasks of its DAG."""

from __future__ import annotations

import importlib
import random
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from instashop import connect, sql
from instashop.control.build import build, build_warehouse
from instashop.local.airflow_server import connections as airflow_connections
from instashop.settings import load
from tests.integration.rows import build_up_to_now, keep, totals
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
DIFFERING = """
WITH exact AS MATERIALIZED (SELECT * FROM rollups.exact_hours WHERE start < '2022-01-01'),
counted AS MATERIALIZED (SELECT * FROM rollups.rolled('hour', 0, 9223372036854775807) WHERE start < '2022-01-01')
SELECT (SELECT count(*) FROM (TABLE exact EXCEPT TABLE counted) AS more) + (SELECT count(*) FROM (TABLE counted EXCEPT TABLE exact) AS fewer)
"""


class Together:
    """Functions that are called again and again at the same time, each with a connection of its own; the first error ends all."""

    def __init__(self) -> None:
        self.stop, self.errors, self._threads = threading.Event(), [], []

    def go(self, work: Callable[[psycopg.Connection], object]) -> None:
        def again() -> None:
            try:
                with connect.warehouse(load(), "test", autocommit=True) as db:
                    while not self.stop.is_set():
                        work(db)
            except Exception as error:
                self.errors.append(error)
                self.stop.set()

        self._threads.append(threading.Thread(target=again))
        self._threads[-1].start()

    def end(self) -> None:
        self.stop.set()
        for thread in self._threads:
            thread.join(60)
        assert not self.errors, self.errors


@pytest.fixture
def pages_of(connections) -> Iterator[Callable[[int], object]]:
    """Let a build take about so many events at a time, until the test is over."""
    own = sql.statement("warehouse/67_page_limit")
    assert own.count("3000000") == 1
    yield lambda events: connections[0].execute(own.replace("3000000", str(events)))
    connections[0].execute(own)


def test_what_waits_is_built_page_by_page_though_more_comes_meanwhile(stack, connections, day_of_2021, pages_of):
    db = connections[0]
    build_up_to_now(db)
    for _ in range(7):
        keep(db, "searches", day_of_2021)
    wait_until(lambda: db.execute("SELECT pg_snapshot_xmin(pg_current_snapshot()) = pg_snapshot_xmax(pg_current_snapshot())").fetchone()[0], 30, "the horizon")
    pages_of(3)
    events = []
    for page in build_warehouse(stack):
        events.append(page.events)
        keep(db, "searches", day_of_2021)
    assert events[:2] == [3, 3]
    assert len(events) == 3
    built = sum(events)
    assert totals(db, day_of_2021) == (10, built)


@pytest.mark.parametrize("events", [3_000_000, 3])
def test_the_views_are_exact_at_every_look_while_others_write_and_two_build(connections, day_of_2021, pages_of, events):
    pages_of(events)
    together, rng, looks = Together(), random.Random(5), []

    def write(db: psycopg.Connection) -> None:
        """Keep some events, slowly, so that transactions overlap; one in five is taken back."""
        with db.transaction(force_rollback=rng.random() < 0.2):
            for _ in range(rng.randint(1, 8)):
                kind = rng.choice(("searches", "transactions", "transaction_items", "cart_events"))
                keep(db, kind, day_of_2021 + timedelta(seconds=rng.uniform(0, 80_000)), recorded_after=rng.choice((0, 41, 80)))
                together.stop.wait(rng.uniform(0, 0.03))

    def look(db: psycopg.Connection) -> None:
        looks.append(db.execute(DIFFERING).fetchone()[0])
        if len(looks) >= 25:
            together.stop.set()

    for work in (write, write, write, build, build, look):
        together.go(work)
    together.stop.wait(60)
    together.end()
    assert set(looks) == {0}
    assert len(looks) >= 25
    db = connections[0]
    build_up_to_now(db)
    (kept,) = db.execute("SELECT count(*) FROM realtime_events_20210304").fetchone()
    assert totals(db, day_of_2021) == (kept, kept)


@pytest.fixture
def task(monkeypatch, tmp_path):
    """A task of the DAG as Airflow would run it: its statements read, its connection named."""
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", f"sqlite:///{tmp_path}/none.db")
    monkeypatch.setenv("AIRFLOW_CONN_POSTGRES_DWH", airflow_connections(load())["postgres_dwh"])
    monkeypatch.syspath_prepend(str(ROOT / "plugins"))
    monkeypatch.syspath_prepend(str(ROOT / "dags"))

    def read(name: str):
        found = importlib.import_module("build_warehouse").dag.get_task(name)
        found.resolve_template_files()
        return found

    return read


def test_the_dag_builds_all_or_nothing(connections, day_of_2021, task):
    db = connections[0]
    keep(db, "searches", day_of_2021)
    db.execute("ALTER TABLE rollups.days ADD CONSTRAINT impossible CHECK (searches < 0) NOT VALID")
    try:
        with pytest.raises(psycopg.errors.CheckViolation):
            task("build").execute({})
    finally:
        db.execute("ALTER TABLE rollups.days DROP CONSTRAINT impossible")
    assert totals(db, day_of_2021) == (1, 0)
    wait_until(lambda: task("build").execute({}) and totals(db, day_of_2021) == (1, 1), 60, "a build up to now")


def test_a_red_check_names_the_rows(connections, task):
    db = connections[0]
    rule = "cursor_is_of_this_server"
    task(rule).execute({})
    before = db.execute("SELECT built_below FROM warehouse.build_cursor").fetchone()
    db.execute("UPDATE warehouse.build_cursor SET built_below = 9000000000000")
    try:
        with pytest.raises(Exception, match=rf"(?s){rule}: 1 rows break it.*built_below=9000000000000"):
            task(rule).execute({})
    finally:
        db.execute("UPDATE warehouse.build_cursor SET built_below = %s", before)
