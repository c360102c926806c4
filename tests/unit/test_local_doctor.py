from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from instashop.control import doctor
from instashop.control.beats import Beat
from instashop.control.findings import books_finding, live_finding, red_finding, service_finding, silence_seconds
from instashop.control.lease import Holder
from instashop.local import health, owner, programs, servers
from instashop.local.status import server_rows
from instashop.settings import Settings

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
PROCESS, NEXT = (Holder(pid, 100.0, (NOW - timedelta(seconds=age)).timestamp()) for pid, age in ((1, 3600), (2, 5)))


def _beat(state: str = "running", age: float = 1, **more: object) -> Beat:
    return Beat("consumer", 1, NOW - timedelta(hours=1), NOW - timedelta(seconds=age), state, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(("rate", "seconds"), [(10.0, 60), (0.05, 60), (0.01, 300)])
def test_a_slow_shop_may_be_silent_for_longer(rate: float, seconds: float) -> None:
    assert silence_seconds(rate) == seconds


@pytest.mark.parametrize(
    ("beat", "holder", "wanted", "level", "says"),
    [
        (_beat(), PROCESS, True, "well", "events/s"),
        (_beat(age=-0.01), PROCESS, True, "well", "beat 0.0 s ago"),
        (_beat(), None, False, "note", "on purpose"),
        (_beat(), None, True, "fault", "does not run"),
        (None, PROCESS, True, "fault", "runs for 3600 s, but has not said so"),
        (_beat(), NEXT, True, "fault", "runs for 5 s, but has not said so"),
        (_beat("stopped"), NEXT, True, "fault", "runs for 5 s, but has not said so"),
        (_beat(age=500), PROCESS, True, "fault", "500 s old"),
        (_beat("waiting", message="no topic"), PROCESS, True, "fault", "waiting: no topic"),
        (_beat(lag_seconds=90.0), PROCESS, True, "fault", "90 s behind"),
    ],
)
def test_a_service_is_judged_by_its_beat_its_lease_and_what_is_wanted(beat: Beat | None, holder: Holder | None, wanted: bool, level: str, says: str) -> None:
    found = service_finding("consumer", beat, holder, wanted, NOW, 120, Path("logs"))
    assert found.level == level
    assert says in found.text
    assert found.cure or level == "well"


@pytest.mark.parametrize(("up", "level"), [(60, "fault"), (14, "fault"), (12, "note"), (5, "note"), (None, "fault")])
def test_a_red_dag_is_a_fault_unless_its_run_began_before_the_platform_was_well(up: int | None, level: str) -> None:
    began = NOW - timedelta(minutes=10)
    found = red_finding("http://here:8090", "balance_books", "scheduled__2026-05-01T11:50:00+00:00", began, NOW, up and NOW - timedelta(minutes=up))
    assert (found.level, found.text.split(" failed at ")[0]) == (level, "the DAG balance_books is red: its last run")
    assert found.cure.startswith("http://here:8090/dags/balance_books/runs/scheduled__2026-05-01T11%3A50%3A00%2B00%3A00 has the log")


@pytest.mark.parametrize(
    ("progress", "level"),
    [
        (None, "fault"),
        ({"at": NOW.isoformat(), "batch": 7, "dropped_by_watermark": 0, "dropped_at": ""}, "well"),
        ({"at": (NOW - timedelta(minutes=5)).isoformat(), "batch": 7}, "fault"),
        ({"at": NOW.isoformat(), "batch": 7, "dropped_by_watermark": 3, "dropped_at": NOW.isoformat()}, "fault"),
    ],
)
def test_spark_is_judged_by_its_last_batch(progress: dict[str, object] | None, level: str) -> None:
    assert live_finding(progress, NOW).level == level


@pytest.mark.parametrize(
    ("verdict", "up", "level", "says"),
    [
        ((True, 5), 60, "well", "balance"),
        ((True, 60), 10, "well", "balance"),
        ((True, 60), 20, "fault", "not since"),
        ((True, 60), None, "fault", "not since"),
        ((False, 5), 60, "fault", "did not balance"),
        (None, 10, "note", "first round"),
        (None, 20, "fault", "never yet"),
        (None, None, "note", "first round"),
    ],
)
def test_the_books_are_judged_by_a_verdict_that_is_not_too_old(verdict: tuple[bool, int] | None, up: int | None, level: str, says: str) -> None:
    def ago(minutes: int) -> datetime:
        return NOW - timedelta(minutes=minutes)

    found = books_finding(verdict and (verdict[0], ago(verdict[1])), up and ago(up), NOW)
    assert found.level == level
    assert says in found.text
    assert found.cure or level != "fault"


def test_a_server_that_is_tried_again_and_again_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(_env_file=None, home=tmp_path)
    monkeypatch.setattr(health, "CHECKS", {name: lambda _: None for name in servers.table(settings)})
    monkeypatch.setattr(health, "kafka", lambda _: None)
    states = {name: {"name": name, "statename": "RUNNING", "pid": 0} for name in servers.table(settings)}
    monkeypatch.setattr(programs, "states", lambda _: states)
    assert [finding.level for finding in doctor._servers(settings, states)] == ["well"]
    states["redis"]["statename"] = "BACKOFF"
    assert [(finding.hop, finding.level, finding.text) for finding in doctor._servers(settings, states)] == [("redis", "fault", "is failing at its start.")]
    assert [(row.name, row.state) for row in server_rows(settings) if not row.well] == [("redis", "failing at its start")]


def test_settings_that_lead_to_another_platform_are_one_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner.path(Settings(home=tmp_path)).parent.mkdir()
    owner.claim(Settings(home=tmp_path, redis_port=6400))
    monkeypatch.setattr(programs, "states", lambda _: {"redis": {"statename": "RUNNING"}})
    (finding,) = doctor.examine(Settings(home=tmp_path))
    assert (finding.hop, finding.level) == ("settings", "fault")
    assert "INSTASHOP_REDIS_PORT is 6400, not 6379" in finding.text
    assert str(tmp_path / ".env") in finding.cure
