"""Whether the disk of the platform's home has room left; a full one stops every server at once."""

from __future__ import annotations

import shutil
from pathlib import Path

FREE_BYTES = 2_000_000_000
"""About what half a day at 10 events/s takes: time for a person to make room."""

CURE = (
    "Make room: remove what is not the platform's; set INSTASHOP_WAREHOUSE_RETENTION_DAYS and run the DAG tidy_warehouse, which lets older events go;"
    " or `./instashop reset`, which deletes all data. docs/running.md has what grows, and how fast."
)


def free_bytes(home: Path) -> int:
    """Return how much the platform may still write to the disk of its home."""
    return shutil.disk_usage(home).free


def shortage(home: Path) -> str | None:
    """Return what is wrong when too little is free, or None."""
    free = free_bytes(home)
    return f"only {free / 1e9:.1f} GB are free on the disk of {home}; a full one stops every server." if free < FREE_BYTES else None
