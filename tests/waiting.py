"""Waiting for a condition, never for a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

PATIENCE = 2
"""The seconds that a wait names are what it takes on two fair cores; slow ones may need so many times as long."""


def wait_until(true: Callable[[], object], seconds: float = 60, what: str = "it", every: float = 0.1) -> None:
    """Wait for a condition; a test that waits in vain says for what."""
    deadline, gap = time.monotonic() + PATIENCE * seconds, threading.Event()
    while not true():
        assert time.monotonic() < deadline, f"{what} did not happen within {PATIENCE * seconds} s"
        gap.wait(every)
