"""What a person starts by hand: the DAGs, also those that run by themselves, and what the command line does to services and dead letters."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from instashop import connect
from instashop.control import dead_letters, intents, lease, supervision
from instashop.local.drills.faults import DRILLS
from instashop.local.drills.stage import Platform
from instashop.settings import ROOT
from tests.airflow_api import Airflow, said
from tests.waiting import wait_until

ENDED = ("success", "failed")


@pytest.fixture(scope="module")
def airflow(platform) -> Airflow:
    return Airflow(platform)


@pytest.mark.timeout(360)
def test_a_drill_that_airflow_runs_tells_its_outcome_and_leaves_the_shop_as_it_was(airflow, platform):
    def wanted():
        intent = intents.read(platform.run_dir, "generator")
        return intent.state, intent.rate

    before = wanted()
    run = airflow.start("run_drill", drill="kill-enricher", rate=20)
    wait_until(lambda: airflow.state(run) in ENDED, 300, "the end of the drill")
    assert airflow.state(run) == "success"
    assert airflow.returned(run, "drill").startswith("PASSED  kill-enricher: 0 lost, 0 doubled, 0 wrong")
    assert wanted() == before


@pytest.mark.timeout(900)
@pytest.mark.parametrize("dag", ["prepare_platform", "build_warehouse", "balance_books", "tidy_warehouse"])
def test_a_dag_of_the_platforms_own_is_green(airflow, dag):
    run = airflow.start(dag)
    wait_until(lambda: airflow.state(run) in ENDED, 400, f"the end of {dag}")
    assert airflow.state(run) == "success"


def test_a_service_that_is_restarted_from_the_command_line_ends_by_itself_and_is_a_new_process(platform):
    def ended() -> tuple[int, int]:
        """Return how often it has stopped by itself, and how often not."""
        return said(platform, "run_live_metrics", "has stopped by itself"), said(platform, "run_live_metrics", "did not stop within")

    wait_until(lambda: supervision.is_as_wanted(platform.run_dir, "live_metrics"), 90, "the live metrics at work")
    (by_itself, killed), old = ended(), lease.holder(platform.run_dir, "live_metrics")
    done = subprocess.run([sys.executable, "-m", "instashop", "control", "live_metrics", "restart"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert lease.holder(platform.run_dir, "live_metrics") not in (None, old)
    assert ended() == (by_itself + 1, killed)


@pytest.mark.timeout(360)
def test_airflow_forgets_an_old_run_and_its_logs_and_no_other(airflow, platform):
    with connect.postgres(platform.airflow_dsn, 5) as db:
        db.autocommit = True

        def ended() -> list[str]:
            return [row[0] for row in db.execute("SELECT run_id FROM dag_run WHERE dag_id = 'watch_platform' AND state = 'success' ORDER BY start_date")]

        wait_until(lambda: len(ended()) > 1, 180, "two runs of watch_platform")
        old, *others = ended()
        folder = platform.log_dir / "airflow" / "dag_id=watch_platform"
        _age(db, old, [*(folder / f"run_id={old}").rglob("*.log")])
        run = airflow.start("tidy_airflow")
        wait_until(lambda: airflow.state(run) in ENDED, 180, "the end of the tidying")
        assert airflow.state(run) == "success"
        left = ended()
    assert old not in left
    assert set(others) <= set(left)
    assert airflow.returned(run, "logs") == 4
    assert not (folder / f"run_id={old}").exists()
    assert all((folder / f"run_id={other}").exists() for other in others)


def _age(db: psycopg.Connection, run: str, logs: list[Path]) -> None:
    """Make a run of watch_platform, and what it wrote, forty days older."""
    for table in ("dag_run", "task_instance"):
        db.execute(f"UPDATE {table} SET start_date = start_date - INTERVAL '40 days' WHERE dag_id = 'watch_platform' AND run_id = %s", [run])
    past = time.time() - 40 * 86_400
    for log in logs:
        os.utime(log, (past, past))


def test_dead_letters_are_listed_and_shown_whole(letters):
    listed = _said("list", "--reason", "not_json", "--limit", "5")
    assert "not_json" in listed
    place = letters[0].place
    assert place in listed
    shown = _said("show", place)
    assert "not_json" in shown
    assert letters[0].detail[:20] in shown


def test_dead_letters_are_replayed_only_after_a_person_has_approved_it(airflow, letters):
    run = airflow.start("replay_dead_letters", reason="not_json")
    wait_until(lambda: airflow.asks(run, "approve"), 120, "the question")
    assert "reason not_json" in airflow.asks(run, "approve")
    assert airflow.state(run, "replay") is None
    airflow.answer(run, "approve", "Approve")
    wait_until(lambda: airflow.state(run) in ENDED, 120, "the end of the replay")
    assert airflow.state(run) == "success"
    assert airflow.returned(run, "replay").startswith("0 published again; still refused:")


def test_dead_letters_stay_when_a_person_rejects_the_replay(airflow, letters):
    run = airflow.start("replay_dead_letters")
    wait_until(lambda: airflow.asks(run, "approve"), 120, "the question")
    airflow.answer(run, "approve", "Reject")
    wait_until(lambda: airflow.state(run) in ENDED, 120, "the end of the run")
    assert airflow.state(run, "replay") == "skipped"


@pytest.fixture(scope="module")
def letters(platform) -> list[dead_letters.Letter]:
    """What the drill `poison` leaves behind."""
    if not dead_letters.find(platform, "not_json", limit=1):
        DRILLS["poison"].act(Platform(platform, print))
    return dead_letters.find(platform, "not_json", limit=5)


def _said(*words: str) -> str:
    done = subprocess.run([sys.executable, "-m", "instashop", "dead-letters", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
