"""`instashop up`: sets up what is missing, starts everything, waits until it is well.

The steps stay in one file, however long, so that a start is read from the first to the last of them.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from string import Template
from typing import Any

from rich.console import Console

from instashop import connect, java, sql
from instashop.control import beats, intents, supervision
from instashop.control.files import last_lines, write_private
from instashop.local import airflow_server, brokers, commands, down, health, jars, owner, passwords, postgres, preflight, programs, servers, supervisord
from instashop.local.failures import Interrupted, ServerFailed
from instashop.local.lock import only_one
from instashop.local.progress import Step, run, wait
from instashop.local.signals import ends_on_sigterm
from instashop.metrics import PLATFORM_KEY
from instashop.settings import Settings

PATIENCE_SECONDS = 120
"""A server that is not well after this never gets well."""
LIVE_PATIENCE_SECONDS = 180
REHEARSAL_PATIENCE_SECONDS = 300
MOST_ENDS = 4
"""A server that has ended so often while it is waited for never gets well; one that ends at once has after about six seconds."""

_SPARK = (servers.SPARK_MASTER, servers.SPARK_WORKER)


def up(settings: Settings) -> None:
    """Start the whole platform and return once live numbers of this start are on the screen.

    Idempotent. What this start began is stopped again when it fails or is interrupted.

    Raises:
        NotReady: the machine cannot run it; UpTaken: another start is at work; StepFailed, Interrupted: as they say.
    """
    console = Console()
    began = time.monotonic()
    settings = start_servers(settings, None, console)
    console.print(f"InstaShop is up after {time.monotonic() - began:.0f} s.\n", style="bold green")
    _print_addresses(settings, console)


def start_servers(settings: Settings, names: Iterable[str] | None, console: Console | None = None) -> Settings:
    """Start the named servers (None: all, and the services by Airflow) and return, once they are well, the settings that know the passwords.

    With names, which are some of `servers.DATA`, nothing else happens: no tables, no topics, no Airflow; `local.down.down` stops them.
    """
    console = console or Console(stderr=True, quiet=True)
    everything = names is None
    wanted = set(servers.table(settings)) if names is None else set(names)
    with only_one(settings, "up"), ends_on_sigterm():
        owner.claim(settings)
        settings = passwords.ensure(settings)
        preflight.check(settings, wanted)
        if everything:
            ensure_class_data(console)
        before = {name for name, info in programs.states(settings).items() if info["statename"] in programs.UP}
        try:
            run(_steps(settings, wanted, everything, before), console)
        except BaseException as error:  # Also a closed pipe or a lost terminal, which ends what writes to it.
            with suppress(OSError, SystemExit):
                console.print("Stopping what this start began …", style="yellow")
            down.stop_some(settings, wanted - before, whole=not before)
            if isinstance(error, KeyboardInterrupt):
                raise Interrupted(step="starting") from None
            raise
    return settings


def _steps(settings: Settings, wanted: set[str], everything: bool, before: set[str]) -> list[Step]:
    """Return what has to be done, and what has to wait for what."""
    steps = [Step("supervisord", partial(_supervisord, settings, wanted))]
    kafka = [broker for broker in wanted if broker.startswith("kafka-")]
    for cluster in postgres.clusters(settings):
        if cluster.name in wanted:
            steps.append(Step(cluster.name, partial(_postgres, settings, cluster), ("supervisord",)))
    if servers.REDIS in wanted:
        steps.append(Step(servers.REDIS, partial(_redis, settings, everything and not before), ("supervisord",)))
    elif everything:
        steps.append(Step(servers.REDIS, partial(_redis_elsewhere, settings, not before)))
    if kafka:
        steps.append(Step("jars of kafka", partial(jars.ensure, jars.SETS[0])))
        steps.append(Step("kafka", partial(_kafka, settings, kafka), ("supervisord", "jars of kafka")))
    spark = [name for name in _SPARK if name in wanted]
    if spark:
        steps.append(Step("jars of spark", partial(jars.ensure, jars.SETS[1])))
        steps.append(Step("spark", partial(_start_and_wait, settings, spark), ("supervisord", "jars of spark")))
    if everything:
        steps += _platform_steps(settings)
    here = {step.name for step in steps}
    return [replace(step, needs=tuple(need for need in step.needs if need in here)) for step in steps]  # Nothing waits for a server of somebody else.


def _platform_steps(settings: Settings) -> list[Step]:
    return [
        Step("tables and topics", partial(_prepare, settings), (servers.SHOP, servers.WAREHOUSE, "kafka")),
        Step("airflow's tables", partial(_migrate, settings), (servers.AIRFLOW_DB,)),
        Step("airflow", partial(_airflow, settings), ("airflow's tables", servers.REDIS)),
        Step(servers.DASHBOARD, partial(_start_and_wait, settings, [servers.DASHBOARD]), (servers.REDIS, servers.WAREHOUSE)),
        Step("live numbers", partial(_live, settings), ("airflow", servers.DASHBOARD, "spark", "tables and topics")),
    ]


def ensure_class_data(console: Console) -> None:
    """Have Java's class data, which is made once; without it everything runs, and only starts more slowly."""
    if not java.all_class_data():
        run([Step("class data of Java", _rehearse)], console)


def _rehearse(stop: threading.Event) -> str:
    status, output = commands.run([sys.executable, "-m", "instashop.local.rehearsal"], stop, REHEARSAL_PATIENCE_SECONDS)
    log = java.CLASS_DATA / "rehearsal.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(output, encoding="utf-8")
    return "made, once" if status == 0 else f"left out, so every start takes longer; {log} says why"


def _supervisord(settings: Settings, wanted: set[str], stop: threading.Event) -> str | None:
    for folder in ("run", "logs", "data/redis", "airflow", "spark/work"):
        (settings.home / folder).mkdir(parents=True, exist_ok=True)
    template = Template((brokers.TEMPLATES / "redis.conf").read_text(encoding="utf-8"))
    redis = template.substitute(host=settings.host, port=settings.redis_port, password=settings.redis_password, data=settings.home / "data" / "redis")
    write_private(settings.run_dir / "redis.conf", redis)
    brokers.write_config(settings)
    airflow_server.write_login(settings)
    if programs.begin(settings, stop):
        return None
    programs.forget_failures(settings, wanted)
    return "runs already"


def _running(settings: Settings, name: str) -> bool:
    return bool(programs.states(settings).get(name, {}).get("statename") in ("STARTING", "RUNNING"))


def _postgres(settings: Settings, cluster: postgres.Cluster, stop: threading.Event) -> str | None:
    if _running(settings, cluster.name) and not postgres.has_its_roles(cluster, settings):
        programs.stop(settings, [cluster.name])  # Passwords are set while it does not run.
    made = not _running(settings, cluster.name) and postgres.initialise(cluster, settings)
    said = _start_and_wait(settings, [cluster.name], stop)
    return "set up" if made else said


def _kafka(settings: Settings, names: list[str], stop: threading.Event) -> str | None:
    made = not any(_running(settings, name) for name in names) and brokers.format_storage(settings, stop)
    said = _start_and_wait(settings, names, stop, health.kafka)
    return "set up" if made else said


def _redis(settings: Settings, is_new_start: bool, stop: threading.Event) -> str | None:
    said = _start_and_wait(settings, [servers.REDIS], stop)
    if _remember_start(settings, is_new_start):
        connect.redis(settings).save()  # One that is killed within the hour would come back with the start before.
    return said


def _redis_elsewhere(settings: Settings, is_new_start: bool, _: threading.Event) -> str | None:
    _remember_start(settings, is_new_start)
    return "not ours"


def _remember_start(settings: Settings, is_new_start: bool) -> bool:
    """Say in Redis since when the platform runs, unless it has been said; return whether it had to be."""
    client = connect.redis(settings)
    is_told = not is_new_start and bool(client.hexists(PLATFORM_KEY, "started_at"))
    if not is_told:
        client.hset(PLATFORM_KEY, "started_at", datetime.now(UTC).isoformat())
    return not is_told


def _prepare(settings: Settings, _: threading.Event) -> str | None:
    from instashop.transport.prepare import prepare

    prepare(settings)
    return None


def _migrate(settings: Settings, stop: threading.Event) -> str | None:
    """Bring Airflow's database to its version; skipped when this version has done so on this data."""
    from importlib.metadata import version

    with connect.postgres(settings.airflow_dsn, seconds=5) as connection:
        found = connection.execute(sql.statement("airflow/which_database")).fetchone()  # type: ignore[arg-type]
    assert found is not None
    own = f"{version('apache-airflow')} {found[0]}"
    stamp = airflow_server.folder(settings) / "migrated"
    if stamp.exists() and stamp.read_text() == own:
        return "up to date"
    log = supervisord.log_path(settings, "airflow-migration")
    status, output = commands.run([sys.executable, "-m", "airflow", "db", "migrate"], stop, 180, servers.airflow_environment(settings))
    log.write_text(output, encoding="utf-8")
    if status != 0:
        what = "takes too long" if status is None else f"ended with {status}"
        raise ServerFailed(server="`airflow db migrate`", what=what, log=log, lines=last_lines(log), cure="read the lines above, then run it again.")
    stamp.write_text(own)
    return None


def _airflow(settings: Settings, stop: threading.Event) -> str | None:
    if not _running(settings, servers.SCHEDULER):
        with connect.postgres(settings.airflow_dsn, seconds=5) as connection:
            connection.execute(sql.statement("airflow/end_dead_schedulers"))  # type: ignore[arg-type]
    intents.announce_up(settings.run_dir)
    return _start_and_wait(settings, [name for name in servers.table(settings) if name in servers.AIRFLOW], stop)


def _start_and_wait(settings: Settings, names: list[str], stop: threading.Event, together: health.Check | None = None) -> str | None:
    """Start servers that belong together and wait until each is well.

    Raises:
        ServerFailed: one does not stay up, or is not well in time.
    """
    started = [name for name in names if programs.start(settings, name)]
    starts: dict[str, set[int]] = {name: set() for name in names}
    for name in names:
        _wait_well(settings, name, health.CHECKS[name], starts, stop)
    if together:
        _wait_well(settings, names[0], together, starts, stop)
    return None if started else "runs already"


def _wait_well(settings: Settings, name: str, check: health.Check, starts: dict[str, set[int]], stop: threading.Event) -> None:
    """Wait until a server is well, or one of those that were started with it does not stay up."""
    gone: dict[str, str] = {}

    def ready() -> str | None:
        states = programs.states(settings)
        gone.update({each: why for each, seen in starts.items() if (why := why_gone(states.get(each), seen))})
        return None if gone else check(settings)

    reason = wait(ready, stop, PATIENCE_SECONDS)
    if gone or reason:
        server, why = next(iter(gone.items()), (name, ""))
        what = f"does not stay up ({why})" if why else f"is not well after {PATIENCE_SECONDS} s ({reason})"
        log = supervisord.log_path(settings, server)
        raise ServerFailed(
            server=server, what=what, log=log, lines=last_lines(log), cure="read the lines above; then `./instashop up` again, which keeps all data."
        )


def why_gone(info: dict[str, Any] | None, starts: set[int]) -> str | None:
    """Return why a server will not get well, or None; `starts` keeps when it was seen to start, since supervisord tries again and again."""
    if info is None:
        return "supervisord has gone"
    starts.add(info["start"])
    ends = len(starts) - (info["statename"] in ("STARTING", "RUNNING"))
    if ends >= MOST_ENDS:
        return f"it has ended {ends} times"
    return info["spawnerr"] or info["description"] if info["statename"] in ("FATAL", "STOPPED") else None


def _live(settings: Settings, stop: threading.Event) -> str:
    """Wait until the Live page shows events of this start; with a service stopped on purpose that brings them, until the others run."""
    seen: dict[str, Any] = {}
    silent = [service for service in ("generator", "producer", "live_metrics") if intents.read(settings.run_dir, service).state == "stopped"]

    def ready() -> str | None:
        if silent:
            return next((f"{name} does not run yet" for name in beats.SERVICES if not supervision.is_as_wanted(settings.run_dir, name)), None)
        seen["events"], why = health.live_events(settings)
        return None if seen["events"] > 0 else why

    reason = wait(ready, stop, LIVE_PATIENCE_SECONDS)
    if reason:
        said = "\n".join(f"      {name}: {supervision.describe(beats.read(settings.run_dir, name), datetime.now(UTC))}" for name in beats.SERVICES)
        raise ServerFailed(
            server="the Live page",
            what=f"has nothing of this start to show after {LIVE_PATIENCE_SECONDS} s",
            log=settings.log_dir / "live_metrics.log",
            lines=f"{last_lines(settings.log_dir / 'live_metrics.log')}\n    {reason}",
            cure=f"the first service below that is not `running` is the cause:\n{said}",
        )
    return f"none: {', '.join(silent)} stopped on purpose" if silent else f"{seen['events']} events"


def addresses(settings: Settings) -> list[tuple[str, str]]:
    """Return where a person finds what."""
    spark_page = settings.spark_pages and settings.runs_here("spark_master")
    return [
        ("Dashboard", settings.page(settings.dashboard_port)),
        ("Airflow", f"{airflow_server.page(settings)}  (user admin, password {settings.airflow_password})"),
        ("Spark", settings.page(settings.spark_ui_port) if spark_page else settings.spark_master),
        ("Kafka", settings.kafka_bootstrap),
        ("Shop", connect.address(settings.shop_dsn)),
        ("Warehouse", connect.address(settings.warehouse_dsn)),
        ("Passwords", str(settings.secrets_file)),
        ("Logs", str(settings.log_dir)),
    ]


def _print_addresses(settings: Settings, console: Console) -> None:
    for name, where in addresses(settings):
        console.print(f"  {name:<10} {where}", highlight=False, soft_wrap=True)
