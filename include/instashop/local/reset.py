"""`instashop reset`: deletes all data of this platform, after asking."""

from __future__ import annotations

import shutil

from rich.console import Console
from rich.prompt import Confirm

from instashop.local import down, lock, owner, servers
from instashop.local.failures import NotConfirmed
from instashop.settings import Settings


def reset(settings: Settings, yes: bool) -> None:
    """End the platform and delete its data, logs and passwords, but neither jars nor class data; without `yes` it asks first.

    Raises:
        NotConfirmed: nobody is there to answer. NoHome: no platform was ever there; nothing is touched.
    """
    console = Console()
    owner.spare(settings)
    if not yes:
        if not console.is_terminal:
            raise NotConfirmed(home=settings.home)
        if not Confirm.ask(f"Delete all data, logs and passwords in {settings.home}?", default=False):
            console.print("Nothing is changed.")
            raise SystemExit(1)
    with lock.only_one(settings, "reset"):
        down.stop_some(settings, set(servers.table(settings)), whole=True, console=console)
        for name in owner.FOLDERS:
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
    console.print(f"{settings.home} has no data any more{kept}; `./instashop up` begins anew.", style="bold green", soft_wrap=True)
