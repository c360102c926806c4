"""Replays of dead letters, more than one look takes, and of one event in two letters."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from instashop.control import dead_letters
from tests import bodies
from tests.integration.conftest import drain
from tests.integration.rows import insert

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
        row = {"topic": "searches", "partition": 0, "offset": FAR + number, "reason": REASON, "detail": "of a test", "body": body}
        known = {"event_id": good["event_id"] if number > 2 else None, "published_at": begin, "arrived_at": begin + timedelta(seconds=number)}
        insert(dwh, "dead_letters", row | known)
    yield good["event_id"]
    dwh.execute('DELETE FROM dead_letters WHERE reason = %s AND "offset" >= %s', [REASON, FAR])


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
