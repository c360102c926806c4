"""Small files that another process reads at any moment, and the end of a log."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, text: bytes) -> None:
    """Write a small file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_bytes(text)
    draft.replace(path)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all, also if the power fails."""
    draft = path.with_suffix(path.suffix + ".draft")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def last_lines(log_file: Path, lines: int = 12, indent: str = "  ") -> str:
    """Return the last lines of a log, for a message."""
    try:
        with log_file.open("rb") as file:
            file.seek(max(0, log_file.stat().st_size - 16_384))
            text = file.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return f"{indent}(no log yet)"
    return "\n".join(f"{indent}{line[:300]}" for line in text.splitlines()[-lines:]) or f"{indent}(empty)"
