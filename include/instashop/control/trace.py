"""The whole way of one event, stage by stage, with what became of it."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row
from redis import RedisError

from instashop import connect, sql
from instashop.errors import InstaShopError
from instashop.metrics import LATE_SECONDS, WINDOW_SECONDS, window_key, window_of
from instashop.settings import Settings
from instashop.streams import BY_NAME, DATABASES, of_database
from instashop.words import counted, euros, moment


class NoSuchEvent(InstaShopError):
    """No event {event_id} in shop, warehouse or dead letters; give the `event_id` of a row, a UUID."""


@dataclass(frozen=True)
class Stop:
    """One place on an event's way, and what is there of it; one that is not `reached` has no place for it, or none yet."""

    stage: str
    text: str
    reached: bool = True


def trace(settings: Settings, event_id: str) -> str:
    """Return where an event has been, a line for each stage.

    Raises:
        NoSuchEvent: no stage knows it, or the id is no UUID.
    """
    return "\n".join(f"{stop.stage:<10} {stop.text}" for stop in stops(settings, event_id))


def stops(settings: Settings, event_id: str) -> list[Stop]:
    """Return the places where an event has been: shop, page, Kafka, warehouse, window, and why not further.

    Raises:
        NoSuchEvent: no stage knows it, or the id is no UUID.
    """
    try:
        wanted = UUID(event_id)
    except ValueError:
        raise NoSuchEvent(event_id=event_id) from None
    with connect.warehouse(settings, "trace", row_factory=dict_row) as dwh:
        shop = in_shop(settings, wanted)
        kept = dwh.execute(sql.statement("trace/kept"), {"event_id": wanted}).fetchone()  # type: ignore[arg-type]
        letters = dwh.execute(sql.statement("trace/letters"), {"event_id": wanted}).fetchall()  # type: ignore[arg-type]
        if not (shop or kept or letters):
            raise NoSuchEvent(event_id=event_id)
        found = [stop for stop, _txid in shop]
        txid = shop[0][1] if shop else kept["txid"] if kept else None  # type: ignore[call-overload]
        if txid is not None:
            found.append(_page(dwh, txid))
        accepted = dwh.execute("SELECT why, accepted_at FROM accepted WHERE event_id = %s", [wanted]).fetchone()
        if accepted:
            found.append(_accepted(accepted))  # type: ignore[arg-type]
        found += [_refused(letter) for letter in letters]  # type: ignore[arg-type]
        if kept:
            found += _kept(settings, dwh, kept)  # type: ignore[arg-type]
        elif not letters:
            found.append(_not_kept(settings, wanted, datetime.now(UTC)))
    return found


def in_shop(settings: Settings, event_id: UUID) -> list[tuple[Stop, int]]:
    """Return the row of the shop that an event is, with its `txid`; none when the shop never wrote it."""
    found = []
    for database in DATABASES:
        opened = connect.shop(settings, "trace") if database == "instashop" else connect.crm(settings, "trace")
        with opened as connection:
            for stream in of_database(database):
                row = connection.execute(f"SELECT txid::text::bigint, id, recorded_at FROM {stream.table} WHERE event_id = %s", [event_id]).fetchone()  # type: ignore[arg-type]
                if row:
                    found.append((Stop("shop", f"{database}.{stream.table} id {row[1]}, txid {row[0]}, recorded {moment(row[2])}"), row[0]))
    return found


def _page(dwh: psycopg.Connection[Any], txid: int) -> Stop:
    row = dwh.execute(sql.statement("trace/page"), {"txid": txid}).fetchone()  # type: ignore[arg-type]
    if row is None:
        return Stop("books", "not compared yet; the next round of the books will", reached=False)
    return Stop("books", f"page {row['page_id']}, cut {moment(row['cut_at'])}: {'balances' if row['balanced'] else 'does NOT balance'}")


def _not_kept(settings: Settings, event_id: UUID, now: datetime) -> Stop:
    """Return why the warehouse has no event that the shop has."""
    made, days = datetime.fromtimestamp((event_id.int >> 80) / 1000, UTC), settings.warehouse_retention_days
    if days and made < now - timedelta(days=days):
        return Stop("kafka", f"the warehouse keeps events for {days} days (INSTASHOP_WAREHOUSE_RETENTION_DAYS) and has let it go; its roll-ups count it")
    return Stop("kafka", "not in the warehouse yet; producer and consumer bring it, `./instashop status` shows their lag", reached=False)


def _accepted(row: dict[str, Any]) -> Stop:
    return Stop("books", f"accepted as foreign on {moment(row['accepted_at'])}: {row['why']}")


def _refused(letter: dict[str, Any]) -> Stop:
    again = f"; replayed {moment(letter['replayed_at'])}" if letter["replayed_at"] else ""
    return Stop("refused", f"{letter['topic']}/{letter['partition']} offset {letter['offset']}: {letter['reason']} ({letter['detail']}){again}")


def _kept(settings: Settings, dwh: psycopg.Connection[Any], kept: dict[str, Any]) -> list[Stop]:
    found = [
        Stop("kafka", f"{kept['topic']}/{kept['partition']} offset {kept['offset']}"),
        Stop("warehouse", f"realtime_events as {kept['kind']}, arrived {moment(kept['arrived_at'])}"),
    ]
    if kept["source_id"]:
        found.append(Stop("items", f"made of the transaction's event {kept['source_id']}"))
    found += [Stop("items", f"{row['event_id']}") for row in dwh.execute(sql.statement("trace/items"), {"event_id": kept["event_id"]})]  # type: ignore[arg-type]
    if BY_NAME[kept["kind"]].live:
        found.append(_window(settings, dwh, kept))
    else:
        found.append(Stop("window", f"none: {kept['kind']} are in no live metric", reached=False))
    return found


def _live_value(settings: Settings, start: int) -> str:
    try:
        total = connect.redis(settings).hget(window_key(start), "total")
    except RedisError as error:
        return f"not known, since Redis does not answer ({error})"
    if not total and time.time() < start + WINDOW_SECONDS + settings.live_expiry_seconds:
        return "not written yet by Spark"
    if not total:
        return f"not kept any more ({settings.live_expiry_seconds // 60} minutes)"
    values = json.loads(total)
    return _sum(values["events"], values["revenue_cents"])


def _sum(events: int, cents: int) -> str:
    return f"{counted(events, 'event')} with {euros(cents)} of revenue"


def _window(settings: Settings, dwh: psycopg.Connection[Any], kept: dict[str, Any]) -> Stop:
    """Return the window's live value, and its restated one, which also counts what came late."""
    start = window_of(kept["occurred_at"].timestamp())
    begin = datetime.fromtimestamp(start, UTC)
    end = begin + timedelta(seconds=WINDOW_SECONDS)
    late = kept["recorded_at"] > end + timedelta(seconds=LATE_SECONDS)
    live = _live_value(settings, start)
    now = dwh.execute(sql.statement("trace/window"), {"since": begin, "until": end}).fetchone()  # type: ignore[arg-type]
    assert now is not None
    reason = (
        f"left out of the live value: recorded {moment(kept['recorded_at'])}, more than {LATE_SECONDS} s after the window's end" if late else "counted in time"
    )
    restated = f"in the warehouse now {_sum(now['events'], now['cents'])} in time and {_sum(now['late_events'], now['late_cents'])} late"
    return Stop("window", f"{moment(begin)}: {reason}; live value {live}; {restated}")
