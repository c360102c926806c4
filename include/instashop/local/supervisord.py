"""What supervisord is told: where it listens, and how each program runs."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
from dataclasses import asdict
from pathlib import Path

from instashop.control.files import write_private
from instashop.local import launch, servers
from instashop.local.failures import SocketFolderTaken
from instashop.local.servers import Server
from instashop.settings import ROOT, Settings

_LONGEST_SOCKET = 90  # A unix socket's path may have 107 bytes; supervisord adds its pid while it starts.

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
