"""docker-compose.yaml for real: healthy at once, exact after kills; skipped, saying why, where no container engine is reachable."""

from __future__ import annotations

import json
import urllib.request

import pytest

from tests.compose.conftest import Compose
from tests.waiting import wait_until

pytestmark = [pytest.mark.compose, pytest.mark.timeout(2400)]

SERVICES = ("generator", "producer", "consumer", "enricher", "live_metrics")
PIDS = """
import json
from instashop.control import beats, lease
from instashop.settings import load
run_dir = load().run_dir
def at_work(name):
    holder, beat = lease.holder(run_dir, name), beats.read(run_dir, name)
    return holder.pid if holder and beat and beat.pid == holder.pid and beat.state == "running" else None
print(json.dumps({name: at_work(name) for name in beats.SERVICES}))
"""

SCHEDULER = """
import psutil
keeper = next(p for p in psutil.process_iter() if p.cmdline()[:2] == ["python", "deploy/docker/scheduler.py"])
print(*(p.pid for p in keeper.children()))
"""


def scheduler(compose: Compose) -> str:
    """Return the process of Airflow's scheduler, by its number inside the container."""
    return compose.run("exec", "-T", "airflow-scheduler", "python", "-c", SCHEDULER, check=False).strip()


def pids(compose: Compose) -> dict[str, int | None]:
    """Return the process of each service that is at work, by its number inside the container."""
    told = compose.run("exec", "-T", "airflow-scheduler", "python", "-c", PIDS, check=False)
    return json.loads(told) if told.startswith("{") else {}  # Its container is starting.


def all_at_work(compose: Compose, before: dict[str, int | None] | None = None) -> bool:
    now = pids(compose)
    return bool(now) and all(now.values()) and (before is None or now != before)


def live_events(compose: Compose) -> int:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{compose.dashboard}/api/live", timeout=5) as answer:
        return int(json.load(answer)["events_since_start"] or 0)


def test_every_container_is_healthy_and_the_steps_have_ended_well(compose: Compose) -> None:
    found = {each["Service"]: each["Health"] or each["ExitCode"] for each in compose.states()}
    steps = {"first-start", "prepare", "migrate"}
    assert {name: state for name, state in found.items() if state != (0 if name in steps else "healthy")} == {}


def test_only_two_ports_are_published_on_loopback(compose: Compose) -> None:
    published = {(p["URL"], p["PublishedPort"]) for each in compose.states() for p in each["Publishers"] if p["PublishedPort"]}
    assert published == {("127.0.0.1", 28501), ("127.0.0.1", 28090)}


def test_live_numbers_are_there_and_go_on(compose: Compose) -> None:
    first = live_events(compose)
    assert first > 0
    wait_until(lambda: live_events(compose) > first, 60, "the next events")


def test_the_books_balance_and_the_doctor_finds_nothing(compose: Compose) -> None:
    compose.instashop("verify", "--wait", "120")
    assert "All is well" in compose.instashop("doctor")
    assert "airflow-scheduler" in compose.instashop("status")


def test_a_killed_service_runs_again(compose: Compose) -> None:
    wait_until(lambda: all_at_work(compose), 120, "every service at work")
    before = pids(compose)
    compose.run("exec", "-T", "airflow-scheduler", "kill", "-9", str(before["consumer"]))
    wait_until(lambda: all_at_work(compose) and pids(compose)["consumer"] != before["consumer"], 90, "the consumer at work again")
    assert {name: pid for name, pid in pids(compose).items() if name != "consumer"} == {n: p for n, p in before.items() if n != "consumer"}


def test_a_killed_scheduler_leaves_the_services_untouched(compose: Compose) -> None:
    wait_until(lambda: all_at_work(compose), 120, "every service at work")
    before, old = pids(compose), scheduler(compose)
    compose.run("exec", "-T", "airflow-scheduler", "kill", "-9", old)
    wait_until(lambda: scheduler(compose) not in ("", old), 60, "a new scheduler")
    assert pids(compose) == before


@pytest.mark.parametrize("container", ["airflow-scheduler", "kafka-1", "postgres-warehouse", "redis", "spark-worker"])
def test_the_platform_is_whole_again_after_the_restart_of(compose: Compose, container: str) -> None:
    compose.run("restart", container, seconds=180)
    compose.run("up", "--detach", "--wait", seconds=600)
    wait_until(lambda: all_at_work(compose), 180, f"every service at work after the restart of {container}")


def test_the_books_balance_after_all_that(compose: Compose) -> None:
    compose.instashop("verify", "--wait", "120")
    wait_until(lambda: compose.run("exec", "-T", "airflow-scheduler", "instashop", "doctor", check=False).find("All is well") >= 0, 330, "a content doctor")
