"""Class data: found for this Java and these jars only, and a platform without it has no option for it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from instashop import java, live
from instashop.local import brokers, servers
from instashop.settings import Settings


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(java, "CLASS_DATA", tmp_path / "class-data")
    for name in java.VERSIONS:
        java.jars(name).mkdir(parents=True)
        (java.jars(name) / "one.jar").write_bytes(b"one")
    java.CLASS_DATA.mkdir()


@pytest.fixture
def settings() -> Settings:
    return Settings(_env_file=None)  # type: ignore[call-arg]


def test_without_class_data_nothing_names_it(settings: Settings) -> None:
    assert not java.all_class_data()
    lines = [
        *brokers.brokers(settings)[0].argv(),
        *live.submit_command(settings),
        str(servers.table(settings)[servers.SPARK_MASTER].environment),
    ]
    assert not [line for line in lines if "SharedArchiveFile" in line or "ArchiveRelocationMode" in line]


def test_every_jvm_maps_its_class_data(settings: Settings) -> None:
    for name in java.VERSIONS:
        java.archive(name).touch()
    assert java.all_class_data()
    kafka, spark = (f"-XX:SharedArchiveFile={java.archive(name)}" for name in ("kafka", "spark"))
    assert all(kafka in node.argv() for node in brokers.brokers(settings))
    options = [word for word in live.submit_command(settings) if "extraJavaOptions" in word]
    assert len(options) == 2
    daemons = [servers.table(settings)[name].environment["SPARK_DAEMON_JAVA_OPTS"] for name in (servers.SPARK_MASTER, servers.SPARK_WORKER)]
    assert all(spark in text for text in [*options, *daemons])


def test_an_executor_of_somebody_elses_cluster_looks_for_no_file_of_ours() -> None:
    java.archive("spark").touch()
    theirs = Settings(_env_file=None, spark_master="spark://elsewhere:7077")  # type: ignore[call-arg]
    executor = next(word for word in live.submit_command(theirs) if "executor.extraJavaOptions" in word)
    assert "SharedArchiveFile" not in executor


@pytest.mark.parametrize("change", ["another jar", "another time of a jar", "another Java"])
def test_other_jars_or_another_java_have_other_class_data(change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = java.archive("kafka")
    assert java.archive("kafka") == before
    if change == "another jar":
        (java.jars("kafka") / "two.jar").write_bytes(b"two")
    elif change == "another time of a jar":
        os.utime(java.jars("kafka") / "one.jar", (1, 1))
    else:
        program = tmp_path / "jdk" / "bin" / "java"
        program.parent.mkdir(parents=True)
        program.touch()
        (tmp_path / "jdk" / "release").write_text('JAVA_VERSION="99"')
        monkeypatch.setenv("JAVA_HOME", str(tmp_path / "jdk"))
    assert java.archive("kafka") != before
