"""Rows of the warehouse for tests: events kept as the consumer keeps them, and what the build has made of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql as parts
from psycopg.types.json import Json

from instashop.control.build import build
from instashop.events import Refusal, judge_of
from instashop.streams import BY_NAME
from tests import bodies
from tests.waiting import wait_until

MAKERS = {
    "transactions": bodies.transaction,
    "transaction_items": bodies.item,
    "user_behavior": bodies.behavior,
    "searches": bodies.search,
    "cart_events": bodies.cart,
    "crm_interactions": bodies.crm_interaction,
    "products": bodies.product,
}


def keep(db: psycopg.Connection, kind: str, at: datetime, recorded_after: float = 0, **changes: Any) -> str:
    """Keep an event that happened at a moment and was recorded so many seconds later; `kept_txid` and `partition` may be given."""
    row = {name: changes.pop(name) for name in ("kept_txid", "partition") if name in changes}
    body = MAKERS[kind](at, **{"recorded_at": (at + timedelta(seconds=recorded_after)).isoformat(), **changes})
    return keep_body(db, kind, body, **row)


def keep_body(db: psycopg.Connection, kind: str, body: dict[str, Any], **row: Any) -> str:
    """Keep an event by its body; what else the row holds may be given."""
    event = judge_of(kind, BY_NAME[kind].event_type)(bodies.raw(body))
    assert not isinstance(event, Refusal), event
    envelope = {name: getattr(event, name) for name in ("event_id", "kind", "schema_version", "occurred_at", "recorded_at", "txid")}
    placed = {"topic": kind, "partition": 0, "offset": event.event_id.int % 2**62}
    insert(db, "realtime_events", {**envelope, **placed, **columns_of(kind, body), "payload": Json(body), **row})
    return str(event.event_id)


def columns_of(kind: str, body: dict[str, Any]) -> dict[str, Any]:
    """Return what the columns of a kept event say beside its envelope, by its body; told without FIELDS, so that a wrong word there is seen."""
    columns = {name: body.get(name) for name in ("customer_id", "quantity", "results", "gross_cents", "discount_cents", "net_cents", "tax_cents")}
    columns |= {"status": body.get("status", body.get("action")), "total_cents": body.get("total_cents", body.get("value_cents"))}
    return columns | {name: body[name] if kind == "transaction_items" else None for name in ("category", "product_id", "product_name")}


def insert(db: psycopg.Connection, table: str, row: dict[str, Any]) -> None:
    names, values = parts.SQL(", ").join(map(parts.Identifier, row)), parts.SQL(", ").join(map(parts.Placeholder, row))
    db.execute(parts.SQL("INSERT INTO {} ({}) VALUES ({})").format(parts.Identifier(*table.split(".")), names, values), row)


def totals(db: psycopg.Connection, day: datetime) -> tuple[int, int]:
    """Return (events by the exact view, events built) of a day."""
    words = "SELECT coalesce(sum(events), 0)::bigint FROM {} WHERE start = %s AND category IS NULL AND product_id IS NULL"
    exact, built = (db.execute(words.format(view), [day]).fetchone()[0] for view in ("rollups.exact_days", "rollups.days"))
    return exact, built


def build_up_to_now(db: psycopg.Connection) -> int:
    """Build every event that is there now, and return how many; another database of the server may hold the horizon for a moment."""
    (now,) = db.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint").fetchone()
    pages = [build(db)]
    wait_until(lambda: pages[-1].built_below >= now or pages.append(build(db)), 30, "a build up to now")
    return sum(page.events for page in pages)
