"""One at a time, of those who work on the same warehouse: whoever comes second waits for a while."""

from __future__ import annotations

import psycopg

from instashop.errors import InstaShopError


def take(dwh: psycopg.Connection, name: str, seconds: float, busy: type[InstaShopError]) -> None:
    """Return once nobody else has this turn; it ends with the connection, which is in autocommit.

    Raises:
        busy: somebody else had it all these seconds.
    """
    dwh.execute("SELECT set_config('lock_timeout', %s, false)", [f"{max(1, round(seconds * 1000))}ms"])
    try:
        dwh.execute("SELECT pg_advisory_lock(hashtext(%s))", [name])
    except psycopg.errors.LockNotAvailable as error:
        raise busy(seconds=seconds) from error
    dwh.execute("SET lock_timeout = 0")
