import random
import threading
from datetime import UTC, datetime

from instashop.shop.generator import ShopperSource
from instashop.shop.shopper import MONEY, Shopper

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def shopper(seed: int = 1, share: float = 0.7) -> Shopper:
    return Shopper(random.Random(seed), 50, {n: 100 * n + 7 for n in range(1, 9)}, {n: f"Red Pan {n}" for n in range(1, 9)}, share)


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


def test_a_source_makes_what_its_rate_asks_for():
    source = ShopperSource(shopper(), rate=200, stop=threading.Event())
    source.seek(None)
    shop = [row for _ in range(5) for row in source.read().records if row.table != "crm_interactions"]
    assert 90 <= len(shop) <= 140
