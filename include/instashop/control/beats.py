"""Beats: each service says "alive, this far" about once a second, in a file and, for the screen, in Redis."""

from __future__ import annotations

import logging
import time
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec
from redis import Redis, RedisError

from instashop.control.files import write_whole
from instashop.control.lease import Holder

log = logging.getLogger(__name__)

State = Literal["starting", "waiting", "running", "stopping", "stopped"]
"""waiting: something it needs is not there; `message` says what."""


class Beat(msgspec.Struct, frozen=True):
    """One beat of one service; counts are since its start, rates over the last ten seconds."""

    service: str
    pid: int
    started_at: datetime
    at: datetime
    state: State
    message: str = ""
    events_total: int = 0
    events_per_second: float = 0.0
    lag_events: int | None = None  # None: not known. Exact at 0, an upper bound above.
    lag_seconds: float | None = None  # Age of the oldest fact not yet moved on.
    newest_recorded_at: datetime | None = None  # The newest fact that it has moved on.
    awake: float | None = None  # The moment of the beat by `lease.Clock.awake`, for who decides whether a process hangs. None: of older code.

    def is_of(self, process: Holder) -> bool:
        """Say whether it is of this process, not of one before it; a second is left for a clock that was moved between the two."""
        return self.started_at.timestamp() >= process.create_time - 1

    def age(self, now: datetime) -> float:
        """Return how many seconds ago it was; one that came since `now` is 0 s old."""
        return max(0.0, (now - self.at).total_seconds())


SERVICES = ("generator", "producer", "consumer", "enricher", "live_metrics")


def key_of(service: str) -> str:
    """Return the Redis key of a service's beat."""
    return f"beat:{service}"


def path_of(run_dir: Path, service: str) -> Path:
    """Return the file of a service's beat."""
    return run_dir / f"{service}.beat.json"


def read(run_dir: Path, service: str) -> Beat | None:
    """Return the last beat of a service, or None when there was never one."""
    try:
        return msgspec.json.decode(path_of(run_dir, service).read_bytes(), type=Beat)
    except FileNotFoundError:
        return None


def read_all(redis: Redis) -> dict[str, Beat]:
    """Return the last beat of every service that Redis knows.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    found = redis.mget([key_of(service) for service in SERVICES])
    beats = (msgspec.json.decode(text, type=Beat) for text in found if text)
    return {beat.service: beat for beat in beats}


class BeatWriter:
    """Writes beats; a Redis that does not answer is said once in the log, and takes at most a tenth of the service's time."""

    def __init__(self, run_dir: Path, redis: Redis) -> None:
        self._run_dir, self._redis, self._redis_answers = run_dir, redis, True
        self._without_redis_until = 0.0

    def write(self, beat: Beat) -> None:
        """Put the beat in its file, whole or not at all, and mirror it to Redis."""
        text = msgspec.json.encode(beat)
        write_whole(path_of(self._run_dir, beat.service), text)
        began = time.monotonic()
        if began < self._without_redis_until:
            return
        try:
            self._redis.set(key_of(beat.service), text)
            self._redis_answers = True
        except RedisError as error:
            if self._redis_answers:
                log.warning("Redis does not take the beat (%s); the file has it, and a later beat tries again.", error)
            self._redis_answers = False
            self._without_redis_until = began + 10 * (time.monotonic() - began)
