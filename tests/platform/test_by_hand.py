"""What a person starts by hand: the DAGs with a form, and the dead letters on the command line."""

from __future__ import annotations

import subprocess
import sys

import pytest

from instashop.control import dead_letters, intents
from instashop.local.drills.faults import DRILLS
from instashop.local.drills.stage import Platform
from instashop.settings import ROOT
from tests.airflow_api import Airflow
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
