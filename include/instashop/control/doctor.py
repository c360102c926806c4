"""`instashop doctor`: looks at every hop of the data's way, and names what is broken and its cure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
from confluent_kafka import KafkaException
from redis import RedisError
from rich.console import Console

from instashop import connect, sql
from instashop.control import beats, disk, intents, lease
from instashop.control.findings import Finding, books_finding, live_finding, red_finding, service_finding, silence_seconds
from instashop.errors import InstaShopError
from instashop.local import airflow_server, health, owner, programs, servers, supervisord
from instashop.local.progress import at_once
from instashop.metrics import PLATFORM_KEY, PROGRESS_KEY
from instashop.settings import Settings, variable
from instashop.streams import CURSORS, STREAMS, of_database
from instashop.transport.migrations import pending
from instashop.transport.prepare import migrations_of
from instashop.words import counted


def doctor(settings: Settings) -> bool:
    """Print what is found at every hop; return whether all is well."""
    console = Console()
    found = examine(settings)
    for finding in found:
        mark = {"well": "[green]✓[/]", "note": "[yellow]•[/]", "fault": "[red]✗[/]"}[finding.level]
        console.print(f"{mark} {finding.hop:<12} {finding.text}", highlight=False, soft_wrap=True)
        if finding.cure:
            console.print(f"  {'':<12} → {finding.cure}", highlight=False, soft_wrap=True)
    faults = sum(finding.level == "fault" for finding in found)
    console.print(f"[bold red]{counted(faults, 'fault')}{'; begin with the first' if faults > 1 else ''}.[/]" if faults else "[bold green]All is well.[/]")
    return not faults


def examine(settings: Settings) -> list[Finding]:
    """Return what is found, hop by hop in the order of the data's way; a platform that is down, or that other settings lead to, is one finding."""
    here = settings.servers == "here"
    states = programs.states(settings) if here else {}
    if here and not states:
        return [Finding("servers", "fault", f"the platform in {settings.home} does not run.", "`./instashop up` starts it.")]
    others = [each for each in owner.others(settings) if each.startswith("INSTASHOP_")] if here else []
    if others:
        text = f"the platform in {settings.home} was started with others than this command has: {owner.few(others)}."
        return [Finding("settings", "fault", text, f"set the same, best in {settings.home / '.env'}; to change the platform: `./instashop down`, then `up`.")]
    hops: dict[str, Callable[[Settings], list[Finding]]] = {
        "disk": _disk,
        "servers": (lambda s: _servers(s, states)) if here else _servers_elsewhere,
        "tables": _tables,
        "topics": _topics,
        "airflow": _airflow,
        "services": _services,
        "live": _live,
        "warehouse": _warehouse,
        "books": _books,
    }
    answers = at_once({hop: _surely(hop, look) for hop, look in hops.items()}, settings)
    return [finding for hop in hops for finding in answers[hop]]


def _surely(hop: str, look: Callable[[Settings], list[Finding]]) -> Callable[[Settings], list[Finding]]:
    """Return the same look, in which a server that does not answer is a finding, too."""

    def careful(settings: Settings) -> list[Finding]:
        try:
            return look(settings)
        except (InstaShopError, psycopg.Error, RedisError, KafkaException, OSError, ValueError) as error:
            text = str(error).strip().splitlines() or [type(error).__name__]
            return [Finding(hop, "fault", f"cannot be looked at: {text[0]}", "mend the servers named above first.")]

    return careful


def _disk(settings: Settings) -> list[Finding]:
    short = disk.shortage(settings.home)
    return [Finding("disk", "fault", short, disk.CURE) if short else Finding("disk", "well", f"{disk.free_bytes(settings.home) / 1e9:.0f} GB are free.")]


def _servers_elsewhere(settings: Settings) -> list[Finding]:
    """Ask the servers that others run; only their answers tell how they are."""
    checks = {name: health.CHECKS[name] for name in servers.table(settings)} | {"kafka": health.kafka}
    reasons: dict[str, str | None] = at_once(checks, settings)
    cure = "look where it runs; for containers: `docker compose ps`, `docker compose logs {}`, `docker compose up --wait`."
    found = [Finding(name, "fault", f"is not well: {reason}.", cure.format(name)) for name, reason in reasons.items() if reason]
    return found or [Finding("servers", "well", f"all {len(reasons) - 1} answer.")]


def _servers(settings: Settings, states: dict[str, dict[str, Any]]) -> list[Finding]:
    checks = {name: health.CHECKS[name] for name in servers.table(settings)}
    reasons: dict[str, str | None] = at_once(checks, settings)
    found = []
    for name, reason in reasons.items():
        state = programs.said(states.get(name, {"statename": "UNKNOWN"}))
        log = supervisord.log_path(settings, name)
        if state != "running":
            found.append(Finding(name, "fault", f"is {state}.", f"read the end of {log}; `./instashop up` starts it again."))
        elif reason:
            found.append(
                Finding(name, "fault", f"runs, but is not well: {reason}.", f"read the end of {log}; `./instashop down`, then `up`, starts it afresh.")
            )
    for name, reason in at_once(health.elsewhere(settings), settings).items():
        if reason:
            cure = f"it is not ours: start it there, or correct {variable(name)}."
            found.append(Finding(name, "fault", f"at {settings.where(name)} does not answer: {reason}.", cure))
    ours = settings.runs_here("kafka_bootstrap") and not any(finding.hop.startswith("kafka") for finding in found)
    cluster = health.kafka(settings) if ours else None
    if cluster:
        found.append(Finding("kafka", "fault", cluster, f"read the end of {supervisord.log_path(settings, 'kafka-1')}."))
    return found or [Finding("servers", "well", f"all {len(reasons) + len(settings.elsewhere)} answer.")]


def _tables(settings: Settings) -> list[Finding]:
    missing: list[str] = []
    waiting: list[str] = []
    for open_database, folder, names in (
        (connect.shop, "shop", [f"feed.{stream.name}" for stream in of_database("instashop")]),
        (connect.crm, "crm", [f"feed.{stream.name}" for stream in of_database("crm_db")]),
        (connect.warehouse, "warehouse", ["realtime_events", "dead_letters", "consumer_offsets", "verdicts"]),
    ):
        with open_database(settings, "doctor") as connection:
            missing += _missing(connection, names, folder)
            waiting += [f"{folder}/{name}" for name in pending(connection, migrations_of(settings, folder))]
    if missing:
        return [Finding("tables", "fault", f"missing: {', '.join(missing)}.", "`./instashop prepare` makes what is missing.")]
    if waiting:
        return [Finding("tables", "fault", f"not applied yet: {', '.join(waiting)}.", "`./instashop prepare` applies what is missing.")]
    return [Finding("tables", "well", "all are there, every migration is applied.")]


def _missing(connection: psycopg.Connection, names: list[str], place: str) -> Iterator[str]:
    rows = connection.execute("SELECT name FROM unnest(%s::text[]) AS name WHERE to_regclass(name) IS NULL", [names])
    return (f"{place}: {row[0]}" for row in rows.fetchall())


def _topics(settings: Settings) -> list[Finding]:
    there = connect.kafka_admin(settings).list_topics(timeout=5).topics
    wanted = [CURSORS, *(stream.name for stream in STREAMS)]
    missing = [name for name in wanted if name not in there]
    if missing:
        return [Finding("topics", "fault", f"missing: {', '.join(missing)}.", "`./instashop prepare` makes what is missing.")]
    thin = [f"{name}/{n}" for name in wanted for n, p in there[name].partitions.items() if len(p.isrs) < len(p.replicas)]
    if thin:
        return [
            Finding("topics", "fault", f"{len(thin)} partitions lack copies, for example {thin[0]}.", "a broker is down or catching up: `./instashop status`.")
        ]
    return [Finding("topics", "well", f"{len(wanted)} are there, each partition with all its copies.")]


def _airflow(settings: Settings) -> list[Finding]:
    with connect.postgres(settings.airflow_dsn, seconds=3) as connection:
        broken = [row[0] for row in connection.execute("SELECT filename FROM import_error").fetchall()]
        paused = [row[0] for row in connection.execute("SELECT dag_id FROM dag WHERE is_paused AND NOT is_stale ORDER BY 1").fetchall()]
        red = connection.execute(sql.statement("airflow/red_dags")).fetchall()  # type: ignore[arg-type]
        known = connection.execute("SELECT count(*) FROM dag WHERE NOT is_stale").fetchone()
    found = [Finding("airflow", "fault", f"{name} cannot be imported.", "Airflow's page shows its error at the top.") for name in broken]
    up_since = _up_since(settings) if red else None  # Not else, so that a Redis that is away hides nothing here.
    found += [red_finding(airflow_server.page(settings), dag, run, began, ended, up_since) for dag, run, began, ended in red]
    found += [Finding("airflow", "note", f"the DAG {name} is paused.", "switch it on with the toggle beside its name on Airflow's page.") for name in paused]
    return found or [Finding("airflow", "well", f"{known[0] if known else 0} DAGs, none broken, none red, none paused.")]


def _services(settings: Settings) -> list[Finding]:
    now, run_dir = datetime.now(UTC), settings.run_dir
    return [
        service_finding(
            name,
            beats.read(run_dir, name),
            lease.holder(run_dir, name),
            intents.read(run_dir, name).state == "running",
            now,
            settings.beat_stale_seconds,
            settings.log_dir,
        )
        for name in beats.SERVICES
    ]


def _live(settings: Settings) -> list[Finding]:
    text = connect.redis(settings).get(PROGRESS_KEY)
    return [live_finding(json.loads(str(text)) if text else None, datetime.now(UTC))]


def _warehouse(settings: Settings) -> list[Finding]:
    with connect.warehouse(settings, "doctor") as connection:
        newest = connection.execute("SELECT max(moved_at) FROM consumer_offsets").fetchone()
        refused = connection.execute("SELECT count(*), max(reason) FROM dead_letters WHERE arrived_at > now() - interval '1 hour'").fetchone()
    found, now = [], datetime.now(UTC)
    generator_runs = lease.holder(settings.run_dir, "generator") is not None
    age = (now - newest[0]).total_seconds() if newest and newest[0] else None
    if generator_runs and (age is None or age > silence_seconds(intents.read(settings.run_dir, "generator").rate or settings.rate)):
        since = "never" if age is None else f"{age:.0f} s ago"
        found.append(
            Finding("warehouse", "fault", f"its last event came {since}.", f"the first fault above is the cause; else read {settings.log_dir}/consumer.log.")
        )
    if refused and refused[0]:
        found.append(
            Finding(
                "warehouse",
                "note",
                f"{refused[0]} events were refused in the last hour, for example: {refused[1]}.",
                "`./instashop dead-letters list` shows them.",
            )
        )
    return found or [Finding("warehouse", "well", "events arrive, none was refused in the last hour.")]


def _books(settings: Settings) -> list[Finding]:
    with connect.warehouse(settings, "doctor") as connection:
        verdict = connection.execute("SELECT balanced, at FROM verdicts ORDER BY verdict_id DESC LIMIT 1").fetchone()
    return [books_finding(verdict, _up_since(settings), datetime.now(UTC))]


def _up_since(settings: Settings) -> datetime | None:
    said = connect.redis(settings).hget(PLATFORM_KEY, "started_at")
    return datetime.fromisoformat(str(said)) if said else None
