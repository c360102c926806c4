"""The simulated shop: makes its base data, then acts every 0.1 s, each time in one database transaction."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec
import psycopg
from faker import Faker

from instashop import connect, sql
from instashop.errors import NotPrepared, WriterTaken
from instashop.events import uuid7
from instashop.settings import Settings
from instashop.shop.catalogue import Catalogue, Product
from instashop.shop.shopper import CATEGORIES, Shopper
from instashop.transport.loop import Batch, Sink, Source, Work

log = logging.getLogger(__name__)

TICK_SECONDS = 0.1
LOOK_SECONDS = 60
"""How often the generator looks for versions of products that others wrote."""


class ShopperSource:
    """The source: as many rows as the rate asks for in each tick, and deliveries; behind its time it makes at most a second's worth at once."""

    def __init__(self, shopper: Shopper, rate: float, stop: threading.Event, look: Callable[[], None]) -> None:
        self._shopper, self._rate, self._stop, self._look = shopper, rate, stop, look
        self._due = self._talks = 0.0
        self._last = self._looked = time.monotonic()

    def seek(self, position: Any) -> None:
        """Begin now; a shop has no past to go on from."""
        self._last = time.monotonic()

    def read(self) -> Batch:
        """Wait for the next tick and return what happens in it."""
        self._stop.wait(max(0.0, self._last + TICK_SECONDS - time.monotonic()))
        clock = time.monotonic()
        self._due += self._rate * min(clock - self._last, 1.0)
        self._last = clock
        if clock - self._looked > LOOK_SECONDS:
            self._look()
            self._looked = clock
        count, now = int(self._due), datetime.now(UTC)
        self._due -= count
        rows = [self._shopper.act(now) for _ in range(count)]
        self._talks += sum(row.values.get("status") == "created" for row in rows) / 20
        talks, self._talks = int(self._talks), self._talks % 1
        rows += [self._shopper.talk(now) for _ in range(talks)]
        rows += self._shopper.deliver(now)
        return Batch(rows, None, now if rows else None, 0, 0.0)


class ShopSink:
    """The sink: the shop's tables, one database transaction a batch for each database."""

    def __init__(self, shop: psycopg.Connection, crm: psycopg.Connection) -> None:
        self._shop, self._crm = shop, crm

    def position(self) -> None:
        """A shop starts now."""

    def write(self, batch: Batch) -> None:
        """Commit the rows of a batch."""
        for connection, ours in ((self._shop, False), (self._crm, True)):
            alike: dict[tuple[str, ...], list[dict[str, Any]]] = {}  # By table and columns: a newer version has more of them.
            for row in batch.records:
                if (row.table == "crm_interactions") == ours:
                    alike.setdefault((row.table, *row.values), []).append(row.values)
            if alike:
                with connection.transaction(), connection.cursor() as cursor:
                    for (table, *_columns), rows in alike.items():
                        _insert(cursor, table, rows)


def _insert(cursor: psycopg.Cursor, table: str, rows: list[dict[str, Any]]) -> None:
    columns = list(rows[0])
    # A version that somebody else was quicker to write stays theirs; the next look finds it.
    unless = "ON CONFLICT (product_id, version) DO NOTHING" if table == "product_versions" else ""
    cursor.execute(
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(columns)} FROM json_populate_recordset(NULL::{table}, %s::json) {unless}",  # type: ignore[arg-type]
        [msgspec.json.encode(rows).decode()],
    )


def make_base_data(connection: psycopg.Connection, seed: int, customers: int = 500, products: int = 60) -> None:
    """Make customers, categories and the first version of each product, if the shop is empty."""
    with connection.transaction(), connection.cursor() as cursor:
        if cursor.execute("SELECT 1 FROM product_versions LIMIT 1").fetchone():
            return
        rng, fake, now = random.Random(seed), Faker("en_GB"), datetime.now(UTC)
        fake.seed_instance(seed)
        people = [
            {
                "customer_id": n,
                "name": fake.name(),
                "email": f"{n}.{fake.email()}",
                "phone": fake.phone_number(),
                "city": fake.city(),
                "country": "GB",
                "joined_at": now,
            }
            for n in range(1, customers + 1)
        ]
        _insert(cursor, "customers", people)
        _insert(cursor, "categories", [{"category_id": n, "name": name} for n, name in enumerate(CATEGORIES, 1)])
        kinds = [(category, kind) for category, words in CATEGORIES.items() for kind in words]
        catalogue = []
        for product in range(1, products + 1):
            category, kind = kinds[product % len(kinds)]
            values = {"product_id": product, "version": 1, "name": f"{fake.color_name()} {kind}", "category": category}
            values |= {"price_cents": rng.randint(300, 20_000), "stock": rng.randint(50, 5000), "active": True}
            catalogue.append({"event_id": uuid7(now, rng.getrandbits(74)), "occurred_at": now, **values})
        _insert(cursor, "product_versions", catalogue)
        log.info("made %d customers and %d products", customers, products)


def newest_products(shop: psycopg.Connection) -> list[Product]:
    """Return the newest version of each product."""
    return [Product(*row) for row in shop.execute(sql.statement("generator/newest_products"))]  # type: ignore[arg-type]


def catalogue_of(shop: psycopg.Connection) -> Catalogue:
    """Return what the shop sells and what is left of it, by its products and its paid orders."""
    products = newest_products(shop)
    catalogue, selling = Catalogue(products), [product for product in products if product.active]
    if selling:
        since = [product.occurred_at for product in selling]
        parameters = {"products": [product.product_id for product in selling], "since": since, "first_id": uuid7(min(since), 0)}
        for product_id, quantity in shop.execute(sql.statement("generator/sold"), parameters):  # type: ignore[arg-type]
            catalogue.sell(product_id, quantity)
    return catalogue


def work(settings: Settings, stop: threading.Event) -> Work:
    """Return what opens one session of the generator."""

    @contextmanager
    def session() -> Iterator[tuple[Source, Sink]]:
        with connect.shop(settings, "generator", autocommit=True) as shop, connect.crm(settings, "generator", autocommit=True) as crm:
            for connection, table in ((shop, "feed.products"), (crm, "feed.crm_interactions")):
                if not connection.execute("SELECT to_regclass(%s)", [table]).fetchone()[0]:  # type: ignore[index]
                    raise NotPrepared(what=f"table {table}")
            if not shop.execute("SELECT pg_try_advisory_lock(hashtext('instashop generator'))").fetchone()[0]:  # type: ignore[index]
                raise WriterTaken(service="generator", address=connect.address(settings.shop_dsn))
            make_base_data(shop, settings.seed)
            catalogue = catalogue_of(shop)
            customers = shop.execute("SELECT max(customer_id) FROM customers").fetchone()[0]  # type: ignore[index]
            rng = random.Random(f"{settings.seed} {datetime.now(UTC).isoformat()}")
            shopper = Shopper(rng, customers, catalogue, settings.orders_share)
            yield ShopperSource(shopper, settings.rate, stop, lambda: catalogue.learn(newest_products(shop))), ShopSink(shop, crm)

    return session
