"""The running platform as a drill sees it: what it can break, and how it sees that facts flow again."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

import psutil
import psycopg
from confluent_kafka import TopicPartition
from redis import RedisError

from instashop import connect, sql
from instashop.control import beats, intents, lease, supervision
from instashop.control.lease import Holder
from instashop.errors import InstaShopError
from instashop.local import health, programs
from instashop.metrics import PROGRESS_KEY, reached
from instashop.settings import Settings
from instashop.transport.topics import Offsets, consumer, place_of

LOOK_SECONDS = 0.1
LOOK_SHARE = 9
"""Between two looks passes so many times as long as the first took."""
WELL_SECONDS = 90
ASK_SECONDS = 20
HEAD_SECONDS = 5
"""A service whose oldest waiting fact is younger is at the head of what it reads."""


class NotRunning(InstaShopError):
    """{what} does not run, so there is nothing to break; `./instashop status` tells what runs."""


class DidNotHappen(InstaShopError):
    """{what} did not happen within {seconds:.0f} s."""


class Platform:
    """Breaks parts of the platform of one home, by signals and by supervisord."""

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        self.settings, self.say = settings, say
        self._killed: list[str] = []

    def service(self, name: str) -> Holder:
        """Return the process that holds a service's lease.

        Raises:
            NotRunning: there is none.
        """
        holder = lease.holder(self.settings.run_dir, name)
        if holder is None or holder.process() is None:
            raise NotRunning(what=name)
        return holder

    def kill_service(self, name: str) -> None:
        """SIGKILL a service."""
        pid = self.service(name).pid
        os.kill(pid, signal.SIGKILL)
        self.say(f"killed {name}, process {pid}")

    def kill_spark_driver(self) -> None:
        """SIGKILL the JVM of the Spark job; its Python child holds the lease and must end by itself."""
        pid = psutil.Process(self.service("live_metrics").pid).parents()[0].pid
        os.kill(pid, signal.SIGKILL)
        self.say(f"killed Spark's driver, process {pid}")

    def spark_executor(self) -> psutil.Process:
        """Return the process in which Spark's worker runs the tasks of the job.

        Raises:
            NotRunning: there is none.
        """
        for process in psutil.Process(self.server_pid("spark-worker")).children(recursive=True):
            if "org.apache.spark.executor.CoarseGrainedExecutorBackend" in process.cmdline():
                return process
        raise NotRunning(what="Spark's executor")

    def server_pid(self, name: str) -> int:
        """Return the process of a server.

        Raises:
            NotRunning: supervisord does not run it.
        """
        pid = programs.states(self.settings).get(name, {}).get("pid")
        if not pid:
            raise NotRunning(what=name)
        return int(pid)

    def kill_server(self, name: str) -> None:
        """SIGKILL a server, which has to be well again in the end."""
        self.signal_server(name, signal.SIGKILL)
        self._killed.append(name)

    def wait_until_well(self) -> None:
        """Wait until each killed server is well again.

        Raises:
            DidNotHappen: it is not in time.
        """
        while self._killed:
            name = self._killed.pop()
            self.wait(partial(self._is_well, name), WELL_SECONDS, f"{name} being well again")
            self.say(f"{name} is well again")

    def _is_well(self, name: str) -> bool:
        return health.CHECKS[name](self.settings) is None

    def signal_server(self, name: str, number: signal.Signals) -> None:
        """Send a signal to the process of a server, past supervisord."""
        os.kill(self.server_pid(name), number)
        self.say(f"{number.name} to {name}")

    def restart_server(self, name: str, down_seconds: float = 0) -> None:
        """Stop a server as its administrator would, and start it again."""
        programs.stop(self.settings, [name])
        self.say(f"{name} is stopped")
        try:
            self.rest(down_seconds)
        finally:
            programs.start(self.settings, name)
        self.say(f"{name} is started")

    def want(self, service: str, action: intents.Action) -> None:
        """Ask for a service to be stopped or started, as `control_service` does, and wait until it is so."""
        supervision.carry_out(self.settings.run_dir, service, action)
        self.say(f"{service}: {action}")

    def rest(self, seconds: float) -> None:
        """Let a fault last."""
        threading.Event().wait(seconds)

    def wait(self, true: Callable[[], Any], seconds: float, what: str, look_seconds: float = LOOK_SECONDS) -> Any:
        """Return what `true` returns as soon as it is true; servers that do not answer are asked again.

        It looks every `look_seconds`, and more seldom where a look takes long: what is measured shares its cores with who measures.

        Raises:
            DidNotHappen: it did not become true in time.
        """
        until, gap = time.monotonic() + seconds, threading.Event()
        while (begun := time.monotonic()) < until:
            with suppress(psycopg.Error, RedisError, InstaShopError):
                if found := true():
                    return found
            gap.wait(max(look_seconds, LOOK_SHARE * (time.monotonic() - begun)))
        raise DidNotHappen(what=what, seconds=seconds)

    def wait_until_live(self, broke_at: datetime, seconds: float) -> float:
        """Wait until an order and an item recorded after the fault are in the warehouse and in Spark's windows; return how long after the fault that was.

        Raises:
            DidNotHappen: nothing came in time.
        """
        until, passed = time.monotonic() + seconds, []
        for topic in ("transactions", "transaction_items"):
            place = self.wait(partial(self._first_since, topic, broke_at), until - time.monotonic(), f"one of {topic} of after the fault in the warehouse")
            passed.append(f"{topic} in the warehouse {since(broke_at):.1f} s")
            self.wait(partial(self._in_windows, *place), max(1.0, until - time.monotonic()), f"one of {topic} of after the fault in the live windows")
            passed.append(f"in the windows {since(broke_at):.1f} s")
        self.say(f"facts of after the fault: {', '.join(passed)}")
        return since(broke_at)

    def caught_up(self) -> bool:
        """Tell whether no service is behind what it reads by more than a moment."""
        found = [beats.read(self.settings.run_dir, name) for name in beats.SERVICES if name != "generator"]
        return all(beat is not None and beat.lag_seconds is not None and beat.lag_seconds < HEAD_SECONDS for beat in found)

    def behind_seconds(self) -> float:
        """Return for how long the oldest event has been in Kafka that the live windows do not have yet; nearly zero without one.

        Raises:
            DidNotHappen: Kafka did not tell in time.
        """
        waiting, oldest, until = self._reached(), datetime.now(UTC), time.monotonic() + ASK_SECONDS
        with consumer(self.settings, "instashop-drill") as client:
            client.assign([TopicPartition(topic, number, end) for (topic, number), end in waiting.items()])
            while waiting and time.monotonic() < until:
                for message in client.consume(100, timeout=0.1):
                    if waiting.pop(place_of(message), None) is not None and not message.error():  # An error here is the end of the partition.
                        oldest = min(oldest, datetime.fromtimestamp(message.timestamp()[1] / 1000, UTC))
        if waiting:
            raise DidNotHappen(what="Kafka's word on what the live windows do not have yet", seconds=ASK_SECONDS)
        return since(oldest)

    def _first_since(self, topic: str, moment: datetime) -> tuple[str, int, int] | None:
        with connect.warehouse(self.settings, "drill") as dwh:
            row = dwh.execute(sql.statement("drills/first_since"), {"topic": topic, "moment": moment}).fetchone()  # type: ignore[arg-type]
        return (row[0], row[1], row[2]) if row else None

    def _in_windows(self, topic: str, partition: int, offset: int) -> bool:
        return self._reached().get((topic, partition), 0) > offset

    def _reached(self) -> Offsets:
        return reached(json.loads(connect.redis(self.settings).get(PROGRESS_KEY) or "{}"))

    def dead_letters(self) -> int:
        """Return how many dead letters there are."""
        with connect.warehouse(self.settings, "drill") as dwh:
            row = dwh.execute("SELECT count(*) FROM dead_letters").fetchone()
        return int(row[0]) if row else 0


def since(moment: datetime) -> float:
    """Return how many seconds ago a moment was."""
    return (datetime.now(UTC) - moment).total_seconds()
