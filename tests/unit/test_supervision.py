"""Supervision decides from values alone."""

from datetime import UTC, datetime, timedelta

import pytest

from instashop.control import intents, supervision
from instashop.control.beats import Beat
from instashop.control.intents import Intent
from instashop.control.lease import Clock, Holder, boot_id

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BORN = NOW - timedelta(hours=1)
PROCESS = Holder(pid=4242, started=100.0, create_time=BORN.timestamp())
CLOCK = Clock(since_boot=3700.0, awake=3600.0)
RUNNING, STOPPED = Intent("running"), Intent("stopped")


def beat(state="running", at=NOW, started_at=BORN, **more):
    return Beat(**{"service": "consumer", "pid": 4242, "started_at": started_at, "at": at, "state": state, "awake": CLOCK.awake, **more})


@pytest.mark.parametrize(
    ("intent", "platform", "process", "step"),
    [
        (RUNNING, RUNNING, PROCESS, "follow"),
        (RUNNING, RUNNING, None, "start"),
        (STOPPED, RUNNING, PROCESS, "stop"),
        (STOPPED, RUNNING, None, "wait"),
        (RUNNING, STOPPED, PROCESS, "stop"),
        (RUNNING, STOPPED, None, "leave"),
        (STOPPED, STOPPED, None, "leave"),
        (Intent(since=PROCESS.started + 1, boot=boot_id()), RUNNING, PROCESS, "stop"),
        (Intent(since=PROCESS.started, boot=boot_id()), RUNNING, PROCESS, "follow"),
        (Intent(since=PROCESS.started + 1, boot="the boot before"), RUNNING, PROCESS, "follow"),
        (Intent(since=PROCESS.create_time + 1), RUNNING, PROCESS, "follow"),  # As older code wrote it, in Unix seconds.
    ],
)
def test_a_task_does_what_is_wanted_of_its_service(intent, platform, process, step):
    assert intents.next_step(intent, platform, process) == step


@pytest.mark.parametrize(
    ("action", "rate", "after"),
    [
        ("stop", None, Intent("stopped", 5.0, 10.0, "a boot")),
        ("start", None, Intent("running", 5.0, 10.0, "a boot")),
        ("restart", None, Intent("running", 5.0, 99.0, "this boot")),
        ("rate", 50.0, Intent("running", 50.0, 99.0, "this boot")),
        ("rate", None, Intent("running", None, 99.0, "this boot")),
    ],
)
def test_an_action_changes_the_intent_and_keeps_the_rate(monkeypatch, action, rate, after):
    monkeypatch.setattr(intents, "boot_id", lambda: "this boot")
    monkeypatch.setattr(intents.Clock, "read", lambda: Clock(99.0, 90.0))
    assert intents.after(action, Intent("running", 5.0, 10.0, "a boot"), rate) == after


@pytest.mark.parametrize(
    ("service", "action", "rate", "error"),
    [
        ("shop", "stop", None, intents.UnknownService),
        ("producer", "rate", 5.0, intents.NotARate),
        ("producer", "rate", None, intents.NotARate),
        ("generator", "rate", 0.0, intents.NotARate),
        ("generator", "rate", 5001.0, intents.NotARate),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(service, action, rate, error):
    with pytest.raises(error):
        intents.check_request(service, action, rate)


@pytest.mark.parametrize("rate", [None, 0.5, 5000.0])
def test_a_rate_of_the_generator_is_above_0_and_up_to_5000_or_none(rate):
    intents.check_request("generator", "rate", rate)


@pytest.mark.parametrize(
    ("exit_code", "last", "asked", "well", "how"),
    [
        (0, beat("stopped"), False, True, "lifetime"),
        (None, beat("stopped"), False, True, "lifetime"),
        (None, beat("running"), True, True, "asked"),
        (-9, beat("running"), False, False, "SIGKILL"),
        (1, beat("stopped"), False, False, "exit status 1"),
        (None, beat("running"), False, False, "not 'stopped'"),
        (None, None, False, False, "never beat"),
        (0, None, False, False, "never beat"),
        (None, beat("stopped", at=BORN + timedelta(seconds=30)), False, False, "someone outside"),
        (None, beat("stopped", started_at=BORN - timedelta(hours=9)), False, False, "never beat"),
    ],
)
def test_an_end_is_good_only_if_it_was_asked_for_or_due(exit_code, last, asked, well, how):
    ending = supervision.ending(PROCESS, exit_code, last, asked, lifetime_seconds=3600)
    assert (ending.well, how in ending.how) == (well, True), ending


@pytest.mark.parametrize(
    ("intent", "process", "last", "says", "hangs"),
    [
        (RUNNING, PROCESS, beat(), None, False),
        (STOPPED, None, beat("stopped"), None, False),
        (RUNNING, None, beat(), "does not run", False),
        (RUNNING, PROCESS, beat(awake=CLOCK.awake - 121), "hangs: process 4242 has not beaten for 121 s", True),
        (RUNNING, PROCESS, beat(awake=CLOCK.awake - 119), None, False),
        (RUNNING, PROCESS, beat(at=NOW - timedelta(hours=1), awake=CLOCK.awake - 1), None, False),  # The clock was set, or the machine slept.
        (RUNNING, PROCESS, beat(awake=None), None, False),  # Of older code.
        (RUNNING, PROCESS, None, "hangs", True),
        (RUNNING, Holder(4242, CLOCK.since_boot - 5, NOW.timestamp() - 5), beat(at=NOW - timedelta(hours=1), awake=1.0), None, False),
        (RUNNING, PROCESS, beat("waiting", message="no Kafka"), "no Kafka", False),
        (RUNNING, PROCESS, beat(lag_events=9, lag_seconds=500.0, events_per_second=0.0), "stuck", False),
        (RUNNING, PROCESS, beat(lag_events=9, lag_seconds=500.0, events_per_second=800.0), None, False),
    ],
)
def test_only_a_real_fault_is_found(intent, process, last, says, hangs):
    found = supervision.finding("consumer", intent, process, last, CLOCK, stale_seconds=120)
    assert (found is None) == (says is None)
    if found is not None and says is not None:
        assert says in found.text
        assert found.hangs is hangs


@pytest.mark.parametrize(
    ("intent", "process", "last", "done"),
    [
        (STOPPED, PROCESS, beat(), False),
        (STOPPED, None, beat("stopped"), True),
        (RUNNING, None, None, False),
        (RUNNING, None, beat(), False),
        (RUNNING, PROCESS, None, False),
        (RUNNING, PROCESS, beat("starting"), False),
        (RUNNING, PROCESS, beat(), True),
        (RUNNING, PROCESS, beat(started_at=BORN - timedelta(hours=1)), False),
        (Intent(since=PROCESS.started + 1, boot=boot_id()), PROCESS, beat(), False),
    ],
)
def test_a_request_is_carried_out_when_the_new_process_beats(intent, process, last, done):
    assert intents.carried_out(intent, process, last) is done


def test_an_intent_survives_in_its_file_and_a_broken_one_means_run(tmp_path):
    assert intents.read(tmp_path, "consumer") == Intent()
    intents.write(tmp_path, "consumer", Intent("stopped", 3.0, 7.0))
    assert intents.read(tmp_path, "consumer") == Intent("stopped", 3.0, 7.0)
    intents.path_of(tmp_path, "consumer").write_text("{")
    assert intents.read(tmp_path, "consumer") == Intent()


def test_a_platform_that_goes_down_and_comes_up_again_is_told_to_every_task(tmp_path):
    steps = []
    for announce in (intents.announce_down, intents.announce_up):
        announce(tmp_path)
        steps.append(intents.next_step(RUNNING, intents.read(tmp_path, intents.PLATFORM), None))
    assert steps == ["leave", "start"]


def test_a_rate_is_taken_back_by_one_without_a_number(tmp_path):
    intents.announce_down(tmp_path)
    for given, kept in ((200.0, 200.0), (None, None)):
        supervision.carry_out(tmp_path, "generator", "rate", given)
        assert intents.read(tmp_path, "generator").rate == kept


def test_what_is_asked_of_a_platform_that_is_down_waits_for_it(tmp_path):
    intents.announce_down(tmp_path)
    assert "its next `./instashop up` heeds it" in supervision.carry_out(tmp_path, "producer", "stop")
    assert intents.read(tmp_path, "producer").state == "stopped"


def test_what_does_not_come_true_in_time_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(supervision, "CARRY_OUT_SECONDS", 0.1)
    with pytest.raises(intents.NotCarriedOut, match="start of producer is written down"):
        supervision.carry_out(tmp_path, "producer", "start")
    assert supervision.carry_out(tmp_path, "producer", "stop").startswith("producer: ")


def test_a_service_gets_no_secret_of_airflow():
    parent = {"PATH": "/bin", "AIRFLOW__API_AUTH__JWT_SECRET": "x", "AIRFLOW_CONN_POSTGRES_DWH": "y", "AIRFLOW_HOME": "/af"}
    assert supervision.child_environment(parent, rate=5, seed=None) == {
        "PATH": "/bin",
        "AIRFLOW_HOME": "/af",
        "PYTHONUNBUFFERED": "1",
        "INSTASHOP_RATE": "5",
    }


def test_the_log_line_names_state_rate_lag_and_age():
    line = supervision.describe(beat(events_per_second=12.5, events_total=1234, lag_events=3, lag_seconds=0.5), NOW + timedelta(seconds=2))
    assert line == "running · 12.5 events/s · 1,234 events · lag 3 events · 0.5 s behind · beat 2.0 s ago"
