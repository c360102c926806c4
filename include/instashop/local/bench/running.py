"""The whole platform at work: its start, its cost at rest, and the highest rate that it keeps up with."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from confluent_kafka import Consumer

from instashop import connect
from instashop.control import beats, intents, supervision
from instashop.control.books import verify
from instashop.local.bench import meter
from instashop.local.bench.backlog import DidNotFinish
from instashop.local.bench.meter import Spread
from instashop.local.progress import wait
from instashop.metrics import PROGRESS_KEY, reached
from instashop.settings import Settings
from instashop.streams import STREAMS
from instashop.transport.topics import consumer, ends_of, partitions_of

READERS = ("producer", "consumer", "enricher", "live_metrics")
SETTLE_SECONDS = 20
"""How long a restarted generator settles."""
WARM_SECONDS = 480
"""How long the platform carries a load before its delays and its cost at rest are measured: so long Java compiles the brokers, which take up to three times the CPU until then."""
REST_SECONDS = 300
"""In so long every DAG has its turn."""
GROWS_EVENTS_A_SECOND = 20
"""A lag that grows slower than this over a step is noise."""
SAID_SECONDS = 5
"""A lag that is older than this is not known."""
SILENT_SHARE = 0.1
"""A service whose lag is not known more often than this does not keep up, whatever it said before."""
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
    lag_events: dict[str, int | None]
    cores: float
    loop_ms: Spread
    """How long `meter.loop_ms` took before and after."""


Lags = Mapping[str, Sequence[int | None]]
"""The lag of each service in events, look by look; None where it was not known."""


def trouble_of(rate: float, made: float, lags: Lags, seconds: float) -> str:
    """Return why a platform did not keep up, from the events a second that were made and the looks of so many seconds; empty when it did."""
    silent = [service for service, looks in lags.items() if looks.count(None) > SILENT_SHARE * len(looks)]
    grew = [service for service, looks in lags.items() if service not in silent and growth(looks, seconds) >= GROWS_EVENTS_A_SECOND]
    troubles = ["the rate was not reached"] if made <= rate * REACHED_SHARE else []
    troubles += [f"{', '.join(silent)} did not say how far behind"] if silent else []
    return "; ".join([*troubles, *([f"the lag of {', '.join(grew)} grew"] if grew else [])])


def growth(looks: Sequence[int | None], seconds: float) -> float:
    """Return the events a second by which a lag grew: between the least of its first third and of its last, since one batch's ups and downs are none."""
    third = max(1, len(looks) // 3)
    first, last = ([lag for lag in part if lag is not None] for part in (looks[:third], looks[-third:]))
    return (min(last) - min(first)) / (seconds * 2 / 3) if first and last else 0.0


def set_rate(settings: Settings, rate: float) -> None:
    """Let the generator run at this rate, and return once it does."""
    intent = intents.ask(settings.run_dir, "generator", "rate", rate)
    if wait(lambda: None if supervision.generates(settings.run_dir, intent, rate) else "not yet", threading.Event(), 120, every=0.5):
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
        if steps[-1].trouble:
            break
    return steps


def _hold(settings: Settings, rate: float, seconds: float) -> Step:
    roots, loop = meter.platform_pids(settings), meter.loop_ms()
    cpu, began, total = meter.cpu_seconds(roots), time.monotonic(), _made(settings)
    lags: dict[str, list[int | None]] = {service: [] for service in READERS}
    with consumer(settings, "instashop-bench") as client:
        places = [(place.topic, place.partition) for place in partitions_of(client, [stream.name for stream in STREAMS if stream.live])]
        while time.monotonic() - began < seconds:
            threading.Event().wait(1.0)
            for service in READERS:
                lags[service].append(_live_lag(settings, client, places) if service == "live_metrics" else _lag(settings, service))
    took = time.monotonic() - began
    made, cores = (_made(settings) - total) / took, (meter.cpu_seconds(roots) - cpu) / took
    last = {service: looks[-1] for service, looks in lags.items()}
    return Step(rate, took, trouble_of(rate, made, lags, took), made, last, cores, Spread.of([loop, meter.loop_ms()]))


def _lag(settings: Settings, service: str) -> int | None:
    beat = beats.read(settings.run_dir, service)
    return beat.lag_events if beat and beat.age(datetime.now(UTC)) <= SAID_SECONDS else None


def _live_lag(settings: Settings, client: Consumer, places: list[tuple[str, int]]) -> int | None:
    """Return how many messages, the marks of transactions included, Spark's windows do not have yet: its own figure is that of the moment when a batch was planned."""
    text = connect.redis(settings).get(PROGRESS_KEY)
    has = reached(json.loads(str(text))) if text else {}
    ends = ends_of(client, places)
    return sum(end - has[place] for place, end in ends.items()) if has.keys() >= ends.keys() else None


def _made(settings: Settings) -> int:
    """Return how many events the generator has made; the talks with customers come on top of its rate and are no part of it."""
    beat = beats.read(settings.run_dir, "generator")
    with connect.crm(settings, "bench") as crm:
        talks = crm.execute("SELECT coalesce(max(id), 0) FROM crm_interactions").fetchone()
    return (beat.events_total if beat else 0) - (talks[0] if talks else 0)


def balance(settings: Settings) -> bool:
    """Return to the rate of the settings and say whether the books balance."""
    set_rate(settings, settings.rate)
    return verify(settings, wait_seconds=180).balanced
