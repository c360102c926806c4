"""Waiting for a condition, never for a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
PATIENCE = 2
"""The seconds that a wait names are what it takes on two fair cores; slow ones may need so many times as long."""


def wait_until(true: Callable[[], T], seconds: float = 60, what: str = "it", every: float = 0.1) -> T:
    """Wait for a condition and return what made it true; a test that waits in vain says for what."""
    deadline, gap = time.monotonic() + PATIENCE * seconds, threading.Event()
    while not (found := true()):
        assert time.monotonic() < deadline, f"{what} did not happen within {PATIENCE * seconds} s"
        gap.wait(every)
    return found
