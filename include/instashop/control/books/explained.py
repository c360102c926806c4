"""What the books leave out, and why: letters that were replayed, and foreign messages that a person has accepted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

import psycopg
from redis import RedisError

from instashop import connect, sql
from instashop.control.books.pages import Page
from instashop.control.trace import in_shop
from instashop.errors import InstaShopError, RedisUnreachable
from instashop.metrics import FILLED_KEY, FILLING_KEY, window_key, window_of
from instashop.settings import Settings
from instashop.streams import BY_NAME


class NeverCame(InstaShopError):
    """No event {event_id} is in the warehouse; `./instashop verify` names the foreign ones, each by its id, a UUID."""


@dataclass(frozen=True)
class Explained:
    """Ids of events that are not where their page wants them, and for which there is a reason."""

    replayed: frozenset[UUID]
    """Dead letters that were published again: they come later than their page."""
    strangers: frozenset[UUID]
    """Accepted, and of no transaction of the shop."""
    repeats: frozenset[UUID]
    """Accepted, and of an id that the shop has."""

    @property
    def accepted(self) -> frozenset[UUID]:
        """Return the events that a person has accepted."""
        return self.strangers | self.repeats

    @property
    def left_out(self) -> list[UUID]:
        """Return the events that the warehouse has beyond its pages."""
        return [*self.replayed, *self.strangers]


def explained(dwh: psycopg.Connection) -> Explained:
    """Return what is explained by now."""
    replayed = dwh.execute("SELECT event_id FROM dead_letters WHERE replayed_at IS NOT NULL AND event_id IS NOT NULL")
    accepted = dwh.execute("SELECT event_id, of_the_shop FROM accepted").fetchall()
    return Explained(
        frozenset(row[0] for row in replayed),
        frozenset(event_id for event_id, of_the_shop in accepted if not of_the_shop),
        frozenset(event_id for event_id, of_the_shop in accepted if of_the_shop),
    )


def ids_left_out(dwh: psycopg.Connection, page: Page, known: Explained) -> dict[str, set[UUID]]:
    """Return what the warehouse has of a page that its sums leave out, by stream."""
    found: dict[str, set[UUID]] = defaultdict(set)
    if known.left_out:
        for kind, event_id in dwh.execute(sql.statement("books/left_out"), {**page.span, "left_out": known.left_out}):  # type: ignore[arg-type]
            found[kind].add(event_id)
    return found


def accept(settings: Settings, event_ids: Iterable[UUID], why: str) -> int:
    """Write down that messages of Kafka are known to be foreign, and why; the next round of the books leaves them out.

    A repeat was counted twice by its live window, and so were the items made of it. Such windows are taken out of Redis, and the Spark
    job fills them again from the warehouse, which has each event once. Returns how many windows.

    Raises:
        NeverCame: the warehouse has no such event; nothing is accepted.
        RedisUnreachable: nothing is accepted.
    """
    counted_twice = set()
    with connect.warehouse(settings, "books") as dwh:
        for event_id in event_ids:
            kept = dwh.execute(sql.statement("books/accepted_event"), {"event_id": event_id}).fetchone()  # type: ignore[arg-type]
            if kept is None:
                raise NeverCame(event_id=event_id)
            kind, source, occurred_at = kept
            of_the_shop = bool(in_shop(settings, source))
            dwh.execute(sql.statement("books/accept"), {"event_id": event_id, "of_the_shop": of_the_shop, "why": why})  # type: ignore[arg-type]
            if of_the_shop and BY_NAME[kind].live:
                counted_twice.add(window_key(window_of(occurred_at.timestamp())))
        if counted_twice:
            try:
                connect.redis(settings).delete(*counted_twice, FILLED_KEY, FILLING_KEY)
            except RedisError as error:
                raise RedisUnreachable(address=settings.where("redis_url"), cause=error) from error
    return len(counted_twice)
