"""Starts, follows and ends services: what should happen is decided from values, and a thin edge makes it happen.

A service runs in a session of its own, so it outlives whoever started it; whoever comes next finds it by its lease.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import psutil

from instashop.control import beats, intents, lease
from instashop.control.beats import Beat
from instashop.control.files import write_whole
from instashop.control.lease import Clock, Holder
from instashop.errors import InstaShopError

log = logging.getLogger(__name__)

CARRY_OUT_SECONDS = 90.0
"""How long what a person asks for may take: a stop, and a start that waits for Airflow's next run."""

GRACE_SECONDS = 20.0
"""How long a service may take to stop by itself before it is killed."""

LOG_BYTES = 20_000_000
"""A log longer than this is set aside, as NAME.log.1."""


class ServiceEnded(InstaShopError):
    """{service} (process {pid}) ended although nobody asked: {how}. Its next try starts it again and it goes on at its cursor. If this repeats, the cause is in its last words, from {log}:
    {tail}
    """


class ServiceNotStarted(InstaShopError):
    """{service} could not be started ({cause}); check that `{command}` runs by hand, then clear this task."""


class ServiceWillNotEnd(InstaShopError):
    """Process {pid} of {service} is there even after SIGKILL; it hangs in the kernel (look at its disk), and a second one must not be started."""


class AnotherTryFollows(InstaShopError):
    """Another try of this task follows {service} now; this one lets go and leaves the process alone."""


class TaskEnded(InstaShopError):
    """This task was ended by hand or by Airflow while it followed {service}: {what}. Clear the task, or wait for the next run, and it is followed again."""


# How it went ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ending:
    """How a process ended; not well means that it must be started again and somebody should know."""

    well: bool
    how: str


def ending(process: Holder, exit_code: int | None, beat: Beat | None, asked: bool, lifetime_seconds: float) -> Ending:
    """Judge the end of a process.

    An adopted process's exit code is unknown (None); then its last beat is the evidence. A stop that nobody asked
    for is no good end unless the service had lived its lifetime: someone outside ended it.
    """
    last = beat if beat is not None and beat.is_of(process) else None
    if asked:
        return Ending(True, "it was asked to stop")
    if exit_code is not None and exit_code < 0:
        return Ending(False, f"killed by {signal.Signals(-exit_code).name}")
    if exit_code:
        return Ending(False, f"exit status {exit_code}")
    if exit_code is None and (last is None or last.state != "stopped"):
        return Ending(False, f"its last beat says {last.state!r}, not 'stopped'" if last else "it never beat")
    if last is None:
        return Ending(False, "exit status 0, yet it never beat")
    lived = last.at.timestamp() - process.create_time
    if lived >= lifetime_seconds - GRACE_SECONDS:
        return Ending(True, f"its lifetime of {lifetime_seconds:.0f} s is over")
    return Ending(False, f"someone outside of Airflow stopped it after {lived:.0f} s")


@dataclass(frozen=True)
class Finding:
    """What is wrong with a service; `hangs` means that its process must be ended."""

    service: str
    text: str
    hangs: bool = False


def finding(service: str, intent: intents.Intent, process: Holder | None, beat: Beat | None, clock: Clock, stale_seconds: float) -> Finding | None:
    """Return what is wrong with a service, or None: it works, or is not to run.

    Silence is measured by a clock that nobody sets and that stands still while the machine sleeps: else who looks first would end what is well.
    """
    if intent.state == "stopped":
        return None
    if process is None:
        return Finding(service, f"does not run; look at the log of the DAG run_{service}, and unpause it if it is paused")
    ours = beat is not None and beat.is_of(process)
    quiet = _silence(process, beat, clock)
    if quiet > stale_seconds:
        return Finding(service, f"hangs: process {process.pid} has not beaten for {quiet:.0f} s; it is ended and run_{service} starts it again", True)
    if beat is None or not ours:
        return None
    if beat.state == "waiting":
        return Finding(service, f"waits: {beat.message or 'it does not say for what'}")
    if beat.state == "running" and (beat.lag_seconds or 0) > stale_seconds and beat.lag_events and not beat.events_per_second:
        return Finding(service, f"is stuck {beat.lag_events} events and {beat.lag_seconds:.0f} s behind and moves nothing; its log says why")
    return None


def _silence(process: Holder, beat: Beat | None, clock: Clock) -> float:
    """Return for how many seconds a process has not beaten; 0 for one of older code, whose beats do not tell."""
    if beat is None or not beat.is_of(process):
        return clock.since_boot - process.started
    return 0.0 if beat.awake is None else clock.awake - beat.awake


def is_as_wanted(run_dir: Path, service: str) -> bool:
    """Whether what is wanted of a service has come true: it runs, past its start, or is stopped on purpose."""
    return intents.carried_out(intents.read(run_dir, service), find(run_dir, service), beats.read(run_dir, service))


def generates(run_dir: Path, intent: intents.Intent, rate: float) -> bool:
    """Whether the generator is as this intent wants it: stopped, or on its way at the rate."""
    beat = beats.read(run_dir, "generator")
    there = intents.carried_out(intent, find(run_dir, "generator"), beat)
    return there and (intent.state == "stopped" or (beat is not None and beat.events_per_second > rate / 2))


def describe(beat: Beat | None, now: datetime) -> str:
    """Return a service's beat as one line of a log."""
    if beat is None:
        return "no beat yet"
    parts = [beat.state, f"{beat.events_per_second:,.1f} events/s", f"{beat.events_total:,} events"]
    if beat.lag_events is not None:
        parts.append(f"lag {beat.lag_events:,} events")
    if beat.lag_seconds is not None:
        parts.append(f"{beat.lag_seconds:.1f} s behind")
    parts.append(f"beat {beat.age(now):.1f} s ago")
    return " · ".join([*parts, beat.message] if beat.message else parts)


# Make it happen ------------------------------------------------------------------------------------------------------


def carry_out(run_dir: Path, service: str, action: intents.Action, rate: float | None = None) -> str:
    """Write down what a person asks for, and return in words how the service is once it is so.

    Raises:
        UnknownService, NotARate: the request makes no sense.
        NotCarriedOut: it was written down, but did not come true in time.
    """
    intents.check_request(service, action, rate)
    intent = intents.ask(run_dir, service, action, rate)
    if intents.read(run_dir, intents.PLATFORM).state == "stopped":
        return f"{service}: {action} is written down; the platform is down, and its next `./instashop up` heeds it"
    log.info("%s: %s is asked for; run_%s looks every second", service, action, service)
    tick, until = threading.Event(), time.monotonic() + CARRY_OUT_SECONDS
    while time.monotonic() < until:
        beat = beats.read(run_dir, service)
        if intents.carried_out(intent, find(run_dir, service), beat):
            return f"{service}: {describe(beat, datetime.now(UTC))}"
        tick.wait(0.5)
    state = describe(beats.read(run_dir, service), datetime.now(UTC))
    raise intents.NotCarriedOut(service=service, action=action, seconds=CARRY_OUT_SECONDS, state=state)


def find(run_dir: Path, service: str) -> Holder | None:
    """Return the process of a service, however it was started: the one Airflow started, else who holds the lease."""
    started = _read_holder(_started_path(run_dir, service))
    if started is not None and started.process() is not None:
        return started
    return lease.holder(run_dir, service)


def start(run_dir: Path, service: str, command: Sequence[str], environment: Mapping[str, str], log_file: Path) -> Holder:
    """Start a service in a session of its own, its output appended to a file, and return its process.

    Raises:
        ServiceNotStarted: the command could not be run at all.
    """
    log_file.parent.mkdir(parents=True, exist_ok=True)
    set_aside(log_file)
    try:
        with log_file.open("ab") as output:
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=dict(environment), start_new_session=True)
        holder = Holder.of(psutil.Process(child.pid))
    except (OSError, psutil.NoSuchProcess) as error:
        raise ServiceNotStarted(service=service, cause=error, command=" ".join(command[:6])) from error
    write_whole(_started_path(run_dir, service), msgspec.json.encode(holder))
    return holder


def set_aside(log_file: Path) -> None:
    """Set a long log aside, also while its service writes: that appends each line, so the file begins anew below it. Lines of this very moment may be lost."""
    if log_file.exists() and log_file.stat().st_size > LOG_BYTES:
        shutil.copyfile(log_file, log_file.with_name(f"{log_file.name}.1"))
        os.truncate(log_file, 0)


def wait_end(process: Holder, seconds: float) -> tuple[bool, int | None]:
    """Wait until a process ends, at most so long; return whether it has, and its exit code if it was our child."""
    try:
        found = process.entry()
        return True, found.wait(seconds) if found else None
    except psutil.TimeoutExpired:
        return False, None


def stop(run_dir: Path, service: str, process: Holder, grace_seconds: float = GRACE_SECONDS) -> bool:
    """End a service: SIGTERM to the holder of its lease, and SIGKILL to what is left after the grace; return whether it went by itself.

    The process may be another than the holder: Spark's driver is a JVM, and the holder its Python child.

    Raises:
        ServiceWillNotEnd: something is left even so.
    """
    holder = lease.holder(run_dir, service) or process
    family = {each.pid: each for each in (process, holder)}.values()
    _signal([holder], signal.SIGTERM)
    if _all_end(family, grace_seconds):
        return True
    left = [*family, *(Holder.of(child) for each in family for child in _children(each))]
    _signal(left, signal.SIGKILL)
    if not _all_end(left, 10):
        raise ServiceWillNotEnd(pid=process.pid, service=service)
    return False


def child_environment(parent: Mapping[str, str], **more: object) -> dict[str, str]:
    """Return the environment of a service: the parent's without Airflow's settings and secrets, and INSTASHOP_* of what is given."""
    kept = {name: value for name, value in parent.items() if not name.startswith(("AIRFLOW__", "AIRFLOW_CTX_", "AIRFLOW_CONN_", "_AIRFLOW"))}
    given = {f"INSTASHOP_{name.upper()}": str(value) for name, value in more.items() if value is not None}
    return {**kept, "PYTHONUNBUFFERED": "1", **given}


def stop_all(run_dir: Path, grace_seconds: float = GRACE_SECONDS) -> dict[str, bool]:
    """Ask all services to stop, then wait and kill what is left; return for each that ran whether it went by itself."""
    running = {service: process for service in beats.SERVICES if (process := find(run_dir, service))}
    _signal([lease.holder(run_dir, service) or process for service, process in running.items()], signal.SIGTERM)
    until = time.monotonic() + grace_seconds
    return {service: stop(run_dir, service, process, max(0.5, until - time.monotonic())) for service, process in running.items()}


def follow(run_dir: Path, service: str, token: str) -> None:
    """Say who follows a service from now on; whoever did before lets go."""
    write_whole(run_dir / f"{service}.follower", token.encode())


def follows(run_dir: Path, service: str, token: str) -> bool:
    """Say whether a task still is the one that follows a service."""
    try:
        return (run_dir / f"{service}.follower").read_text() == token
    except FileNotFoundError:
        return False


def _started_path(run_dir: Path, service: str) -> Path:
    return run_dir / f"{service}.started.json"


def _read_holder(path: Path) -> Holder | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Holder)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None


def _signal(processes: Iterable[Holder], number: signal.Signals) -> None:
    for each in processes:
        if each.process() is not None:
            with suppress(ProcessLookupError):  # It ended by itself, which is what we want.
                os.kill(each.pid, number)


def _all_end(processes: Iterable[Holder], seconds: float) -> bool:
    until = time.monotonic() + seconds
    return all(wait_end(each, max(0.01, until - time.monotonic()))[0] for each in processes)


def _children(process: Holder) -> list[psutil.Process]:
    found = process.process()
    if found is None:
        return []
    try:
        return found.children(recursive=True)
    except psutil.NoSuchProcess:
        return []
