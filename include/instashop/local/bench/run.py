"""`instashop bench`: one part after the other, on stacks of its own that are removed afterwards."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from instashop.errors import InstaShopError
from instashop.local import chromium, programs, servers
from instashop.local.bench import backlog, latency, meter, report, running
from instashop.local.down import down
from instashop.local.own_stack import own_stack
from instashop.local.up import ensure_class_data, start_servers, up
from instashop.settings import ROOT, Settings, load

PORT_OFFSET = 3000
PARTS = ("backlog", "platform")


class PlatformRuns(InstaShopError):
    """A platform runs here, in {home}, and would spoil the figures; end it with `./instashop down`, or measure beside it with `--beside`."""


def bench(parts: tuple[str, ...], runs: int, minutes: float, rates: list[float], page: Path, beside: bool) -> None:
    """Measure, print the page and write it to a file.

    Raises:
        PlatformRuns: a platform runs here and `beside` was not said. NoBrowser: as it says.
    """
    settings, console = load(), Console(stderr=True)
    if programs.alive(settings) and not beside:
        raise PlatformRuns(home=settings.home)
    if "platform" in parts:
        chromium.path()  # Said before anything is measured.
    figures = report.Figures(asked=_asked(parts, runs, minutes, rates, beside))

    def say(text: str) -> None:
        console.print(f"  {text}")

    ensure_class_data(console)  # Made once in a checkout, so no part of a start.
    load_before = os.getloadavg()[0]
    if "backlog" in parts:
        _backlogs(figures, runs, console, say)
    if "platform" in parts:
        _platform(figures, runs, minutes, rates, console, say)
    figures.load = (load_before, os.getloadavg()[0])
    text = report.text(figures)
    print(text)
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(text, encoding="utf-8")
    console.print(f"Written to {page}.", style="bold green")


def _asked(parts: tuple[str, ...], runs: int, minutes: float, rates: list[float], beside: bool) -> str:
    """Return the command that measures this, with every option that the figures depend on."""
    only = [f"--only {part}" for part in parts] if parts != PARTS else []
    steady = [f"--minutes {minutes:g}", *(f"--rate {rate:g}" for rate in rates)] if "platform" in parts else []
    return " ".join(["./instashop bench", *only, f"--runs {runs}", *steady, *(["--beside"] if beside else [])])


def _backlogs(figures: report.Figures, runs: int, console: Console, say: Callable[[str], None]) -> None:
    with _stack("bench-servers") as settings:
        console.print("Backlogs: making one", style="bold")
        settings = start_servers(settings, servers.DATA, console)
        backlog.make(settings, 60)
        figures.carried = backlog.run(settings, runs, say)
        figures.spark_events = backlog.spark(settings, runs, say)
        figures.versions = meter.versions(settings)


def _platform(figures: report.Figures, runs: int, minutes: float, rates: list[float], console: Console, say: Callable[[str], None]) -> None:
    with _stack("bench-platform") as settings:
        console.print("The whole platform", style="bold")
        figures.up_seconds = _timed(lambda: up(settings))
        down(settings)
        figures.again_seconds = _timed(lambda: up(settings))
        load.cache_clear()
        settings = load()  # With the passwords that the start made.
        say(f"warming up for {running.WARM_SECONDS / 60:.0f} minutes at {figures.latency_rate:,.0f} events/s")
        running.settle(settings, figures.latency_rate, running.WARM_SECONDS)
        figures.latency = latency.measure(settings, 30, runs, say)
        say(f"at rest for {running.REST_SECONDS / 60:.0f} minutes")
        figures.rest = running.at_rest(settings)
        figures.versions = meter.versions(settings)
        figures.steps = running.climb(settings, rates, minutes * 60, say)
        figures.balanced = running.balance(settings)


def _timed(work: Callable[[], None]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


@contextmanager
def _stack(name: str) -> Iterator[Settings]:
    """Give a stack of its own, whose data is removed at the end."""
    home = ROOT / ".local" / name
    try:
        with own_stack(home, PORT_OFFSET) as settings:
            yield settings
    finally:
        shutil.rmtree(home, ignore_errors=True)
