"""The whole way of one event."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

from instashop import connect
from instashop.errors import InstaShopError
from instashop.metrics import LATE_SECONDS, WINDOW_SECONDS, window_key, window_of
from instashop.settings import Settings
from instashop.streams import BY_NAME, DATABASES, of_database


class NoSuchEvent(InstaShopError):
    """No event {event_id} in shop, warehouse or dead letters; give the `event_id` of a row, a UUID."""


def trace(settings: Settings, event_id: str) -> str:
    """Return where an event has been, a line for each stage.

    Raises:
        NoSuchEvent: no stage knows it, or the id is no UUID.
    """
    try:
        wanted = UUID(event_id)
    except ValueError:
        raise NoSuchEvent(event_id=event_id) from None
    lines = [*_shop(settings, wanted), *_warehouse(settings, wanted)]
    if not lines:
        raise NoSuchEvent(event_id=event_id)
    return "\n".join(lines)


def _shop(settings: Settings, event_id: UUID) -> list[str]:
    lines = []
    for database in DATABASES:
        opened = connect.shop(settings, "trace") if database == "instashop" else connect.crm(settings, "trace")
        with opened as connection:
            for stream in of_database(database):
                table = "product_versions" if stream.name == "products" else stream.name
                row = connection.execute(f"SELECT txid, id, recorded_at FROM {table} WHERE event_id = %s", [event_id]).fetchone()  # type: ignore[arg-type]
                if row:
                    lines.append(f"shop       {database}.{table} id {row[1]}, txid {row[0]}, recorded {row[2]}")
    return lines


def _warehouse(settings: Settings, event_id: UUID) -> list[str]:
    lines = []
    with connect.warehouse(settings, "trace") as connection:
        found = connection.execute(
            'SELECT kind, occurred_at, recorded_at, arrived_at, topic, "partition", "offset" FROM realtime_events WHERE event_id = %s', [event_id]
        ).fetchone()
        if found:
            kind, occurred, recorded, arrived, topic, partition, offset = found
            lines += [f"kafka      {topic}/{partition} offset {offset}", f"warehouse  realtime_events as {kind}, arrived {arrived}"]
            if BY_NAME[kind].live:
                lines.append(_window(settings, occurred, recorded))
        letters = connection.execute('SELECT topic, "partition", "offset", reason, detail FROM dead_letters WHERE event_id = %s', [event_id])
        lines += [f"refused    {topic}/{partition} offset {offset}: {reason} ({detail})" for topic, partition, offset, reason, detail in letters]
    return lines


def _window(settings: Settings, occurred: datetime, recorded: datetime) -> str:
    start = window_of(occurred.timestamp())
    begin = datetime.fromtimestamp(start, UTC)
    if recorded > begin + timedelta(seconds=WINDOW_SECONDS + LATE_SECONDS):
        return f"window     {begin:%H:%M:%S}: left out, it was recorded late, at {recorded}"
    total = connect.redis(settings).hget(window_key(start), "total")
    return f"window     {begin:%H:%M:%S}: " + (f"{json.loads(total)['events']} events in it now" if total else "no longer in Redis")
