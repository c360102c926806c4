"""The operator and a real process of `instashop generator`; its shop is away, so it waits and beats, which is enough here."""

import os
import signal
import threading
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from instashop.settings import load
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
SERVICE = "generator"


@dataclass
class Store:
    """Airflow's task state store, as a dictionary."""

    kept: dict = field(default_factory=dict)

    def get(self, key, default=None):
        return self.kept.get(key, default)

    def set(self, key, value):
        self.kept[key] = value


@dataclass
class Try:
    """One try of the task, as Airflow hands it to the operator."""

    id: str
    try_number: int
    links: dict = field(default_factory=dict)
    stats_tags: dict = field(default_factory=dict)

    def xcom_push(self, key, value):
        self.links[key] = value


class Running:
    """An operator's execute in a thread, and what came of it."""

    def __init__(self, store, try_number=1):
        from instashop_services import ServiceOperator

        self.operator = ServiceOperator(task_id=SERVICE, service=SERVICE)
        self.error = None
        self.ti = Try("0", try_number)
        self._context = {"ti": self.ti, "task_state_store": store}
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        try:
            self.operator.execute(self._context)
        except Exception as error:
            self.error = error

    def ended(self, seconds=30):
        self._thread.join(seconds)
        assert not self._thread.is_alive(), "the task did not end"
        return self.error


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A platform's folder of its own; every process of the service has ended afterwards."""
    from instashop import settings
    from instashop.control import supervision

    monkeypatch.syspath_prepend(str(ROOT / "plugins"))
    monkeypatch.setenv("INSTASHOP_HOME", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "include"))
    for name in ("SHOP", "SHOP_FEED", "CRM", "CRM_FEED"):
        monkeypatch.setenv(f"INSTASHOP_{name}_DSN", "postgresql://nobody@127.0.0.1:1/nothing?connect_timeout=1")
    monkeypatch.setenv("INSTASHOP_REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "not for services")
    settings.load.cache_clear()
    yield settings.load()
    process = supervision.find(settings.load().run_dir, SERVICE)
    if process is not None:
        supervision.stop(settings.load().run_dir, SERVICE, process, grace_seconds=5)
    settings.load.cache_clear()


def process_of(home):
    """Return the process that holds the service's lease, once it beats."""
    from instashop.control import beats, lease

    def beating():
        holder, beat = lease.holder(home.run_dir, SERVICE), beats.read(home.run_dir, SERVICE)
        return holder if holder and beat and beat.pid == holder.pid else None

    return wait_until(beating)


def want(home, state="running"):
    from instashop.control import intents

    intents.write(home.run_dir, SERVICE, intents.Intent(state))


def test_it_starts_a_process_in_a_session_of_its_own_and_stops_it_when_asked(home):
    store = Store()
    task = Running(store)
    process = process_of(home)
    assert os.getsid(process.pid) == process.pid
    assert "AIRFLOW__API_AUTH__JWT_SECRET" not in psutil.Process(process.pid).environ()
    wait_until(lambda: store.get("process"))
    want(home, "stopped")
    assert task.ended() is None
    assert process.process() is None
    assert "stopped cleanly" in (home.log_dir / "generator.log").read_text()
    assert task.ti.links["_link_DashboardLink"].endswith(f":{home.dashboard_port}/")


def test_a_service_that_hangs_is_ended_by_its_task_which_fails_and_says_so(home, monkeypatch):
    task = Running(Store())
    process = process_of(home)
    os.kill(process.pid, signal.SIGSTOP)
    monkeypatch.setattr(load(), "beat_stale_seconds", 2.0)
    assert "has not beaten for" in str(task.ended())
    assert process.process() is None


def test_a_service_that_stood_still_together_with_its_task_is_no_hang(home, monkeypatch):
    import instashop_services
    from instashop.control import supervision

    task, wait_end, paused = Running(Store()), supervision.wait_end, []
    process = process_of(home)

    def pause_both(followed, seconds):
        found = wait_end(followed, seconds)
        if not paused:
            paused.append(os.kill(process.pid, signal.SIGSTOP))
            threading.Event().wait(4)
            os.kill(process.pid, signal.SIGCONT)
        return found

    monkeypatch.setattr(load(), "beat_stale_seconds", 3.5)
    monkeypatch.setattr(instashop_services, "PAUSED_SECONDS", 3.0)
    monkeypatch.setattr(supervision, "wait_end", pause_both)
    wait_until(lambda: paused)
    threading.Event().wait(5)
    assert task.error is None
    assert process_of(home) == process
    want(home, "stopped")
    assert task.ended() is None


def test_a_killed_service_makes_the_task_fail_and_the_next_try_starts_it_again(home):
    from instashop.control.supervision import ServiceEnded

    store = Store()
    task, process = Running(store), process_of(home)
    wait_until(lambda: store.get("process"))
    os.kill(process.pid, signal.SIGKILL)
    error = task.ended()
    assert isinstance(error, ServiceEnded)
    assert "killed by SIGKILL" in str(error)
    Running(store, try_number=2)
    assert wait_until(lambda: process_of(home)).pid != process.pid


def test_a_polite_stop_from_outside_is_a_failure_too(home):
    task, process = Running(Store()), process_of(home)
    os.kill(process.pid, signal.SIGTERM)
    assert "someone outside of Airflow stopped it" in str(task.ended())


@pytest.mark.parametrize("stored", [True, False], ids=["handle stored", "died before storing"])
def test_the_next_try_adopts_the_process_and_the_old_one_leaves_it_alone(home, stored):
    from instashop.control.supervision import AnotherTryFollows

    store = Store()
    first, process = Running(store), process_of(home)
    wait_until(lambda: store.get("process"))
    second = Running(store if stored else Store(), try_number=2)
    assert isinstance(first.ended(), AnotherTryFollows)
    first.operator.on_kill()  # Airflow calls it after the next try has begun.
    assert process.process() is not None
    assert process_of(home) == process
    want(home, "stopped")
    assert second.ended() is None


def test_a_task_that_lost_its_scheduler_leaves_the_process_when_killed(home):
    from instashop.control.lease import Holder
    from instashop.control.supervision import TaskEnded

    task, process = Running(Store()), process_of(home)
    task.operator._started_by = [Holder(pid=2**22 - 1, started=1.0, create_time=1.0)]
    task.operator.on_kill()
    assert isinstance(task.ended(), TaskEnded)
    assert process.process() is not None


def test_a_task_ended_by_hand_ends_its_process(home):
    from instashop.control.supervision import TaskEnded

    task, process = Running(Store()), process_of(home)
    task.operator.on_kill()
    assert isinstance(task.ended(), TaskEnded)
    assert process.process() is None


def test_a_hanging_process_is_killed_after_the_grace(home):
    from instashop.control import supervision

    task, process = Running(Store()), process_of(home)
    os.kill(process.pid, signal.SIGSTOP)
    assert supervision.stop(home.run_dir, SERVICE, process, grace_seconds=0.5) is False
    assert process.process() is None
    assert "ended although nobody asked" in str(task.ended())


def test_going_down_stops_the_service_and_starts_none(home):
    from instashop.control import intents, supervision

    task, process = Running(Store()), process_of(home)
    intents.announce_down(home.run_dir)
    assert task.ended() is None
    assert Running(Store(), try_number=2).ended() is None
    assert process.process() is None
    assert supervision.find(home.run_dir, SERVICE) is None


def test_a_stopped_service_waits_and_a_start_is_carried_out_with_the_settings_of_then(home, monkeypatch):
    from instashop.control.supervision import carry_out

    monkeypatch.delenv("INSTASHOP_SERVICE_LIFETIME_SECONDS", raising=False)  # The suite's own environment comes before any `.env`.
    want(home, "stopped")
    store = Store()
    Running(store)
    wait_until(lambda: store.get("beat"))
    (home.home / ".env").write_text("INSTASHOP_SERVICE_LIFETIME_SECONDS=77\n")
    assert "waiting" in carry_out(home.run_dir, SERVICE, "start")
    assert process_of(home).process().environ()["INSTASHOP_SERVICE_LIFETIME_SECONDS"] == "77"


def test_a_restart_gives_a_new_process(home):
    from instashop.control.supervision import carry_out

    first, process = Running(Store()), process_of(home)
    asked = threading.Thread(target=carry_out, args=(home.run_dir, SERVICE, "restart"), daemon=True)
    asked.start()
    assert first.ended() is None
    Running(Store())  # The next run, which @continuous starts.
    asked.join(80)
    assert not asked.is_alive()
    assert process_of(home).pid != process.pid


def test_a_long_log_is_set_aside_while_its_service_writes_on(home, monkeypatch):
    from instashop.control import supervision
    from instashop_services import FollowsService

    monkeypatch.setattr(supervision, "LOG_BYTES", 500)
    monkeypatch.setattr(FollowsService, "say_every_seconds", 0.1)
    task, log = Running(Store()), home.log_dir / f"{SERVICE}.log"
    aside = log.with_name(f"{log.name}.1")
    first = wait_until(lambda: aside.exists() and aside.read_text())
    second = wait_until(lambda: (text := aside.read_text()) != first and text)
    assert "trying again" in second
    assert "\0" not in second + log.read_text()
    want(home, "stopped")
    assert task.ended() is None
