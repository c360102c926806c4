import configparser
import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from instashop import java
from instashop.control.files import last_lines
from instashop.local import airflow_server, brokers, down, health, jars, launch, passwords, postgres, programs, servers, supervisord, up
from instashop.local.failures import NoPlaceForJars, NotReady, SocketFolderTaken
from instashop.settings import ROOT, Settings, load


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("INSTASHOP_HOME", str(tmp_path))
    load.cache_clear()
    yield load()
    load.cache_clear()


def test_passwords_are_made_once_and_only_their_owner_can_read_them(settings: Settings) -> None:
    first = passwords.ensure(settings)
    assert first.postgres_password
    assert first.postgres_password in first.shop_dsn
    assert stat.S_IMODE(settings.secrets_file.stat().st_mode) == 0o600
    assert passwords.ensure(first).postgres_password == first.postgres_password


def test_a_password_that_is_missing_is_added_and_the_others_stay(settings: Settings) -> None:
    settings.secrets_file.write_text("INSTASHOP_REDIS_PASSWORD=kept\n")
    known = passwords.ensure(settings)
    assert known.redis_password == "kept"
    assert known.airflow_password


def test_a_postgres_is_met_on_its_socket_once_there_is_one(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.postgres_socket("crm_feed_dsn") is None
    for cluster in postgres.clusters(settings):
        assert f"unix_socket_directories={cluster.data}" in cluster.argv()
        cluster.data.mkdir(parents=True)
        (cluster.data / f".s.PGSQL.{cluster.port}").touch()
        assert {settings.postgres_socket(name) for name in cluster.addresses} == {str(cluster.data)}
    for other in (f"postgresql://acme:x@db.acme:{settings.shop_port}/shop", "postgresql://acme:x@127.0.0.1:7000/shop"):
        monkeypatch.setattr(settings, "shop_dsn", other)
        assert settings.postgres_socket("shop_dsn") is None


@pytest.mark.parametrize("folder", ["of a name as long as no socket may have" * 3, "a,b"])
def test_a_folder_that_no_socket_can_have_leaves_tcp(settings: Settings, folder: str) -> None:
    settings.home /= folder
    assert all("unix_socket_directories=" in cluster.argv() for cluster in postgres.clusters(settings))


def test_every_server_has_a_question_for_its_health(settings: Settings) -> None:
    assert set(servers.table(settings)) == set(health.CHECKS)


def test_every_server_ends_in_exactly_one_stage(settings: Settings) -> None:
    ended = [name for stage in down.stages(servers.table(settings)) for name in stage]
    assert sorted(ended) == sorted(servers.table(settings))


def test_no_password_is_in_what_others_can_read(settings: Settings) -> None:
    known = passwords.ensure(settings)
    settings.run_dir.mkdir()
    supervisord.write_config(known)
    for server in servers.table(known).values():
        assert not any(known.postgres_password in part or known.redis_password in part for part in server.argv)
        assert stat.S_IMODE((settings.run_dir / f"{server.name}.json").stat().st_mode) == 0o600


def test_a_shell_of_another_python_changes_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "VIRTUAL_ENV", "AIRFLOW_HOME"):
        monkeypatch.setenv(name, "of somebody else")
    assert "of somebody else" not in servers.shell_environment().values()


def test_a_servers_stamp_follows_command_and_configuration_and_of_ours_code_and_settings(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.run_dir.mkdir()

    def stamps(of: Settings) -> dict[str, str]:
        supervisord.write_config(of)
        parser = configparser.RawConfigParser()
        parser.read(supervisord.config_path(of))
        return {s.removeprefix("program:"): parser[s]["environment"] for s in parser.sections() if s.startswith("program:")}

    before = stamps(settings)
    assert set(before) == set(servers.table(settings))
    ours = {*servers.AIRFLOW, servers.DASHBOARD}
    for changed, own in (({"spark_ui_port": 2}, {"spark-master"}), ({"warehouse_retention_days": 9}, set())):
        after = stamps(settings.model_copy(update=changed))
        assert {name for name in before if before[name] != after[name]} == own | ours
    (settings.run_dir / "redis.conf").write_text("port 1\n")
    assert {name for name in before if before[name] != stamps(settings)[name]} == {"redis"}
    (settings.run_dir / "redis.conf").unlink()
    monkeypatch.setattr(servers, "our_code", lambda: "of tomorrow")
    assert {name for name in before if before[name] != stamps(settings)[name]} == ours


def test_the_folder_of_an_ended_spark_application_goes_within_hours(settings: Settings) -> None:
    options = servers.table(settings)[servers.SPARK_WORKER].environment["SPARK_DAEMON_JAVA_OPTS"].split()
    kept = {name: value for name, _, value in (option.partition("=") for option in options) if "cleanup" in name}
    assert kept == {"-Dspark.worker.cleanup.enabled": "true", "-Dspark.worker.cleanup.appDataTtl": "3600"}


def test_a_server_that_ends_at_once_is_tried_again_for_more_than_a_year(settings: Settings) -> None:
    settings.run_dir.mkdir()
    supervisord.write_config(settings)
    parser = configparser.RawConfigParser()
    parser.read(supervisord.config_path(settings))
    tries = {parser[section].getint("startretries") for section in parser.sections() if section.startswith("program:")}
    assert min(tries) * (min(tries) + 1) / 2 > 365 * 24 * 3600  # Each pause is a second longer than the one before it.


class _Supervisord:
    """Programs by their state, as supervisord keeps them."""

    def __init__(self, **states: str) -> None:
        self.states, self.anew = states, []

    def getAllProcessInfo(self) -> list[dict[str, str]]:
        return [{"name": name, "statename": state} for name, state in self.states.items()]

    def stopProcess(self, name: str, _wait: bool) -> None:
        self.states[name] = "STOPPED"

    def removeProcessGroup(self, name: str) -> None:
        assert self.states.pop(name) == "STOPPED"

    def addProcessGroup(self, name: str) -> None:
        self.states[name] = "STOPPED"
        self.anew.append(name)


def test_a_start_waits_for_no_long_pause_of_a_server_that_failed_before(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    known = _Supervisord(redis="BACKOFF", dashboard="RUNNING", shop="BACKOFF")
    monkeypatch.setattr(programs, "rpc", lambda _: known)
    programs.forget_failures(settings, {"redis", "dashboard"})
    assert known.states == {"redis": "STOPPED", "dashboard": "RUNNING", "shop": "BACKOFF"}
    assert known.anew == ["redis"]


def test_data_get_the_postgres_that_made_them_whatever_else_is_installed(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for version in ("15", "17"):
        program = tmp_path / "lib" / version / "bin" / "postgres"
        program.parent.mkdir(parents=True)
        program.write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {version}.3'\n")
        program.chmod(0o755)
    monkeypatch.setattr(postgres, "_PLACES", (str(tmp_path / "lib"),))
    shop, *_ = postgres.clusters(settings)
    assert "/17/" in shop.argv()[0]
    shop.data.mkdir(parents=True)
    (shop.data / "PG_VERSION").write_text("15\n")
    assert "/15/" in shop.argv()[0]
    postgres.check_version(settings)
    (shop.data / "PG_VERSION").write_text("16\n")
    with pytest.raises(NotReady, match=r"made by PostgreSQL 16, but .*17\.3; install PostgreSQL 16 beside it"):
        postgres.check_version(settings)


@pytest.fixture
def long_home(tmp_path: Path) -> Iterator[Settings]:
    settings = Settings(home=tmp_path / ("x" * 120))
    folder = supervisord.socket_path(settings).parent
    assert folder.parent == Path("/tmp")
    yield settings
    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        folder.rmdir()


def test_a_long_home_has_its_socket_in_a_folder_of_ones_own_which_every_shell_finds(long_home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    path = supervisord.socket_path(long_home)
    assert len(str(path)) < 100
    long_home.run_dir.mkdir(parents=True)
    supervisord.write_config(long_home)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    monkeypatch.setattr(tempfile, "tempdir", str(long_home.home))  # As with another TMPDIR.
    assert supervisord.socket_path(long_home) == path


def test_a_socket_where_others_could_have_put_it_is_refused_with_a_cure(long_home: Settings, tmp_path: Path) -> None:
    folder = supervisord.socket_path(long_home).parent
    folder.mkdir(mode=0o700)
    supervisord.socket_path(long_home)
    folder.chmod(0o755)
    with pytest.raises(SocketFolderTaken, match=r"drwxr-xr-x of user .*set INSTASHOP_HOME to a shorter path"):
        supervisord.socket_path(long_home)
    folder.rmdir()
    folder.symlink_to(tmp_path)
    with pytest.raises(SocketFolderTaken, match="lrwx"):
        supervisord.write_config(long_home)


def test_a_socket_folder_of_another_user_is_refused(long_home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = supervisord.socket_path(long_home).parent
    folder.mkdir(mode=0o700)
    other = os.lstat(folder)
    monkeypatch.setattr(Path, "lstat", lambda _: os.stat_result((other.st_mode, other.st_ino, other.st_dev, 2, other.st_uid + 1, 0, 0, 0, 0, 0)))
    with pytest.raises(SocketFolderTaken, match=f"drwx------ of user {os.getuid() + 1}"):
        supervisord.socket_path(long_home)


def test_each_broker_has_its_own_number_ports_and_folder_and_all_know_the_voters(settings: Settings) -> None:
    settings.run_dir.mkdir()
    brokers.write_config(settings)
    texts = [broker.config.read_text() for broker in brokers.brokers(settings)]
    for name in ("node.id=", "listeners=", "log.dirs="):
        assert len({next(line for line in text.splitlines() if line.startswith(name)) for text in texts}) == 3
    voters = {next(line for line in text.splitlines() if line.startswith("controller.quorum.voters")) for text in texts}
    assert len(voters) == 1
    assert all("$" not in text and "min.insync.replicas=2" in text for text in texts)
    assert all("offsets.retention.minutes=43200" in text for text in texts)


def test_one_broker_needs_no_second_copy(settings: Settings) -> None:
    settings.run_dir.mkdir()
    brokers.write_config(settings.model_copy(update={"kafka_brokers": 1}))
    text = (settings.run_dir / "kafka-1.properties").read_text()
    assert "min.insync.replicas=1" in text
    assert "offsets.topic.replication.factor=1" in text


def test_every_page_is_named_as_a_browser_finds_it(settings: Settings) -> None:
    behind = settings.model_copy(update={"browser_host": "shop.acme"})
    pages = [server.page for server in servers.table(behind).values() if server.page]
    told = [where.split()[0] for name, where in up.addresses(behind) if name in ("Dashboard", "Airflow", "Spark")]
    assert len(pages) == 4
    assert len(told) == 3
    assert all(page.startswith("http://shop.acme:") for page in [*pages, *told])
    assert dict(up.addresses(behind.model_copy(update={"spark_pages": False})))["Spark"].startswith("spark://")


def test_airflow_knows_the_five_connections(settings: Settings) -> None:
    environment = airflow_server.environment(passwords.ensure(settings))
    named = {key for key in environment if key.startswith("AIRFLOW_CONN_")}
    assert named == {f"AIRFLOW_CONN_{name}" for name in ("KAFKA_DEFAULT", "POSTGRES_SHOP", "POSTGRES_CRM", "POSTGRES_DWH", "SPARK_DEFAULT")}
    assert urlsplit(environment["AIRFLOW_CONN_POSTGRES_DWH"]).path == "/dwh_db"
    assert int(environment["AIRFLOW__EXECUTION_API__JWT_EXPIRATION_TIME"]) > settings.service_lifetime_seconds


def _jar(path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as jar:
        jar.writestr("a.class", "content " * 500)
    return path


def test_a_jar_cut_off_or_damaged_is_found(tmp_path: Path) -> None:
    _jar(tmp_path / "good.jar")
    whole = _jar(tmp_path / "cut.jar").read_bytes()
    (tmp_path / "cut.jar").write_bytes(whole[: len(whole) // 2])
    damaged = bytearray(whole)
    damaged[45] ^= 0xFF
    (tmp_path / "damaged.jar").write_bytes(damaged)
    assert [path.name for path in jars.broken(tmp_path)] == ["cut.jar", "damaged.jar"]


def test_jars_are_fetched_again_when_another_one_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetched(asked: jars.JarSet, _cache: Path, draft: Path, coordinate: tuple[str, ...], _stop: threading.Event) -> None:
        draft.mkdir(parents=True, exist_ok=True)
        _jar(draft / f"{coordinate[1]}.jar")

    monkeypatch.setattr(jars, "_ivy", fetched)
    monkeypatch.setattr(java, "CACHE", tmp_path)
    one, two = (jars.JarSet("spark", coordinates) for coordinates in ((("org", "a", "1"),), (("org", "a", "1"), ("org", "b", "1"))))
    assert [jars.ensure(each, threading.Event()) for each in (one, one, two, two)] == ["1 jars", None, "2 jars", None]


def test_a_user_without_a_home_is_told_that_the_jars_need_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nonexistent").touch()  # As a folder that may not be made.
    monkeypatch.setattr(java, "CACHE", tmp_path / "nonexistent" / "cache")
    with pytest.raises(NoPlaceForJars, match=r"cannot be made \(Not a directory\); give this user a home: HOME=/"):
        jars.ensure(jars.SETS[0], threading.Event())


def test_what_a_killed_program_left_is_ended_and_nobody_else(tmp_path: Path) -> None:
    record = tmp_path / "x.group"
    text = "import os, sys; sys.path.insert(0, sys.argv[1]); import launch, pathlib, signal; os.setpgrp(); launch.record(pathlib.Path(sys.argv[2])); "
    text += "pid = os.fork(); print('ready', flush=True) if pid else None; signal.pause()"
    folder = str(Path(launch.__file__).parent)
    leader = subprocess.Popen([sys.executable, "-c", text, folder, str(record)], stdout=subprocess.PIPE, text=True)
    assert leader.stdout is not None
    assert leader.stdout.readline() == "ready\n"
    leader.send_signal(signal.SIGKILL)
    leader.wait()
    left = launch.members(record)
    assert len(left) == 1
    assert left[0].pid != leader.pid
    launch.end_group(record, None, 0)
    assert launch.members(record) == []


def test_a_record_of_another_boot_ends_nobody(tmp_path: Path) -> None:
    record = tmp_path / "x.group"
    record.write_text(json.dumps({"boot": "another", "group": os.getpgrp(), "session": os.getsid(0), "began": 1}))
    assert launch.members(record) == []


def test_a_postgres_whose_pid_is_somebody_elses_by_now_starts_again(settings: Settings, tmp_path: Path) -> None:
    settings = passwords.ensure(settings)
    cluster = postgres.clusters(settings)[0]
    cluster.data.mkdir(parents=True)
    (settings.home / "data" / f"{cluster.data.name}.roles").write_text(postgres._stamp(cluster, settings))
    file = cluster.data / "postmaster.pid"
    with subprocess.Popen(["sleep", "60"], cwd=cluster.data) as server, subprocess.Popen(["sleep", "60"], cwd=tmp_path) as other:
        try:
            for pid, stays in ((server.pid, True), (other.pid, False), (-other.pid, False), (2**22 + 1, True)):
                file.write_text(f"{pid}\n{cluster.data}\n1764400000\n")
                assert not postgres.initialise(cluster, settings)
                assert file.exists() is stays
            for text in ("", "\0" * 80):  # As a power cut leaves it.
                file.write_text(text)
                assert not postgres.initialise(cluster, settings)
                assert not file.exists()
        finally:
            server.kill()
            other.kill()


def test_the_locks_name_neither_a_registry_nor_a_machine() -> None:
    for name in ("requirements.txt", "requirements-dev.txt"):
        text = (ROOT / name).read_text()
        assert not any(word in text for word in ("://", "--index", "--find-links", "file:", str(ROOT)))


def test_an_id_for_kafka_is_never_taken_for_an_option():
    assert not brokers.kafka_id(uuid.UUID(int=0xFB << 120)).startswith("-")
    assert len(brokers.kafka_id(uuid.uuid4())) == 22


@pytest.mark.parametrize(("left", "waits"), [((), False), (("ran",), True), (("ran", "clean"), False)])
def test_only_a_killed_program_waits_before_it_starts_again(tmp_path, left, waits):
    for name in left:
        (tmp_path / name).touch()
    program = {"argv": ["/bin/true"], "environment": {}, "directory": str(tmp_path), "user": None, "group_file": str(tmp_path / "group")}
    after_kill = {"ran": str(tmp_path / "ran"), "clean": str(tmp_path / "clean"), "seconds": 0.01}
    (tmp_path / "program.json").write_text(json.dumps({**program, "after_kill": after_kill}))
    ended = subprocess.run([sys.executable, "-I", launch.__file__, str(tmp_path / "program.json")], capture_output=True, text=True, check=True)
    assert ("was killed" in ended.stdout) is waits


def test_the_end_of_a_log_is_told_also_when_there_is_none(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    assert last_lines(log) == "  (no log yet)"
    log.touch()
    assert last_lines(log) == "  (empty)"
    log.write_bytes(b"first\n\xff half a letter\n" + b"x" * 500)
    assert last_lines(log, 2, "    ").splitlines() == ["    \ufffd half a letter", "    " + "x" * 300]
