"""Makes the class data of Kafka and Spark: a broker and the Spark job carry one message, and write down their classes when they end.

Runs in a process of its own, since a rehearsal has a home, ports and settings of its own.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from instashop import connect, java, live
from instashop.control import lease
from instashop.control.files import last_lines
from instashop.local import brokers, health, jars, servers
from instashop.local.failures import RehearsalFailed
from instashop.local.own_stack import own_stack
from instashop.local.progress import wait
from instashop.local.up import start_servers
from instashop.metrics import PROGRESS_KEY
from instashop.settings import PORTS, Settings, load
from instashop.transport.prepare import prepare_topics

PATIENCE_SECONDS = 180
_OFFSETS = range(6000, 40000, 500)


def rehearse() -> None:
    """Make the class data, unless it is there.

    Raises:
        RehearsalFailed: the broker or the Spark job did not do its part.
    """
    java.CLASS_DATA.mkdir(parents=True, exist_ok=True)
    with (java.CLASS_DATA / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if java.all_class_data():
            return  # Another start made it meanwhile.
        jars.fetch_all()
        for old in java.CLASS_DATA.glob("*.jsa"):
            old.unlink()  # A JVM that maps one writes none; who has it mapped keeps it.
        home = java.CLASS_DATA / "rehearsal"
        with own_stack(home, _free_offset()):
            os.environ["INSTASHOP_KAFKA_BROKERS"] = "1"
            load.cache_clear()
            _play(start_servers(load(), [servers.REDIS]))
        shutil.rmtree(home)


def _free_offset() -> int:
    """Return an offset at which nobody listens on any of the ports."""

    def free(port: int) -> bool:
        with socket.socket() as trial:
            return trial.connect_ex(("127.0.0.1", port)) != 0

    defaults = [Settings.model_fields[name].default for name in PORTS]
    return next(offset for offset in _OFFSETS if all(free(port + offset) for port in defaults))


def _play(settings: Settings) -> None:
    """Bring one message through a broker and the Spark job, and keep what both wrote when they ended."""
    brokers.format_storage(settings, threading.Event())
    node, redis = brokers.brokers(settings)[0], connect.redis(settings)
    command, *arguments = node.argv()
    with _player("kafka", settings, [command, _at_exit("kafka"), *arguments], os.environ) as broker:
        broker.wait_for(lambda: health.kafka(settings))
        prepare_topics(settings)
        producer = connect.kafka_producer(settings, "rehearsal")
        producer.init_transactions(PATIENCE_SECONDS)
        producer.begin_transaction()
        producer.produce("searches", b"{}")
        producer.commit_transaction(PATIENCE_SECONDS)
        submit = live.submit_command(settings)
        submit[submit.index("--master") + 1] = "local[2]"  # Driver and executor are one JVM then.
        with _player("spark", settings, submit, live.submit_environment(settings) | {"SPARK_SUBMIT_OPTS": _at_exit("spark")}) as job:
            job.wait_for(lambda: None if redis.exists(PROGRESS_KEY) else "no batch yet")
            driver = lease.holder(settings.run_dir, live.SERVICE)
            assert driver is not None
            os.kill(driver.pid, signal.SIGTERM)
            broker.process.terminate()
            job.keep()
            broker.keep()


def _at_exit(name: str) -> str:
    return f"-XX:ArchiveClassesAtExit={_draft(name)}"


def _draft(name: str) -> Path:
    return java.archive(name).with_suffix(".draft")


@dataclass(frozen=True)
class _Player:
    """A process whose JVM writes down its classes when it ends."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def wait_for(self, ready: Callable[[], str | None]) -> None:
        """Wait until `ready` says None."""
        reason = wait(lambda: None if self.process.poll() is not None else ready(), threading.Event(), PATIENCE_SECONDS)
        if reason or self.process.poll() is not None:
            raise RehearsalFailed(name=self.name, what=reason or f"ended with {self.process.returncode}", lines=last_lines(self.log))

    def keep(self) -> None:
        """Wait until it has ended, which it was asked for, and put what it wrote in its place."""
        reason = wait(lambda: "still ends" if self.process.poll() is None else None, threading.Event(), PATIENCE_SECONDS)
        if reason or self.process.returncode not in (0, 128 + signal.SIGTERM, -signal.SIGTERM):
            raise RehearsalFailed(name=self.name, what=reason or f"ended with {self.process.returncode}", lines=last_lines(self.log))
        _draft(self.name).replace(java.archive(self.name))


@contextmanager
def _player(name: str, settings: Settings, command: list[str], environment: Mapping[str, str]) -> Iterator[_Player]:
    """Run a command in a process group of its own, of which nothing is left afterwards."""
    log = settings.log_dir / f"{name}.log"
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment, start_new_session=True)
    try:
        yield _Player(name, process, log)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    rehearse()
