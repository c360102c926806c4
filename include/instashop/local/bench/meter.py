"""CPU seconds and memory of processes, whole trees at a time."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

import psutil

from instashop import connect, java
from instashop.control import beats, lease
from instashop.local import programs
from instashop.settings import Settings

POSTGRES = ("postgres-shop", "postgres-warehouse", "postgres-airflow")
KAFKA = ("kafka-1", "kafka-2", "kafka-3")


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return user and system seconds of these processes, their descendants, and those descendants that have ended."""
    total = 0.0
    for process in _trees(pids):
        with suppress(psutil.Error):
            total += sum(process.cpu_times()[:4])
    return total


def memory_mb(pids: Iterable[int]) -> float:
    """Return the proportional share of memory (PSS, MB) of these processes and their descendants."""
    total = 0.0
    for process in _trees(pids):
        with suppress(psutil.Error):
            total += process.memory_full_info().pss / 1e6
    return total


def busy_seconds() -> float:
    """Return how long the machine's cores have worked since it started, for anybody: that which measures is part of it."""
    times = psutil.cpu_times()
    return times.user + times.nice + times.system + times.irq + times.softirq


def _trees(pids: Iterable[int]) -> set[psutil.Process]:
    found: set[psutil.Process] = set()
    for pid in pids:
        with suppress(psutil.Error):
            root = psutil.Process(pid)
            found |= {root, *root.children(recursive=True)}
    return found


def loop_ms() -> float:
    """Return the CPU milliseconds of a fixed loop in Python: how fast a core is at this moment, whatever else shares the machine."""
    began, total = time.process_time(), 0
    for number in range(300_000):
        total += number * number
    return (time.process_time() - began) * 1000


def server_pids(settings: Settings, names: Iterable[str]) -> list[int]:
    """Return the processes of these servers that run."""
    states = programs.states(settings)
    return [states[name]["pid"] for name in names if states.get(name, {}).get("pid")]


def spark_pids(settings: Settings) -> list[int]:
    """Return the processes of the Spark job: the JVM that submitted it, and its executors with their Python workers."""
    holder = lease.holder(settings.run_dir, "live_metrics")
    if holder is None:
        return []
    driver = psutil.Process(holder.pid).parents()
    worker = server_pids(settings, ["spark-worker"])
    executors = [child.pid for pid in worker for child in psutil.Process(pid).children()]
    return [*(each.pid for each in driver[:1]), *executors]


def platform_pids(settings: Settings) -> list[int]:
    """Return the roots of everything that the platform runs: servers and services."""
    roots = server_pids(settings, programs.states(settings))
    for service in beats.SERVICES:
        holder = lease.holder(settings.run_dir, service)
        if holder is not None:
            roots.append(holder.pid)
    return [*roots, *spark_pids(settings)]


def versions(settings: Settings) -> dict[str, str]:
    """Return the versions of the servers that run: Kafka's is that of its jars, the others say theirs."""
    with connect.warehouse(settings, "bench") as dwh:
        row = dwh.execute("SELECT current_setting('server_version')").fetchone()
    told = subprocess.run([java.command(), "-version"], capture_output=True, text=True, check=True).stderr.split('"')[1]
    return {
        "Kafka": java.VERSIONS["kafka"],
        "Postgres": str(row[0]).split()[0] if row else "unknown",
        "Redis": connect.redis(settings).info("server")["redis_version"],
        "Java": told,
    }


@dataclass(frozen=True)
class Spread:
    """The median of several runs, and the least and the greatest of them."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Return the spread of some figures."""
        ordered = sorted(values)
        return cls(ordered[len(ordered) // 2], ordered[0], ordered[-1])

    def text(self, digits: int = 0) -> str:
        """Return `median (least–greatest)`."""
        one = f"{self.median:,.{digits}f}"
        return one if self.least == self.greatest else f"{one} ({self.least:,.{digits}f}–{self.greatest:,.{digits}f})"


def quantile(ordered: list[float], share: float) -> float:
    """Return the value below which this share of an ordered list lies (nearest rank)."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
