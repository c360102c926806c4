"""Keeps Airflow's scheduler running in its container, where the services live, too, and says how they are.

A scheduler that was killed is started again beside its services, which its next tasks adopt. When the container is asked to
stop, the services end first, at the end of a batch, and the scheduler after them: alone it would wait for its tasks.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from datetime import UTC, datetime

from instashop import connect, sql
from instashop.control import beats, intents, supervision
from instashop.control.files import write_whole
from instashop.control.lease import Clock
from instashop.errors import InstaShopError
from instashop.local import health, servers
from instashop.local.down import SERVICES_SECONDS
from instashop.settings import ROOT, Settings, load

HEALTH = ROOT / ".health" / "faults"
"""What is not well, renewed every few seconds and empty when all is; the container's health check reads it. Gone after a restart."""
LOOK_SECONDS = 3


def service_fault(settings: Settings, service: str) -> str | None:
    """Return what keeps a service from its work, or None: it is at work, or is not to be."""
    intent, process = intents.read(settings.run_dir, service), supervision.find(settings.run_dir, service)
    beat = beats.read(settings.run_dir, service)
    if not intents.carried_out(intent, process, beat):
        return f"is not as wanted yet ({supervision.describe(beat, datetime.now(UTC))})"
    found = supervision.finding(service, intent, process, beat, Clock.read(), settings.beat_stale_seconds)
    return found.text if found else None


def say_health(settings: Settings) -> None:
    """Write down whether Airflow's scheduler beats and every service that is to run is at work."""
    reason = health.CHECKS[servers.SCHEDULER](settings)
    faults = [f"scheduler: {reason}\n"] if reason else []
    faults += [f"{service} {fault}\n" for service in beats.SERVICES if (fault := service_fault(settings, service))]
    write_whole(HEALTH, "".join(faults).encode())


def begin(settings: Settings) -> subprocess.Popen[bytes]:
    """Start the scheduler in a process group of its own, once Airflow's database knows that its predecessors are gone."""
    with connect.postgres(settings.airflow_dsn, seconds=5) as connection:
        connection.execute(sql.statement("airflow/end_dead_schedulers"))  # type: ignore[arg-type]
    intents.announce_up(settings.run_dir)
    server = servers.table(settings)[servers.SCHEDULER]
    return subprocess.Popen(server.argv, env=servers.shell_environment() | server.environment, cwd=ROOT, start_new_session=True)


def end_group(leader: int) -> None:
    """End the workers that a killed scheduler leaves behind; they ignore SIGTERM."""
    with suppress(ProcessLookupError):  # It left none.
        os.killpg(leader, signal.SIGKILL)


def keep(settings: Settings, stop: threading.Event) -> None:
    """Run the scheduler until the stop is asked for; one that ends before, as without its database, is started again."""
    while not stop.is_set():
        if reason := health.CHECKS[servers.AIRFLOW_DB](settings):
            print(f"the scheduler waits for its database: {reason}", flush=True)
            stop.wait(LOOK_SECONDS)
            continue
        child = begin(settings)
        while child.poll() is None and not stop.wait(LOOK_SECONDS):
            say_health(settings)
        if stop.is_set():
            end(settings, child)
        else:
            print(f"the scheduler ended with {child.returncode} and is started again", flush=True)
            stop.wait(LOOK_SECONDS)
        end_group(child.pid)


def end(settings: Settings, child: subprocess.Popen[bytes]) -> None:
    """Tell tasks that the platform goes down, then end services and scheduler."""
    intents.announce_down(settings.run_dir)
    child.terminate()
    for service, by_itself in supervision.stop_all(settings.run_dir, SERVICES_SECONDS).items():
        print(f"{service} has ended{'' if by_itself else ': it was killed'}", flush=True)
    with suppress(subprocess.TimeoutExpired):  # What is left is killed with its group.
        child.wait(timeout=8)


def main() -> int:
    """Keep the scheduler until SIGTERM; return the exit status of the container."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        keep(load(), stop)
    except (InstaShopError, connect.psycopg.Error) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
