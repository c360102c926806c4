"""Each finding of the doctor is seen: a thing is broken, the doctor names it; it is cured, and the doctor is content again."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

import instashop_watch
from instashop import connect
from instashop.control import disk, doctor, findings, lease
from instashop.local import airflow_server
from instashop.local.drills.stage import Platform
from instashop.metrics import PROGRESS_KEY
from instashop.settings import ROOT
from tests.waiting import wait_until


def _troubles(platform) -> list[str]:
    return [f"{finding.hop} {finding.text}" for finding in doctor.examine(platform) if finding.level != "well"]


@contextmanager
def _migration_forgotten(platform) -> Iterator[None]:
    with connect.warehouse(platform, "test", autocommit=True) as dwh:
        row = dwh.execute(
            "DELETE FROM schema_migrations WHERE number = (SELECT max(number) FROM schema_migrations) RETURNING number, name, applied_at, checksum, repeatable"
        ).fetchone()
        try:
            yield
        finally:
            dwh.execute("INSERT INTO schema_migrations (number, name, applied_at, checksum, repeatable) VALUES (%s, %s, %s, %s, %s)", row)


@contextmanager
def _changed(dsn: str, broken: str, cured: str) -> Iterator[None]:
    with connect.postgres(dsn, 5) as connection:
        connection.autocommit = True
        connection.execute(broken)
        try:
            yield
        finally:
            connection.execute(cured)


def _table_away(platform):
    return _changed(platform.warehouse_dsn, "ALTER TABLE verdicts RENAME TO verdicts_away", "ALTER TABLE verdicts_away RENAME TO verdicts")


def _dag_paused(platform):
    switch = "UPDATE dag SET is_paused = {} WHERE dag_id = 'run_drill'"
    return _changed(platform.airflow_dsn, switch.format("true"), switch.format("false"))


def _dag_red(platform):
    """As if the run had begun long after the platform."""
    was = "UPDATE dag_run SET state = '{}', start_date = start_date {} interval '1 day' WHERE dag_id = 'prepare_platform' AND state = '{}'"
    return _changed(platform.airflow_dsn, was.format("failed", "+", "success"), was.format("success", "-", "failed"))


@contextmanager
def _dag_broken(platform) -> Iterator[None]:
    """The folder of DAGs is the checkout's: the file breaks only where the fault is, in this home, and harms no other platform, nor when it is left behind."""
    fault, file = airflow_server.folder(platform) / "fault_of_a_test", ROOT / "dags" / "broken_by_a_test.py"
    fault.touch()
    broken = f"from pathlib import Path\n\nfrom airflow.sdk import DAG\n\nassert not Path({str(fault)!r}).exists(), 'a test of the alarm'\n"
    file.write_text(broken, encoding="utf-8")
    try:
        yield
    finally:
        file.unlink()
        fault.unlink()


@contextmanager
def _disk_nearly_full(platform) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(disk, "FREE_BYTES", 10**18)
        yield


@contextmanager
def _consumer_stopped(platform) -> Iterator[None]:
    stage = Platform(platform, print)
    stage.want("consumer", "stop")
    try:
        yield
    finally:
        stage.want("consumer", "start")


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (_migration_forgotten, "tables not applied yet: warehouse/"),
        (_table_away, "tables missing: warehouse: verdicts"),
        (_dag_paused, "airflow the DAG run_drill is paused"),
        (_disk_nearly_full, "disk only "),
        (_dag_red, "airflow the DAG prepare_platform is red: its last run failed"),
        (_dag_broken, "broken_by_a_test.py cannot be imported"),
        (_consumer_stopped, "consumer is stopped on purpose"),
        (_consumer_stopped, "warehouse its last event came"),
    ],
)
def test_what_is_broken_is_named_until_it_is_cured(platform, monkeypatch, broken, words):
    monkeypatch.setattr(findings, "SILENCE_SECONDS", 3)

    def named() -> bool:
        return any(words in trouble for trouble in _troubles(platform))

    assert not named()
    with broken(platform):
        wait_until(named, 120, f"the doctor saying: {words}")
    wait_until(lambda: not named(), 120, f"the doctor no longer saying: {words}")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dropped_by_watermark": 3, "dropped_at": datetime.now(UTC).isoformat()}, "watermark dropped 3 rows"),
        ({"at": (datetime.now(UTC) - timedelta(hours=1)).isoformat()}, "last batch is"),
        (None, "nothing yet"),
    ],
)
def test_live_numbers_in_trouble_are_named_until_spark_goes_on(platform, monkeypatch, change, words):
    monkeypatch.setattr(instashop_watch, "PATIENCE_SECONDS", 0.0)
    redis, pid = connect.redis(platform), lease.holder(platform.run_dir, "live_metrics").pid
    os.kill(pid, signal.SIGSTOP)
    try:
        if change is None:
            redis.delete(PROGRESS_KEY)
        else:
            redis.set(PROGRESS_KEY, json.dumps(json.loads(redis.get(PROGRESS_KEY)) | change))
        assert any(words in trouble for trouble in _troubles(platform))
        if change and "dropped_by_watermark" in change:
            with pytest.raises(instashop_watch.PlatformFault, match=words):
                instashop_watch.spark_progress()
    finally:
        os.kill(pid, signal.SIGCONT)
        wait_until(lambda: not any(trouble.startswith("live ") for trouble in _troubles(platform)), 60, "the doctor content with the live numbers")
    instashop_watch.spark_progress()
