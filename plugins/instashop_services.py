"""A service as an Airflow task: started detached, followed, adopted again after a crash, stopped and started as its intent says."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pendulum
import psutil
from airflow.sdk import BaseOperator, BaseOperatorLink, Param, ResumableJobMixin

from instashop.control import beats, intents, supervision
from instashop.control.files import last_lines
from instashop.control.lease import Clock, Holder
from instashop.settings import Settings, load

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

log = logging.getLogger(__name__)

KILL_GRACE_SECONDS = 3.5
"""Airflow kills a task by SIGKILL 5 s after it asked it to end."""
PAUSED_SECONDS = 10.0
"""A task that waited for so long instead of a second stood still itself, as in a paused container; its service gets as long to beat again."""

CONTINUOUS: dict[str, Any] = {
    "schedule": "@continuous",
    "start_date": pendulum.datetime(2025, 1, 1),
    "catchup": False,
    "max_active_runs": 1,
    "is_paused_upon_creation": False,
    "tags": ["service"],
}
"""What the DAGs that run a service have in common."""
FIRST = {"retries": 20, "retry_delay": timedelta(seconds=5), "priority_weight": 100, "weight_rule": "absolute"}
"""How their tasks come before all others that wait for one of Airflow's slots: the facts of the shop wait for them."""
LIFETIME = {"lifetime_seconds": Param(None, type=["null", "integer"], minimum=60, description="Ends by itself after this; empty: the setting.")}


class DashboardLink(BaseOperatorLink):
    """From a task to the dashboard."""

    name = "Dashboard"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        """Return the dashboard's address."""
        settings = load()
        return f"{settings.page(settings.dashboard_port)}/"


class FollowsService(ABC):
    """How a task follows the process of one service; the operators below say how it is started.

    Promises: at most one process of a service (its lease); the process survives Airflow's own crash and is adopted
    by the next try; it is ended only when somebody asked (intent, or the task was cleared or marked by hand), or when it hangs.
    """

    if TYPE_CHECKING:  # From the operator that this is mixed into.
        log: Any
        operator_extra_links: Any
        execute_resumable: Any

    service: str
    external_id_key = "process"
    say_every_seconds = 5.0
    store_every_seconds = 30.0

    @abstractmethod
    def command(self, settings: Settings) -> list[str]:
        """Return what starts the service."""

    @abstractmethod
    def environment(self, settings: Settings, intent: intents.Intent) -> dict[str, str]:
        """Return the environment in which it starts."""

    def execute(self, context: Context) -> None:
        """Follow the service until its lifetime is over or somebody wants it otherwise."""
        settings = load()
        ti = context["ti"]
        self._token = f"{ti.id}/{ti.try_number}/{os.getpid()}"
        self._started_by = _ancestors()
        self._killed = ""
        self._asked = False
        self._tick = threading.Event()
        supervision.follow(settings.run_dir, self.service, self._token)
        for link in self.operator_extra_links:  # Airflow itself stores links only when a task ends.
            ti.xcom_push(link.xcom_key, link.get_link(self, ti_key=None))
        if self._wait_until_wanted(settings, context):
            self.execute_resumable(context)

    def submit_job(self, context: Context) -> str:
        """Start the service, or adopt the one that is there; return its handle."""
        load.cache_clear()  # The task may have waited for hours until somebody wanted it to run, and its settings changed meanwhile.
        settings = load()
        found = supervision.find(settings.run_dir, self.service)
        if found is not None:
            self.log.info("%s already runs as process %d; it is adopted.", self.service, found.pid)
            return _handle(found)
        intent = intents.read(settings.run_dir, self.service)
        command = self.command(settings)
        process = supervision.start(settings.run_dir, self.service, command, self.environment(settings, intent), self._log_file(settings))
        self.log.info("%s started as process %d: %s; its own log is %s", self.service, process.pid, " ".join(command), self._log_file(settings))
        return _handle(process)

    def get_job_status(self, external_id: Any, context: Context) -> str:
        """Return running, ended (well) or failed."""
        settings, process = load(), _process(external_id)
        if process.process() is not None:
            return "running"
        return "ended" if self._ending(settings, process, None).well else "failed"

    def is_job_active(self, status: str) -> bool:
        """Say whether the process lives."""
        return status == "running"

    def is_job_succeeded(self, status: str) -> bool:
        """Say whether the process ended well while nobody followed it."""
        return status == "ended"

    def poll_until_complete(self, external_id: Any, context: Context) -> None:
        """Follow the process to its end, saying its rate and lag every few seconds; stop it when its intent says so.

        Raises:
            ServiceEnded: it ended although nobody asked, or it hung and was ended here.
            TaskEnded: this task was ended by hand or by Airflow.
            AnotherTryFollows: a later try has taken over.
        """
        settings, process = load(), _process(external_id)
        said = stored = hears_from = 0.0
        ended, code = False, None
        self.log.info("following %s, process %d", self.service, process.pid)
        while not ended:
            before = time.monotonic()
            ended, code = supervision.wait_end(process, 1.0)
            now = time.monotonic()
            if now - before > PAUSED_SECONDS:
                hears_from = now + PAUSED_SECONDS
            if self._killed:
                raise supervision.TaskEnded(service=self.service, what=self._killed)
            if not supervision.follows(settings.run_dir, self.service, self._token):
                raise supervision.AnotherTryFollows(service=self.service)
            if not ended and self._step(settings, process) == "stop":
                self._stop(settings, process)
                return
            if not ended and now > hears_from and (hang := self._hang(settings, process)):
                supervision.stop(settings.run_dir, self.service, process, KILL_GRACE_SECONDS)
                raise self._unwell(settings, process, hang)
            if now - said >= self.say_every_seconds:
                said = now
                self.log.info("%s: %s", self.service, self._beat_line(settings))
                supervision.set_aside(self._log_file(settings))
            if now - stored >= self.store_every_seconds:
                stored = now
                context["task_state_store"].set("beat", self._beat_line(settings))
        verdict = self._ending(settings, process, code)
        if not verdict.well:
            raise self._unwell(settings, process, verdict.how)
        self.log.info("%s ended well: %s. The next run starts it afresh.", self.service, verdict.how)

    def _hang(self, settings: Settings, process: Holder) -> str:
        """Return how a service hangs that is to run, or nothing."""
        intent, beat = intents.read(settings.run_dir, self.service), beats.read(settings.run_dir, self.service)
        found = supervision.finding(self.service, intent, process, beat, Clock.read(), settings.beat_stale_seconds)
        return found.text if found and found.hangs else ""

    def _unwell(self, settings: Settings, process: Holder, how: str) -> supervision.ServiceEnded:
        log_file = self._log_file(settings)
        return supervision.ServiceEnded(service=self.service, pid=process.pid, how=how, log=log_file, tail=last_lines(log_file, 15, "    ").strip())

    def get_job_result(self, external_id: Any, context: Context) -> None:
        """Return nothing: what a service does is in its beats."""
        return

    def on_kill(self) -> None:
        """End the service when a person or Airflow ended this task; leave it when the task lost its scheduler or another try follows."""
        settings = load()
        token = getattr(self, "_token", None)
        if token is None:
            return
        if not supervision.follows(settings.run_dir, self.service, token):
            self._killed = "another try follows the process, which is left alone"
        elif any(each.process() is None for each in self._started_by):
            self._killed = "its scheduler is gone; the process is left for the next try"
        else:
            self._killed = "its process was ended, too"
            process = supervision.find(settings.run_dir, self.service)
            if process is not None:
                supervision.stop(settings.run_dir, self.service, process, KILL_GRACE_SECONDS)
        self.log.warning("This task is ended: %s.", self._killed)

    def _wait_until_wanted(self, settings: Settings, context: Context) -> bool:
        """Wait, as long as the intent is that the service does not run; return whether it is to be followed now."""
        until = time.monotonic() + settings.service_lifetime_seconds
        said = 0.0
        while time.monotonic() < until:
            if self._killed:
                raise supervision.TaskEnded(service=self.service, what=self._killed)
            process = supervision.find(settings.run_dir, self.service)
            step = self._step(settings, process)
            if step in ("start", "follow"):
                return True
            if step == "leave":
                self.log.info("The platform is going down; %s is not started.", self.service)
                return False
            if step == "stop" and process is not None:
                self._stop(settings, process)
            elif time.monotonic() - said >= 30 or not said:
                said = time.monotonic()
                self.log.info("%s is stopped on purpose; start it again with the DAG control_service (action: start).", self.service)
                context["task_state_store"].set("beat", "stopped on purpose")
            self._tick.wait(1.0)
        return False

    def _step(self, settings: Settings, process: Holder | None) -> str:
        run_dir = settings.run_dir
        return intents.next_step(intents.read(run_dir, self.service), intents.read(run_dir, intents.PLATFORM), process)

    def _stop(self, settings: Settings, process: Holder) -> None:
        self._asked = True
        self.log.info("%s is asked to stop.", self.service)
        if supervision.stop(settings.run_dir, self.service, process):
            self.log.info("%s has stopped by itself.", self.service)
        else:
            self.log.warning("%s did not stop within %.0f s and was killed; it goes on at its cursor.", self.service, supervision.GRACE_SECONDS)

    def _ending(self, settings: Settings, process: Holder, code: int | None) -> supervision.Ending:
        beat = beats.read(settings.run_dir, self.service)
        asked = self._asked or self._step(settings, process) == "stop"  # `down` ends services itself, at the same time.
        return supervision.ending(process, code, beat, asked, self._lifetime(settings))

    def _lifetime(self, settings: Settings) -> float:
        return settings.service_lifetime_seconds

    def _beat_line(self, settings: Settings) -> str:
        return supervision.describe(beats.read(settings.run_dir, self.service), datetime.now(UTC))

    def _log_file(self, settings: Settings) -> Any:
        return settings.log_dir / f"{self.service}.log"


class ServiceOperator(FollowsService, ResumableJobMixin, BaseOperator):
    """Runs `instashop SERVICE` as a process of its own.

    Args:
        service: generator, producer, consumer or enricher.
        lifetime_seconds: the service ends by itself after this; empty means the setting.
        options: more settings of the service, by their names in small letters, for example {"seed": 7}; empty ones are left out.
    """

    template_fields: Sequence[str] = ("lifetime_seconds", "options")
    operator_extra_links = (DashboardLink(),)

    def __init__(self, *, service: str, lifetime_seconds: int | str | None = None, options: dict[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.service = service
        self.lifetime_seconds = lifetime_seconds
        self.options = options or {}

    def command(self, settings: Settings) -> list[str]:
        """Return the service's own command."""
        return [sys.executable, "-m", "instashop", self.service]

    def environment(self, settings: Settings, intent: intents.Intent) -> dict[str, str]:
        """Return this process's environment without Airflow's part, with the options and the rate that was asked for."""
        options = {name: value for name, value in self.options.items() if value not in (None, "", "None")}
        if intent.rate is not None:
            options["rate"] = intent.rate
        return supervision.child_environment(os.environ, home=settings.home, service_lifetime_seconds=int(self._lifetime(settings)), **options)

    def _lifetime(self, settings: Settings) -> float:
        return float(self.lifetime_seconds) if self.lifetime_seconds not in (None, "", "None") else settings.service_lifetime_seconds


def _handle(process: Holder) -> str:
    return msgspec.json.encode(process).decode()


def _process(handle: Any) -> Holder:
    return msgspec.json.decode(handle, type=Holder)


def _ancestors() -> list[Holder]:
    """Return Airflow's worker and scheduler above this task; one of them gone means that the task is an orphan."""
    return [Holder.of(each) for each in psutil.Process().parents()[:2]]
