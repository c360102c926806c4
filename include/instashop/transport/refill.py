"""Warehouse → Redis, only when Redis may have lost its windows: the same SQL text over the warehouse fills them again.

Spark writes a window again only when an event changes it, so a flushed Redis would stay empty for what is past, and one that was
killed comes back as it was when it last saved. The Spark job itself refills, so there is still one writer. It waits until the
warehouse has everything that its last batch had; what Spark has written since is newer and stays, and what it has not is as the
warehouse says.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import psycopg
from confluent_kafka import KafkaError, TopicPartition
from psycopg.rows import dict_row
from redis import Redis

from instashop import connect, sql
from instashop.errors import InstaShopError
from instashop.events import CLOCK_AHEAD, RECORDED_AHEAD
from instashop.metrics import FILLED_KEY, FILLING_KEY, WINDOW_SECONDS, reached, window_of
from instashop.settings import Settings
from instashop.transport.topics import consumer, place_of
from instashop.transport.window_sink import WindowSink

log = logging.getLogger(__name__)

LOOK_SECONDS = 1
AGAIN_SECONDS = 5
"""Between two tries to fill, when the warehouse does not answer or is not as far yet."""
PATIENCE_SECONDS = 5
"""How long Kafka is asked for what the warehouse lacks, before the next look asks again."""


class Keeper:
    """Looks whether Redis still has the windows, by a mark that is lost with them and that a new run of Redis does not know, and fills it until it has.

    A filling has a mark, too: when that is lost, Redis was lost once more, and the filling begins anew. It is as of a trigger of Spark that
    began after the loss was seen: what was under way then may have written into the lost Redis, and is part of that trigger's progress.
    """

    def __init__(self, settings: Settings, redis: Redis, beating: Callable[[], AbstractContextManager[None]]) -> None:
        self._settings, self._redis, self._beating = settings, redis, beating
        self._set_filled = redis.register_script((sql.FOLDER / "metrics" / "filled.lua").read_text(encoding="utf-8"))
        self._filling: str | None = None
        self._as_of: dict[str, Any] | None = None
        self._seen = datetime.min.replace(tzinfo=UTC)
        self._next = 0.0
        self._set_back = False

    def look(self, progress: dict[str, Any], went_back: bool = False) -> None:
        """Fill Redis if it lacks the windows of this checkpoint, or once if that `went_back`; a warehouse that does not answer is tried again at the next look.

        Raises:
            redis.RedisError: Redis does not answer.
        """
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + LOOK_SECONDS
        filled, filling = self._redis.mget(FILLED_KEY, FILLING_KEY)
        mark = filled_mark(self._redis, progress["checkpoint_ms"])
        run = mark.split()[-1]
        if went_back and not self._set_back:
            self._begin(run, came_back=True)
            self._set_back = True
            return
        if filled == mark:
            return
        if filling is None or filling != self._filling or run not in filling:
            # An older checkpoint than the one that filled it is back: what that one wrote ranks higher than all that comes.
            older = filled is not None and int(filled.split()[0]) > progress["checkpoint_ms"]
            self._begin(run, came_back=older or any(said and run not in said for said in (filled, filling)))
            return
        if self._as_of is None:
            if datetime.fromisoformat(progress["began"]) <= self._seen:
                return
            self._as_of = progress
            log.warning("Redis lacks windows of the last hour, or came back with older ones; filling them from the warehouse")
        try:
            with self._beating():  # To fill an hour of windows takes long.
                written = refill(self._settings, self._redis, self._as_of)
        except (InstaShopError, psycopg.Error) as error:
            log.warning("not filled yet: %s", error)
            self._next = time.monotonic() + AGAIN_SECONDS
            return
        if not written:
            self._next = time.monotonic() + AGAIN_SECONDS
            log.info("the warehouse has not got as far as batch %d yet", self._as_of["batch"])
        elif self._set_filled([FILLED_KEY, FILLING_KEY], [mark, filling]):
            log.info("the windows are in Redis again, as of batch %d", self._as_of["batch"])

    def _begin(self, run: str, came_back: bool) -> None:
        if came_back:  # With what is older than what was there: away with it, as if all were lost.
            self._redis.delete(*self._redis.scan_iter("window:*"), FILLED_KEY)
        self._filling, self._as_of, self._seen = f"{uuid4()} {run}", None, datetime.now(UTC)
        self._redis.set(FILLING_KEY, self._filling)


def filled_mark(redis: Redis, checkpoint_ms: int) -> str:
    """Return what `live:filled` says when every window of this checkpoint is in this run of Redis."""
    return f"{checkpoint_ms} {redis.info('server')['run_id']}"


def refill(settings: Settings, redis: Redis, progress: dict[str, Any]) -> bool:
    """Once the warehouse has passed this batch, write the kept windows as it has them, ranked as of the batch; return whether it had.

    Raises:
        WarehouseUnreachable, psycopg.OperationalError, redis.RedisError: try again.
    """
    now = time.time()
    since = window_of(now - settings.live_expiry_seconds) + WINDOW_SECONDS
    latest = now + (RECORDED_AHEAD + CLOCK_AHEAD).total_seconds()  # An event may be of a time to come, as far as the judge allows.
    span = {"since": datetime.fromtimestamp(since, UTC), "until": datetime.fromtimestamp(window_of(latest) + WINDOW_SECONDS, UTC)}
    with connect.warehouse(settings, "refill") as dwh, dwh.cursor(row_factory=dict_row) as cursor:
        kept = {(topic, number): offset for topic, number, offset in dwh.execute('SELECT topic, "partition", next_offset FROM consumer_offsets')}
        if _lacks(settings, {place: (kept.get(place, 0), end) for place, end in reached(progress).items()}):
            return False
        rows = cursor.execute(sql.statement("metrics/events_between") + sql.statement("metrics/windows"), span).fetchall()  # type: ignore[arg-type]
    found = [{**row, "start": int(row["win"].timestamp())} for row in rows]
    WindowSink(redis, progress["checkpoint_ms"], settings.live_expiry_seconds).write(progress["batch"], found, fill=True)
    return True


def _lacks(settings: Settings, spans: dict[tuple[str, int], tuple[int, int]]) -> bool:
    """Whether Kafka has a message, or may still get one, from the first offset of one of these spans to its second.

    Spark's end also counts what is no message to a reader: the marks of transactions, and what was taken back by one. Only Kafka knows.
    """
    behind = {place: end for place, (kept, end) in spans.items() if kept < end}
    if not behind:
        return False
    until = time.monotonic() + PATIENCE_SECONDS
    with consumer(settings, "instashop-refill") as client:
        client.assign([TopicPartition(*place, spans[place][0]) for place in behind])
        while behind and time.monotonic() < until:
            for message in client.consume(100, timeout=0.5):
                place, error = place_of(message), message.error()
                if place in behind and (error is None or error.code() == KafkaError._PARTITION_EOF):
                    if (message.offset() or 0) < behind[place]:  # A message, or the end of what may be read by now.
                        return True
                    del behind[place]
    return bool(behind)
