"""A service's lease: a kernel lock on a file, held by the process itself, so that it ends with the process."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from instashop.errors import LeaseTaken


@dataclass(frozen=True)
class Holder:
    """The process that holds a lease; the create time (Unix seconds) tells it from a later process with the same pid."""

    pid: int
    create_time: float

    def process(self) -> psutil.Process | None:
        """Return the process, or None when it has ended."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.create_time) < 0.05
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


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
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        found = holder(run_dir, service)
        raise LeaseTaken(service=service, pid=found.pid if found else "unknown") from None
    file.seek(0)
    file.truncate()
    json.dump({"pid": os.getpid(), "create_time": psutil.Process().create_time()}, file)
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
                known = json.loads(file.read() or "{}")
                return Holder(known["pid"], known["create_time"]) if known else None
            return None
    except FileNotFoundError:
        return None
