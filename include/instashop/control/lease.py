"""A service's lease: a kernel lock on a file, held by the process itself, so that it ends with the process."""

from __future__ import annotations

import fcntl
import math
import threading
import time
from pathlib import Path
from typing import IO, NamedTuple

import msgspec
import psutil

from instashop.errors import LeaseTaken

LOOK_SECONDS = 1.0
"""Longer than anybody takes who only looks whether a lease is free, for which he holds it for a moment."""


class Clock(NamedTuple):
    """This moment, in seconds since the machine's boot; no setting of the time of day moves it."""

    since_boot: float
    awake: float
    """The same without the time that the machine slept."""

    @classmethod
    def read(cls) -> Clock:
        """Return this moment, the first number as coarse as the kernel's start of a process."""
        return cls(math.floor(time.clock_gettime(time.CLOCK_BOOTTIME) * 100) / 100, time.monotonic())


def boot_id() -> str:
    """Return what tells this boot of the machine from others."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


class Holder(msgspec.Struct, frozen=True):
    """The process that holds a lease; `started` tells it from a later process with the same pid."""

    pid: int
    started: float
    """Seconds from the machine's boot to the process's start. No setting of the clock moves it."""
    create_time: float
    """The same moment in Unix seconds, to be compared with what clocks say."""

    @classmethod
    def of(cls, process: psutil.Process) -> Holder:
        """Return a running process as a holder.

        Raises:
            psutil.NoSuchProcess: it has ended.
        """
        started = _started(process)
        # psutil's own create time begins with the boot in whole seconds: it is up to a second early.
        return cls(process.pid, started, time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + started)

    def process(self) -> psutil.Process | None:
        """Return the process, or None when it has ended."""
        process = self.entry()
        try:
            return process if process and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None

    def entry(self) -> psutil.Process | None:
        """Return what the kernel has of the process: it, or its exit code for its parent; None when there is nothing any more."""
        try:
            process = psutil.Process(self.pid)
            return process if abs(_started(process) - self.started) < 0.05 else None
        except psutil.NoSuchProcess:
            return None


def _started(process: psutil.Process) -> float:
    return round(process.create_time() - psutil.boot_time(), 2)


def path_of(run_dir: Path, service: str) -> Path:
    """Return the lock file of a service."""
    return run_dir / f"{service}.lease"


def take(run_dir: Path, service: str) -> IO[str]:
    """Take the lease for as long as the returned file is open.

    Raises:
        LeaseTaken: a living process holds it.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    file = path_of(run_dir, service).open("a+", encoding="utf-8")
    until = time.monotonic() + LOOK_SECONDS
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            found = holder(run_dir, service)
            if found or time.monotonic() > until:
                file.close()
                raise LeaseTaken(service=service, pid=found.pid if found else "unknown") from None
            threading.Event().wait(0.02)
    file.seek(0)
    file.truncate()
    file.write(msgspec.json.encode(Holder.of(psutil.Process())).decode())
    file.flush()
    return file


def holder(run_dir: Path, service: str) -> Holder | None:
    """Return who holds the lease now, or None when it is free."""
    path = path_of(run_dir, service)
    try:
        with path.open(encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                known = file.read()
                return msgspec.json.decode(known, type=Holder) if known else None
            return None
    except FileNotFoundError:
        return None
