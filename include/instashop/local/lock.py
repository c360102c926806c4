"""One `up`, `down` or `reset` at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from instashop.local.failures import RunElsewhere, UpTaken
from instashop.settings import Settings


def path(settings: Settings) -> Path:
    """Return the file whose lock is held; it is never removed, since a second file of its name would be another lock."""
    return settings.run_dir / "up.lock"


@contextmanager
def only_one(settings: Settings, command: str) -> Iterator[None]:
    """Hold the platform's lock; the kernel frees it with the process.

    Raises:
        UpTaken: another command holds it.
        RunElsewhere: the servers are not run here.
    """
    if settings.servers == "elsewhere":
        raise RunElsewhere(command=command)
    settings.run_dir.mkdir(parents=True, exist_ok=True)
    with path(settings).open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            pid, _, other = file.read().partition(" ")
            raise UpTaken(command=other or "up", pid=pid or "unknown", home=settings.home) from None
        file.truncate(0)
        file.write(f"{os.getpid()} {command}")
        file.flush()
        yield
