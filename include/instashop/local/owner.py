"""Whose folder a home is: the ports, the servers and the project's folder of the platform that runs in it."""

from __future__ import annotations

import json
from pathlib import Path

from instashop.control.files import write_private
from instashop.local import programs
from instashop.local.failures import HomeTaken, NoHome
from instashop.settings import ADDRESSES, PORTS, ROOT, Settings, variable

FOLDERS = ("data", "airflow", "spark", "logs")
"""What a platform keeps in its home, and `reset` deletes, beside the passwords that open the data and what is in `run`."""


def is_home(settings: Settings) -> bool:
    """Return whether a start has claimed this folder since its last reset."""
    return path(settings).exists() or settings.secrets_file.exists()


def spare(settings: Settings) -> None:
    """Return when the folder is a platform's home, or may become one.

    Raises:
        NoHome: it has folders of our names that no start has made.
    """
    found = [name for name in FOLDERS if (settings.home / name).exists()]
    if found and not is_home(settings):
        raise NoHome(home=settings.home, found=", ".join(found))


def mark(settings: Settings) -> dict[str, str]:
    """Return what two starts in one home must agree on."""
    ports = {variable(name): str(getattr(settings, name)) for name in PORTS}
    return {"project": str(ROOT), **ports, **{variable(name): settings.where(name) for name in ADDRESSES}}


def path(settings: Settings) -> Path:
    """Return the file that remembers the mark of the last start."""
    return settings.run_dir / "owner.json"


def differences(known: dict[str, str], own: dict[str, str]) -> list[str]:
    """Return in words where the platform that runs and a start differ; a setting that only one of them knows is none."""
    return [f"{name} is {known[name]}, not {own[name]}" for name in own if name in known and known[name] != own[name]]


def others(settings: Settings) -> list[str]:
    """Return in words where the last start in this home had other settings than these."""
    file = path(settings)
    return differences(json.loads(file.read_text(encoding="utf-8")), mark(settings)) if file.exists() else []


def few(found: list[str]) -> str:
    """Return the first of these differences, and how many more there are."""
    return ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")


def claim(settings: Settings) -> None:
    """Remember this start as the home's owner.

    Raises:
        NoHome: somebody else's data is there. HomeTaken: a platform with another mark runs there. Nothing of either is touched.
    """
    spare(settings)
    found = others(settings)
    if found and (programs.alive(settings) or programs.orphans(settings)):
        raise HomeTaken(home=settings.home, differences=few(found), offset=settings.port_offset or 100)
    write_private(path(settings), json.dumps(mark(settings), indent=1))


def alone(home: Path, port_offset: int) -> dict[str, str]:
    """Return the environment of a platform that is nobody's, whatever `.env` says: a home and ports of its own, every other setting at its default."""
    fields = Settings.model_fields
    plain = {name: field.default for name, field in fields.items() if field.default != ""} | dict.fromkeys((*ADDRESSES, "spark_driver_host"), "")
    own = {"home": home, "port_offset": port_offset, **{name: fields[name].default + port_offset for name in PORTS}}
    return {variable(name): str(value) for name, value in (plain | own).items()}
