"""Talks with supervisord, which keeps the servers running."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterable
from http.client import HTTPException
from typing import Any
from xmlrpc.client import Fault, ServerProxy

import psutil
from supervisor.xmlrpc import Faults, SupervisorTransport

from instashop.control.files import last_lines
from instashop.local import launch, servers, supervisord
from instashop.local.failures import SupervisorEnds, SupervisorFailed
from instashop.local.progress import wait
from instashop.settings import Settings

HAS_PROCESS = ("STARTING", "RUNNING", "STOPPING")
FAILING = "BACKOFF"  # It ended within its first second, and waits to be tried again.
UP = (*HAS_PROCESS, FAILING)

STOP_SECONDS = 40
"""Longer than any server's `stop_seconds`, after which supervisord kills it."""


def rpc(settings: Settings) -> Any:
    """Return supervisord's interface; not to be shared between threads."""
    return ServerProxy("http://127.0.0.1", transport=SupervisorTransport(None, None, f"unix://{supervisord.socket_path(settings)}")).supervisor


def alive(settings: Settings) -> bool:
    """Return whether supervisord answers."""
    try:
        return bool(rpc(settings).getState()["statename"] == "RUNNING")
    except (OSError, HTTPException, Fault):
        return False


def begin(settings: Settings, stop: threading.Event) -> bool:
    """Have supervisord running with the present configuration; return whether it had to be started.

    A supervisord that was killed leaves its programs behind: they are ended first.

    Raises:
        SupervisorFailed: it does not start.
    """
    supervisord.write_config(settings)
    if alive(settings):
        _reload(settings)
        return False
    shut_down(settings)  # One that still ends, or no longer answers.
    end_orphans(settings)
    supervisord.socket_path(settings).unlink(missing_ok=True)
    command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(supervisord.config_path(settings))]
    result = subprocess.run(command, capture_output=True, text=True, cwd="/", env=servers.shell_environment(), timeout=60, check=False)
    if result.returncode or wait(lambda: None if alive(settings) else "no answer", stop, 15, every=0.05):
        lines = (result.stdout + result.stderr).strip() or last_lines(settings.log_dir / "supervisord.log")
        raise SupervisorFailed(lines=lines, log=settings.log_dir / "supervisord.log", socket=supervisord.socket_path(settings))
    return True


def _reload(settings: Settings) -> None:
    """Take over a changed configuration; only the programs whose command changed are stopped."""
    added, changed, removed = rpc(settings).reloadConfig()[0]
    _exchange(settings, [*changed, *removed], [*added, *changed])


def _exchange(settings: Settings, old: list[str], new: list[str]) -> None:
    supervisor = rpc(settings)
    stop(settings, old)
    for name in old:
        supervisor.removeProcessGroup(name)
    for name in new:
        supervisor.addProcessGroup(name)


def forget_failures(settings: Settings, names: Iterable[str]) -> None:
    """Stop programs that fail at their start, so that whoever starts them again waits neither for the pause before their next try nor for as long a one after it."""
    wanted = set(names)
    failing = [name for name, info in states(settings).items() if name in wanted and info["statename"] == FAILING]
    _exchange(settings, failing, failing)  # A stop alone would leave the pause as long as it is.


def states(settings: Settings) -> dict[str, dict[str, Any]]:
    """Return what supervisord says of each program; empty when it does not run."""
    try:
        return {info["name"]: info for info in rpc(settings).getAllProcessInfo()}
    except (OSError, HTTPException):
        return {}
    except Fault as fault:
        if fault.faultCode != Faults.SHUTDOWN_STATE:
            raise
        return {}  # It ends: somebody sent it SIGTERM.


def said(info: dict[str, Any]) -> str:
    """Return the state of a program in a person's words."""
    return "failing at its start" if info["statename"] == FAILING else str(info["statename"]).lower()


def start(settings: Settings, name: str) -> bool:
    """Start a program without waiting; return whether it had to be started."""
    try:
        rpc(settings).startProcess(name, False)
    except Fault as fault:
        if fault.faultCode == Faults.SHUTDOWN_STATE:
            raise SupervisorEnds(log=settings.log_dir / "supervisord.log") from None
        if fault.faultCode != Faults.ALREADY_STARTED:
            raise
        return False
    return True


def ask_to_stop(settings: Settings, names: Iterable[str]) -> None:
    """Tell programs to end, without waiting."""
    supervisor = rpc(settings)
    for name in names:
        try:
            supervisor.stopProcess(name, False)
        except Fault as fault:
            if fault.faultCode not in (Faults.NOT_RUNNING, Faults.BAD_NAME, Faults.SHUTDOWN_STATE):
                raise


def stop(settings: Settings, names: Iterable[str]) -> list[str]:
    """End programs at once, all together, and wait until they have; return those that have not. supervisord kills each when its own patience is over."""
    wanted = set(names)
    ask_to_stop(settings, wanted)

    def still() -> list[str]:
        return [name for name, info in states(settings).items() if name in wanted and info["statename"] in UP]

    wait(lambda: " ".join(still()) or None, threading.Event(), STOP_SECONDS, every=0.1)
    return still()


def shut_down(settings: Settings) -> None:
    """End supervisord, and whatever it still runs."""
    process = _process(settings)
    if process is None:
        return
    try:
        rpc(settings).shutdown()
    except Fault as fault:
        if fault.faultCode != Faults.SHUTDOWN_STATE:  # Then it ends already.
            raise
    except (OSError, HTTPException):
        process.terminate()
    try:
        process.wait(timeout=STOP_SECONDS)
    except psutil.TimeoutExpired:
        process.kill()
        end_orphans(settings)


def _process(settings: Settings) -> psutil.Process | None:
    """Return supervisord's own process, or None: the pid in its file may by now be somebody else's."""
    try:
        process = psutil.Process(int((settings.run_dir / "supervisord.pid").read_text()))
        return process if str(supervisord.config_path(settings)) in process.cmdline() else None
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        return None


def orphans(settings: Settings) -> dict[str, list[int]]:
    """Return the processes of programs that a killed supervisord left behind."""
    found = {file.stem: [s.pid for s in launch.members(file)] for file in settings.run_dir.glob("*.group")}
    return {name: pids for name, pids in found.items() if pids}


def end_orphans(settings: Settings) -> None:
    """End the programs that a killed supervisord left behind, the last of the data's way first."""
    left, threads = orphans(settings), []
    order = [name for name in servers.table(settings) if name in left]
    for name in [*(n for n in left if n not in order), *reversed(order)]:
        polite, seconds = (signal.SIGINT, servers.POSTGRES_STOP_SECONDS) if name.startswith("postgres") else (signal.SIGTERM, 8)
        thread = threading.Thread(target=launch.end_group, args=(supervisord.group_path(settings, name), polite, seconds))
        thread.start()
        threads.append(thread)
    for thread in threads:
        thread.join()
