"""Runs steps that wait for each other, as many at once as may, and shows each with its time."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from rich.console import Console
from rich.live import Live
from rich.table import Table

from instashop.errors import InstaShopError
from instashop.local.failures import Interrupted, StepFailed

_K = TypeVar("_K")
_A = TypeVar("_A")
_R = TypeVar("_R")


class Stopped(Exception):
    """A step ended early because another one failed."""


@dataclass(frozen=True)
class Step:
    """One thing to do once the steps named in `needs` are done; `run` gets the event that tells it to give up."""

    name: str
    run: Callable[[threading.Event], str | None]
    needs: tuple[str, ...] = ()


@dataclass
class _Course:
    """How far each step is: when it began, how long it took, what it said."""

    steps: tuple[Step, ...]
    began: dict[str, float] = field(default_factory=dict)
    took: dict[str, float] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)
    failed: dict[str, BaseException] = field(default_factory=dict)

    def ready(self) -> list[Step]:
        return [s for s in self.steps if s.name not in self.began and all(need in self.took for need in s.needs)]

    def running(self) -> list[str]:
        return [name for name in self.began if name not in self.took and name not in self.failed]

    def table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for name, began in self.began.items():
            if name in self.failed:
                table.add_row("[red]✗[/red]", name, "", "")
            elif name in self.took:
                table.add_row("[green]✓[/green]", name, f"{self.took[name]:.1f} s", self.said.get(name, ""))
            else:
                table.add_row("[yellow]…[/yellow]", name, f"{time.monotonic() - began:.0f} s", "")
        return table


def run(steps: Iterable[Step], console: Console) -> None:
    """Run the steps; when one fails or this is interrupted, tell those that run to give up, wait for them and raise the error: what undoes them is alone.

    Raises:
        InstaShopError: the error of the step that failed first.
        Interrupted: the user pressed Ctrl-C, or the process was told to end.
        OSError, SystemExit: nobody reads any more what is said.
    """
    course, stop, done = _Course(tuple(steps)), threading.Event(), queue.Queue[tuple[str, BaseException | None, str | None]]()
    threads: list[threading.Thread] = []
    names = {step.name for step in course.steps}
    missing = {need for step in course.steps for need in step.needs} - names
    assert not missing, f"unknown steps: {missing}"

    def work(step: Step) -> None:
        try:
            said = step.run(stop)
        except BaseException as error:  # Everything goes to the caller's thread, which raises it.
            done.put((step.name, error, None))
        else:
            done.put((step.name, None, said))

    def begin() -> None:
        for step in course.ready() if not stop.is_set() else ():
            course.began[step.name] = time.monotonic()
            threads.append(threading.Thread(target=work, args=(step,), name=step.name, daemon=True))
            threads[-1].start()

    screen = Live(console=console, get_renderable=course.table, refresh_per_second=4, transient=False) if console.is_terminal else None
    if screen:
        screen.start()
    try:
        begin()
        while course.running():
            name, error, said = done.get()
            if error is not None:
                course.failed[name] = error
                stop.set()
                continue
            course.took[name] = time.monotonic() - course.began[name]
            course.said[name] = said or ""
            if not screen:
                console.print(f"✓ {name}  {course.took[name]:.1f} s  {said or ''}".rstrip(), highlight=False, soft_wrap=True)
            begin()
    except BaseException as cause:  # Also a closed pipe or a lost terminal, which ends what writes to it.
        stop.set()
        _wait_for(threads)
        if isinstance(cause, KeyboardInterrupt):
            raise Interrupted(step=", ".join(course.running())) from None
        raise
    finally:
        if screen:
            screen.stop()
    first = next(((n, e) for n, e in course.failed.items() if not isinstance(e, Stopped)), None)
    if first:
        name, failure = first
        if not isinstance(failure, InstaShopError):
            raise StepFailed(step=name, cause=f"{type(failure).__name__}: {failure}") from failure
        raise StepFailed(step=name, cause=failure) from failure


def _wait_for(threads: list[threading.Thread]) -> None:
    """Wait until threads have ended, however often somebody presses Ctrl-C."""
    while any(thread.is_alive() for thread in threads):
        with suppress(KeyboardInterrupt):
            threading.Event().wait(0.05)


def wait(ready: Callable[[], str | None], stop: threading.Event, seconds: float, every: float = 0.2) -> str | None:
    """Ask `ready` until it returns None (all is well) or the time is over; return what it said last.

    Raises:
        Stopped: somebody else failed, so nobody needs the answer any more.
    """
    deadline = time.monotonic() + seconds
    while (reason := ready()) is not None and time.monotonic() < deadline:
        if stop.wait(every):
            raise Stopped
    return reason


def at_once(work: dict[_K, Callable[[_A], _R]], argument: _A) -> dict[_K, _R]:
    """Return what each function answers, all asked at the same time."""
    with ThreadPoolExecutor(max_workers=max(1, len(work))) as pool:
        futures = {key: pool.submit(function, argument) for key, function in work.items()}
        return {key: future.result() for key, future in futures.items()}
