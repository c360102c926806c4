"""Checks of the warehouse as tasks: a statement that returns the rows that break the rule in its file's name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from airflow.providers.common.sql.operators.sql import BaseSQLOperator

from instashop.errors import InstaShopError

SHOWN = 10
"""Rows named in the error; the rest are counted."""


class RuleBroken(InstaShopError):
    """{rule}: {count} rows break it; docs/running.md says what to do, include/sql/checks/{rule}.sql shows them all.
    {rows}
    """


class NoRowsCheckOperator(BaseSQLOperator):
    """Runs a statement of include/sql/checks and succeeds only if it returns no row.

    Raises:
        RuleBroken: the first rows that break the rule, with the names of their columns, and how many there are.
    """

    template_fields: Sequence[str] = ("sql", *BaseSQLOperator.template_fields)
    template_ext: Sequence[str] = (".sql",)
    template_fields_renderers = {"sql": "sql"}

    def __init__(self, *, sql: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sql, self.rule = sql, PurePath(sql).stem

    def execute(self, context: Any) -> None:
        """Look; the statement reads one snapshot and changes nothing."""
        found: Any = self.get_db_hook().run(self.sql, handler=_with_columns)
        columns, rows = found
        if rows:
            raise RuleBroken(rule=self.rule, count=len(rows), rows="\n    ".join(named(columns, row) for row in rows[:SHOWN]))
        self.log.info("No row breaks %s.", self.rule)


def _with_columns(cursor: Any) -> tuple[list[str], list[Sequence[Any]]]:
    return [column[0] for column in cursor.description], cursor.fetchall()


def named(columns: Sequence[str], row: Sequence[Any]) -> str:
    """Return a row in words: the values that say something, each with its column's name."""
    return ", ".join(f"{column}={value}" for column, value in zip(columns, row, strict=True) if value is not None)
