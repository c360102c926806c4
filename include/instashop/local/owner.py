"""Whose folder a home is: the ports, the servers and the project's folder of the platform that runs in it."""

from __future__ import annotations

import json
from pathlib import Path

from instashop.control.files import write_private
from instashop.local import programs
from instashop.local.failures import HomeTaken
from instashop.settings import ADDRESSES, PORTS, ROOT, Settings, variable


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


def claim(settings: Settings) -> None:
    """Remember this start as the home's owner.

    Raises:
        HomeTaken: a platform with another mark runs there; nothing of it is touched.
    """
    file, own = path(settings), mark(settings)
    if file.exists() and (programs.alive(settings) or programs.orphans(settings)):
        found = differences(json.loads(file.read_text(encoding="utf-8")), own)
        if found:
            shown = ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
            raise HomeTaken(home=settings.home, differences=shown, offset=settings.port_offset or 100)
    write_private(file, json.dumps(own, indent=1))


def alone(home: Path, port_offset: int) -> dict[str, str]:
    """Return the environment of a platform that is nobody's, whatever `.env` says: a home and ports of its own, every other setting at its default."""
    fields = Settings.model_fields
    plain = {name: field.default for name, field in fields.items() if field.default != ""} | dict.fromkeys((*ADDRESSES, "spark_driver_host"), "")
    own = {"home": home, "port_offset": port_offset, **{name: fields[name].default + port_offset for name in PORTS}}
    return {variable(name): str(value) for name, value in (plain | own).items()}
