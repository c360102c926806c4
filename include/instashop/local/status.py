"""`instashop status`: one table of servers and services."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import psutil
from rich.console import Console
from rich.table import Table

from instashop.control import beats, intents, lease, supervision
from instashop.local import health, programs, servers
from instashop.local.progress import at_once
from instashop.settings import Settings, variable


@dataclass(frozen=True)
class Row:
    """One server or service as it is now."""

    name: str
    state: str
    pid: int | None = None
    memory_mb: float | None = None
    beat_seconds: float | None = None
    address: str = ""
    well: bool = True


def memory_mb(pid: int | None, others: frozenset[int] = frozenset()) -> float | None:
    """Return the memory of a process and its children, counting what they share once; None when it has gone.

    `others` are processes with a row of their own: Airflow's workers are the parents of the services.
    """
    if not pid:
        return None
    try:
        return sum(_own_memory(each) for each in _family(psutil.Process(pid), others)) / 1e6
    except psutil.NoSuchProcess:
        return None


def _family(process: psutil.Process, others: frozenset[int]) -> list[psutil.Process]:
    children = [child for child in process.children() if child.pid not in others]
    return [process, *(each for child in children for each in _family(child, others))]


def _own_memory(process: psutil.Process) -> float:
    try:
        return float(process.memory_full_info().pss)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0.0


def server_rows(settings: Settings) -> list[Row]:
    """Return every server: what supervisord says, and whether it answers."""
    if settings.servers == "elsewhere":
        return _rows_elsewhere(settings)
    states = programs.states(settings)
    table = servers.table(settings)
    running = {name for name in table if states.get(name, {}).get("statename") == "RUNNING"}
    reasons = at_once({name: health.CHECKS[name] for name in running}, settings)
    holders = [holder for name in beats.SERVICES if (holder := supervision.find(settings.run_dir, name))]
    others = frozenset(holder.pid for holder in holders)
    rows = []
    for name, server in table.items():
        info = states.get(name)
        state = programs.said(info) if info else "stopped"
        reason = reasons.get(name)
        pid = int(info["pid"]) or None if info else None
        rows.append(Row(name, f"not well: {reason}" if reason else state, pid, memory_mb(pid, others), None, server.address, state == "running" and not reason))
    return rows


def elsewhere_rows(settings: Settings) -> list[Row]:
    """Return every server of somebody else by the setting that leads to it: whether it answers."""
    reasons = at_once(health.elsewhere(settings), settings)
    return [
        Row(variable(name), f"does not answer: {reason}" if reason else "answers; not ours", address=settings.where(name), well=not reason)
        for name, reason in sorted(reasons.items())
    ]


def _rows_elsewhere(settings: Settings) -> list[Row]:
    """Return every server that others run: whether it answers."""
    reasons = at_once({name: health.CHECKS[name] for name in servers.table(settings)}, settings)
    return [Row(name, f"not well: {reason}" if reason else "answers", well=not reason) for name, reason in reasons.items()]


def service_rows(settings: Settings) -> list[Row]:
    """Return every service: who holds its lease, and what its last beat says."""
    now, rows = datetime.now(UTC), []
    for name in beats.SERVICES:
        holder, beat = lease.holder(settings.run_dir, name), beats.read(settings.run_dir, name)
        age = beat.age(now) if beat else None
        wanted = intents.read(settings.run_dir, name).state == "running"
        if holder is None:
            rows.append(Row(name, "not running" if wanted else "stopped on purpose", beat_seconds=age, well=not wanted))
            continue
        if beat is not None and not beat.is_of(holder):
            beat = age = None  # Of the process before this one.
        said = f"{beat.state} {beat.message}".strip() if beat else "no beat yet"
        fresh = beat is not None and age is not None and age < settings.beat_stale_seconds
        page = settings.page(settings.spark_app_ui_port) if name == "live_metrics" and settings.spark_pages else ""
        rows.append(Row(name, said, holder.pid, memory_mb(holder.pid), age, page, fresh and beat is not None and beat.state == "running"))
    return rows


def _text(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)


def status(settings: Settings) -> None:
    """Print the table."""
    table = Table("server or service", "state", "pid", "memory", "last beat", "address", box=None, pad_edge=False)
    for rows in filter(None, (server_rows(settings), elsewhere_rows(settings), service_rows(settings))):
        for row in rows:
            pid, memory, beat = (_text(v, f) for v, f in ((row.pid, "{}"), (row.memory_mb, "{:.0f} MB"), (row.beat_seconds, "{:.1f} s ago")))
            table.add_row(row.name, f"[{'green' if row.well else 'red'}]{row.state}[/]", pid, memory, beat, row.address)
        table.add_row()
    console = Console()
    if not console.is_terminal:
        console = Console(width=140)
    console.print(table, highlight=False)
