"""The dashboard's own statements; a statement's file is its name."""

from functools import cache
from pathlib import Path


@cache
def statement(name: str) -> str:
    """Return the text of `dashboard/sql/{name}.sql`."""
    return (Path(__file__).parent / f"{name}.sql").read_text(encoding="utf-8")
