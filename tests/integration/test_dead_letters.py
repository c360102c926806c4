"""Replays of dead letters, more than one look takes, and of one event in two letters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from instashop import connect
from instashop.control import dead_letters
from instashop.events import Reason, Refusal
from instashop.transport import consumer
from instashop.transport.topics import published
from tests import bodies
from tests.integration.conftest import drain
from tests.integration.rows import insert
from tests.strangers import send

REASON = "null_character"
"""Letters of this reason from other tests stay refused."""
FAR = 10**12
"""An offset that Kafka does not reach."""


@pytest.fixture
def letters(dwh) -> Iterator[str]:
    """Letters that stay refused, then one event in two letters; the event's id."""
    good = bodies.search()
    texts = [b"{", b"[", b"(", bodies.raw(good), bodies.raw(good)]
    begin = datetime.now(UTC) - timedelta(hours=1)
    for number, body in enumerate(texts):
        _bury(dwh, FAR + number, body, good["event_id"] if number > 2 else None, begin, begin + timedelta(seconds=number))
    yield good["event_id"]
    dwh.execute('DELETE FROM dead_letters WHERE reason = %s AND "offset" >= %s', [REASON, FAR])


def _bury(dwh, offset: int, body: bytes, event_id: str | None, published_at: datetime, arrived_at: datetime) -> None:
    row = {"topic": "searches", "partition": 0, "offset": offset, "reason": REASON, "detail": "of a test", "body": body}
    insert(dwh, "dead_letters", row | {"event_id": event_id, "published_at": published_at, "arrived_at": arrived_at})


def test_a_replay_goes_on_beyond_what_stays_refused_and_publishes_an_event_once(stack, dwh, letters, monkeypatch):
    monkeypatch.setattr(dead_letters, "PAGE_LETTERS", 2)
    done = dead_letters.replay(stack, reason=REASON)
    assert done.published == [f"searches/0/{FAR + 3}"]
    assert sum(done.refused.values()) >= 3
    assert done.known == 1
    again = dead_letters.replay(stack, reason=REASON)
    assert not again.published
    assert again.known == 1
    drain(stack)
    assert dwh.execute("SELECT count(*) FROM realtime_events WHERE event_id = %s", [letters]).fetchone() == (1,)


@pytest.fixture
def buried(dwh) -> Iterator[None]:
    """What a test buries goes with it."""
    yield
    dwh.execute('DELETE FROM dead_letters WHERE reason = %s AND "offset" >= %s', [REASON, FAR])


def _left_by_a_killed_replay(stack, dwh, offset: int) -> dict[str, Any]:
    """Let a replay publish a letter of an hour ago and end before it marks it; return its event."""
    event, then = bodies.search(), datetime.now(UTC) - timedelta(hours=1)
    _bury(dwh, offset, bodies.raw(event), event["event_id"], then, then)
    assert dead_letters.replay(stack, reason=REASON).published == [f"searches/0/{offset}"]
    dwh.execute("UPDATE dead_letters SET replayed_at = NULL WHERE topic = 'searches' AND \"offset\" = %s", [offset])
    return event


@pytest.mark.usefixtures("buried")
@pytest.mark.parametrize(("offset", "hours"), [(FAR + 10, 2), (FAR + 20, 0.5)], ids=["older", "younger"])
def test_after_a_replay_that_was_killed_before_its_mark_no_other_letter_of_the_event_is_published(stack, dwh, offset, hours):
    event, then = _left_by_a_killed_replay(stack, dwh, offset), datetime.now(UTC) - timedelta(hours=hours)
    _bury(dwh, offset + 1, bodies.raw(event), event["event_id"], then, then)
    again = dead_letters.replay(stack, reason=REASON)
    assert (again.published, again.known) == ([], 1)


@pytest.mark.usefixtures("buried")
def test_what_is_refused_again_after_a_replay_that_was_killed_before_its_mark_is_replayed(stack, dwh):
    event, now = _left_by_a_killed_replay(stack, dwh, FAR + 30), datetime.now(UTC)
    _bury(dwh, FAR + 31, bodies.raw(event), event["event_id"], now, now)
    assert dead_letters.replay(stack, reason=REASON).published == [f"searches/0/{FAR + 31}"]


def test_a_replay_takes_no_more_bytes_at_once_than_the_client_holds(stack, dwh, letters, monkeypatch):
    monkeypatch.setattr(dead_letters, "PAGE_BYTES", 1)
    pages = [[(offset, body) for _topic, _number, offset, _reason, _key, body, *_ in page] for page in dead_letters._open(dwh, REASON, None)]
    ours = [page for page in pages if page[0][0] >= FAR]
    assert [[offset for offset, _body in page] for page in ours] == [[FAR + number] for number in range(5)]


def test_a_replay_waits_for_another_and_then_says_so(stack, monkeypatch):
    monkeypatch.setattr(dead_letters, "LOCK_SECONDS", 1)
    with connect.warehouse(stack, "test", autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(hashtext('instashop replay'))")
        with pytest.raises(dead_letters.ReplayBusy, match="has been at work for 1 s; run this again"):
            dead_letters.replay(stack, reason=REASON, topic="products")
    assert not dead_letters.replay(stack, reason=REASON, topic="products").published


@contextmanager
def _letter(dwh, topic: str, key: bytes, body: dict[str, Any]) -> Iterator[None]:
    row = {"topic": topic, "partition": 0, "offset": FAR, "reason": REASON, "detail": "of a test", "message_key": key, "body": bodies.raw(body)}
    insert(dwh, "dead_letters", row | {"event_id": None, "published_at": datetime.now(UTC), "arrived_at": datetime.now(UTC)})
    try:
        yield
    finally:
        dwh.execute('DELETE FROM dead_letters WHERE topic = %s AND "offset" = %s', [topic, FAR])


@pytest.mark.parametrize(
    ("topic", "key", "body", "replayed_key"),
    [
        ("transaction_items", b"7", bodies.item(customer_id=7), b"7"),
        ("products", b"1000000009", bodies.product(product_id=10**9 + 9, version=3), f"replay/products/0/{FAR}".encode()),
    ],
    ids=["of a customer's item", "an older version of a product must not take the newest one's"],
)
def test_what_is_replayed_has_its_key(stack, dwh, topic, key, body, replayed_key):
    with _letter(dwh, topic, key, body):
        assert dead_letters.replay(stack, reason=REASON, topic=topic).published == [f"{topic}/0/{FAR}"]
        with published(stack, "test", [topic]) as messages:
            assert [message.key() for message in messages if message.value() == bodies.raw(body)] == [replayed_key]
        drain(stack)


def test_a_letter_whose_replay_was_refused_again_is_replayed_once_the_judge_takes_it(stack, dwh, monkeypatch):
    """As when a reader still runs the code that refused it."""
    body = bodies.search()
    judge = consumer.judge_of

    def old_judge(kind, event_type):
        return lambda raw, taken_ms: (
            Refusal(Reason.UNKNOWN_VERSION, "of a test") if body["event_id"].encode() in (raw or b"") else judge(kind, event_type)(raw, taken_ms)
        )

    with monkeypatch.context() as old_code:
        old_code.setattr(consumer, "judge_of", old_judge)
        send(stack, *[("searches", bodies.raw(body), "7")] * 2)
        drain(stack)
        (replayed,) = dead_letters.replay(stack, reason="unknown_version").published
        again = dead_letters.replay(stack, reason="unknown_version")
        assert (again.published, again.known) == ([], 1)  # The first one is on its way.
        drain(stack)
    letters = dwh.execute("SELECT count(*) FROM dead_letters WHERE event_id = %s", [body["event_id"]]).fetchone()
    assert letters == (3,)
    (mended,) = dead_letters.replay(stack, reason="unknown_version").published
    assert mended != replayed
    drain(stack)
    assert dwh.execute("SELECT count(*) FROM realtime_events WHERE event_id = %s", [body["event_id"]]).fetchone() == (1,)
    assert not dead_letters.replay(stack, reason="unknown_version").published
