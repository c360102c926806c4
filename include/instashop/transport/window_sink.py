"""Kafka → Redis, last step: absolute values of windows, where a newer value is never replaced by an older."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from redis import Redis, RedisError

from instashop import sql
from instashop.errors import InstaShopError
from instashop.metrics import MEASURES, WINDOW_SECONDS, WRITER_KEY, field_of, window_key


class AnotherWriter(InstaShopError):
    """Another Spark job, {holder}, writes the windows of this Redis; this one waits until that one has ended."""


class OnlyWriter:
    """The right to write windows, of one Spark job on whatever machine; it ends some seconds after its holder."""

    SECONDS = 10

    def __init__(self, redis: Redis) -> None:
        self._redis, self._name = redis, f"process {os.getpid()} on {socket.gethostname()}"

    def take(self) -> None:
        """Take the right.

        Raises:
            AnotherWriter: somebody else has it.
        """
        if not self._redis.set(WRITER_KEY, self._name, nx=True, ex=self.SECONDS):
            holder = self._redis.get(WRITER_KEY)
            if holder != self._name:
                raise AnotherWriter(holder=holder)

    def renew(self) -> None:
        """Keep the right; one that Redis has lost is taken again.

        Raises:
            AnotherWriter: somebody else took it meanwhile.
        """
        self.take()
        self._redis.expire(WRITER_KEY, self.SECONDS)

    def leave(self) -> None:
        """Give the right up."""
        if self._redis.get(WRITER_KEY) == self._name:
            self._redis.delete(WRITER_KEY)


class WindowSink:
    """Writes rows of windows.sql into Redis; repeating a batch changes nothing."""

    def __init__(self, redis: Redis, checkpoint_ms: int, expiry_seconds: int) -> None:
        self._redis, self._checkpoint_ms, self._expiry = redis, checkpoint_ms, expiry_seconds
        text = (sql.FOLDER / "metrics" / "newer.lua").read_text(encoding="utf-8")
        self._write_newer = redis.register_script(text)

    def write(self, batch: int, rows: Iterable[Mapping[str, Any]], now: float | None = None, fill: bool = False) -> int:
        """Write the windows of one batch that are not expired, each with all its changed groups; return how many windows.

        `rows` have `start` (the window's begin, Unix seconds), the dimensions and every measure. With `fill` they are whole windows:
        of one that has newer values, what is missing is written.
        """
        now = time.time() if now is None else now
        windows: dict[int, list[str]] = {}
        for row in rows:
            if row["start"] + WINDOW_SECONDS + self._expiry > now:
                values = {name: int(row[name]) for name in MEASURES}
                windows.setdefault(row["start"], []).extend((field_of(dict(row)), json.dumps(values)))
        with self._redis.pipeline(transaction=False) as pipeline:
            for start, fields in windows.items():
                order = [self._checkpoint_ms, batch, int(now * 1000), start + WINDOW_SECONDS + self._expiry, "fill" if fill else "newer"]
                self._write_newer([window_key(start)], [*order, *fields], client=pipeline)
            pipeline.execute()
        return len(windows)


class PatientSink:
    """A window sink whose batch waits for a Redis that is away, full or read-only, so that a query outlives it; `trouble` says what it waits for."""

    AGAIN_SECONDS = 0.5

    def __init__(self, sink: WindowSink, stop: threading.Event) -> None:
        self._sink, self._stop = sink, stop
        self.trouble = ""

    def write(self, batch: int, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write the windows of one batch as soon as Redis takes them; what of them it had already changes nothing.

        Raises:
            redis.RedisError: Redis does not take it, and a stop is asked for; the next job repeats the batch.
        """
        while True:
            try:
                self._sink.write(batch, rows)
            except RedisError as error:
                self.trouble = f"batch {batch} waits for Redis, which does not take it ({error})"
                if self._stop.wait(self.AGAIN_SECONDS):
                    raise
            else:
                self.trouble = ""
                return
