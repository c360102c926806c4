"""The build and its checks as data: given rows, a run, expected rows; then what needs several transactions at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
import yaml
from psycopg.rows import dict_row

from instashop import sql
from instashop.control.build import FOLDER, build
from instashop.events import uuid7
from instashop.metrics import MEASURES
from instashop.transport.consumer import WarehouseSink
from tests.integration.rows import build_up_to_now, insert, keep, totals
from tests.waiting import wait_until

CASES = [
    pytest.param(case, id=f"{path.stem}: {case['name']}")
    for path in sorted((Path(__file__).parent / "warehouse").glob("*.yaml"))
    for case in yaml.safe_load(path.read_text(encoding="utf-8"))
]
CHECKS = [Path(name).name for name in sql.folder("checks")]
TABLES = (
    "realtime_events, dead_letters, verdicts, rollups.hours, rollups.days, warehouse.transactions, warehouse.transaction_items, warehouse.user_behavior,"
    " warehouse.searches, warehouse.cart_events, warehouse.crm_interactions, warehouse.products, warehouse.customers"
)


@pytest.fixture
def empty(connections) -> Iterator[psycopg.Connection]:
    """A warehouse without a row, in a transaction that is rolled back; days without a partition have a default one."""
    with connections[0].transaction(force_rollback=True):
        connections[0].execute(f"TRUNCATE {TABLES}")
        connections[0].execute("UPDATE warehouse.build_cursor SET page_from = 0, built_below = 0, page_events = 0, events = 0")
        connections[0].execute("CREATE TABLE realtime_events_test PARTITION OF realtime_events DEFAULT")
        yield connections[0]


def meant(value: Any, now: datetime) -> Any:
    """Return what a word of a case stands for: `id:NAME` one fresh UUIDv7 for each name, also inside a text; `now`; `tomorrow`."""
    if not isinstance(value, str):
        return value
    words = {"now": now, "tomorrow": now.date() + timedelta(days=1)}
    minute_ago = now - timedelta(minutes=1)
    return words.get(value) or re.sub(
        r"id:[a-z ]+", lambda name: str(uuid7(minute_ago, int.from_bytes(blake2b(name[0].encode(), digest_size=9).digest()))), value
    )


def now_of(db: psycopg.Connection) -> datetime:
    """Return the database's time, which stands still in a transaction and so in a case."""
    return db.execute("SELECT now()").fetchone()[0]


def give(db: psycopg.Connection, table: str, row: dict[str, Any]) -> None:
    now = now_of(db)
    row = {name: meant(value, now) for name, value in row.items()}
    if table == "realtime_events":
        at = row.pop("at", None) or now - timedelta(seconds=row.pop("seconds_ago"))
        keep(db, row.pop("kind"), at, **row)
    elif table == "warehouse.build_cursor":
        db.execute("UPDATE warehouse.build_cursor SET page_from = %(page_from)s, built_below = %(built_below)s", row)
    else:
        insert(db, table, row)


def run(db: psycopg.Connection, name: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    if name == FOLDER:
        build(db)
        return []
    if name == "drop tomorrow":
        name = f"DROP TABLE IF EXISTS realtime_events_{now_of(db) + timedelta(days=1):%Y%m%d}"
    with db.cursor(row_factory=dict_row) as cursor:
        cursor.execute(name if " " in name else sql.statement(name), parameters or None)  # type: ignore[arg-type]
        return cursor.fetchall() if cursor.description else []


def only(rows: list[dict[str, Any]], wanted: list[dict[str, Any]], now: datetime) -> list[dict[str, str]]:
    """Return rows as words, in the columns that are wanted, in an order of their own."""
    names = list(wanted[0]) if wanted else []
    return sorted(({name: str(meant(row[name], now)) for name in names} for row in rows), key=repr)


@pytest.mark.parametrize("case", CASES)
def test_given_run_expect(empty, case):
    now = now_of(empty)
    for table, rows in case.get("given", {}).items():
        for row in rows:
            give(empty, table, row)
    steps = [case["run"]] if isinstance(case["run"], str) else case["run"]
    for step in steps:
        returned = run(empty, step, case.get("with", {}))
    if "returns" in case:
        assert len(returned) == len(case["returns"]), returned
        assert only(returned, case["returns"], now) == only(case["returns"], case["returns"], now)
    for table, wanted in case.get("expect", {}).items():
        found = run(empty, f"SELECT * FROM {table}", {})
        assert len(found) == len(wanted), (table, found)
        assert only(found, wanted, now) == only(wanted, wanted, now), table


@pytest.mark.parametrize("name", CHECKS)
def test_every_check_is_seen_with_a_row_and_without(name):
    returned = [bool(case.values[0].get("returns")) for case in CASES if name in str(case.values[0]["run"])]
    assert any(returned), f"no case breaks the rule {name}"
    assert not all(returned), f"no case keeps the rule {name}"


def test_an_event_that_commits_late_is_built_once_and_is_exact_at_once(connections, day_of_2021):
    db, slow = connections
    build_up_to_now(db)
    with slow.transaction():
        keep(slow, "searches", day_of_2021 + timedelta(hours=9))
        keep(db, "searches", day_of_2021 + timedelta(hours=9))  # Kept later, committed earlier.
        build(db)
        assert totals(db, day_of_2021) == (1, 0)  # It is above the horizon: a transaction before it is still open.
    assert totals(db, day_of_2021) == (2, 0)
    assert build_up_to_now(db) == 2
    assert build_up_to_now(db) == 0
    assert totals(db, day_of_2021) == (2, 2)


def test_an_event_of_long_ago_that_arrives_now_is_built(connections, day_of_2021):
    db = connections[0]
    keep(db, "searches", day_of_2021 + timedelta(hours=1), txid=900)
    build_up_to_now(db)
    keep(db, "searches", day_of_2021 + timedelta(hours=1), txid=3)  # A dead letter that was mended: an old transaction of the shop.
    assert totals(db, day_of_2021) == (2, 1)
    build_up_to_now(db)
    assert totals(db, day_of_2021) == (2, 2)


def test_nothing_of_a_build_is_kept_when_a_statement_of_it_fails(connections, day_of_2021):
    db = connections[0]
    keep(db, "searches", day_of_2021 + timedelta(hours=1))
    before = db.execute("SELECT * FROM warehouse.build_cursor").fetchone()
    db.execute("ALTER TABLE rollups.days ADD CONSTRAINT impossible CHECK (searches < 0) NOT VALID")  # One of the last statements.
    try:
        with pytest.raises(psycopg.errors.CheckViolation):
            build(db)
    finally:
        db.execute("ALTER TABLE rollups.days DROP CONSTRAINT impossible")
    assert db.execute("SELECT * FROM warehouse.build_cursor").fetchone() == before
    assert db.execute("SELECT count(*) FROM rollups.hours WHERE start < '2022-01-01'").fetchone() == (0,)
    assert totals(db, day_of_2021) == (1, 0)
    assert build_up_to_now(db) == 1
    assert totals(db, day_of_2021) == (1, 1)


def test_the_last_blocks_of_each_day_that_has_ended_are_summed_up(connections, day_of_2021):
    db = connections[0]
    db.execute(
        'INSERT INTO realtime_events (event_id, kind, schema_version, occurred_at, recorded_at, txid, topic, "partition", "offset", payload)'
        " SELECT warehouse.first_id(%(day)s + n * INTERVAL '1 second'), 'searches', 1, %(day)s, %(day)s, n, 'searches', 0, n, to_json(repeat('x', 1500))"
        " FROM generate_series(1, 2000) AS n",  # A range of blocks, which the index sums up while they are written, and half of another.
        {"day": day_of_2021},
    )
    db.execute("VACUUM realtime_events_20210304")
    ranges = dict(db.execute(sql.statement("tidy/summarise_ended_days")).fetchall())
    assert ranges["realtime_events_20210304"] == 1
    assert max(ranges) < f"realtime_events_{datetime.now(UTC):%Y%m%d}"
    assert dict(db.execute(sql.statement("tidy/summarise_ended_days")).fetchall())["realtime_events_20210304"] == 0


def drop_partitions(db: psycopg.Connection) -> list[str]:
    return [row[0] for row in db.execute("SELECT warehouse.drop_partitions(30)")]


def test_a_day_goes_only_when_it_is_old_and_built_and_kafka_has_forgotten_it(connections, day_of_2021):
    db = connections[0]
    with db.transaction(force_rollback=True):
        keep(db, "searches", day_of_2021)
        db.execute("UPDATE realtime_events_20210304 SET arrived_at = now() - INTERVAL '7 days', kept_txid = 0")
        assert drop_partitions(db) == []  # Kafka may bring it again.
        db.execute("UPDATE realtime_events_20210304 SET arrived_at = now() - INTERVAL '9 days', kept_txid = 9000000000000")
        assert drop_partitions(db) == []  # Not built yet.
        db.execute("UPDATE realtime_events_20210304 SET kept_txid = 0")
        assert db.execute("SELECT count(*) FROM warehouse.drop_partitions(0)").fetchone() == (0,)
        assert drop_partitions(db) == ["realtime_events_20210304"]
        assert db.execute("SELECT to_regclass('realtime_events_20210304')").fetchone() == (None,)


def test_a_day_stays_in_which_something_is_kept_between_the_look_and_the_lock(connections, day_of_2021):
    db, consumer = connections
    keep(db, "searches", day_of_2021, kept_txid=0)
    db.execute("UPDATE realtime_events_20210304 SET arrived_at = now() - INTERVAL '9 days'")

    def dropped() -> list[str]:
        with db.transaction(force_rollback=True):
            return drop_partitions(db)

    with ThreadPoolExecutor(1) as beside:
        with consumer.transaction():
            keep(consumer, "searches", day_of_2021 + timedelta(hours=1))
            dropping = beside.submit(dropped)
            waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'realtime_events'::regclass"
            wait_until(lambda: consumer.execute(waiting).fetchone() == (1,), 20, "the lock asked for")
        assert dropping.result(30) == []


def test_partitions_are_made_ahead_and_by_the_consumer_only_if_they_are_missing(connections):
    db = connections[0]
    with db.transaction(force_rollback=True), db.cursor() as cursor:
        days = [datetime.now(UTC).date() + timedelta(days=ahead) for ahead in range(8)]
        for day in days:
            db.execute(f"DROP TABLE IF EXISTS realtime_events_{day:%Y%m%d}")
        WarehouseSink(db)._make_partitions(cursor, {days[3]})
        assert [row[0] for row in db.execute("SELECT warehouse.make_partitions(7)")] == [f"realtime_events_{day:%Y%m%d}" for day in days if day != days[3]]
        assert db.execute("SELECT count(*) FROM warehouse.make_partitions(7)").fetchone() == (0,)


OF_A_TABLE = {
    "bounds": "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = %(name)s",
    "indexes": "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = %(name)s ORDER BY 1",
    "constraints": "SELECT conname, contype, pg_get_constraintdef(oid), conislocal, coninhcount, conparentid <> 0 FROM pg_constraint"
    " WHERE conrelid = %(name)s::regclass ORDER BY 1",
    "columns": "SELECT attnum, attname, atttypid::regtype::text, attnotnull, attstorage, attcompression, attislocal, attinhcount, pg_get_expr(adbin, adrelid)"
    " FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum WHERE attrelid = %(name)s::regclass AND attnum > 0 ORDER BY 1",
    "parts of indexes": "SELECT inhparent::regclass::text, inhrelid::regclass::text FROM pg_inherits JOIN pg_index ON indexrelid = inhrelid"
    " WHERE indrelid = %(name)s::regclass AND indisvalid ORDER BY 1",
}


def test_a_day_that_is_attached_is_what_a_partition_of_the_table_is(connections):
    db, name, day = connections[0], "realtime_events_20210306", "'2021-03-06'"
    with db.transaction(force_rollback=True):
        low, high = (UUID(int=int(datetime(2021, 3, of_march, tzinfo=UTC).timestamp() * 1000) << 80) for of_march in (6, 7))
        db.execute(f"CREATE TABLE {name} PARTITION OF realtime_events FOR VALUES FROM ('{low}') TO ('{high}')")
        should = {what: db.execute(statement, {"name": name}).fetchall() for what, statement in OF_A_TABLE.items()}
        db.execute(f"DROP TABLE {name}")
        db.execute("SET LOCAL timezone = 'Asia/Tokyo'")  # A day is one of UTC wherever the asker lives.
        assert db.execute(f"SELECT warehouse.make_partition({day}), warehouse.make_partition({day})").fetchone() == (True, False)
        assert {what: db.execute(statement, {"name": name}).fetchall() for what, statement in OF_A_TABLE.items()} == should
        assert all(should.values())


def test_ten_who_read_four_years_of_days_at_once_find_locks_enough(connections):
    """Each holds one of every day's table, of its key and of its ranges."""
    places = "SELECT current_setting('max_locks_per_transaction')::bigint * current_setting('max_connections')::bigint"
    assert connections[0].execute(places).fetchone()[0] > 10 * 4 * 365 * 3


def test_the_views_have_every_measure_in_whole_numbers(connections):
    for view in ("exact_hours", "exact_days"):
        rows = connections[0].execute(
            "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 'rollups' AND table_name = %s ORDER BY ordinal_position", [view]
        )
        found = dict(rows.fetchall())
        assert tuple(found) == ("late", "start", "category", "product_id", "product_name", *MEASURES)
        assert {found[name] for name in MEASURES} == {"bigint"}


def test_a_page_is_found_by_its_transactions_and_not_by_reading_everything(connections):
    """The plan of a page touches each day's BRIN index, never a whole day."""
    db = connections[0]
    with db.transaction(force_rollback=True):
        db.execute("SET LOCAL enable_seqscan = off")  # Days of a few rows are read whole otherwise, and rightly.
        plan = "\n".join(row[0] for row in db.execute("EXPLAIN SELECT * FROM warehouse.page"))
    assert "kept_txid_occurred_at_idx" in plan


def test_rows_from_before_the_column_get_0_and_no_table_is_rewritten(connections):
    db = connections[0]
    with db.transaction(force_rollback=True):
        db.execute("DROP VIEW metrics.events, warehouse.page, warehouse.unbuilt CASCADE")
        db.execute("ALTER TABLE realtime_events DROP COLUMN kept_txid")
        db.execute("CREATE TABLE IF NOT EXISTS realtime_events_test PARTITION OF realtime_events DEFAULT")
        keep(db, "searches", datetime(2021, 5, 6, tzinfo=UTC))
        file = "SELECT pg_relation_filenode('realtime_events_test')"
        before = db.execute(file).fetchone()
        db.execute(sql.statement("warehouse/09_realtime_events_kept_txid"))
        assert db.execute(file).fetchone() == before
        keep(db, "searches", datetime(2021, 5, 6, tzinfo=UTC))
        rows = db.execute("SELECT kept_txid, pg_current_xact_id()::text::bigint FROM realtime_events_test ORDER BY kept_txid").fetchall()
    assert rows[0][0] == 0
    assert rows[1][0] == rows[1][1]
