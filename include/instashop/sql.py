"""Reads the statements of include/sql; a statement's path is its name."""

from functools import cache
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "sql"


@cache
def statement(name: str) -> str:
    """Return the text of `include/sql/{name}.sql`, for example `statement("metrics/windows")`."""
    return (FOLDER / f"{name}.sql").read_text(encoding="utf-8")


def folder(name: str) -> list[str]:
    """Return the names of the statements in one folder, in the order in which they run."""
    return sorted(f"{name}/{path.stem}" for path in (FOLDER / name).glob("*.sql"))
