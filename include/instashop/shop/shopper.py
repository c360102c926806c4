"""How the shop's visitors behave: each act is a row of a table, drawn from one seed."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from instashop.events import uuid7
from instashop.shop.catalogue import Catalogue

CATEGORIES = {
    "Books": ("Novel", "Atlas", "Cookbook", "Diary"),
    "Garden": ("Spade", "Planter", "Hose", "Lantern"),
    "Kitchen": ("Kettle", "Pan", "Knife", "Bowl"),
    "Music": ("Guitar", "Keyboard", "Record", "Headphones"),
    "Outdoor": ("Tent", "Rucksack", "Bottle", "Jacket"),
    "Toys": ("Puzzle", "Kite", "Train", "Bear"),
}
OLD_APPS = ("tablet",)
"""Devices, a quarter of all, whose app still writes version 1 of searches: both versions live together all the time."""
TAX_PERCENT = 19


@dataclass(frozen=True)
class Row:
    """A row to be written: the table and its columns' values."""

    table: str
    values: dict[str, Any]


@dataclass
class Session:
    """A visitor's way through the shop."""

    session_id: UUID
    customer_id: int
    device: str
    cart_id: UUID
    cart: dict[int, int] = field(default_factory=dict)


class Shopper:
    """Decides what happens next; all randomness and time are handed in, nothing is written here."""

    def __init__(self, rng: random.Random, customers: int, catalogue: Catalogue, orders_share: float = 0.7) -> None:
        self._rng, self._customers, self._catalogue, self._orders = rng, customers, catalogue, orders_share
        self._open: deque[Row] = deque(maxlen=500)
        self._paid: deque[Row] = deque(maxlen=500)
        self._sessions: deque[Session] = deque(maxlen=200)

    def act(self, now: datetime) -> Row:
        """Return the next row: a step of an order, or something a visitor does."""
        return self._order(now) if self._catalogue.on_sale and self._rng.random() < self._orders else self._behave(now)

    def deliver(self, now: datetime) -> list[Row]:
        """Return the next versions of products of which little is left."""
        return [Row("product_versions", asdict(product)) for product in self._catalogue.deliver(self._rng, now)]

    def _envelope(self, now: datetime) -> dict[str, Any]:
        delay = timedelta(seconds=self._rng.expovariate(4)) if self._rng.random() < 0.3 else timedelta()
        return {"event_id": uuid7(now, self._rng.getrandbits(74)), "occurred_at": now - delay}

    def _id(self, now: datetime) -> UUID:
        return uuid7(now, self._rng.getrandbits(74))

    def _order(self, now: datetime) -> Row:
        dice = self._rng.random()
        if dice < 0.04 and self._paid:
            return self._next_version(now, self._paid.popleft(), "refunded", sign=-1)
        if dice < 0.5 and self._open:
            status = "paid" if self._rng.random() < 0.92 else "failed"
            row = self._next_version(now, self._open.popleft(), status)
            if status == "paid":
                self._paid.append(row)
                for line in row.values["lines"]:
                    self._catalogue.sell(line["product_id"], line["quantity"])
            return row
        row = self._created(now)
        self._open.append(row)
        return row

    def _created(self, now: datetime) -> Row:
        on_sale = self._catalogue.on_sale
        chosen = self._rng.sample(on_sale, min(len(on_sale), self._rng.choice((1, 1, 1, 2, 2, 3))))
        percent = self._rng.choice((0, 0, 0, 5, 10, 20))
        lines = [line_of(n, p, self._rng.choice((1, 1, 1, 2, 3)), self._catalogue[p].price_cents, percent) for n, p in enumerate(chosen, 1)]
        whole = {name: sum(line[name] for line in lines) for name in MONEY}
        return Row(
            "transactions",
            {
                **self._envelope(now),
                "transaction_id": self._id(now),
                "version": 1,
                "status": "created",
                "customer_id": self._rng.randint(1, self._customers),
                "session_id": self._id(now),
                "payment_method": self._rng.choice(("card", "paypal", "invoice")),
                **whole,
                "lines": lines,
            },
        )

    def _next_version(self, now: datetime, row: Row, status: str, sign: int = 1) -> Row:
        old, new = row.values, self._envelope(now)
        new["occurred_at"] = min(max(old["occurred_at"], new["occurred_at"]), now)  # Not before the version before it, nor ahead of a clock that was set back.
        lines = [{k: v * sign if k in (*MONEY, "quantity") else v for k, v in line.items()} for line in old["lines"]]
        money = {name: old[name] * sign for name in MONEY}
        return Row(row.table, {**old, **new, **money, "version": old["version"] + 1, "status": status, "lines": lines})

    def _behave(self, now: datetime) -> Row:
        rng = self._rng
        if not self._sessions or rng.random() < 0.15:
            visitor = Session(self._id(now), rng.randint(1, self._customers), rng.choice(("phone", "phone", "desktop", "tablet")), self._id(now))
            self._sessions.append(visitor)
            return self._seen(now, visitor, "session_start", "/", None)
        visitor = rng.choice(self._sessions)
        if not self._catalogue.on_sale:
            return self._seen(now, visitor, "page_view", "/", None)
        product = rng.choice(self._catalogue.on_sale)
        dice = rng.random()
        if dice < 0.12:
            return self._searched(now, visitor, product)
        if dice < 0.35:
            return self._cart(now, visitor, product)
        if dice < 0.65:
            return self._seen(now, visitor, "product_view", f"/products/{product}", product)
        if dice < 0.70:
            return self._seen(now, visitor, "wishlist_add", f"/products/{product}", product)
        return self._seen(now, visitor, "page_view", rng.choice(("/", "/sale", "/new", "/help")), None)

    def _visit(self, now: datetime, visitor: Session) -> dict[str, Any]:
        return {**self._envelope(now), "session_id": visitor.session_id, "customer_id": visitor.customer_id}

    def _seen(self, now: datetime, visitor: Session, action: str, page: str, product: int | None) -> Row:
        return Row("user_behavior", {**self._visit(now, visitor), "action": action, "page": page, "product_id": product, "device": visitor.device})

    def _searched(self, now: datetime, visitor: Session, product: int) -> Row:
        found = self._rng.random() < 0.85
        term = self._catalogue[product].name.split()[-1].lower() if found else None
        values = {"query": term or "something else", "term": term, "results": self._rng.randint(1, 30) if found else 0}
        if visitor.device not in OLD_APPS:
            values |= {"schema_version": 2, "sort": self._rng.choice(("relevance", "relevance", "price", "newest"))}
        return Row("searches", {**self._visit(now, visitor), **values})

    def _cart(self, now: datetime, visitor: Session, product: int) -> Row:
        action, quantity, cart = "add", 1, visitor.cart
        dice = self._rng.random()
        if cart and dice < 0.2:
            action, product = "remove", next(iter(cart))
            quantity = cart.pop(product)
        elif cart and dice < 0.4:
            action = "checkout" if self._rng.random() < 0.6 else "abandon"
        else:
            cart[product] = cart.get(product, 0) + 1
        value = sum(self._catalogue[p].price_cents * n for p, n in cart.items())
        values = {"cart_id": visitor.cart_id, "action": action, "product_id": product, "quantity": quantity, "value_cents": value}
        if action in ("checkout", "abandon"):
            values |= {"product_id": None, "quantity": sum(cart.values())}
            visitor.cart, visitor.cart_id = {}, self._id(now)
        return Row("cart_events", {**self._visit(now, visitor), **values})

    def talk(self, now: datetime) -> Row:
        """Return a talk of a customer with the shop."""
        rng = self._rng
        values = {
            **self._envelope(now),
            "interaction_id": self._id(now),
            "customer_id": rng.randint(1, self._customers),
            "channel": rng.choice(("email", "phone", "chat")),
            "reason": rng.choice(("delivery", "return", "payment", "product", "praise")),
            "satisfaction": rng.choice((None, 1, 2, 3, 4, 4, 5, 5)),
            "note": "said on the phone",
        }
        return Row("crm_interactions", values)


MONEY = ("gross_cents", "discount_cents", "net_cents", "tax_cents", "total_cents")


def line_of(number: int, product_id: int, quantity: int, price_cents: int, discount_percent: int) -> dict[str, int]:
    """Return a line whose cents add up: gross − discount = net, net + tax = total; parts of a cent are cut off."""
    gross = quantity * price_cents
    discount = gross * discount_percent // 100
    net = gross - discount
    tax = net * TAX_PERCENT // 100
    amounts = dict(zip(MONEY, (gross, discount, net, tax, net + tax), strict=True))
    return {"line": number, "product_id": product_id, "quantity": quantity, "unit_price_cents": price_cents, **amounts}
