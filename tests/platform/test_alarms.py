"""Each alarm is heard: a thing is broken, the look goes red and names it; it is cured, and the look is green again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

import pytest

import instashop_watch
from instashop import connect
from instashop.control import beats, lease
from instashop.control.books import verify
from instashop.control.books.round import BooksBusy
from instashop.control.doctor import examine
from instashop.errors import InstaShopError
from instashop.local import programs
from instashop.local.drills.stage import Platform
from instashop.metrics import FILLED_KEY
from instashop.settings import ROOT
from tests.airflow_api import Airflow
from tests.waiting import wait_until


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """A look at a broken part does not wait for it to mend itself."""
    monkeypatch.setattr(instashop_watch, "PATIENCE_SECONDS", 1.0)


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):  # The watch has ended it.
            os.kill(pid, signal.SIGCONT)


def _faults(platform) -> dict[str, str]:
    """What is broken now; a run of Airflow that met it stays red until the next one, and has a test of its own."""
    return {finding.hop: finding.text for finding in examine(platform) if finding.level == "fault" and finding.hop != "airflow"}


def _fault(look) -> str:
    try:
        look()
    except InstaShopError as fault:  # A part that cannot be looked at is not green either.
        return str(fault)
    return ""


def _is_green(look) -> bool:
    return not _fault(look)


def test_a_broker_that_stands_still_is_named_by_watch_and_doctor(platform):
    def watch_says(words: str) -> bool:
        return words in _fault(instashop_watch.brokers)

    def doctor_says(words: str) -> bool:
        return any(words in f"{hop} {text}" for hop, text in _faults(platform).items())

    with frozen(programs.states(platform)["kafka-3"]["pid"]):
        wait_until(lambda: watch_says("only 2 of 3 brokers answer; start the others"), 60, "the watch counting the brokers")
        wait_until(lambda: watch_says("have partitions without all their copies"), 60, "the watch missing copies")
        wait_until(lambda: doctor_says("kafka only 2 of 3 brokers have joined"), 60, "the doctor counting the brokers")
        wait_until(lambda: doctor_says("partitions lack copies"), 60, "the doctor missing copies")
    wait_until(lambda: _is_green(instashop_watch.brokers), 90, "the watch going green again")
    wait_until(lambda: not _faults(platform), 90, "the doctor finding nothing again")


def test_services_that_hang_are_named_and_ended_in_one_look_and_come_back(platform, monkeypatch):
    old = {service: lease.holder(platform.run_dir, service).pid for service in ("consumer", "enricher")}
    with frozen(old["consumer"]), frozen(old["enricher"]), monkeypatch.context() as short:
        short.setattr(platform, "beat_stale_seconds", 10.0)  # Long enough for the others, whom a stalled broker kept from beating.
        wait_until(lambda: all((datetime.now(UTC) - beats.read(platform.run_dir, service).at).total_seconds() > 10 for service in old), 30, "no beat")
        fault = _fault(instashop_watch.services)
    for service, pid in old.items():
        assert f"{service} hangs" in fault
        wait_until(lambda s=service, p=pid: (now := lease.holder(platform.run_dir, s)) and now.pid != p, 60, f"a new {service}")
    wait_until(lambda: _is_green(instashop_watch.services), 60, "the watch going green again")


def test_live_numbers_that_stand_still_are_named_and_how_far_behind_they_are(platform, monkeypatch):
    behind = Platform(platform, print).behind_seconds
    with frozen(lease.holder(platform.run_dir, "live_metrics").pid), monkeypatch.context() as short:
        short.setattr(platform, "beat_stale_seconds", 3.0)
        wait_until(lambda: not _is_green(instashop_watch.spark_progress), 60, "the watch going red")
        wait_until(lambda: behind() > 6, 30, "events that wait for the live windows")
    wait_until(lambda: _is_green(instashop_watch.spark_progress), 60, "the watch going green again")
    wait_until(lambda: behind() < 5, 30, "no event that waits for long")


def test_a_server_that_is_stopped_is_named_by_the_doctor(platform):
    redis = connect.redis(platform)
    mark = redis.get(FILLED_KEY)
    programs.stop(platform, ["redis"])
    try:
        assert _faults(platform)["redis"] == "is stopped."
        assert "Redis at " in _fault(instashop_watch.spark_progress)
    finally:
        programs.start(platform, "redis")
    wait_until(lambda: not _faults(platform), 120, "the doctor finding nothing again")
    wait_until(lambda: _is_green(instashop_watch.spark_progress), 60, "the watch going green again")
    wait_until(lambda: redis.get(FILLED_KEY) not in (None, mark), 60, "Redis filled again")


def test_books_that_do_not_balance_are_red_and_named(platform):
    with connect.warehouse(platform, "test", autocommit=True) as dwh:
        instashop_watch.books()
        row = dwh.execute("SELECT event_id, txid FROM realtime_events WHERE kind = 'crm_interactions' ORDER BY event_id DESC LIMIT 1").fetchone()
        dwh.execute("UPDATE realtime_events SET txid = -1 WHERE event_id = %s", [row[0]])
        try:
            with pytest.raises(instashop_watch.BooksDiffer, match=str(row[0])):
                instashop_watch.books()
            assert "books" in _faults(platform)
        finally:
            dwh.execute("UPDATE realtime_events SET txid = %s WHERE event_id = %s", [row[1], row[0]])
        instashop_watch.books()
        assert "books" not in _faults(platform)


@pytest.mark.parametrize(("service", "stage"), [("producer", "kafka"), ("enricher", "items"), ("consumer", "warehouse"), ("live_metrics", "windows")])
def test_a_stage_that_stands_still_is_named_by_the_books_until_it_goes_on(platform, service, stage):
    def behind() -> list[str]:
        try:
            lines = verify(platform, wait_seconds=2).lines
        except BooksBusy:  # Airflow balances them at this moment.
            return []
        return [line.stage for line in lines if "has not passed the horizon" in line.detail]

    with frozen(lease.holder(platform.run_dir, service).pid):
        wait_until(lambda: behind() == [stage], 60, f"the books naming {stage}")
    verdict = verify(platform, wait_seconds=120)
    assert verdict.balanced, verdict.describe()


def _last_look(platform, after) -> str | None:
    with connect.postgres(platform.airflow_dsn, 5) as airflow:
        found = airflow.execute(
            "SELECT state FROM task_instance WHERE dag_id = 'watch_platform' AND task_id = 'dead_letters' AND start_date > %s AND state IN ('success', 'failed')"
            " ORDER BY start_date DESC LIMIT 1",
            [after],
        ).fetchone()
    return found[0] if found else None


def test_many_dead_letters_turn_airflows_task_red_and_it_goes_green_again(platform):
    airflow = Airflow(platform)
    with connect.warehouse(platform, "test", autocommit=True) as dwh:
        began = dwh.execute(
            'INSERT INTO dead_letters (topic, "partition", "offset", reason, detail, published_at)'
            " SELECT 'alarm', 0, n, 'not_json', 'a test of the alarm', now() FROM generate_series(1, 100) AS n RETURNING arrived_at"
        ).fetchone()[0]
        try:
            airflow.start("watch_platform")  # Else it looks when the minute is over.
            wait_until(lambda: _last_look(platform, began) == "failed", 150, "the task going red")
        finally:
            cured = dwh.execute("DELETE FROM dead_letters WHERE topic = 'alarm' RETURNING now()").fetchone()[0]
        airflow.start("watch_platform")
        wait_until(lambda: _last_look(platform, cured) == "success", 150, "the task going green again")


def test_the_drills_are_listed_and_an_unknown_one_is_refused(platform):
    command = [sys.executable, "-m", "instashop", "drill"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "kill-broker" in listed.stdout
    refused = subprocess.run([*command, "kill-everybody"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "choose one of kill-producer" in refused.stderr
