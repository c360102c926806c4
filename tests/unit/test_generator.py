import random
import threading
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from instashop.events import uuid7
from instashop.shop import generator
from instashop.shop.catalogue import COLOURS, LOW, Catalogue, Product
from instashop.shop.generator import ShopperSource
from instashop.shop.shopper import MONEY, Shopper

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
PANS = [Product(uuid7(NOW, n), NOW, n, 1, f"Red Pan{n}", "Kitchen", 100 * n + 7, 1_000_000, True) for n in range(1, 9)]


def shopper(seed: int = 1, share: float = 0.7, catalogue: Catalogue | None = None) -> Shopper:
    return Shopper(random.Random(seed), 50, catalogue or Catalogue(PANS), share)


def test_the_cents_of_every_order_add_up():
    for row in (shopper().act(NOW) for _ in range(2000)):
        if row.table != "transactions":
            continue
        values = row.values
        for part in (values, *values["lines"]):
            assert part["gross_cents"] - part["discount_cents"] == part["net_cents"]
            assert part["net_cents"] + part["tax_cents"] == part["total_cents"]
        for name in MONEY:
            assert sum(line[name] for line in values["lines"]) == values[name]


def test_an_order_moves_on_in_versions_and_a_refund_is_negative():
    maker = shopper()
    orders: dict = {}
    for row in (maker.act(NOW) for _ in range(5000)):
        if row.table == "transactions":
            orders.setdefault(row.values["transaction_id"], []).append(row.values)
    ways = {tuple(v["status"] for v in versions) for versions in orders.values()}
    assert ways == {("created",), ("created", "paid"), ("created", "failed"), ("created", "paid", "refunded")}
    for versions in orders.values():
        assert [v["version"] for v in versions] == list(range(1, len(versions) + 1))
        if versions[-1]["status"] == "refunded":
            assert versions[-1]["total_cents"] == -versions[0]["total_cents"]


def test_the_same_seed_makes_the_same_shop():
    one, other = shopper(5), shopper(5)
    assert [one.act(NOW) for _ in range(300)] == [other.act(NOW) for _ in range(300)]


def test_both_versions_of_searches_are_written_all_the_time():
    maker = shopper(share=0)
    searches = [row.values for row in (maker.act(NOW) for _ in range(4000)) if row.table == "searches"]
    old = [values for values in searches if "schema_version" not in values]
    new = [values for values in searches if values.get("schema_version") == 2]
    assert len(old) + len(new) == len(searches)
    assert 0.15 < len(old) / len(searches) < 0.35
    assert not any("sort" in values for values in old)
    assert {values["sort"] for values in new} == {"relevance", "price", "newest"}


def test_the_mix_follows_its_share():
    maker = shopper(share=0.7)
    orders = sum(maker.act(NOW).table == "transactions" for _ in range(5000))
    assert 3300 < orders < 3700


def test_no_version_of_an_order_lies_before_the_one_before_it_or_ahead_of_its_time():
    maker, moment, orders = shopper(share=1), NOW, {}
    for _ in range(5000):
        moment += timedelta(milliseconds=1)  # Less than most delays.
        values = maker.act(moment).values
        assert values["occurred_at"] <= moment
        orders.setdefault(values["transaction_id"], []).append(values["occurred_at"])
    assert all(earlier <= later for times in orders.values() for earlier, later in pairwise(times))


def test_what_is_paid_is_counted_and_little_left_is_delivered_in_the_next_version():
    few = [replace(product, stock=LOW + 50) for product in PANS]
    maker, paid, newest, delivered = shopper(share=1, catalogue=Catalogue(few)), Counter(), {product.product_id: product for product in few}, 0
    for number in range(20_000):
        now = NOW + timedelta(seconds=number)
        row = maker.act(now)
        if row.values["status"] == "paid":
            paid.update({line["product_id"]: line["quantity"] for line in row.values["lines"]})
        for delivery in maker.deliver(now):
            assert delivery.table == "product_versions"
            new = Product(**delivery.values)
            old, left = newest[new.product_id], newest[new.product_id].stock - paid.pop(new.product_id)
            assert LOW - 3 <= left < LOW
            assert left + 500 <= new.stock <= left + 5000
            assert (new.version, new.occurred_at, new.category, new.active) == (old.version + 1, now, old.category, True)
            assert new.event_id != old.event_id
            newest[new.product_id], delivered = new, delivered + 1
        assert all(newest[product].stock - quantity >= LOW for product, quantity in paid.items())
    assert delivered >= len(PANS)


def test_with_some_deliveries_the_price_changes_and_rarely_the_name_which_keeps_its_kind():
    rng, catalogue = (
        random.Random(3),
        Catalogue([replace(PANS[0], name="Red Pan", price_cents=5000), replace(PANS[1], name="Deep Sky Blue Kettle", price_cents=9000)]),
    )
    dearer = renamed = 0
    for _ in range(2000):
        before = [catalogue[number] for number in (1, 2)]
        for product in before:
            catalogue.sell(product.product_id, product.stock)
        after = catalogue.deliver(rng, NOW)
        for old, new in zip(before, after, strict=True):
            dearer += new.price_cents != old.price_cents
            renamed += new.name != old.name
            assert old.price_cents * 0.9 - 0.5 <= new.price_cents <= old.price_cents * 1.11 + 0.5
            assert (new.product_id, new.name.split()[-1]) == (old.product_id, old.name.split()[-1])
            assert new.name == old.name or new.name.split()[0] in COLOURS
    assert 600 < dearer < 1000
    assert 10 < renamed < 100


def test_orders_and_searches_follow_a_version_that_somebody_else_wrote():
    catalogue = Catalogue(PANS)
    maker = shopper(share=0.5, catalogue=catalogue)
    catalogue.learn([replace(product, event_id=uuid7(NOW, 50 + product.product_id), version=2, price_cents=1, name="Red Wok") for product in PANS])
    rows = [maker.act(NOW) for _ in range(3000)]
    assert {line["unit_price_cents"] for row in rows for line in row.values.get("lines", ())} == {1}
    assert {row.values["term"] for row in rows if row.table == "searches"} == {"wok", None}


def test_what_is_off_sale_is_neither_sold_nor_looked_at():
    maker = shopper(catalogue=Catalogue([replace(product, active=product.product_id != 3) for product in PANS]))
    rows = [maker.act(NOW).values for _ in range(5000)]
    seen = {line["product_id"] for values in rows for line in values.get("lines", ())} | {values.get("product_id") for values in rows}
    assert seen == {None, 1, 2, 4, 5, 6, 7, 8}


def test_a_shop_with_nothing_on_sale_has_visitors_and_no_orders():
    maker = shopper(catalogue=Catalogue([replace(product, active=False, stock=0) for product in PANS]))
    assert {maker.act(NOW).values["action"] for _ in range(500)} == {"session_start", "page_view"}
    assert maker.deliver(NOW) == []


def test_a_version_that_somebody_else_wrote_brings_its_price_and_its_stock():
    catalogue = Catalogue(PANS)
    catalogue.sell(1, 7)
    catalogue.learn(
        [PANS[0], replace(PANS[1], event_id=uuid7(NOW, 99), version=2, price_cents=5, stock=LOW - 1), replace(PANS[2], event_id=uuid7(NOW, 98), active=False)]
    )
    assert catalogue[2].price_cents == 5
    assert catalogue.on_sale == [1, 2, 4, 5, 6, 7, 8]
    assert [product.product_id for product in catalogue.deliver(random.Random(1), NOW)] == [2]
    catalogue.sell(1, 1_000_000 - LOW - 7)
    assert catalogue.deliver(random.Random(1), NOW) == []
    catalogue.sell(1, 1)
    (delivered,) = catalogue.deliver(random.Random(1), NOW)
    assert (delivered.product_id, delivered.version) == (1, 2)


def test_versions_of_others_are_looked_for_once_a_minute(monkeypatch):
    looks, clock = [], [1000.0]
    monkeypatch.setattr("instashop.shop.generator.time.monotonic", lambda: clock[0])
    source = ShopperSource(shopper(), 1, threading.Event(), lambda: looks.append(clock[0]))
    for seconds in (1, 59, 61, 62, 121, 122):
        clock[0] = 1000.0 + seconds
        source.read()
    assert looks == [1061.0, 1122.0]


class Clock:
    """The seconds of a clock that moves by as much as somebody waits, and by what a test says."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now

    def wait(self, seconds):
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(generator, "time", clock)
    return clock


def made(source) -> int:
    return sum(row.table not in ("crm_interactions", "product_versions") for row in source.read().records)


def test_a_source_makes_what_its_rate_asks_for_and_keeps_what_is_less_than_a_row(clock):
    source = ShopperSource(shopper(), 25, clock, lambda: None)
    source.seek(None)
    counts = [made(source) for _ in range(40)]
    assert set(counts) == {2, 3}
    assert 99 <= sum(counts) <= 100
    assert clock.now == pytest.approx(1004)


def test_a_source_that_is_behind_its_time_makes_a_second_at_once(clock):
    source = ShopperSource(shopper(), 25, clock, lambda: None)
    source.seek(None)
    clock.now += 60
    assert made(source) == 25
