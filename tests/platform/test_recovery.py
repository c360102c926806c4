"""What a user does to a running platform: asks how it is, kills parts, and asks again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from datetime import datetime

import psutil
import pytest

from instashop import connect, java
from instashop.control import beats, lease
from instashop.control.books import verify
from instashop.local import health, programs, servers
from instashop.metrics import PROGRESS_KEY
from instashop.settings import ROOT
from tests.airflow_api import said
from tests.waiting import wait_until


def _holders(settings):
    return {name: lease.holder(settings.run_dir, name) for name in beats.SERVICES}


def _followed(settings):
    """Return how often a task has said of each service that it follows its process."""
    return {name: said(settings, f"run_{name}", f"following {name}, process") for name in beats.SERVICES}


def _command(*words: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", "instashop", *words], cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_books_balance_on_a_running_platform(platform):
    verdict = verify(platform, wait_seconds=90)
    assert verdict.balanced, verdict.describe()


@pytest.mark.timeout(700)
def test_the_doctor_finds_nothing(platform):
    """A round of the books or a build that met a drill before this is red until the next, in five minutes."""

    def content() -> bool:
        found = _command("doctor")
        print(found.stdout + found.stderr)
        return found.returncode == 0

    wait_until(content, 330, "a content doctor", every=5)


def test_a_quiet_shop_has_a_batch_every_other_second(platform):
    redis, began = connect.redis(platform), {}

    def gaps() -> list[float]:
        progress = json.loads(redis.get(PROGRESS_KEY))
        began.setdefault(progress["batch"], datetime.fromisoformat(progress["began"]).timestamp())  # Later a trigger that found nothing says its own.
        return [at - began[batch - 1] for batch, at in began.items() if batch - 1 in began][-3:]

    pause = platform.live_quiet_ms / 1000
    wait_until(lambda: len(last := gaps()) == 3 and min(last) > 0.9 * pause, 30, f"three batches {pause} s apart")


def test_a_measurement_beside_a_running_platform_is_refused(platform):
    refused = _command("bench")
    assert refused.returncode == 1
    assert f"A platform runs here, in {platform.home}, and would spoil the figures" in refused.stderr


def test_an_order_can_be_followed_all_the_way(platform):
    with connect.warehouse(platform, "test") as dwh:
        event_id = dwh.execute("SELECT event_id FROM realtime_events WHERE kind = 'transactions' ORDER BY event_id LIMIT 1").fetchone()[0]
    found = _command("event", str(event_id))
    assert found.returncode == 0, found.stderr
    assert all(word in found.stdout for word in ("shop ", "kafka ", "warehouse ", "window "))


def test_a_killed_shop_opens_again(platform):
    """The other services are killed by drills."""
    wait_until(lambda: lease.holder(platform.run_dir, "generator"), 60, "the generator at work")
    old = lease.holder(platform.run_dir, "generator")
    os.kill(old.pid, signal.SIGKILL)

    def again() -> bool:
        beat, now = beats.read(platform.run_dir, "generator"), lease.holder(platform.run_dir, "generator")
        return bool(now and now.pid != old.pid and beat and beat.pid == now.pid and beat.state == "running")

    wait_until(again, 60, "the generator running again")


@pytest.mark.timeout(900)
def test_a_killed_scheduler_leaves_the_services_untouched(platform):
    wait_until(lambda: all(_holders(platform).values()), 90, "every service at work")
    before, times = _holders(platform), _followed(platform)
    pid = programs.states(platform)[servers.SCHEDULER]["pid"]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: programs.states(platform)[servers.SCHEDULER]["pid"] not in (0, pid), 60, "a new scheduler")
    wait_until(lambda: health.CHECKS[servers.SCHEDULER](platform) is None, 90, "the scheduler at work")
    wait_until(lambda: all(now > times[name] for name, now in _followed(platform).items()), 180, "every service followed by a new try")
    assert _holders(platform) == before


def test_the_books_balance_after_all_that(platform):
    verdict = verify(platform, wait_seconds=120)
    assert verdict.balanced, verdict.describe()


def test_every_java_shares_its_class_data(platform):
    servers_of_java = [name for name in servers.table(platform) if name.startswith(("kafka-", "spark-"))]
    archives = {str(java.archive(name)) for name in java.VERSIONS}

    def maps(process: psutil.Process) -> bool:
        return not archives.isdisjoint(region.path for region in process.memory_maps())

    def all_map() -> bool:
        states = programs.states(platform)
        with suppress(psutil.Error):  # One that has just ended is looked for again.
            daemons = [psutil.Process(states[name]["pid"]) for name in servers_of_java]
            driver = psutil.Process(lease.holder(platform.run_dir, "live_metrics").pid).parent()
            executors = [child for child in psutil.Process(states[servers.SPARK_WORKER]["pid"]).children() if child.name() == "java"]
            return bool(executors) and all(maps(process) for process in [*daemons, driver, *executors])
        return False

    wait_until(all_map, 60, "every Java with its class data")
