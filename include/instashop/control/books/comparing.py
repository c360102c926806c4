"""One page at every stage: what the shop wrote against what Kafka, the warehouse and the items have."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from uuid import UUID

import psycopg

from instashop import sql
from instashop.control.books.explained import Explained, explained, ids_left_out
from instashop.control.books.pages import Offsets, Page
from instashop.control.books.reading import PageReader, StreamRead
from instashop.control.books.verdict import EVENT_ID, KEPT, NOT_ALL, Line, Sum, named
from instashop.streams import STREAMS, Stream

Shops = dict[str, psycopg.Connection]

FORGOTTEN = "Kafka no longer has its messages, so it is not compared anew"


def shop_sums(shops: Shops, page: Page) -> dict[str, Sum]:
    """Return what the shop has of a page, by stream."""
    sums = {}
    for stream in STREAMS:
        if stream.database:
            text = sql.statement("books/shop").format(cents=stream.cents or "0", table=stream.table)
            row = shops[stream.database].execute(text, page.span).fetchone()  # type: ignore[arg-type]
            assert row is not None
            sums[stream.name] = Sum.of(*row)
    return sums


def warehouse_sums(dwh: psycopg.Connection, page: Page, known: Explained) -> dict[str, Sum]:
    """Return what the warehouse has of a page, by stream, without what is explained."""
    sums: dict[str, Sum] = defaultdict(Sum)
    for kind, *values in dwh.execute(sql.statement("books/warehouse"), {**page.span, "left_out": known.left_out}):  # type: ignore[arg-type]
        sums[kind] = Sum.of(*values)
    return sums


def compare(page: Page, reader: PageReader, expected: dict[str, Sum], shops: Shops, dwh: psycopg.Connection) -> list[Line]:
    """Return the lines of a page that every stage has passed."""
    lines = []
    known = explained(dwh)
    kept, left_out = warehouse_sums(dwh, page, known), ids_left_out(dwh, page, known)
    for read in reader.streams.values():
        read.leave_out(known)
    for stream in STREAMS:
        read = reader.streams[stream.name]
        if stream.database:
            lines += _from_the_shop(page, stream, read, expected[stream.name], shops[stream.database])
        else:
            lines.append(_items(stream, reader))
        lines.append(_warehouse(page, stream, read, kept[stream.name], left_out[stream.name], dwh))
        buried = letters(dwh, stream.name, page.begin, reader.next)
        if read.refused or buried:
            lines.append(Line("dead", stream.name, buried == read.refused, buried, read.refused, detail="" if buried == read.refused else "letters differ"))
    return lines


def as_found(page: Page, known: Explained, dwh: psycopg.Connection) -> tuple[Line, ...]:
    """Return the lines of a red page that Kafka no longer has: as they were found, or closed if a person has accepted every event that they name."""
    red = [line for line in page.lines if not line.ok]
    if not all(_is_accepted(line, known, dwh) for line in red):
        return tuple(line if line.ok or FORGOTTEN in line.detail else replace(line, detail=f"{line.detail}; {FORGOTTEN}") for line in page.lines)
    kept = warehouse_sums(dwh, page, known)
    totals = (kept[line.stream] if line.stage == "warehouse" else Sum(line.expected_events, line.expected_cents) for line in page.lines)
    return tuple(Line.of(line.stage, line.stream, total, total) for line, total in zip(page.lines, totals, strict=True))


def _is_accepted(line: Line, known: Explained, dwh: psycopg.Connection) -> bool:
    """Whether each event that a line names, and it names all, is accepted, or what it was made of; its text is all that there is of it."""
    accepted, names = known.accepted, [UUID(name) for name in EVENT_ID.findall(line.detail)]
    return bool(names) and not NOT_ALL.search(line.detail) and all(accepted.intersection((name, _source(dwh, name))) for name in names)


def _source(dwh: psycopg.Connection, event_id: UUID) -> UUID | None:
    kept = dwh.execute(sql.statement("books/accepted_event"), {"event_id": event_id}).fetchone()  # type: ignore[arg-type]
    return kept[1] if kept else None


def _from_the_shop(page: Page, stream: Stream, read: StreamRead, should: Sum, shop: psycopg.Connection) -> list[Line]:
    shown = shop.execute(sql.statement("books/feed").format(stream=stream.name), page.span).fetchone()  # type: ignore[arg-type]
    assert shown is not None
    hidden = "" if shown[0] == should.events else f"the producer is shown {shown[0]} rows of {should.events}"
    found = read.with_refused(_refused_rows(shop, stream, read))
    trouble = [_out_of_place("repeated", read.repeats), _out_of_place("of another page or of no transaction of the shop", read.strangers)]
    if found != should:
        trouble.append(_differing(set(read.ids) | set(read.claims), _ids_in_shop(shop, stream, page), "Kafka", "shop"))
    return [
        Line("shop", stream.name, not hidden, shown[0], should.events, should.cents, should.cents, hidden),
        Line.of("kafka", stream.name, found, should, "; ".join(filter(None, trouble)), len(read.repeats)),
    ]


def _refused_rows(shop: psycopg.Connection, stream: Stream, read: StreamRead) -> set[UUID]:
    """Return which ids of the refused messages are the shop's; a stranger's message may claim anything."""
    if not read.claims:
        return set()
    found = shop.execute(f"SELECT event_id FROM {stream.table} WHERE event_id = ANY(%s)", [list(read.claims)])  # type: ignore[arg-type]
    return {event_id for (event_id,) in found}


def _items(stream: Stream, reader: PageReader) -> Line:
    """Compare items with the lines of the transactions that they were made of; one of an unknown product is refused, but counted here."""
    read, wanted = reader.streams[stream.name], reader.streams["transactions"].items
    found, should = reader.items_found(), Sum.over(wanted)
    trouble = [_out_of_place("repeated", read.repeats), _out_of_place("of another page", read.strangers)]
    if found != should:
        trouble.append(_differing(set(read.ids) | (set(read.claims) & set(wanted)), set(wanted), "items", "transactions"))
    return Line.of("items", stream.name, found, should, "; ".join(filter(None, trouble)), len(read.repeats))


def _warehouse(page: Page, stream: Stream, read: StreamRead, kept: Sum, left_out: set[UUID], dwh: psycopg.Connection) -> Line:
    ids = {event_id: cents for event_id, cents in read.ids.items() if event_id not in left_out} if left_out else read.ids
    should = Sum.over(ids) if left_out else read.sum
    trouble = "" if kept == should else _differing(_ids_in_warehouse(dwh, stream, page) - left_out, set(ids), "warehouse", "Kafka")
    return Line.of("warehouse", stream.name, kept, should, trouble)


def letters(dwh: psycopg.Connection, stream: str, begins: Offsets, ends: Offsets) -> int:
    """Return how many dead letters of a stream there are between these offsets."""
    count = 0
    for (topic, number), end in ends.items():
        if topic == stream and end > (begin := begins.get((topic, number), 0)):
            values = {"topic": topic, "partition": number, "begin": begin, "end": end}
            row = dwh.execute(sql.statement("books/dead_letters"), values).fetchone()  # type: ignore[arg-type]
            count += row[0] if row else 0
    return count


def _ids_in_shop(shop: psycopg.Connection, stream: Stream, page: Page) -> set[UUID]:
    text = f"SELECT event_id FROM {stream.table} WHERE txid >= %(from_txid)s::text::xid8 AND txid < %(to_txid)s::text::xid8"
    return {row[0] for row in shop.execute(text, page.span)}  # type: ignore[arg-type]


def _ids_in_warehouse(dwh: psycopg.Connection, stream: Stream, page: Page) -> set[UUID]:
    text = "SELECT event_id FROM realtime_events WHERE kind = %(kind)s AND txid >= %(from_txid)s AND txid < %(to_txid)s"
    return {row[0] for row in dwh.execute(text, {**page.span, "kind": stream.name})}


def _out_of_place(word: str, events: list[tuple[UUID, UUID]]) -> str:
    return f"{len(events)} {word}: {named((event_id for event_id, _source in events), KEPT)}" if events else ""


def _differing(found: set[UUID], should: set[UUID], here: str, there: str) -> str:
    """Name the ids that only one of two places has."""
    only = ((f"not in {here}", should - found), (f"not in {there}", found - should))
    return "; ".join(f"{word}: {named(sorted(ids), KEPT)}" for word, ids in only if ids)
