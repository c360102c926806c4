"""Who holds a lease: told apart by when it started, whatever is done to the clock."""

import fcntl
import os
import subprocess
import sys
import threading
import time

import psutil
import pytest

from instashop.control import lease
from instashop.control.lease import Clock, Holder, holder, path_of, take
from instashop.errors import LeaseTaken


@pytest.fixture
def child():
    """A process that waits until it is told to end."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        if process.stdin and not process.stdin.closed:
            process.stdin.close()


def test_a_process_is_as_old_as_the_clock_says():
    before = time.time()
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        after = time.time()
        assert before - 0.02 < Holder.of(psutil.Process(process.pid)).create_time < after + 0.02


def test_a_clock_that_is_set_ends_no_process(child, monkeypatch):
    holder, boot = Holder.of(psutil.Process(child.pid)), psutil.boot_time()
    monkeypatch.setattr("psutil._psplatform.boot_time", lambda: boot + 3600)
    assert psutil.Process(child.pid).create_time() > holder.create_time + 3500
    assert holder.process() is not None


def test_who_began_before_a_moment_and_who_after_it_is_told(child):
    moment = Clock.read().since_boot
    assert Holder.of(psutil.Process(os.getpid())).started < moment
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as later:
        assert Holder.of(psutil.Process(later.pid)).started >= moment
        later.communicate()


def test_an_ended_process_is_none_though_its_exit_code_waits(child):
    holder = Holder.of(psutil.Process(child.pid))
    child.stdin.close()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert holder.process() is None
    assert holder.entry() is not None


def test_a_lease_that_is_held_is_nobody_elses_until_it_is_free(tmp_path):
    run_dir = tmp_path / "home" / "run"
    with take(run_dir, "consumer"):
        with pytest.raises(LeaseTaken, match=f"process {os.getpid()}"):
            take(run_dir, "consumer")
        found = holder(run_dir, "consumer")
        assert (found.pid, found.started) == (os.getpid(), Holder.of(psutil.Process()).started)
        take(run_dir, "producer").close()
    assert holder(run_dir, "consumer") is None
    take(run_dir, "consumer").close()


def test_a_lease_whose_holder_does_not_say_its_name_is_waited_for_a_moment_and_not_taken(tmp_path, monkeypatch):
    monkeypatch.setattr(lease, "LOOK_SECONDS", 0.1)
    with path_of(tmp_path, "consumer").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(LeaseTaken):
            take(tmp_path, "consumer")


def test_a_look_at_a_free_lease_keeps_nobody_from_taking_it(tmp_path):
    path_of(tmp_path, "consumer").touch()
    with path_of(tmp_path, "consumer").open() as look:
        fcntl.flock(look, fcntl.LOCK_SH)
        ending = threading.Timer(0.2, look.close)
        ending.start()
        with take(tmp_path, "consumer"):
            assert holder(tmp_path, "consumer").pid == os.getpid()
        ending.join()


def test_a_later_process_with_the_same_pid_is_another(child):
    found = Holder.of(psutil.Process(child.pid))
    assert Holder(found.pid, found.started - 1, found.create_time).process() is None
