"""`instashop reset`: deletes all data of this platform, after asking."""

from __future__ import annotations

import shutil

from rich.console import Console
from rich.prompt import Confirm

from instashop.local import down, lock, servers
from instashop.settings import Settings

FOLDERS = ("data", "airflow", "spark", "logs")
"""What a reset deletes, with the passwords that open the data and what is in `run`; jars and class data stay."""


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
    with lock.only_one(settings, "reset"):
        down.stop_some(settings, set(servers.table(settings)), whole=True, console=console)
        for name in FOLDERS:
            folder = settings.home / name
            if folder.exists():
                shutil.rmtree(folder)
        settings.secrets_file.unlink(missing_ok=True)
        for path in settings.run_dir.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path != lock.path(settings):  # Without it somebody else could begin meanwhile.
                path.unlink()
    own = settings.home / ".env"
    kept = f"; {own} stays{', so it stays light' if settings.light else ''}" if own.exists() else ""
    console.print(f"{settings.home} has no data any more{kept}; `./instashop up` begins anew.", style="bold green")
