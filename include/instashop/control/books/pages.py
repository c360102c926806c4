"""The pages: ranges of `txid` below the horizon, final when cut, with what each stage had of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from instashop import sql
from instashop.control.books.verdict import Line, shortened
from instashop.events import FIRST_DAY, LAST_DAY

PAGE_SECONDS, PAGE_SHARE = 60, 0.1
"""A page ends so long after its first row was written; far behind, after that share of the time that lies behind, so that a day
without a round is caught up with in some sixty pages."""
PAGE_ROWS = 200_000
"""A page holds about so many rows at most, so that a first round over a long past stays small."""

Offsets = dict[tuple[str, int], int]


@dataclass(frozen=True)
class Page:
    """The events with from_txid <= txid < to_txid; `begin` and `end` are the offsets between which Kafka has them."""

    from_txid: int
    to_txid: int
    cut_at: datetime
    page_id: int | None = None
    begin: Offsets = field(default_factory=dict)
    end: Offsets | None = None
    lines: tuple[Line, ...] = ()

    @property
    def span(self) -> dict[str, int]:
        """The page as parameters of a statement."""
        return {"from_txid": self.from_txid, "to_txid": self.to_txid}

    @property
    def name(self) -> str:
        """Return the page as a line names it."""
        return f"page {self.page_id or 'now'} (cut {self.cut_at:%Y-%m-%d %H:%M:%S})"


class Ledger:
    """The pages as the warehouse keeps them."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._db = connection

    def next_page(self, shop: psycopg.Connection, horizon: int, cut_at: datetime) -> Page:
        """Cut the next page below the horizon; an empty one when the last one ends there, since a stranger's messages may have come."""
        row = self._db.execute("SELECT to_txid, end_offsets FROM pages ORDER BY page_id DESC LIMIT 1").fetchone()
        since, begin = (row[0], _offsets(row[1])) if row else (0, {})
        if since >= horizon:
            return Page(since, since, cut_at, begin=begin)
        return Page(since, page_end(shop, since, horizon), cut_at, begin=begin)

    def red(self) -> list[Page]:
        """Return the pages that do not balance, the oldest first."""
        return self._pages("NOT p.balanced", {})

    def recent(self, minutes: float | None) -> list[Page]:
        """Return the balanced pages cut within so many minutes; None: all of them."""
        condition = "p.balanced" if minutes is None else "p.balanced AND p.cut_at > now() - make_interval(secs => %(seconds)s)"
        return self._pages(condition, {"seconds": (minutes or 0) * 60})

    def _pages(self, condition: str, values: dict[str, Any]) -> list[Page]:
        with self._db.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(sql.statement("books/pages").format(condition=condition), values).fetchall()  # type: ignore[arg-type]
        return [
            Page(
                row["from_txid"],
                row["to_txid"],
                row["cut_at"],
                row["page_id"],
                _offsets(row["begin_offsets"] or {}),
                _offsets(row["end_offsets"]),
                tuple(Line(**line) for line in row["lines"]),
            )
            for row in rows
        ]

    def keep(self, page: Page, end: Offsets, lines: Iterable[Line]) -> None:
        """Keep what a page's comparison found, and carry it into the totals."""
        kept = [asdict(line) for line in lines]
        values = {
            **page.span,
            "page_id": page.page_id,
            "cut_at": page.cut_at,
            "balanced": all(line["ok"] for line in kept),
            "end_offsets": json.dumps({f"{topic}/{number}": offset for (topic, number), offset in sorted(end.items())}),
            "lines": json.dumps(kept),
            "before": json.dumps([asdict(line) for line in page.lines]),
        }
        with self._db.transaction():
            self._db.execute(sql.statement("books/keep_page" if page.page_id is None else "books/keep_page_again"), values)  # type: ignore[arg-type]
            self._db.execute(sql.statement("books/add_to_totals"), values)  # type: ignore[arg-type]

    def totals(self, accepted: Collection[UUID] = ()) -> list[Line]:
        """Return what all pages together say, a line for each stage and stream; red pages are named in its detail, with what is not accepted of them."""
        red: dict[tuple[str, str], list[str]] = {}
        repeated: Counter[tuple[str, str]] = Counter()
        for page in self.red():  # A page with a repeat is always red.
            for line in page.lines:
                if not line.ok:
                    red.setdefault((line.stage, line.stream), []).append(f"{page.name}: {shortened(line.detail, accepted)}")
                    repeated[line.stage, line.stream] += line.repeated
        rows = self._db.execute("SELECT stage, stream, events, expected_events, cents, expected_cents FROM page_totals").fetchall()
        lines = []
        for stage, stream, events, should, cents, should_cents in rows:
            details = red.get((stage, stream), [])
            lines.append(Line(stage, stream, not details, events, should, cents, should_cents, "; ".join(details), repeated[stage, stream]))
        return lines


def page_end(shop: psycopg.Connection, since: int, horizon: int) -> int:
    """Return the `txid` at which a page that begins at `since` ends: beyond `since`, and not beyond the horizon."""
    limits = {
        "from_txid": since,
        "to_txid": horizon,
        "rows": PAGE_ROWS,
        "seconds": PAGE_SECONDS,
        "share": PAGE_SHARE,
        "first_day": FIRST_DAY,
        "last_day": LAST_DAY,
    }
    bound = shop.execute(sql.statement("books/page_end"), limits).fetchone()  # type: ignore[arg-type]
    return min(horizon, bound[0]) if bound else horizon


def _offsets(values: dict[str, int]) -> Offsets:
    return {(place.rsplit("/", 1)[0], int(place.rsplit("/", 1)[1])): offset for place, offset in values.items()}
