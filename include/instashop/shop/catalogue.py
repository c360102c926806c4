"""What the shop sells: the newest version of each product, and what is left of it."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from instashop.events import uuid7

LOW = 100
"""A product of which fewer are left is delivered anew: at the default rate twice what sells until the warehouse knows of it."""
DELIVERED = (500, 5000)
"""How many come, at least and at most."""
COLOURS = ("Amber", "Coral", "Ivory", "Jade", "Ochre", "Plum", "Slate", "Teal")
"""Of these is a product that changes its name; what it is stays the last word."""


@dataclass(frozen=True)
class Product:
    """A version of a product, as a row of `product_versions` has it."""

    event_id: UUID
    occurred_at: datetime
    product_id: int
    version: int
    name: str
    category: str
    price_cents: int
    stock: int
    active: bool


class Catalogue:
    """Counts what is left of each product, and says what is delivered when little is."""

    def __init__(self, newest: Iterable[Product]) -> None:
        self._newest: dict[int, Product] = {}
        self._left: dict[int, int] = {}
        self.on_sale: list[int] = []
        """The products that can be bought."""
        self.learn(newest)

    def __getitem__(self, product_id: int) -> Product:
        return self._newest[product_id]

    def learn(self, newest: Iterable[Product]) -> None:
        """Take over the versions that somebody else has written, with their stock."""
        for product in newest:
            known = self._newest.get(product.product_id)
            if known is None or known.event_id != product.event_id:
                self._take(product)
        self.on_sale = sorted(product.product_id for product in self._newest.values() if product.active)

    def _take(self, product: Product) -> None:
        self._newest[product.product_id], self._left[product.product_id] = product, product.stock

    def sell(self, product_id: int, quantity: int) -> None:
        """Count what was paid."""
        self._left[product_id] -= quantity

    def deliver(self, rng: random.Random, now: datetime) -> list[Product]:
        """Return the next version of each product of which little is left; from now on it is the newest."""
        delivered = [self._next(rng, now, self[number]) for number in self.on_sale if self._left[number] < LOW]
        for product in delivered:
            self._take(product)
        return delivered

    def _next(self, rng: random.Random, now: datetime, old: Product) -> Product:
        stock = max(0, self._left[old.product_id]) + rng.randint(*DELIVERED)
        price_cents = (old.price_cents * rng.randint(90, 111) + 50) // 100 if rng.random() < 0.2 else old.price_cents
        name = f"{rng.choice(COLOURS)} {old.name.split()[-1]}" if rng.random() < 0.02 else old.name
        event_id = uuid7(now, rng.getrandbits(74))
        return replace(old, event_id=event_id, occurred_at=now, version=old.version + 1, name=name, price_cents=price_cents, stock=stock)
