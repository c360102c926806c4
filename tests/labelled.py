"""Events whose fate is known beforehand: in time, late on either side of the limit, refused for a reason, repeated by a stranger."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice

import psycopg

from dashboard.shelf import Late
from instashop import connect
from instashop.events import Reason
from instashop.metrics import LATE_SECONDS, WINDOW_SECONDS, window_of
from instashop.settings import Settings
from instashop.shop.catalogue import Catalogue
from instashop.shop.generator import ShopSink, newest_products
from instashop.shop.shopper import Row, Shopper
from instashop.transport.loop import Batch
from tests import bodies
from tests.strangers import writing
from tests.waiting import wait_until

LIMIT = timedelta(seconds=LATE_SECONDS)
ROWS_A_TRANSACTION = 2000
HOT_CUSTOMER = 1
"""Whose orders are all of the first half's: the partition of this key lies minutes behind the others when they are read together."""


@dataclass
class Labels:
    """The truth: ids by fate, the cents of the paid orders in time, and what came late."""

    in_time: set[str] = field(default_factory=set)
    late: set[str] = field(default_factory=set)
    refused: dict[str, Reason] = field(default_factory=dict)
    strangers: Counter[Reason] = field(default_factory=Counter)
    """What a stranger sends to the topics that is no event, by the reason it must be refused for."""
    repeated: set[str] = field(default_factory=set)
    """Of the events that are kept, those that a stranger sends once more."""
    revenue_cents: int = 0
    came_late: Late = field(default_factory=Late)
    """The late events with their items, and the paid orders and cents among them."""

    @property
    def kept(self) -> set[str]:
        return self.in_time | self.late


def load(settings: Settings, count: int, seed: int, minutes: float = 20) -> Labels:
    """Write `count` rows into the shop, spread over the last minutes, about one in twenty of them odd, and send a stranger's messages."""
    labels, rng = Labels(), random.Random(seed)
    with connect.shop(settings, "loader", autocommit=True) as shop:
        shopper = Shopper(rng, 500, Catalogue(newest_products(shop)))
        made = _rows(shopper, rng, count, minutes, labels)
        sink = ShopSink(shop, shop)
        while rows := list(islice(made, ROWS_A_TRANSACTION)):
            sink.write(Batch(rows, None))
    _strangers(settings, labels, max(1, count // 2000))
    return labels


def repeat(settings: Settings, labels: Labels, times: int) -> None:
    """Once the warehouse has all of the kept events, send some of each live kind once more, as they came."""
    with connect.warehouse(settings, "loader", autocommit=True) as dwh:
        wait_until(lambda: _arrived(dwh, labels) == len(labels.kept), 600, "every labelled event in the warehouse", every=1)
        found = dwh.execute(
            "SELECT topic, event_id::text, payload::text FROM ("
            "  SELECT topic, event_id, payload, row_number() OVER (PARTITION BY topic, payload ->> 'status' ORDER BY event_id DESC) AS n"
            "  FROM realtime_events WHERE event_id = ANY(%s::uuid[])) AS newest WHERE n <= %s",
            [list(labels.in_time), times],
        ).fetchall()
    with writing(settings) as sender:
        for topic, event_id, body in found:
            sender.produce(topic, body, "stranger")
            labels.repeated.add(event_id)
        sender.commit_transaction(30)


def _arrived(dwh: psycopg.Connection, labels: Labels) -> int:
    return dwh.execute("SELECT count(*) FROM realtime_events WHERE event_id = ANY(%s::uuid[])", [list(labels.kept)]).fetchone()[0]  # type: ignore[index]


def _rows(shopper: Shopper, rng: random.Random, count: int, minutes: float, labels: Labels) -> Iterator[Row]:
    begin = datetime.now(UTC) - timedelta(minutes=minutes)
    for number in range(count):
        now = begin + timedelta(minutes=minutes * number / count)
        row = shopper.act(now)
        if row.table == "transactions" and row.values["status"] == "created" and number < count / 2:
            row.values["customer_id"] = HOT_CUSTOMER  # Its later versions have the same key.
        values = {**row.values, "recorded_at": now}
        event_id, end = str(values["event_id"]), _window_end(values["occurred_at"])
        fate = rng.choices(("plain", "edge", "late", "ahead", "impossible", "broken"), (95, 1, 2, 0.7, 0.3, 1))[0]
        if fate == "edge":
            values["recorded_at"] = end + LIMIT
        elif fate == "late":
            values["recorded_at"] = end + LIMIT + timedelta(microseconds=1)
        elif fate == "ahead":
            values["occurred_at"] = now + timedelta(seconds=5, microseconds=1)
            labels.refused[event_id] = Reason.CLOCK_AHEAD
        elif fate == "impossible":
            values["occurred_at"] = datetime(1999, 1, 1, tzinfo=UTC)
            labels.refused[event_id] = Reason.IMPOSSIBLE_TIME
        elif fate == "broken" and row.table == "transactions":
            first, *others = values["lines"]
            values["lines"] = [{**first, "tax_cents": first["tax_cents"] + 1}, *others]
            labels.refused[event_id] = Reason.MONEY_IDENTITY
        if event_id not in labels.refused:
            late = values["recorded_at"] > end + LIMIT
            (labels.late if late else labels.in_time).add(event_id)
            paid_cents = values["total_cents"] if row.table == "transactions" and values["status"] == "paid" else None
            if late:
                items = len(values["lines"]) if row.table == "transactions" and values["status"] in ("paid", "refunded") else 0
                labels.came_late += Late(1 + items, int(paid_cents is not None), paid_cents or 0)
            else:
                labels.revenue_cents += paid_cents or 0
        yield Row(row.table, values)


def _window_end(moment: datetime) -> datetime:
    return datetime.fromtimestamp(window_of(moment.timestamp()) + WINDOW_SECONDS, UTC)


def _strangers(settings: Settings, labels: Labels, times: int) -> None:
    with writing(settings) as sender:
        for _ in range(times):
            for topic, body, reason in bodies.poison():
                sender.produce(topic, body, "stranger")
                labels.strangers[reason] += 1
        sender.commit_transaction(30)
