"""The build: the events that are new in the warehouse become typed rows and roll-ups, each once."""

from __future__ import annotations

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


def build_warehouse(settings: Settings) -> Page:
    """Build the next page of the warehouse; does what the DAG `build_warehouse` does.

    Raises:
        NotPrepared: the warehouse has no tables for it yet.
    """
    with connect.warehouse(settings, "build", autocommit=True) as connection:
        there = connection.execute("SELECT to_regclass('warehouse.build_cursor'), to_regclass('rollups.hours')").fetchone()
        if not there or None in there:
            raise NotPrepared(what=f"the warehouse's tables for the build at {connect.address(settings.warehouse_dsn)}")
        return build(connection)
