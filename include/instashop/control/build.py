"""The build: the events that are new in the warehouse become typed rows and roll-ups, each once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg

from instashop import connect, sql
from instashop.errors import NotPrepared
from instashop.settings import Settings

FOLDER = "build"
"""The folder of include/sql whose statements, in their order and in one transaction, are a build."""


@dataclass(frozen=True)
class Page:
    """What one build has built: the events with `kept_txid` in [page_from, built_below)."""

    page_from: int
    built_below: int
    events: int
    events_in_all: int


def build(connection: psycopg.Connection) -> Page:
    """Build the next page; all of it and the moved cursor are one transaction, so a repeat or a kill can neither lose nor double anything."""
    with connection.transaction(), connection.cursor() as cursor:
        for name in sql.folder(FOLDER):
            cursor.execute(sql.statement(name))  # type: ignore[arg-type]
        row = cursor.fetchone()
    assert row is not None
    return Page(*row)


def build_warehouse(settings: Settings) -> Iterator[Page]:
    """Build all that waits in the warehouse now and yield each page; one page is what a run of the DAG `build_warehouse` builds.

    Raises:
        NotPrepared: the warehouse has no tables for it yet.
    """
    with connect.warehouse(settings, "build", autocommit=True) as connection:
        needed = "to_regclass('warehouse.build_cursor'), to_regclass('rollups.hours'), to_regprocedure('warehouse.page_limit()')"
        there = connection.execute(f"SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint, {needed}").fetchone()
        if not there or None in there:
            raise NotPrepared(what=f"the warehouse's tables for the build at {connect.address(settings.warehouse_dsn)}")
        horizon = there[0]
        yield (page := build(connection))
        while page.built_below < horizon:
            yield (page := build(connection))
