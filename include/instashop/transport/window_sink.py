"""Kafka → Redis, last step: absolute values of windows, where a newer value is never replaced by an older."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from typing import Any

from redis import Redis

from instashop import sql
from instashop.metrics import MEASURES, WINDOW_SECONDS, field_of, window_key


class WindowSink:
    """Writes rows of windows.sql into Redis; repeating a batch changes nothing."""

    def __init__(self, redis: Redis, checkpoint_ms: int, expiry_seconds: int) -> None:
        self._redis, self._checkpoint_ms, self._expiry = redis, checkpoint_ms, expiry_seconds
        text = (sql.FOLDER / "metrics" / "newer.lua").read_text(encoding="utf-8")
        self._write_newer = redis.register_script(text)

    def write(self, batch: int, rows: Iterable[Mapping[str, Any]], now: float | None = None) -> int:
        """Write the windows of one batch that are not expired, each with all its changed groups; return how many windows.

        `rows` have `start` (the window's begin, Unix seconds), the dimensions and every measure.
        """
        now = time.time() if now is None else now
        windows: dict[int, list[str]] = {}
        for row in rows:
            if row["start"] + WINDOW_SECONDS + self._expiry > now:
                values = {name: int(row[name]) for name in MEASURES}
                if row["product_id"] is not None:
                    values["product_name"] = row["product_name"]
                windows.setdefault(row["start"], []).extend((field_of(dict(row)), json.dumps(values)))
        with self._redis.pipeline(transaction=False) as pipeline:
            for start, fields in windows.items():
                order = [self._checkpoint_ms, batch, int(now * 1000), start + WINDOW_SECONDS + self._expiry]
                self._write_newer([window_key(start)], [*order, *fields], client=pipeline)
            pipeline.execute()
        return len(windows)
