"""What a long command does when it is told to end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def ends_on_sigterm() -> Iterator[None]:
    """While it lasts, SIGTERM and SIGHUP are a Ctrl-C: what was begun is undone on the way out. Only the main thread hears signals.

    A signal that the caller ignores stays ignored, as SIGHUP does below `nohup`.
    """
    old = {}
    if threading.current_thread() is threading.main_thread():
        heard = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is not signal.SIG_IGN]
        old = {number: signal.signal(number, signal.default_int_handler) for number in heard}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
