"""Where a page of the books ends: about a minute of the shop's clock, or a tenth of what lies behind, or so many rows; what becomes of one that Kafka has forgotten."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from confluent_kafka import TopicPartition

from instashop import connect
from instashop.control.books import accept, pages, verify
from instashop.control.books.pages import Page, page_end
from instashop.control.books.round import _Books, _open
from instashop.control.books.verdict import Line, Verdict
from instashop.errors import ShopUnreachable, WarehouseUnreachable
from tests import bodies
from tests.integration.conftest import drain


def _write(shop, recorded_at: list[datetime]) -> int:
    """Write a search for each moment, all in one transaction, and return its txid."""
    with shop.transaction():
        for at in recorded_at:
            body = bodies.search(at)
            shop.execute(
                "INSERT INTO searches (event_id, occurred_at, recorded_at, session_id, query, term, results)"
                " VALUES (%(event_id)s, %(occurred_at)s, %(recorded_at)s, %(session_id)s, 'typed', %(term)s, %(results)s)",
                body,
            )
        return shop.execute("SELECT pg_current_xact_id()::text::bigint").fetchone()[0]


def _after(txid: int) -> int:
    """Return a horizon beyond a transaction that nobody else's rows lie below."""
    return txid + 1


@pytest.mark.parametrize(
    ("behind_seconds", "offsets", "ends_at"),
    [
        (90, [0, 30, 59], None),
        (90, [0, 30, 60, 61], 2),
        (90, [0, 60], 1),
        (6000, [0, 60, 599], None),
        (6000, [0, 60, 660], 2),
    ],
    ids=["within a minute", "at the minute", "second transaction", "far behind: within a tenth", "far behind: after a tenth"],
)
def test_a_page_ends_with_its_minute_and_later_far_behind(shop, behind_seconds, offsets, ends_at):
    begin = datetime.now(UTC) - timedelta(seconds=behind_seconds)
    written = [_write(shop, [begin + timedelta(seconds=offset)]) for offset in offsets]
    horizon = _after(written[-1])
    assert page_end(shop, written[0], horizon) == (horizon if ends_at is None else written[ends_at])


def test_a_page_ends_after_so_many_rows(shop, monkeypatch):
    monkeypatch.setattr(pages, "PAGE_ROWS", 2)
    now = datetime.now(UTC)
    written = [_write(shop, [now]) for _ in range(4)]
    assert page_end(shop, written[0], _after(written[-1])) == written[2]


def test_a_transaction_of_more_rows_than_a_page_is_a_page_of_its_own(shop, monkeypatch):
    monkeypatch.setattr(pages, "PAGE_ROWS", 2)
    now = datetime.now(UTC)
    big, last = _write(shop, [now] * 5), _write(shop, [now])
    assert page_end(shop, big, _after(last)) == big + 1


def test_a_transaction_longer_than_a_minute_is_not_cut(shop):
    begin = datetime.now(UTC) - timedelta(seconds=90)
    long, last = _write(shop, [begin, begin + timedelta(seconds=80)]), _write(shop, [begin + timedelta(seconds=81)])
    assert page_end(shop, long, _after(last)) == long + 1


@pytest.mark.parametrize("moment", ["infinity", "-infinity", "0044-03-15 12:00:00 BC", "294276-12-31 23:59:59"])
def test_a_row_of_no_time_neither_ends_a_page_nor_the_books(shop, moment):
    begin = datetime.now(UTC) - timedelta(seconds=90)
    written = [_write(shop, [begin]) for _ in range(3)]
    for odd in written[:2]:
        shop.execute("UPDATE searches SET recorded_at = %s WHERE txid = %s::text::xid8", [moment, str(odd)])
    try:
        assert [page_end(shop, since, _after(written[-1])) for since in written] == [_after(written[-1])] * 3
    finally:
        shop.execute("DELETE FROM searches WHERE recorded_at = %s", [moment])


def test_a_shop_without_rows_since_is_a_page_up_to_the_horizon(shop):
    (horizon,) = shop.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint + 1000").fetchone()
    assert page_end(shop, horizon - 1, horizon) == horizon


@pytest.fixture
def books(stack) -> Iterator[_Books]:
    """The books, which keep nothing of what a test writes into them."""
    with _open(stack, 10) as opened, opened.dwh.transaction(force_rollback=True):
        yield opened


@pytest.fixture
def forgotten(stack, dwh) -> tuple[str, Page, dict[tuple[str, int], int]]:
    """A foreign message that Kafka has forgotten by now: its id, and a page of it alone with its end."""
    body = bodies.crm_interaction()
    sender = connect.kafka_producer(stack, "somebody-else")
    sender.init_transactions(30)
    sender.begin_transaction()
    sender.produce("crm_interactions", bodies.raw(body), "x")
    sender.commit_transaction(30)
    sender.close()
    drain(stack)
    ((number, offset),) = dwh.execute('SELECT "partition", "offset" FROM realtime_events WHERE event_id = %s', [body["event_id"]])
    admin, until = connect.kafka_admin(stack), TopicPartition("crm_interactions", number, offset + 1)
    admin.delete_records([until])[until].result(30)
    return body["event_id"], Page(2**61, 2**61, datetime.now(UTC), begin={("crm_interactions", number): offset}), {("crm_interactions", number): offset + 1}


def _keep(books: _Books, page: Page, end: dict[tuple[str, int], int], lines: list[Line]) -> None:
    """Keep a page that begins where one before it ends."""
    books.ledger.keep(Page(page.from_txid, page.to_txid, page.cut_at), page.begin, [])
    books.ledger.keep(page, end, lines)


def _look_again(books: _Books, whole: bool = False) -> Verdict:
    verdict = Verdict(0)
    books.look_again(verdict, None if whole else 0)
    return verdict


def _found(books: _Books) -> Page:
    return max([*books.ledger.red(), *books.ledger.recent(None)], key=lambda page: page.page_id or 0)


def test_a_red_page_that_kafka_has_forgotten_stays_as_it_was_found_until_it_is_accepted(stack, books, forgotten):
    event_id, page, end = forgotten
    warehouse = Line("warehouse", "crm_interactions", True, 5, 5)
    _keep(books, page, end, [Line("kafka", "crm_interactions", False, 5, 5, detail=f"1 repeated: {event_id}", repeated=1), warehouse])
    for _ in range(2):
        _look_again(books)
        kafka, other = _found(books).lines
        assert (kafka.ok, kafka.events, kafka.repeated) == (False, 5, 1)
        assert kafka.detail == f"1 repeated: {event_id}; Kafka no longer has its messages, so it is not compared anew"
        assert other == warehouse
    accept(stack, [UUID(event_id)], "sent by a test")
    _look_again(books)
    assert all(line.ok and not line.repeated for line in _found(books).lines)
    assert not [page for page in books.ledger.red() if page.page_id == _found(books).page_id]


def test_a_loss_is_not_accepted_with_what_else_a_forgotten_page_names(stack, books, forgotten):
    event_id, page, end = forgotten
    _keep(books, page, end, [Line("kafka", "crm_interactions", False, 4, 5, detail=f"-1 event not in Kafka: {UUID(int=7)}; not in shop: {event_id}")])
    accept(stack, [UUID(event_id)], "sent by a test")
    _look_again(books)
    assert not _found(books).lines[0].ok


def test_a_forgotten_page_names_every_event_that_must_be_accepted_and_shows_the_first(stack, books, forgotten):
    event_id, page, end = forgotten
    ids = [event_id, *(str(UUID(int=number)) for number in range(1, 7))]
    _keep(books, page, end, [Line("kafka", "crm_interactions", False, 5, 5, detail=f"7 repeated: {', '.join(ids)}", repeated=7)])
    (line,) = [line for line in books.ledger.totals() if (line.stage, line.stream) == ("kafka", "crm_interactions")]
    assert f"7 repeated: {', '.join(ids[:5])} and 2 more" in line.detail
    accept(stack, [UUID(event_id)], "sent by a test")
    _look_again(books)
    assert not _found(books).lines[0].ok
    assert all(name in _found(books).lines[0].detail for name in ids)
    books.dwh.execute("INSERT INTO accepted (event_id, of_the_shop, why) SELECT unnest(%s::uuid[]), true, 'sent by a test'", [ids[1:]])
    _look_again(books)
    assert all(line.ok for line in _found(books).lines)


def test_a_balanced_page_that_kafka_has_forgotten_and_that_has_changed_is_named(books, forgotten):
    _event_id, page, end = forgotten
    _keep(books, page, end, [Line("warehouse", "crm_interactions", True, 5, 5)])
    line = next(line for line in _look_again(books, whole=True).lines if line.stage == "warehouse")
    assert not line.ok
    assert _found(books).name in line.detail
    assert _found(books).lines == (Line("warehouse", "crm_interactions", True, 5, 5),)


def test_a_shop_whose_transaction_ids_went_back_is_a_red_line(books):
    books.ledger.keep(Page(0, 2**62, datetime.now(UTC)), {}, [])
    verdict = Verdict(1000)
    assert books.compare_new(verdict, time.monotonic()) == {}
    (line,) = verdict.lines
    assert not line.ok
    assert "its transaction ids went back" in line.detail


def test_a_round_that_has_waited_for_another_gives_every_stage_its_time(stack, monkeypatch):
    given = []
    monkeypatch.setattr(_Books, "look_again", lambda *_: None)
    monkeypatch.setattr(_Books, "compare_new", lambda _books, _verdict, deadline: given.append(deadline - time.monotonic()) or {"kafka": "not asked"})
    with connect.warehouse(stack, "test", autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(hashtext('instashop books'))")
        release = threading.Timer(2, other.execute, ["SELECT pg_advisory_unlock_all()"])
        release.start()
        verify(stack, wait_seconds=10)
        release.join()
    assert given[0] > 9


@pytest.mark.parametrize(("lost", "error"), [("instashop", ShopUnreachable), ("crm_db", ShopUnreachable), ("dwh", WarehouseUnreachable)])
def test_a_server_that_goes_away_during_a_round_is_named(stack, lost, error):
    with pytest.raises(error), _open(stack, 10) as opened:
        opened.shops.get(lost, opened.dwh).execute("SELECT pg_terminate_backend(pg_backend_pid())")
