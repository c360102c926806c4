"""What an event is, and the one judge that says whether a message is one.

Consumer, enricher and Spark ask the same judge, so they count and refuse the same messages. The kinds and their judge stay in one
file, however long, since it judges by their fields: a kind that changes is changed here and nowhere else.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import blake2b
from typing import Annotated, Any, Literal, Protocol
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

CLOCK_AHEAD = timedelta(seconds=5)
"""How far a client's clock may run before the shop's; further, and one fast clock would make everybody else late."""

RECORDED_AHEAD = timedelta(hours=1)
"""How far the shop's clock may run before Kafka's; further, and one event of tomorrow would move Spark's watermark past those of today."""

FIRST_DAY, LAST_DAY = datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
"""Times outside are no facts of this shop, and would each cost the warehouse a partition."""

Id = Annotated[int, Meta(ge=0, le=2**53)]
Cents = Annotated[int, Meta(ge=-(10**12), le=10**12)]
"""Up to ten billion euros: nine million such events add up to less than 2^63, where a sum of Spark's and Postgres' bigint ends."""
Count = Annotated[int, Meta(ge=-(10**9), le=10**9)]
Word = Annotated[str, Meta(max_length=200)]


class Event(Struct, forbid_unknown_fields=True, frozen=True, gc=False):
    """The envelope that every event has; times are aware and in UTC."""

    event_id: UUID
    kind: str
    schema_version: Literal[1]  # A newer version is a struct of its own, see versions_of.
    occurred_at: datetime
    recorded_at: datetime
    txid: Id


class Line(Struct, forbid_unknown_fields=True, frozen=True, gc=False):
    """One line of a transaction; money in whole cents, negative in a refund."""

    line: Annotated[int, Meta(ge=1, le=1000)]
    product_id: Id
    quantity: Count
    unit_price_cents: Cents
    gross_cents: Cents
    discount_cents: Cents
    net_cents: Cents
    tax_cents: Cents
    total_cents: Cents


class Transaction(Event, frozen=True, gc=False):
    """An order changed its status; a new status is a new event with the next version."""

    transaction_id: UUID
    version: Annotated[int, Meta(ge=1, le=1000)]
    status: Literal["created", "paid", "failed", "refunded"]
    customer_id: Id
    session_id: UUID
    payment_method: Word
    currency: Literal["EUR"]
    gross_cents: Cents
    discount_cents: Cents
    net_cents: Cents
    tax_cents: Cents
    total_cents: Cents
    lines: Annotated[list[Line], Meta(min_length=1, max_length=1000)]


class TransactionItem(Event, frozen=True, gc=False):
    """One line of a paid or refunded transaction, with what the catalogue says of its product."""

    transaction_id: UUID
    transaction_event_id: UUID
    status: Literal["paid", "refunded"]
    customer_id: Id
    line: Annotated[int, Meta(ge=1, le=1000)]
    product_id: Id
    product_name: Word | None
    category: Word | None
    quantity: Count
    unit_price_cents: Cents
    gross_cents: Cents
    discount_cents: Cents
    net_cents: Cents
    tax_cents: Cents
    total_cents: Cents


class UserBehavior(Event, frozen=True, gc=False):
    """A visitor did something on the shop's pages."""

    session_id: UUID
    customer_id: Id | None
    action: Literal["session_start", "page_view", "product_view", "wishlist_add", "session_end"]
    page: Word
    product_id: Id | None
    device: Literal["phone", "tablet", "desktop"]


class Search(Event, frozen=True, gc=False):
    """A visitor searched; `term` is the catalogue's word, never what was typed."""

    session_id: UUID
    customer_id: Id | None
    term: Word | None
    results: Annotated[int, Meta(ge=0, le=10**9)]


class SearchV2(Search, frozen=True, gc=False):
    """Version 2: also in which order the visitor wanted the results. Version 1 does not say; both live together."""

    schema_version: Literal[2]  # type: ignore[assignment]
    sort: Literal["relevance", "price", "newest"]


class CartEvent(Event, frozen=True, gc=False):
    """A cart changed; `value_cents` is its value afterwards."""

    cart_id: UUID
    session_id: UUID
    customer_id: Id | None
    action: Literal["add", "remove", "checkout", "abandon"]
    product_id: Id | None
    quantity: Count
    value_cents: Cents


class CrmInteraction(Event, frozen=True, gc=False):
    """A customer talked with the shop; what was said stays in the shop."""

    interaction_id: UUID
    customer_id: Id
    transaction_id: UUID | None
    channel: Literal["email", "phone", "chat"]
    reason: Literal["delivery", "return", "payment", "product", "praise"]
    satisfaction: Annotated[int, Meta(ge=1, le=5)] | None


class Product(Event, frozen=True, gc=False):
    """A version of a product; the newest one is the catalogue's."""

    product_id: Id
    version: Annotated[int, Meta(ge=1, le=10**9)]
    name: Word
    category: Word
    price_cents: Annotated[int, Meta(ge=0, le=10**12)]
    stock: Annotated[int, Meta(ge=0, le=10**9)]
    active: bool


_NEWER: dict[type[Event], tuple[type[Event], ...]] = {Search: (SearchV2,)}


def versions_of(event_type: type[Event]) -> tuple[type[Event], ...]:
    """Return the struct of each schema version of a kind, newest first; every one is also an instance of version 1's."""
    return (*_NEWER.get(event_type, ()), event_type)


class Reason(StrEnum):
    """Why a message is refused."""

    NOT_JSON = "not_json"
    WRONG_SCHEMA = "wrong_schema"
    UNKNOWN_VERSION = "unknown_version"
    UNKNOWN_KIND = "unknown_kind"
    NULL_CHARACTER = "null_character"
    NOT_UUID7 = "not_uuid7"
    IMPOSSIBLE_TIME = "impossible_time"
    CLOCK_AHEAD = "clock_ahead"
    MONEY_IDENTITY = "money_identity"
    UNKNOWN_PRODUCT = "unknown_product"
    SAME_ID_OTHER_BODY = "same_id_other_body"


class Refusal(Struct, frozen=True):
    """A message that is no event, and why."""

    reason: Reason
    detail: str


class Judge(Protocol):
    """Tells the event in a message's body from what is none."""

    def __call__(self, body: bytes | None, published_ms: float = math.inf) -> Event | Refusal:
        """Return the event, or why there is none; `published_ms` is when Kafka took the message, in Unix milliseconds."""


def judge_of(kind: str, event_type: type[Event]) -> Judge:
    """Return the judge of one topic.

    An event comes as the struct of its own schema version. Any bytes may come; nothing is raised.
    """
    versions = versions_of(event_type)
    decode = _decoder(versions)
    money = _MONEY.get(event_type)

    def judge(body: bytes | None, published_ms: float = math.inf) -> Event | Refusal:
        try:
            event = decode(body or b"")
        except _BROKEN as error:
            return _why_not(body or b"", versions, error)
        if event.kind != kind:
            return Refusal(Reason.UNKNOWN_KIND, f"kind {event.kind!r} in topic {kind!r}")
        occurred, recorded = event.occurred_at, event.recorded_at
        if occurred.tzinfo is None or recorded.tzinfo is None:
            return Refusal(Reason.WRONG_SCHEMA, "a time without its zone")
        if not (FIRST_DAY <= occurred < LAST_DAY and FIRST_DAY <= recorded < LAST_DAY):
            return Refusal(Reason.IMPOSSIBLE_TIME, f"occurred_at {occurred}, recorded_at {recorded}")
        if occurred - recorded > CLOCK_AHEAD:
            return Refusal(Reason.CLOCK_AHEAD, f"occurred_at is {(occurred - recorded).total_seconds():.3f} s after recorded_at")
        if recorded.timestamp() * 1000 - _AHEAD_MS > published_ms:
            return Refusal(Reason.CLOCK_AHEAD, f"recorded_at is {recorded.timestamp() - published_ms / 1000:.3f} s after Kafka took it")
        bits = event.event_id.int
        if (bits >> 76) & 0xF != 7 or not _FIRST_MS <= bits >> 80 < _LAST_MS:
            return Refusal(Reason.NOT_UUID7, f"event_id {event.event_id}")
        if b"\\" in body and _NULL.search(body):  # type: ignore[operator, arg-type]
            return Refusal(Reason.NULL_CHARACTER, "a text holds U+0000, which Postgres cannot keep")
        return event if money is None else money(event)

    return judge


_NULL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""U+0000 as a body spells it, wherever it stands: also in a value that a later one of the same name replaces, since Postgres reads both."""
_AHEAD_MS = RECORDED_AHEAD.total_seconds() * 1000
_FIRST_MS, _LAST_MS = (int(day.timestamp() * 1000) for day in (FIRST_DAY, LAST_DAY))


_BROKEN = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError)


def _decoder(versions: tuple[type[Event], ...]) -> Callable[[bytes], Event]:
    """Return what decodes a body of any version: the newest is tried first, since most are of it."""
    newest = msgspec.json.Decoder(versions[0]).decode
    if len(versions) == 1:
        return newest
    older = _decoder(versions[1:])

    def decode(body: bytes) -> Event:
        try:
            return newest(body)
        except msgspec.ValidationError:
            return older(body)

    return decode


def _why_not(body: bytes, versions: tuple[type[Event], ...], error: Exception) -> Refusal:
    """Return why a body is no event, measured by the version that it claims to be."""
    try:
        raw = msgspec.json.decode(body)
    except _BROKEN as broken:
        return Refusal(Reason.NOT_JSON, str(broken))
    claimed = raw.get("schema_version") if isinstance(raw, dict) else None
    if isinstance(claimed, int) and not 1 <= claimed <= len(versions):
        return Refusal(Reason.UNKNOWN_VERSION, f"schema_version {claimed}")
    if isinstance(claimed, int) and len(versions) > 1:
        try:
            msgspec.json.decode(body, type=versions[-claimed])
        except _BROKEN as of_its_version:
            error = of_its_version
    return Refusal(Reason.WRONG_SCHEMA, str(error))


def _adds_up(line: Line | TransactionItem, sign: int) -> bool:
    """Say whether a line's cents add up, and none has the other sign: an order's are never below zero, a refund's never above."""
    gross, discount, net, tax, quantity = line.gross_cents, line.discount_cents, line.net_cents, line.tax_cents, line.quantity
    adds_up = line.unit_price_cents * quantity == gross and gross - discount == net and net + tax == line.total_cents
    return adds_up and quantity * sign >= 0 <= tax * sign and gross * sign >= discount * sign >= 0


def _transaction(event: Transaction) -> Event | Refusal:
    gross = discount = net = tax = total = 0
    sign = -1 if event.status == "refunded" else 1
    for line in event.lines:
        if not _adds_up(line, sign):
            return Refusal(Reason.MONEY_IDENTITY, f"line {line.line} does not add up")
        gross += line.gross_cents
        discount += line.discount_cents
        net += line.net_cents
        tax += line.tax_cents
        total += line.total_cents
    whole = (event.gross_cents, event.discount_cents, event.net_cents, event.tax_cents, event.total_cents)
    if (gross, discount, net, tax, total) != whole:
        return Refusal(Reason.MONEY_IDENTITY, f"the lines make {total} cents, the transaction says {event.total_cents}")
    if len({line.line for line in event.lines}) != len(event.lines):
        return Refusal(Reason.WRONG_SCHEMA, "two lines have one number")
    return event


def _item(event: TransactionItem) -> Event | Refusal:
    if event.category is None or event.product_name is None:
        return Refusal(Reason.UNKNOWN_PRODUCT, f"product {event.product_id} is not in the catalogue")
    if not _adds_up(event, -1 if event.status == "refunded" else 1):
        return Refusal(Reason.MONEY_IDENTITY, f"line {event.line} does not add up")
    return event


_MONEY: dict[type[Event], Callable[[Any], Event | Refusal]] = {Transaction: _transaction, TransactionItem: _item}


def uuid7(at: datetime, random_bits: int) -> UUID:
    """Return the UUIDv7 (RFC 9562, section 5.7) of a time and 74 random bits."""
    ms = int(at.timestamp() * 1000)
    high, low = (random_bits >> 62) & 0xFFF, random_bits & (2**62 - 1)
    return UUID(int=ms << 80 | 7 << 76 | high << 64 | 2 << 62 | low)


def item_id(transaction_event_id: UUID, line: int) -> UUID:
    """Return the id of a line's item: the transaction's time with bits drawn from its event and the line, so a repeat has the same id."""
    digest = blake2b(transaction_event_id.bytes + line.to_bytes(4, "big"), digest_size=10).digest()
    bits = int.from_bytes(digest, "big")
    ms = transaction_event_id.int >> 80
    return UUID(int=ms << 80 | 7 << 76 | ((bits >> 62) & 0xFFF) << 64 | 2 << 62 | (bits & (2**62 - 1)))
