"""Statements are read whole, and those that Airflow reads by itself need nothing read into them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from instashop import sql
from instashop.metrics import MEASURES
from instashop.settings import Settings


def test_a_line_with_a_statements_name_stands_for_its_text() -> None:
    text = sql.statement("warehouse/42_rolled")
    assert "{metrics/windows}" not in text
    assert text.count(sql.statement("metrics/windows")) == 2


def test_what_airflow_reads_by_itself_is_plain_sql() -> None:
    for folder in ("build", "checks", "tidy"):
        for name in sql.folder(folder):
            text = (sql.FOLDER / f"{name}.sql").read_text(encoding="utf-8")
            assert sql.statement(name) == text, name
            assert not re.search(r"\{[{%#]", text), name


def columns(text: str, pattern: str) -> list[str]:
    return re.findall(pattern, text, re.MULTILINE)


def test_rollups_have_the_measures_in_the_order_of_the_windows() -> None:
    """rollups.rolled hands the rows of windows.sql on by position."""
    dimensions = ["category", "product_id", "product_name"]
    windows = columns(sql.statement("metrics/windows").replace("    win,", ""), r"^ +(?:.* AS )?(\w+),?$")
    assert windows == [*dimensions, *MEASURES]
    hours = columns(sql.statement("warehouse/40_hours"), r"^ +(\w+) (?:boolean|timestamptz|text|bigint)")
    assert hours == ["late", "start", *dimensions, *MEASURES]


def test_a_page_is_added_to_hours_and_to_days_in_every_measure() -> None:
    assert columns(sql.statement("build/10_hours_and_days"), r"^ +(\w+) = kept\.\1 \+ excluded\.\1,?$") == [*MEASURES, *MEASURES]


SUMS = ("warehouse/43_exact_hours", "warehouse/44_exact_days", "checks/days_equal_the_sum_of_their_hours", "build/10_hours_and_days")


@pytest.mark.parametrize("name", SUMS)
def test_every_measure_is_summed(name: str) -> None:
    assert columns(sql.statement(name), r"^ +sum\((\w+)\)(?:::bigint|,?$)") == list(MEASURES)


def test_events_are_kept_for_ever_or_longer_than_kafka_keeps_them(tmp_path: Path) -> None:
    assert Settings(home=tmp_path, warehouse_retention_days=8).warehouse_retention_days == 8
    assert Settings(home=tmp_path).warehouse_retention_days == 0
    with pytest.raises(ValueError, match="at least 8"):
        Settings(home=tmp_path, warehouse_retention_days=7)
