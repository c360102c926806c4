"""A stack of its own for tests and bench: an empty home and other ports, stopped at the end whatever happens."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from instashop.local import owner
from instashop.local.down import down
from instashop.settings import Settings, load


@contextmanager
def own_stack(home: Path, port_offset: int) -> Iterator[Settings]:
    """Give this process, and all it starts, the settings of an empty home; what runs there is stopped at the end, its data stays."""
    os.environ |= owner.alone(home, port_offset)
    load.cache_clear()
    if home.exists():
        down(load())
        shutil.rmtree(home)
        load.cache_clear()  # Its passwords went with it.
    try:
        yield load()
    finally:
        load.cache_clear()
        down(load())
