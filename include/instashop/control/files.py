"""Small files that another process reads at any moment."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, text: bytes) -> None:
    """Write a small file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_bytes(text)
    draft.replace(path)
