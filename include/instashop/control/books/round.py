"""A round of the books: cut what is new, wait, compare, keep; look again at what was red or is recent."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial

import psycopg
from confluent_kafka import KafkaException
from kafka.errors import KafkaError
from redis import RedisError

from instashop import connect, sql
from instashop.control import turn
from instashop.control.books.comparing import FORGOTTEN, Shops, as_found, compare, letters, shop_sums, warehouse_sums
from instashop.control.books.explained import Explained, explained
from instashop.control.books.pages import Ledger, Page
from instashop.control.books.reading import Client, PageReader, forgotten
from instashop.control.books.verdict import Line, Verdict, named
from instashop.control.books.waiting import read_page, wait_for_readers
from instashop.control.books.windows import compare_windows
from instashop.errors import InstaShopError, KafkaUnreachable, RedisUnreachable, ShopUnreachable, WarehouseUnreachable, first_line
from instashop.settings import Settings
from instashop.streams import BY_NAME

RECHECK_MINUTES = 10.0
"""Balanced pages younger than this are added up again in each round, at the shop and in the warehouse."""

WENT_BACK = (
    "its transaction ids went back: the last page ends at {}, beyond the horizon. This is another shop, or an older copy of it;"
    " restore the one that the books are of, or `./instashop reset`"
)


class BooksBusy(InstaShopError):
    """Another round of the books has been running for {seconds:.0f} s; wait for its verdict; one of the DAG balance_books ends after an hour at the latest."""


def verify(settings: Settings, wait_seconds: float = 60, whole: bool = False) -> Verdict:
    """Take a horizon now, wait until every stage has passed it, and compare what is new since the last round.

    Pages found red before are compared anew, from Kafka on, as long as Kafka has them; balanced ones of the last minutes (`whole`:
    all of them) are added up again at the shop and in the warehouse. A stage that does not pass the horizon in `wait_seconds` is a
    line that is not ok, and its page stays open. The verdict is kept in `verdicts`.

    Raises:
        BooksBusy: another round did not end within `wait_seconds`. ShopUnreachable, WarehouseUnreachable, KafkaUnreachable, RedisUnreachable: as they say.
    """
    try:
        return _verify(settings, wait_seconds, whole)
    except RedisError as error:
        raise RedisUnreachable(address=settings.where("redis_url"), cause=error) from error
    except (KafkaError, KafkaException) as error:
        raise KafkaUnreachable(address=settings.kafka_bootstrap, cause=error) from error


def _verify(settings: Settings, wait_seconds: float, whole: bool) -> Verdict:
    began = time.monotonic()
    with _open(settings, wait_seconds) as books:
        verdict, windows_differ = books.balance(wait_seconds, None if whole else RECHECK_MINUTES)
        if windows_differ:  # By what came between the wait and the look, as a replay or the loss of Redis? The next round waits for that, too.
            verdict, _ = books.balance(wait_seconds, None if whole else RECHECK_MINUTES)
        verdict.seconds = round(time.monotonic() - began, 2)
        values = [verdict.horizon, verdict.balanced, json.dumps(verdict.report())]
        books.dwh.execute("INSERT INTO verdicts (horizon, balanced, report) VALUES (%s, %s, %s)", values)
    return verdict


_STAGES = ("shop", "kafka", "items", "warehouse", "dead", "windows")
_STREAMS = (*BY_NAME, "all")


@dataclass
class _Books:
    settings: Settings
    shops: Shops
    dwh: psycopg.Connection
    ledger: Ledger
    kafka: Client

    def balance(self, wait_seconds: float, minutes: float | None) -> tuple[Verdict, bool]:
        """Compare up to a horizon of now, and again what is red or was cut within so many minutes; tell whether windows differ that every stage has passed."""
        shop = self.shops["instashop"]
        ((settled,),) = shop.execute(sql.statement("books/settled")).fetchall()  # First: a transaction may end between the two.
        ((horizon,),) = shop.execute(sql.statement("books/horizon")).fetchall()
        verdict, deadline = Verdict(horizon), time.monotonic() + wait_seconds
        self.look_again(verdict, minutes)
        late = self.compare_new(verdict, deadline)
        verdict.lines += self.ledger.totals(explained(self.dwh).accepted)
        for stage, behind in late.items():
            verdict.lines.append(Line(stage, "all", False, 0, 0, detail=f"has not passed the horizon in {wait_seconds:.0f} s: {behind}"))
        windows = None if late else compare_windows(self.settings, self.dwh, settled)
        verdict.lines += [windows] if windows else []
        verdict.lines.sort(key=lambda line: (_STAGES.index(line.stage), _STREAMS.index(line.stream)))
        return verdict, bool(windows and not windows.ok)

    def compare_new(self, verdict: Verdict, deadline: float) -> dict[str, str]:
        """Compare page after page up to the horizon; return the stages that did not pass it in time."""
        while True:
            page = self.ledger.next_page(self.shops["instashop"], verdict.horizon, verdict.at)
            if page.from_txid > verdict.horizon:
                verdict.lines.append(Line("shop", "all", False, 0, 0, detail=WENT_BACK.format(page.from_txid)))
                return {}
            late = self._compare(page, deadline)
            if late:
                return late
            verdict.pages += 1
            if page.to_txid >= verdict.horizon:
                return {}

    def look_again(self, verdict: Verdict, minutes: float | None) -> None:
        """Compare red pages anew, and balanced ones whose sums have changed since; one that Kafka no longer has stays as it was found."""
        known = explained(self.dwh)
        changed = [page for page in self.ledger.recent(minutes) if self._changed(page, known)]
        verdict.pages += len(changed)
        other = []
        for page in sorted([*self.ledger.red(), *changed], key=lambda page: page.from_txid):
            if not forgotten(self.kafka, page):
                self._compare(page, time.monotonic())
            elif page in changed:
                other.append(page.name)
            elif (lines := as_found(page, known, self.dwh)) != page.lines:
                self.ledger.keep(page, page.end or {}, lines)
        if other:
            verdict.lines.append(Line("warehouse", "all", False, 0, 0, detail=f"not as it was found any more; {FORGOTTEN}: {named(other)}"))

    def _changed(self, page: Page, known: Explained) -> bool:
        kept = {(line.stage, line.stream): (line.events, line.cents) for line in page.lines}
        shop, warehouse = shop_sums(self.shops, page), warehouse_sums(self.dwh, page, known)
        now = {("shop", name): (total.events, total.cents) for name, total in shop.items()}
        now |= {("warehouse", name): (warehouse[name].events, warehouse[name].cents) for stage, name in kept if stage == "warehouse"}
        now |= {("dead", name): (letters(self.dwh, name, page.begin, page.end or {}), 0) for stage, name in kept if stage == "dead"}
        return any(kept.get(place) != sums for place, sums in now.items())

    def _compare(self, page: Page, deadline: float) -> dict[str, str]:
        reader, expected = PageReader(self.kafka, page, self._next_txid), shop_sums(self.shops, page)
        if page.end is None:
            late = read_page(self.settings, page, reader, expected, self.shops, deadline)
            late |= wait_for_readers(self.settings, reader.last, self.dwh, deadline)
            if late:
                return late
        else:
            reader.read_on()
        if page.from_txid == page.to_txid and not reader.last:
            return {}  # Nothing has come since the last page.
        self.ledger.keep(page, page.end or reader.next, compare(page, reader, expected, self.shops, self.dwh))
        return {}

    def _next_txid(self) -> int:
        """Return the id above all that the shop's server has given out."""
        row = self.shops["instashop"].execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint").fetchone()
        assert row is not None
        return int(row[0])


@contextmanager
def _open(settings: Settings, wait_seconds: float) -> Iterator[_Books]:
    """Open the books for one round; a second round waits for the first."""
    with (
        connect.shop(settings, "books") as shop,
        connect.crm(settings, "books") as crm,
        connect.warehouse(settings, "books") as dwh,
        _naming((shop, settings.shop_dsn, ShopUnreachable), (crm, settings.crm_dsn, ShopUnreachable), (dwh, settings.warehouse_dsn, WarehouseUnreachable)),
    ):
        for connection in (shop, crm, dwh):
            connection.autocommit = True
        turn.take(dwh, "instashop books", wait_seconds, BooksBusy)
        with closing(Client(partial(connect.independent_reader, settings))) as kafka:
            yield _Books(settings, {"instashop": shop, "crm_db": crm}, dwh, Ledger(dwh), kafka)


@contextmanager
def _naming(*servers: tuple[psycopg.Connection, str, type[InstaShopError]]) -> Iterator[None]:
    """Name the server that goes away meanwhile."""
    try:
        yield
    except psycopg.OperationalError as error:
        for connection, dsn, unreachable in servers:
            if not _answers(connection):
                raise unreachable(address=connect.address(dsn), cause=first_line(error)) from error
        raise


def _answers(connection: psycopg.Connection) -> bool:
    try:
        connection.execute("SELECT 1")
    except psycopg.Error:
        return False
    return True
