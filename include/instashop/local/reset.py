"""`instashop reset`: deletes all data of this platform, after asking."""

from __future__ import annotations

import shutil

from rich.console import Console
from rich.prompt import Confirm

from instashop.local import down, servers
from instashop.local.lock import only_one
from instashop.settings import Settings

FOLDERS = ("data", "airflow", "spark", "logs", "run")
"""What a reset deletes; jars and class data stay, the passwords go with the data they open."""


def reset(settings: Settings, yes: bool) -> None:
    """End the platform and delete its data, logs and passwords; without `yes` it asks first."""
    console = Console()
    if not yes:
        if not console.is_terminal:
            console.print(f"This deletes all data in {settings.home}; say so with `./instashop reset --yes`.")
            raise SystemExit(1)
        if not Confirm.ask(f"Delete all data, logs and passwords in {settings.home}?", default=False):
            console.print("Nothing is changed.")
            raise SystemExit(1)
    with only_one(settings, "reset"):
        down.stop_some(settings, set(servers.table(settings)), whole=True, console=console)
        for name in FOLDERS:
            folder = settings.home / name
            if folder.exists():
                shutil.rmtree(folder)
        settings.secrets_file.unlink(missing_ok=True)
    own = settings.home / ".env"
    kept = f"; {own} stays{', so it stays light' if settings.light else ''}" if own.exists() else ""
    console.print(f"{settings.home} has no data any more{kept}; `./instashop up` begins anew.", style="bold green")
