"""Talks with supervisord, which keeps the servers running."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterable
from dataclasses import asdict
from http.client import HTTPException
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ServerProxy

import psutil
from supervisor.xmlrpc import Faults, SupervisorTransport

from instashop.control.files import last_lines, write_private
from instashop.local import launch, servers
from instashop.local.failures import SocketFolderTaken, SupervisorEnds, SupervisorFailed
from instashop.local.progress import wait
from instashop.local.servers import Server
from instashop.settings import ROOT, Settings

_LONGEST_SOCKET = 90  # A unix socket's path may have 107 bytes; supervisord adds its pid while it starts.

HAS_PROCESS = ("STARTING", "RUNNING", "STOPPING")
FAILING = "BACKOFF"  # It ended within its first second, and waits to be tried again.
UP = (*HAS_PROCESS, FAILING)

STOP_SECONDS = 40
"""Longer than any server's `stop_seconds`, after which supervisord kills it."""

RETRIES = 10_000
"""How often a program that ends at once is tried again: for more than a year, so that it comes back once its cause, such as a full disk, has gone.
supervisord waits for one second more before each try: after an hour of them one and a half minutes, after a day seven. `up` tries at once."""


def socket_path(settings: Settings) -> Path:
    """Return supervisord's socket; with a long home it lies in a folder of its own in /tmp, whatever a shell's TMPDIR is.

    Raises:
        SocketFolderTaken: that folder is there, and others could have put a socket into it.
    """
    path = settings.run_dir / "supervisor.sock"
    if len(str(path)) <= _LONGEST_SOCKET:
        return path
    name = hashlib.sha256(str(settings.home).encode()).hexdigest()[:12]
    folder = Path("/tmp") / f"instashop-{os.getuid()}-{name}"
    if os.path.lexists(folder):
        found = folder.lstat()
        if found.st_uid != os.getuid() or found.st_mode & 0o077:  # A link is open to all.
            raise SocketFolderTaken(folder=folder, home=settings.home, found=f"{stat.filemode(found.st_mode)} of user {found.st_uid}")
    return folder / "supervisor.sock"


def config_path(settings: Settings) -> Path:
    """Return supervisord's configuration."""
    return settings.run_dir / "supervisord.conf"


def log_path(settings: Settings, server: str) -> Path:
    """Return the rotating log of a server's output."""
    return settings.log_dir / f"{server}.log"


def group_path(settings: Settings, server: str) -> Path:
    """Return where a server's process group is written down."""
    return settings.run_dir / f"{server}.group"


def _program(settings: Settings, server: Server) -> str:
    """Write what launch.py reads, and return the server's section; its stamp changes with the server's command, environment, configuration and, where it is ours, code and settings."""
    text = json.dumps(
        {
            "argv": server.argv,
            "environment": servers.shell_environment() | server.environment,
            "directory": str(ROOT),
            "user": server.user,
            "group_file": str(group_path(settings, server.name)),
            "after_kill": asdict(server.after_kill) if server.after_kill else None,
        },
        indent=1,
        default=str,
    )
    file = settings.run_dir / f"{server.name}.json"
    write_private(file, text)
    config = server.config.read_text(encoding="utf-8") if server.config and server.config.exists() else ""
    ours = [servers.our_code(), settings.model_dump_json()] if server.is_ours else []  # It reads `.env`, which its environment does not tell.
    stamp = hashlib.sha256(json.dumps([server.argv, server.environment, server.user, config, ours]).encode()).hexdigest()[:12]
    lines = [
        f"[program:{server.name}]",
        f"command={sys.executable} -I {launch.__file__} {file}",
        f"environment=INSTASHOP_STAMP={stamp}",
        "autostart=false",
        "autorestart=true",
        "startsecs=1",
        f"startretries={RETRIES}",
        f"stopsignal={server.stop_signal}",
        f"stopwaitsecs={server.stop_seconds}",
        "killasgroup=true",
        "redirect_stderr=true",
        f"stdout_logfile={log_path(settings, server.name)}",
        "stdout_logfile_maxbytes=5MB",
        "stdout_logfile_backups=2",
    ]
    return "\n".join(lines)


def write_config(settings: Settings) -> None:
    """Write supervisord's configuration and each program's description; only their owner can read them."""
    path = socket_path(settings)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    head = [
        "[unix_http_server]",
        f"file={path}",
        "chmod=0700",
        "[supervisord]",
        f"logfile={settings.log_dir / 'supervisord.log'}",
        f"pidfile={settings.run_dir / 'supervisord.pid'}",
        "logfile_maxbytes=5MB",
        "logfile_backups=1",
        "loglevel=info",
        *(["user=root"] if os.geteuid() == 0 else []),
        "[rpcinterface:supervisor]",
        "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface",
    ]
    sections = [_program(settings, server) for server in servers.table(settings).values()]
    text = "\n".join([*head, *sections, ""])  # No path in it has a space: `preflight` refuses those.
    write_private(config_path(settings), text.replace("%", "%%"))


def rpc(settings: Settings) -> Any:
    """Return supervisord's interface; not to be shared between threads."""
    return ServerProxy("http://127.0.0.1", transport=SupervisorTransport(None, None, f"unix://{socket_path(settings)}")).supervisor


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
    write_config(settings)
    if alive(settings):
        _reload(settings)
        return False
    shut_down(settings)  # One that still ends, or no longer answers.
    end_orphans(settings)
    socket_path(settings).unlink(missing_ok=True)
    command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(config_path(settings))]
    result = subprocess.run(command, capture_output=True, text=True, cwd="/", env=servers.shell_environment(), timeout=60, check=False)
    if result.returncode or wait(lambda: None if alive(settings) else "no answer", stop, 15, every=0.05):
        lines = (result.stdout + result.stderr).strip() or last_lines(settings.log_dir / "supervisord.log")
        raise SupervisorFailed(lines=lines, log=settings.log_dir / "supervisord.log", socket=socket_path(settings))
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
        return process if str(config_path(settings)) in process.cmdline() else None
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
        thread = threading.Thread(target=launch.end_group, args=(group_path(settings, name), polite, seconds))
        thread.start()
        threads.append(thread)
    for thread in threads:
        thread.join()
