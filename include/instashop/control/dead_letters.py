"""Dead letters: listed with their reasons, shown whole, and replayed once the judge finds them valid.

A replay publishes the message's bytes again to its topic; an item of an unknown product first gets the name that the catalogue has
by now. Message and a note of the replay (in topic `cursors`) are one Kafka transaction, so a letter is published at most once more,
whatever is killed, and replaying twice changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from confluent_kafka import KafkaException
from psycopg.rows import dict_row

from instashop import connect, sql
from instashop.control import turn
from instashop.errors import InstaShopError, KafkaUnreachable
from instashop.events import Event, Reason, TransactionItem, judge_of
from instashop.settings import Settings
from instashop.streams import BY_NAME, CURSORS
from instashop.transport import hanging
from instashop.transport.enricher import Catalogue
from instashop.transport.topics import publish, published

PAGE_LETTERS, PAGE_BYTES = 10_000, 32_000_000
"""Letters, and bytes of them, that a replay looks at and publishes at once, at most."""


LOCK_SECONDS = 60
"""How long a replay waits for another one: a page takes seconds."""


class ReplayBusy(InstaShopError):
    """Another replay of dead letters has been at work for {seconds} s; run this again once it has ended, which takes what it has left."""


class UnknownChoice(InstaShopError):
    """{what} {name} is not known; choose one of {choices}."""


class NoSuchLetter(InstaShopError):
    """There is no dead letter at {place}; give TOPIC/PARTITION/OFFSET as `dead-letters list` shows it."""


@dataclass(frozen=True)
class Letter:
    """One refused message and where it came from."""

    topic: str
    partition: int
    offset: int
    reason: str
    detail: str
    event_id: UUID | None
    arrived_at: datetime
    replayed_at: datetime | None

    @property
    def place(self) -> str:
        """Return where Kafka has it."""
        return f"{self.topic}/{self.partition}/{self.offset}"


@dataclass
class Replay:
    """What a replay did: letters published again, those that are still refused (by reason), and those whose id is kept or published already."""

    published: list[str] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)
    known: int = 0

    def describe(self) -> str:
        """Return it as a sentence."""
        still = ", ".join(f"{count} {reason}" for reason, count in sorted(self.refused.items()))
        return f"{len(self.published)} published again; still refused: {still or 'none'}; {self.known} whose id is known already."


def check(reason: str | None, topic: str | None) -> None:
    """Return if the choice makes sense.

    Raises:
        UnknownChoice: there is no such reason or topic.
    """
    reasons = [each.value for each in Reason]
    if reason is not None and reason not in reasons:
        raise UnknownChoice(what="Reason", name=reason, choices=", ".join(reasons))
    if topic is not None and topic not in BY_NAME:
        raise UnknownChoice(what="Topic", name=topic, choices=", ".join(BY_NAME))


def counts(settings: Settings) -> list[tuple[str, int, int, datetime]]:
    """Return reason, letters, replayed ones and the newest's arrival, the most frequent reason first."""
    with connect.warehouse(settings, "dead-letters") as dwh:
        return dwh.execute(sql.statement("dead_letters/count")).fetchall()  # type: ignore[arg-type, return-value]


def find(settings: Settings, reason: str | None = None, topic: str | None = None, limit: int = 50) -> list[Letter]:
    """Return the newest letters that fit.

    Raises:
        UnknownChoice: there is no such reason or topic.
    """
    check(reason, topic)
    with connect.warehouse(settings, "dead-letters") as dwh:
        rows = dwh.execute(sql.statement("dead_letters/list"), {"reason": reason, "topic": topic, "limit": limit}).fetchall()  # type: ignore[arg-type]
    return [Letter(*row) for row in rows]


def show(settings: Settings, place: str) -> dict[str, Any]:
    """Return one letter with its bytes.

    Raises:
        NoSuchLetter: nothing is there.
    """
    parts = place.split("/")
    if len(parts) == 3 and parts[1].isdigit() and parts[2].isdigit():
        values = {"topic": parts[0], "partition": int(parts[1]), "offset": int(parts[2])}
        with connect.warehouse(settings, "dead-letters", row_factory=dict_row) as dwh:
            row = dwh.execute(sql.statement("dead_letters/show"), values).fetchone()  # type: ignore[arg-type]
        if row:
            return dict(row)  # type: ignore[call-overload, no-any-return]
    raise NoSuchLetter(place=place)


def replay(settings: Settings, reason: str | None = None, topic: str | None = None) -> Replay:
    """Publish again what the judge finds valid now, of two letters with one id the older; what it still refuses stays as it is.

    Raises:
        UnknownChoice: there is no such reason or topic.
        ReplayBusy: another one did not end meanwhile.
        KafkaUnreachable: Kafka did not take it; the next replay goes on.
    """
    check(reason, topic)
    try:
        return _replay(settings, reason, topic)
    except (KafkaException, BufferError) as error:
        cause = error.args[0].str() if isinstance(error, KafkaException) else str(error)
        raise KafkaUnreachable(address=settings.kafka_bootstrap, cause=cause) from error


def _replay(settings: Settings, reason: str | None, topic: str | None) -> Replay:
    done, repair = Replay(), _Repair(settings)
    taken: set[UUID] = set()
    with connect.warehouse(settings, "dead-letters", autocommit=True) as dwh:
        turn.take(dwh, "instashop replay", LOCK_SECONDS, ReplayBusy)
        publisher = _Publisher(settings, dwh)
        for page in _open(dwh, reason, topic):
            good = []
            for place_topic, number, offset, why, key, letter, _arrived_at, known in page:
                body = repair.named(letter) if why == Reason.UNKNOWN_PRODUCT else letter
                verdict = judge_of(place_topic, BY_NAME[place_topic].event_type)(body, time.time() * 1000)
                if not isinstance(verdict, Event):
                    done.refused[verdict.reason.value] = done.refused.get(verdict.reason.value, 0) + 1
                elif known or verdict.event_id in taken or why == Reason.SAME_ID_OTHER_BODY:
                    done.known += 1
                else:
                    good.append((place_topic, number, offset, key, body))
                    taken.add(verdict.event_id)
            if good:
                publisher.publish(good, done)
    return done


def _open(dwh: psycopg.Connection, reason: str | None, topic: str | None) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the letters that have not been replayed, page by page."""
    after = {"after": "-infinity", "after_topic": "", "after_partition": 0, "after_offset": 0}
    while page := dwh.execute(
        sql.statement("dead_letters/open"), {"reason": reason, "topic": topic, "limit": PAGE_LETTERS, "bytes": PAGE_BYTES, **after}
    ).fetchall():  # type: ignore[arg-type]
        yield page
        last_topic, number, offset, *_, arrived_at, _known = page[-1]
        after = {"after": arrived_at, "after_topic": last_topic, "after_partition": number, "after_offset": offset}


class _Repair:
    """Names the product of an item that was refused because the catalogue did not know it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._catalogue: Catalogue | None = None

    def named(self, body: bytes) -> bytes:
        """Return the item with its product's name and category if the catalogue knows it by now, else as it is."""
        if self._catalogue is None:
            with published(self._settings, "instashop-replay", ["products"]) as products:
                self._catalogue = Catalogue(products)
                self._catalogue.read_to_end()
        try:
            item = msgspec.json.decode(body, type=TransactionItem)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return body
        product = self._catalogue.known(item.product_id)
        return msgspec.json.encode(msgspec.structs.replace(item, product_name=product.name, category=product.category)) if product else body


class _Publisher:
    """Publishes letters again, each with a note in topic `cursors`; whoever had its id before publishes nothing any more, and what that one had no time to mark is marked."""

    def __init__(self, settings: Settings, dwh: psycopg.Connection) -> None:
        self._producer, self._dwh = hanging.writer(settings, "instashop-replay", [CURSORS, *BY_NAME]), dwh
        _mark(dwh, _published_before(settings))

    def publish(self, letters: list[tuple[str, int, int, bytes | None, bytes]], done: Replay) -> None:
        """Publish letters, and mark them with the moment before: a letter that arrives later may be of this replay."""
        found = self._dwh.execute("SELECT clock_timestamp()").fetchone()
        assert found is not None
        self._producer.begin_transaction()
        for topic, number, offset, key, body in letters:
            place = f"{topic}/{number}/{offset}"
            publish(self._producer, topic, body, f"replay/{place}" if BY_NAME[topic].compacted else key)  # A later version has the key by now, and stays.
            publish(self._producer, CURSORS, b"{}", f"replay/{place}")
            done.published.append(place)
        self._producer.commit_transaction(30)
        _mark(self._dwh, [(topic, number, offset, found[0]) for topic, number, offset, _key, _body in letters])


def _mark(dwh: psycopg.Connection, letters: list[tuple[str, int, int, datetime]]) -> None:
    """Note of letters at these places that they were published again at these moments, unless that is noted."""
    topics, numbers, offsets, moments = map(list, zip(*letters, strict=True)) if letters else ([], [], [], [])
    with dwh.transaction():  # So what Postgres still does for a killed one is undone.
        dwh.execute(sql.statement("dead_letters/mark"), {"topics": topics, "partitions": numbers, "offsets": offsets, "moments": moments})  # type: ignore[arg-type]


def _published_before(settings: Settings) -> list[tuple[str, int, int, datetime]]:
    """Return the places of the letters that replays have published, and when; also of one that was killed before it could mark them."""
    before = []
    with published(settings, "instashop-replay", [CURSORS]) as notes:  # The producer's transaction may hold it.
        for note in notes:
            writer, *place = (note.key() or b"").decode().split("/")
            if writer == "replay":
                topic, number, offset = place
                before.append((topic, int(number), int(offset), datetime.fromtimestamp(note.timestamp()[1] / 1000, UTC)))
    return before
