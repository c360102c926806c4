"""The whole platform at work: its start, its cost at rest, and the highest rate that it keeps up with."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from instashop.control import beats, intents, supervision
from instashop.control.books import verify
from instashop.local.bench import meter
from instashop.local.bench.backlog import DidNotFinish
from instashop.local.bench.meter import Spread
from instashop.settings import Settings

READERS = ("producer", "consumer", "enricher", "live_metrics")
SETTLE_SECONDS = 20
"""How long a restarted generator settles."""
WARM_SECONDS = 480
"""How long the platform carries a load before its delays and its cost at rest are measured: so long Java compiles the brokers, which take up to three times the CPU until then."""
REST_SECONDS = 300
"""In so long every DAG has its turn."""
GROWS_EVENTS_A_SECOND = 20
"""A lag that grows slower than this over a step is noise."""
REACHED_SHARE = 0.95
"""So much of a rate has to come from the generator, which shares the cores with whom it loads."""


@dataclass(frozen=True)
class Rest:
    """What the platform costs at the rate that its settings say."""

    rate: float
    cores: float
    memory_mb: float
    services_mb: dict[str, float]
    loop_ms: Spread
    """How long `meter.loop_ms` took before and after."""


@dataclass(frozen=True)
class Step:
    """A rate, how long it was held, and what became of it."""

    rate: float
    seconds: float
    trouble: str
    """Why the platform did not keep up; empty when it did."""
    reached: float
    lag_events: dict[str, int]
    cores: float
    loop_ms: Spread
    """How long `meter.loop_ms` took before and after."""

    @property
    def kept_up(self) -> bool:
        """Whether the rate was reached and no lag grew."""
        return not self.trouble


def trouble_of(rate: float, reached: float, growth: Mapping[str, float]) -> str:
    """Return why a platform did not keep up, from the rate that was made and the events a second by which each lag grew; empty when it did."""
    grew = ", ".join(service for service, value in growth.items() if value >= GROWS_EVENTS_A_SECOND)
    troubles = ["the rate was not reached"] if reached <= rate * REACHED_SHARE else []
    return "; ".join([*troubles, *([f"the lag of {grew} grew"] if grew else [])])


def set_rate(settings: Settings, rate: float) -> None:
    """Let the generator run at this rate, and return once it does."""
    intent = intents.ask(settings.run_dir, "generator", "rate", rate)
    tick, until = threading.Event(), time.monotonic() + 120
    while time.monotonic() < until:
        beat = beats.read(settings.run_dir, "generator")
        process = supervision.find(settings.run_dir, "generator")
        if intents.carried_out(intent, process, beat) and beat is not None and beat.events_per_second > rate / 2:
            return
        tick.wait(0.5)
    raise DidNotFinish(what=f"the generator at {rate:.0f} events/s", seconds=120, said=str(beats.read(settings.run_dir, "generator")))


def settle(settings: Settings, rate: float, seconds: float = SETTLE_SECONDS) -> None:
    """Let the generator run at this rate, and return once the platform has carried it for so long."""
    set_rate(settings, rate)
    threading.Event().wait(seconds)


def at_rest(settings: Settings) -> Rest:
    """Return cores and memory at the rate of the settings."""
    settle(settings, settings.rate)
    roots, loop = meter.platform_pids(settings), meter.loop_ms()
    cpu, began = meter.cpu_seconds(roots), time.monotonic()
    threading.Event().wait(REST_SECONDS)
    cores = (meter.cpu_seconds(roots) - cpu) / (time.monotonic() - began)
    holders = {service: supervision.find(settings.run_dir, service) for service in beats.SERVICES}
    services = {service: meter.memory_mb([holder.pid]) for service, holder in holders.items() if holder}
    return Rest(settings.rate, cores, meter.memory_mb(roots), services, Spread.of([loop, meter.loop_ms()]))


def climb(settings: Settings, rates: list[float], seconds: float, say: Callable[[str], None]) -> list[Step]:
    """Hold one rate after the other until one is too much; the step before it is the answer."""
    steps = []
    for rate in rates:
        settle(settings, rate)
        steps.append(_hold(settings, rate, seconds))
        say(f"{rate:,.0f} events/s: {steps[-1].trouble or 'kept up'}; reached {steps[-1].reached:,.0f}/s, lag {steps[-1].lag_events}")
        if not steps[-1].kept_up:
            break
    return steps


def _hold(settings: Settings, rate: float, seconds: float) -> Step:
    roots, loop = meter.platform_pids(settings), meter.loop_ms()
    cpu, began, total = meter.cpu_seconds(roots), time.monotonic(), _made(settings)
    marks: dict[str, list[int]] = {service: [] for service in READERS}
    while time.monotonic() - began < seconds:
        threading.Event().wait(1.0)
        for service in READERS:
            beat = beats.read(settings.run_dir, service)
            marks[service].append((beat.lag_events or 0) if beat else 0)
    took = time.monotonic() - began
    third = max(1, len(marks["producer"]) // 3)
    growth = {service: (min(values[-third:]) - min(values[:third])) / took for service, values in marks.items()}
    reached = (_made(settings) - total) / took
    cores, lags = (meter.cpu_seconds(roots) - cpu) / took, {service: values[-1] for service, values in marks.items()}
    return Step(rate, took, trouble_of(rate, reached, growth), reached, lags, cores, Spread.of([loop, meter.loop_ms()]))


def _made(settings: Settings) -> int:
    beat = beats.read(settings.run_dir, "generator")
    return beat.events_total if beat else 0


def balance(settings: Settings) -> bool:
    """Return to the rate of the settings and say whether the books balance."""
    set_rate(settings, settings.rate)
    return verify(settings, wait_seconds=180).balanced
