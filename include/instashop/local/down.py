"""`instashop down`: ends everything in the order in which nothing is lost and nothing restarts."""

from __future__ import annotations

import time
from collections.abc import Iterable

from rich.console import Console

from instashop.control import intents, supervision
from instashop.local import programs, servers
from instashop.local.failures import DownInterrupted, StillAlive
from instashop.local.lock import only_one
from instashop.settings import Settings

SERVICES_SECONDS = 10
"""Patience with services; one that needs longer is killed, and goes on at its cursor next time."""


def down(settings: Settings) -> None:
    """End the platform and return once nothing of it runs any more; data stays.

    Raises:
        StillAlive: something did not end. DownInterrupted: the user pressed Ctrl-C.
    """
    console = Console()
    if not settings.home.exists():
        console.print(f"There is no {settings.home}, so nothing is stopped; INSTASHOP_HOME says where a platform is.", soft_wrap=True)
        return
    began = time.monotonic()
    try:
        with only_one(settings, "down"):
            stop_some(settings, set(servers.table(settings)), whole=True, console=console)
    except KeyboardInterrupt:
        raise DownInterrupted from None
    console.print(f"InstaShop is down after {time.monotonic() - began:.0f} s; its data is in {settings.home}.", style="bold green", soft_wrap=True)


def stop_some(settings: Settings, names: Iterable[str], whole: bool, console: Console | None = None) -> None:
    """End programs, those that read before those that are read; with `whole`, services and supervisord, too.

    Airflow is told first, so that its tasks end well with their services instead of starting them again; a scheduler
    that is asked to end plans nothing more, and waits for the tasks that run.

    Raises:
        StillAlive: something did not end.
    """
    say = console.print if console else lambda *_: None
    names, left = set(names), []
    known = programs.states(settings)
    if whole or servers.SCHEDULER in names:
        intents.announce_down(settings.run_dir)
        if known:
            programs.ask_to_stop(settings, {servers.SCHEDULER} & names)
        ended = supervision.stop_all(settings.run_dir, SERVICES_SECONDS)
        for service, by_itself in ended.items():
            say(f"✓ {service}{'' if by_itself else ' (killed: it did not end in time)'}")
    if known:
        for group in stages(names):
            left += programs.stop(settings, group)
            say(f"✓ {', '.join(sorted(group))}")
    if whole:
        programs.shut_down(settings)
        programs.end_orphans(settings)
        say("✓ supervisord")
        left += [f"{name} {pids}" for name, pids in programs.orphans(settings).items()]
    if left:
        raise StillAlive(names=", ".join(left))


def stages(names: Iterable[str]) -> list[set[str]]:
    """Return the programs in the groups in which they end: each after everything that needs it."""
    wanted = set(names)
    kafka = {servers.broker(i) for i in (1, 2, 3)}  # The last broker takes five seconds to give up its quorum: it begins early.
    order = [
        {servers.SCHEDULER, servers.DASHBOARD, servers.SPARK_WORKER},
        {servers.API, servers.DAG_PROCESSOR, servers.TRIGGERER, servers.SPARK_MASTER, *kafka, servers.REDIS, servers.SHOP, servers.WAREHOUSE},
        {servers.AIRFLOW_DB},
    ]
    return [group & wanted for group in order if group & wanted]
