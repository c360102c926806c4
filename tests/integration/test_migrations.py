"""Migrations on a real Postgres, in a schema of their own."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import psycopg
import pytest
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from instashop import connect
from instashop.errors import MigrationBlocked, MigrationFailed
from instashop.transport.migrations import Migration, migrate, of_folder, pending
from instashop.transport.prepare import prepare_shop, prepare_warehouse
from tests.integration.rows import MAKERS, columns_of, insert
from tests.waiting import wait_until

TABLE = Migration(1, "01_table", "CREATE TABLE facts (a integer)")
COLUMN = Migration(2, "02_column", "ALTER TABLE facts ADD COLUMN b integer")
VIEW = Migration(3, "03_view", "CREATE OR REPLACE VIEW seen AS SELECT a FROM facts")

ORDER = """
    INSERT INTO transactions (event_id, occurred_at, transaction_id, version, status, customer_id, session_id, payment_method,
        gross_cents, discount_cents, net_cents, tax_cents, total_cents, lines)
    VALUES (gen_random_uuid(), now(), gen_random_uuid(), 1, 'created', 7, gen_random_uuid(), 'card', 100, 0, 100, 19, 119, '[{"line":1}]')
"""


@pytest.fixture
def schema(stack) -> Iterator[str]:
    """A schema of this test alone."""
    name = f"trial_{uuid4().hex[:8]}"
    with connect.warehouse(stack, "test", autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
        yield name
        connection.execute(f"DROP SCHEMA {name} CASCADE")


@contextmanager
def opened(stack, schema) -> Iterator[psycopg.Connection]:
    with connect.warehouse(stack, "test", autocommit=True) as connection:
        connection.execute(f"SET search_path TO {schema}")
        yield connection


def test_each_is_applied_once_and_kept_with_its_number(stack, schema):
    with opened(stack, schema) as connection:
        assert migrate(connection, (TABLE, VIEW)) == ["01_table", "03_view"]
        assert migrate(connection, (TABLE, VIEW)) == []
        assert migrate(connection, (TABLE, COLUMN, VIEW)) == ["02_column", "03_view"]
        rows = connection.execute("SELECT number, name, checksum FROM schema_migrations ORDER BY number").fetchall()
    assert rows == [(m.number, m.name, m.checksum) for m in (TABLE, COLUMN, VIEW)]


def test_a_failed_one_leaves_nothing_and_those_before_it_stay(stack, schema):
    broken = Migration(2, "02_column", "ALTER TABLE facts ADD COLUMN b integer; SELECT 1 / 0")
    with opened(stack, schema) as connection:
        with pytest.raises(MigrationFailed, match="02_column could not be applied"):
            migrate(connection, (TABLE, broken))
        assert connection.execute("SELECT count(*) FROM information_schema.columns WHERE table_schema = %s AND table_name = 'facts'", [schema]).fetchone() == (
            1,
        )
        assert migrate(connection, (TABLE, COLUMN)) == ["02_column"]


def test_two_at_once_apply_each_one_once(stack, schema):
    many = [TABLE, *(Migration(n, f"{n}_row", f"INSERT INTO facts VALUES ({n})") for n in range(10, 40))]
    found: list[list[str]] = []

    def work() -> None:
        with opened(stack, schema) as connection:
            found.append(migrate(connection, many))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(name for names in found for name in names) == sorted(m.name for m in many)
    with opened(stack, schema) as connection:
        assert connection.execute("SELECT count(*), count(DISTINCT a) FROM facts").fetchone() == (30, 30)


def test_a_held_lock_is_waited_for_without_keeping_writers_waiting(stack, schema):
    done: list[list[str]] = []
    with opened(stack, schema) as connection, opened(stack, schema) as holder, opened(stack, schema) as writer:
        migrate(connection, (TABLE,))
        writer.execute("SET lock_timeout = '5s'")  # Longer than a migration keeps its place in the queue.
        holder.execute("BEGIN")
        holder.execute("INSERT INTO facts VALUES (1)")
        thread = threading.Thread(target=lambda: done.append(migrate(connection, (TABLE, COLUMN), lock_timeout_ms=300)))
        thread.start()
        waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'ALTER TABLE facts%'"
        wait_until(lambda: writer.execute(waits).fetchone() == (1,), 10, "the migration in the queue")
        for n in range(20):
            writer.execute("INSERT INTO facts VALUES (%s)", [n])
        assert not done
        holder.execute("COMMIT")
        thread.join(30)
    assert done == [["02_column"]]


def _blocked(stack, schema, connection) -> tuple[str, int]:
    """Return what a migration says that never gets its lock, and the pid of who holds it."""
    with opened(stack, schema) as holder:
        migrate(connection, (TABLE,))
        holder.execute("BEGIN")
        holder.execute("LOCK TABLE facts")
        with pytest.raises(MigrationBlocked) as blocked:
            migrate(connection, (TABLE, COLUMN), lock_timeout_ms=100, patience_seconds=0.5)
        holder.execute("ROLLBACK")
        return str(blocked.value), holder.info.backend_pid


def test_who_never_gets_the_lock_says_who_may_hold_it(stack, schema):
    with opened(stack, schema) as connection:
        said, holder = _blocked(stack, schema, connection)
    assert f"pid {holder}" in said


def test_who_never_gets_the_lock_is_told_of_a_prepared_transaction(stack, schema):
    with opened(stack, schema) as connection:
        connection.execute(f"SET search_path TO {schema}, pg_catalog")  # A stand-in comes first: our servers prepare no transactions.
        connection.execute("CREATE TABLE pg_prepared_xacts AS TABLE pg_catalog.pg_prepared_xacts")
        others = [("7", "of another database", "postgres"), ("8", "half a transfer", "dwh_db")]
        for number, gid, database in others:
            connection.execute("INSERT INTO pg_prepared_xacts VALUES (%s, %s, now() - INTERVAL '2 hours', 'postgres', %s)", [number, gid, database])
        said, _holder = _blocked(stack, schema, connection)
    assert re.search(r"Open transactions: prepared transaction 'half a transfer', for 2:00:0\d, instashop-test \(pid", said)


def test_a_database_whose_clock_was_set_back_gets_its_views_once(stack, schema):
    with opened(stack, schema) as connection:
        migrate(connection, (TABLE, VIEW))
        connection.execute("UPDATE schema_migrations SET applied_at = now() + INTERVAL '1 hour' WHERE number = 1")
        assert migrate(connection, (TABLE, VIEW)) == ["03_view"]
        assert migrate(connection, (TABLE, VIEW)) == []


def test_a_view_that_somebody_dropped_is_made_again_and_what_follows_it(stack, schema):
    above = Migration(4, "04_above", "CREATE OR REPLACE VIEW above AS SELECT a FROM seen")
    with opened(stack, schema) as connection:
        migrate(connection, (TABLE, VIEW, above))
        connection.execute("DROP VIEW seen CASCADE")
        assert pending(connection, (TABLE, VIEW, above)) == ["03_view", "04_above"]
        assert migrate(connection, (TABLE, VIEW, above)) == ["03_view", "04_above"]
        assert connection.execute("SELECT count(*) FROM above").fetchone() == (0,)


def test_another_role_of_the_feed_is_granted_what_the_first_one_had(stack, schema):
    may_read = "SELECT has_schema_privilege(%(role)s, 'feed', 'USAGE') AND has_table_privilege(%(role)s, 'feed.products', 'SELECT')"
    with opened(stack, schema) as connection:
        try:
            for role in ("pg_monitor", "pg_signal_backend"):
                done = migrate(connection, of_folder("shop", {"feed": role}))
                assert connection.execute(may_read, {"role": role}).fetchone() == (True,)
        finally:
            connection.execute("DROP SCHEMA feed CASCADE")
    assert done == ["90_feed_usage", "91_feed_select"]


def test_a_database_from_before_the_version_table_is_adopted_with_its_rows(stack, dwh):
    places = dwh.execute("SELECT count(*) FROM consumer_offsets").fetchone()
    dwh.execute("DROP TABLE schema_migrations")
    assert pending(dwh, of_folder("warehouse"))
    prepare_warehouse(stack)
    prepare_shop(stack)
    assert pending(dwh, of_folder("warehouse")) == []
    assert dwh.execute("SELECT count(*) FROM consumer_offsets").fetchone() == places


def test_orders_written_before_their_lines_were_text_are_fed_as_they_were(stack, schema):
    shop = [migration for migration in of_folder("shop") if not migration.statement.startswith("GRANT")]
    lines = next(migration for migration in shop if migration.name == "42_transactions_lines")
    with opened(stack, schema) as connection:
        migrate(connection, [migration for migration in shop if migration != lines])
        try:
            connection.execute(ORDER)
            view, before = _fed(connection)
            assert migrate(connection, shop)[0] == lines.name
            assert _fed(connection) == (view, before)
            connection.execute(ORDER)
            assert connection.execute("SELECT DISTINCT pg_typeof(lines)::text FROM transactions").fetchall() == [("json",)]
            bodies = [body for (body,) in connection.execute("SELECT body FROM feed.transactions ORDER BY id")]
        finally:
            connection.execute("DROP SCHEMA feed CASCADE")
    assert ['"lines":[{"line": 1}]' in body for body in bodies] == [True, False]
    assert '"lines":[{"line":1}]' in bodies[1], "passed on as it was written"


def test_events_kept_before_they_had_columns_get_them_and_views_stay(stack, schema):
    table, kept_txid, columns = (next(m for m in of_folder("warehouse") if m.number == number) for number in (1, 9, 58))
    made = [(kind, maker()) for kind, maker in MAKERS.items()]
    with opened(stack, schema) as connection:
        migrate(connection, (table, kept_txid))
        connection.execute("CREATE TABLE of_any_day PARTITION OF realtime_events DEFAULT")
        connection.execute("CREATE VIEW bodies AS SELECT event_id, kind, payload, kept_txid FROM realtime_events")
        connection.execute("CREATE VIEW ids AS SELECT event_id::text, bodies.payload ->> 'event_id' AS said FROM bodies JOIN realtime_events USING (event_id)")
        connection.execute("CREATE VIEW beside AS SELECT count(*) AS events FROM ids")
        for kind, body in made:
            row = {name: body[name] for name in ("event_id", "schema_version", "occurred_at", "recorded_at", "txid")}
            insert(connection, "realtime_events", {**row, "kind": kind, "topic": kind, "partition": 0, "offset": 0, "payload": Jsonb(body)})
        assert migrate(connection, (table, kept_txid, columns)) == [columns.name]
        kept = {row["kind"]: row for row in connection.cursor(row_factory=dict_row).execute("SELECT * FROM realtime_events")}
        names = sorted(connection.execute("SELECT event_id, said FROM ids").fetchall())
        assert connection.execute("SELECT events FROM beside").fetchone() == (len(made),)
        assert connection.execute("SELECT DISTINCT pg_typeof(payload)::text FROM bodies").fetchall() == [("json",)]
    assert {kind: row["payload"] for kind, row in kept.items()} == dict(made)
    for kind, body in made:
        should = columns_of(kind, body)
        assert {name: kept[kind][name] for name in should} == should
    assert names == sorted((body["event_id"], body["event_id"]) for _kind, body in made)


def _fed(connection: psycopg.Connection) -> tuple[int, list[tuple[str]]]:
    """Return which view the feed of transactions is, and the bodies that it shows."""
    (view,) = connection.execute("SELECT 'feed.transactions'::regclass::oid").fetchone()
    return view, connection.execute("SELECT body FROM feed.transactions ORDER BY id").fetchall()
