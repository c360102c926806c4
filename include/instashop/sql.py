"""Reads the statements of include/sql; a statement's path is its name."""

import hashlib
import re
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "sql"


_OTHER = re.compile(r"^\{(\w+/\w+)\}$", re.MULTILINE)


@cache
def statement(name: str) -> str:
    """Return the text of `include/sql/{name}.sql`; a line `{metrics/windows}` in it stands for the text of that other statement."""
    text = (FOLDER / f"{name}.sql").read_text(encoding="utf-8")
    return _OTHER.sub(lambda other: statement(other[1]), text)


def fingerprint(name: str) -> str:
    """Return 12 hex digits that are others when the text of a statement is."""
    return hashlib.sha256(statement(name).encode()).hexdigest()[:12]


def folder(name: str) -> list[str]:
    """Return the names of the statements in one folder, in the order in which they run."""
    return sorted(f"{name}/{path.stem}" for path in (FOLDER / name).glob("*.sql"))
