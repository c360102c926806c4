"""What the feed views show of rows that the generator wrote."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime

from instashop import connect
from instashop.shop.generator import ShopSink
from instashop.shop.shopper import Shopper
from instashop.transport.loop import Batch


def test_the_most_frequent_events_have_their_keys_in_the_order_in_which_jsonb_keeps_them(stack):
    def in_order(pairs):
        keys = [key for key, _value in pairs]
        assert keys == sorted(keys, key=lambda key: (len(key), key))
        return dict(pairs)

    shopper = Shopper(random.Random(1), 50, {1: 1999}, {1: "Blue Kettle"})
    acts = [act for act in (shopper.act(datetime.now(UTC)) for _ in range(200)) if act.table in ("transactions", "user_behavior")]
    with connect.shop(stack, "test", autocommit=True) as shop, shop.transaction(force_rollback=True):
        ShopSink(shop, shop).write(Batch(acts, None))
        for kind in ("transactions", "user_behavior"):
            events = [
                json.loads(body, object_pairs_hook=in_order) for (body,) in shop.execute(f"SELECT body FROM feed.{kind} WHERE txid = pg_current_xact_id()")
            ]
            assert len(events) == sum(act.table == kind for act in acts) > 10
