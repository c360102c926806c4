import os
import socket
from pathlib import Path

import pytest

from instashop import live
from instashop.control import lease
from instashop.local import preflight, programs, servers
from instashop.local.failures import NotReady, UpTaken
from instashop.local.lock import only_one
from instashop.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


@pytest.mark.parametrize(("version", "fits"), [((3, 10, 9), False), ((3, 11, 2), True), ((3, 13, 0), True), ((3, 14, 0), False)])
def test_python_must_be_3_11_to_3_13(version: tuple[int, ...], fits: bool) -> None:
    assert (preflight.python_problem(version) is None) is fits


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('openjdk version "21" 2023-09-19', 21),
        ('java version "1.8.0_392"', 8),
        ("command not found", None),
    ],
)
def test_the_version_of_java_is_read_from_what_it_prints(text: str, version: int | None) -> None:
    assert preflight.java_version(text) == version


def _java(tmp_path: Path, version: str) -> str:
    program = tmp_path / "java"
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2020-01-01' >&2\n")
    program.chmod(0o755)
    return str(program)


def test_java_11_is_too_old_and_the_message_names_the_cure(tmp_path: Path) -> None:
    problem = preflight.java_problem(_java(tmp_path, "11.0.2"))
    assert problem is not None
    assert "is Java 11" in problem
    assert "openjdk-17-jre-headless" in problem


def test_java_21_fits(tmp_path: Path) -> None:
    assert preflight.java_problem(_java(tmp_path, "21.0.1")) is None


def test_a_java_that_is_not_there_is_a_problem_with_a_cure(tmp_path: Path) -> None:
    assert "JAVA_HOME" in (preflight.java_problem(str(tmp_path / "none")) or "")


def test_too_little_memory_and_disk_are_named_with_what_is_needed(tmp_path: Path) -> None:
    assert "5000 MB are needed" in (preflight.memory_problem(1200) or "")
    assert preflight.memory_problem(9000) is None
    assert "INSTASHOP_HOME" in (preflight.disk_problem(10, tmp_path) or "")
    assert preflight.disk_problem(9000, tmp_path) is None
    assert preflight.disk_problem(1900, tmp_path, preflight.RESTART_MB) is None
    assert "INSTASHOP_HOME" not in (preflight.disk_problem(10, tmp_path, preflight.RESTART_MB) or "INSTASHOP_HOME")


def test_a_start_needs_the_memory_of_the_servers_that_it_starts(settings: Settings, tmp_path: Path) -> None:
    light = Settings(home=tmp_path, light=True)
    assert preflight.memory_needed(len(servers.table(settings)), light=False) == preflight.MEMORY_MB
    assert preflight.memory_needed(len(servers.table(light)), light=True) == preflight.LIGHT_MEMORY_MB
    assert preflight.memory_needed(1, light=False) < 400


@pytest.mark.parametrize(("name", "setting"), [("redis", "redis_port"), ("live_metrics", "spark_app_ui_port")])
def test_a_taken_port_is_named_with_its_holder_and_its_setting(tmp_path: Path, name: str, setting: str) -> None:
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        settings = Settings(home=tmp_path, **{setting: stranger.getsockname()[1]})
        problems = preflight.port_problems(settings, {name})
    assert len(problems) == 1
    assert f"process {os.getpid()}" in problems[0]
    assert f"INSTASHOP_{setting.upper()}" in problems[0]


def test_a_port_of_roots_is_said_to_be_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "taken", lambda _host, _port: True)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    (problem,) = preflight.port_problems(Settings(home=tmp_path, dashboard_port=80), {"dashboard"})
    assert problem.startswith("port 80 of dashboard is below 1024, which only root may use; set INSTASHOP_DASHBOARD_PORT")


def test_the_stranger_for_whom_a_server_fails_at_its_start_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "states", lambda _: {"redis": {"statename": "BACKOFF"}})
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        settings = Settings(home=tmp_path, redis_port=stranger.getsockname()[1])
        with pytest.raises(NotReady, match=rf"of redis is held by .*process {os.getpid()}.*INSTASHOP_REDIS_PORT"):
            preflight.check(settings, {"redis"})


def test_the_port_of_our_spark_job_is_looked_at_when_services_are_to_start_and_it_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[set[str]] = []
    monkeypatch.setattr(preflight, "port_problems", lambda _, names: asked.append(names) or ["held"])
    settings = Settings(home=tmp_path)
    settings.run_dir.mkdir()
    everything = set(servers.table(settings))

    def look(names: set[str]) -> set[str]:
        with pytest.raises(NotReady, match="held"):
            preflight.check(settings, names)
        return asked[-1]

    assert look(everything) == {*everything, live.SERVICE}
    assert look({"redis"}) == {"redis"}
    with lease.take(settings.run_dir, live.SERVICE):
        assert look(everything) == everything


def test_a_folder_with_a_space_is_a_problem_with_a_cure() -> None:
    assert preflight.space_problem(Path("/srv/my shop"), "set INSTASHOP_HOME to a folder without one") == (
        "/srv/my shop has a space in it, which the servers' start lines do not take; set INSTASHOP_HOME to a folder without one."
    )
    assert preflight.space_problem(Path("/srv/shop"), "") is None


def test_a_home_whose_path_kafka_would_misread_is_a_problem_with_a_cure(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "förstå")
    settings.run_dir.mkdir(parents=True)
    with pytest.raises(NotReady, match="förstå has letters beyond ASCII, which Kafka's configuration does not take; set INSTASHOP_HOME"):
        preflight.check(settings, set())


def test_two_servers_that_want_one_port_are_named(tmp_path: Path) -> None:
    problems = preflight.port_problems(Settings(home=tmp_path, redis_port=18501, dashboard_port=18501), set())
    assert problems == ["port 18501 is wanted by redis and by dashboard; change INSTASHOP_DASHBOARD_PORT."]


def test_two_starts_at_once_are_refused_and_the_first_is_named(settings: Settings) -> None:
    with only_one(settings, "up"), pytest.raises(UpTaken, match=rf"`./instashop up` already runs \(process {os.getpid()}\)"), only_one(settings, "down"):
        pass
    with only_one(settings, "down"):
        pass
