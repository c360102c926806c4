"""Waiting until every stage has passed a page; who has not is named with how far it is."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg
from redis import Redis

from instashop import connect, sql
from instashop.control.books.comparing import Shops
from instashop.control.books.pages import Offsets, Page
from instashop.control.books.reading import PageReader
from instashop.control.books.verdict import SHOWN, Sum
from instashop.metrics import FILLED_KEY, PROGRESS_KEY, reached
from instashop.settings import Settings
from instashop.streams import BY_NAME, of_database
from instashop.transport.enricher import GROUP
from instashop.transport.producer import stored_cursor
from instashop.transport.refill import filled_mark
from instashop.transport.topics import consumer, partitions_of

LOOK_SECONDS = 0.2
LOOK_CLOSER_SECONDS = 2
OPEN_SECONDS = 3 * connect.OPEN_SECONDS
"""Longer than Kafka lets a transaction be open."""


def read_page(settings: Settings, page: Page, reader: PageReader, expected: dict[str, Sum], shops: Shops, deadline: float) -> dict[str, str]:
    """Read a page from Kafka until all of it is there, or until it is sure that no more comes; return the stage that has not passed it.

    The producer has passed a page when no row below its end lies behind the cursor; the enricher when its offsets lie behind the
    page's last transaction. What is missing then is lost, and the comparison says so.
    """

    def published() -> bool:
        """Refused messages may claim anything, but only the shop's own make up the sum."""
        return all((read := reader.streams[name]).with_refused(read.claims) == total for name, total in expected.items())

    def enriched() -> bool:
        found, wanted = reader.items_found(), reader.streams["transactions"].items
        return found.events == len(wanted) and found == Sum.over(wanted)

    behind = _read_until(reader, published, lambda: _unpublished(settings, page, shops), deadline)
    if behind:
        return {"kafka": behind}
    behind = _read_until(reader, enriched, lambda: _not_enriched(settings, reader), deadline)
    return {"items": behind} if behind else {}


def _read_until(reader: PageReader, complete: Callable[[], bool], behind: Callable[[], str], deadline: float) -> str:
    """Read on until all is there, or all that was written when the stage had passed the page; return how it is behind at the deadline.

    A cursor may be readable before the messages of the same transaction are, since Kafka ends a transaction in one partition after
    the other: so what was written by then is waited for.
    """
    looked, written = time.monotonic(), None
    while True:
        reader.read_on()
        if complete() or (written and reader.has_read(written)):
            return ""
        now = time.monotonic()
        if written:
            if now > deadline:
                return f"a transaction has been open in Kafka for {OPEN_SECONDS} s"
        elif now > deadline or now - looked > LOOK_CLOSER_SECONDS:
            looked, missing = now, behind()
            if missing and now > deadline:
                return missing
            if not missing:
                written, deadline = reader.written(), now + OPEN_SECONDS
        threading.Event().wait(LOOK_SECONDS)


def wait_for_readers(settings: Settings, last: Offsets, dwh: psycopg.Connection, deadline: float) -> dict[str, str]:
    """Wait until consumer and Spark have passed these messages; return who has not, and by how much."""
    redis = connect.redis(settings)
    while True:
        stored = {(t, n): o for t, n, o in dwh.execute('SELECT topic, "partition", next_offset FROM consumer_offsets')}
        progress = json.loads(redis.get(PROGRESS_KEY) or "{}")
        behind = {
            "warehouse": _behind(last, stored, lambda topic: True),
            "windows": _behind(last, reached(progress), lambda topic: BY_NAME[topic].live) or _unfilled(redis, progress),
        }
        late = {stage: text for stage, text in behind.items() if text}
        if not late or time.monotonic() > deadline:
            return late
        threading.Event().wait(LOOK_SECONDS)


def _unfilled(redis: Redis, progress: dict[str, Any]) -> str:
    """Tell when a Redis that has lost its windows, or came back with old ones, is still being filled, or its loss was not seen yet."""
    if not progress:
        return "Redis knows of no batch"
    return "" if redis.get(FILLED_KEY) == filled_mark(redis, progress["checkpoint_ms"]) else "Redis is being filled again"


def _unpublished(settings: Settings, page: Page, shops: Shops) -> str:
    """Return the streams of which rows below the page's end lie behind the producer's cursor."""
    systems = {}
    for database, connection in shops.items():
        row = connection.execute("SELECT system_identifier::text FROM pg_control_system()").fetchone()
        assert row is not None
        systems[database] = row[0]
    cursor = stored_cursor(settings, systems)
    waiting = []
    for database, connection in shops.items():
        for stream in of_database(database):
            txid, row_id = cursor.get(database, {}).get(stream.name, (0, 0))
            values = {"txid": str(txid), "id": row_id, "to_txid": page.to_txid}
            row = connection.execute(sql.statement("books/unpublished").format(table=stream.table), values).fetchone()  # type: ignore[arg-type]
            if row and row[0]:
                waiting.append(stream.name)
    return f"{', '.join(waiting)} not published yet" if waiting else ""


def _not_enriched(settings: Settings, reader: PageReader) -> str:
    """Return the places of transactions that the enricher has not passed."""
    with consumer(settings, GROUP) as group:
        committed = {(p.topic, p.partition): p.offset for p in group.committed(partitions_of(group, ["transactions"]), timeout=10)}
    return _behind(reader.last, committed, lambda topic: topic == "transactions")


def _behind(last: Offsets, at: Offsets, ours: Callable[[str], bool]) -> str:
    places = [
        f"{topic}/{number} at {at.get((topic, number), 0)} of {offset + 1}"
        for (topic, number), offset in last.items()
        if ours(topic) and at.get((topic, number), 0) <= offset
    ]
    return ", ".join(places[:SHOWN])
