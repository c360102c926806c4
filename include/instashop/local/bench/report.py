"""The figures as one page: docs/performance.md."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version

import psutil

from instashop.local.bench.backlog import Carried
from instashop.local.bench.latency import PATIENCE_SECONDS, Delay
from instashop.local.bench.meter import Spread
from instashop.local.bench.running import REST_SECONDS, WARM_SECONDS, Rest, Step

PACKAGES = ("apache-airflow", "pyspark", "confluent-kafka", "kafka-python", "psycopg", "dash")


@dataclass
class Figures:
    """What a bench has measured; what it was not asked for stays empty."""

    up_seconds: float | None = None
    again_seconds: float | None = None
    rest: Rest | None = None
    latency: dict[str, Delay] = field(default_factory=dict)
    latency_rate: float = 1000
    carried: list[Carried] = field(default_factory=list)
    spark_events: Spread | None = None
    steps: list[Step] = field(default_factory=list)
    balanced: bool | None = None
    versions: dict[str, str] = field(default_factory=dict)
    """Of the servers, as they say themselves."""
    asked: str = "./instashop bench"
    """The command that measured."""
    load: tuple[float, float] = (0, 0)
    """Load average before and after."""


def text(figures: Figures) -> str:
    """Return the page in Markdown."""
    parts = [
        "# Performance\n",
        f"Made by `{figures.asked}`; every figure is measured, none typed in. Load is open-loop: the generator keeps to its clock and waits for no reader;",
        "what the shop's Postgres itself holds up for longer than a second is not made up, so the rate that was reached stands beside.",
        "The loop is a fixed one in Python, timed before and after: where it takes twice as long, so does everything beside it.",
        f"Delays and rest are those of a platform that has carried a load for {WARM_SECONDS / 60:.0f} minutes: so long Java compiles the brokers.\n",
        _machine(figures),
    ]
    if figures.carried:
        parts.append(_carried(figures))
    if figures.latency:
        parts.append(_latency(figures))
    if figures.steps:
        parts.append(_steps(figures))
    if figures.rest or figures.up_seconds:
        parts.append(_rest(figures))
    return "\n".join(parts)


def _machine(figures: Figures) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in [*figures.versions.items(), *((name, version(name)) for name in PACKAGES)])
    memory = psutil.virtual_memory().total / 2**30
    system = f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}"
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores, {memory:.0f} GiB, {system}, Python {platform.python_version()}; {versions}. "
        f"Load average before {figures.load[0]:.1f}, after {figures.load[1]:.1f}.\n"
    )


def _carried(figures: Figures) -> str:
    rows = [
        "## From a backlog of the generator's mix, three brokers\n",
        "Median of the runs (least–greatest), with brokers that have just started. CPU seconds for a million records, by process.\n",
        "| service | records | a second | own CPU-s | Postgres CPU-s | Kafka CPU-s | memory MB | loop ms |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    rows += [
        f"| {c.service} | {c.records:,} | {c.rate.text()} | {c.own.text(1)} | {c.postgres.text(1)} | {c.kafka.text(1)} | {c.memory_mb.text()} | {c.loop_ms.text()} |"
        for c in figures.carried
    ]
    if figures.spark_events:
        rows.append(f"\nSpark: {figures.spark_events.text()} events for a CPU second (driver, executor and Python together).")
    return "\n".join(rows) + "\n"


def _latency(figures: Figures) -> str:
    rows = [
        f"## From the row in the shop at {figures.latency_rate:,.0f} events/s\n",
        "Milliseconds until a read-committed reader, the warehouse, Redis and a browser (refresh 1 s, on the same machine in spans of its own) had it:",
        f"median of the spans (least–greatest). What was not seen within {PATIENCE_SECONDS} s counts as the slowest, without end (inf).",
        "Cores are those of the whole machine that worked, the measuring included.\n",
        "| to | events | not seen | events/s | p50 | p90 | p99 | cores | loop ms |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    rows += [
        f"| {name} | {d.events:,} | {d.missed:,} | {d.rate.text()} | {d.p50.text()} | {d.p90.text()} | {d.p99.text()} | {d.cores.text(2)} | {d.loop_ms.text()} |"
        for name, d in figures.latency.items()
    ]
    return "\n".join(rows) + "\n"


def _steps(figures: Figures) -> str:
    rows = [
        "## The whole platform at a steady rate\n",
        "| events/s | held s | reached/s | cores | kept up | lag at the end | loop ms |",
        "| ---: | ---: | ---: | ---: | --- | --- | ---: |",
    ]
    for step in figures.steps:
        lag = ", ".join(f"{service} {'unknown' if events is None else f'{events:,}'}" for service, events in step.lag_events.items())
        kept = f"no: {step.trouble}" if step.trouble else "yes"
        rows.append(f"| {step.rate:,.0f} | {step.seconds:,.0f} | {step.reached:,.0f} | {step.cores:.2f} | {kept} | {lag} | {step.loop_ms.text()} |")
    if figures.balanced is not None:
        rows.append(f"\nThe books {'balance' if figures.balanced else 'do NOT balance'} after it.")
    return "\n".join(rows) + "\n"


def _rest(figures: Figures) -> str:
    rows = ["## Start and rest\n", "| | |", "| --- | ---: |"]
    if figures.up_seconds:
        rows.append(f"| `up` with no data, packages installed | {figures.up_seconds:.0f} s |")
    if figures.again_seconds:
        rows.append(f"| `up` again | {figures.again_seconds:.0f} s |")
    if figures.rest:
        rows.append(f"| at {figures.rest.rate:.0f} events/s: cores, over {REST_SECONDS / 60:.0f} minutes | {figures.rest.cores:.2f} |")
        rows.append(f"| meanwhile the loop | {figures.rest.loop_ms.text()} ms |")
        rows.append(f"| at {figures.rest.rate:.0f} events/s: memory (PSS) | {figures.rest.memory_mb / 1000:.1f} GB |")
        rows += [f"| {service}: memory (PSS) | {mb:.0f} MB |" for service, mb in figures.rest.services_mb.items()]
    return "\n".join(rows) + "\n"
