"""The compose files describe the platform that `up` starts: the same servers, versions, options and properties; no engine is needed."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path
from string import Template
from typing import Any

import pytest
import yaml
from pydantic_settings import BaseSettings

from instashop import java
from instashop.local import brokers, postgres, programs, servers
from instashop.settings import Settings, places

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "deploy" / "docker"
STEPS = {"first-start", "prepare", "migrate"}
PROFILES = {"full": 3, "light": 1}


def read(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def variables(profile: str) -> dict[str, str]:
    lines = (DOCKER / f"{profile}.env").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if not line.startswith("#"))


def containers(profile: str) -> dict[str, dict[str, Any]]:
    """Return every container of a profile, a broker with what it extends."""
    shared = read(DOCKER / "kafka.yaml")["services"]["broker"]
    own = {name: service for name, service in read(DOCKER / f"{profile}.yaml")["services"].items() if "profiles" not in service}
    kafka = {name: shared | service | {"environment": shared["environment"] | service["environment"]} for name, service in own.items()}
    return read(ROOT / "docker-compose.yaml")["services"] | kafka


@pytest.fixture(params=PROFILES)
def profile(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def settings(profile: str, monkeypatch: pytest.MonkeyPatch) -> BaseSettings:
    for field in Settings.model_fields:
        monkeypatch.delenv(f"INSTASHOP_{field.upper()}", raising=False)
    for name, value in variables(profile).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("INSTASHOP_SERVERS", "elsewhere")  # As the image says.
    return Settings(_env_file=None)  # type: ignore[call-arg]


def test_there_is_a_container_for_every_server_and_step(profile: str, settings: Settings) -> None:
    assert set(containers(profile)) == {*servers.table(settings), *STEPS}
    assert len(places("kafka_bootstrap", settings.kafka_bootstrap)) == settings.kafka_brokers == PROFILES[profile]


def test_our_containers_become_the_server_of_their_name(profile: str) -> None:
    ours = {name: c for name, c in containers(profile).items() if c["image"].startswith("instashop:")}
    assert {name: c.get("command", [name]) for name, c in ours.items()} == {name: [name] for name in ours}
    running = {name: c for name, c in ours.items() if name not in STEPS}
    assert {name: c["environment"]["INSTASHOP_HOST"] for name, c in running.items()} == {name: name for name in running}


def test_only_dashboard_and_airflow_are_published_and_only_on_loopback(profile: str) -> None:
    published = {name: c["ports"] for name, c in containers(profile).items() if "ports" in c}
    assert published == {
        "airflow-api-server": ["127.0.0.1:${INSTASHOP_AIRFLOW_PORT:-8090}:${INSTASHOP_AIRFLOW_PORT:-8090}"],
        "dashboard": ["127.0.0.1:${INSTASHOP_DASHBOARD_PORT:-8501}:${INSTASHOP_DASHBOARD_PORT:-8501}"],
    }
    assert not [name for name, c in containers(profile).items() if "network_mode" in c]


def test_postgres_has_as_long_to_stop_as_on_the_bare_machine_and_whoever_stops_it_waits_for_that(settings: Settings, tmp_path: Path) -> None:
    here = servers.table(Settings(_env_file=None, servers="here", home=tmp_path))
    graces = {name: container["stop_grace_period"] for name, container in containers("full").items() if name.startswith("postgres")}
    assert graces == {name: f"{server.stop_seconds}s" for name, server in here.items() if name.startswith("postgres")}
    assert max(server.stop_seconds for server in here.values()) < programs.STOP_SECONDS


def test_every_container_that_stays_has_a_health_check_and_comes_back(profile: str) -> None:
    assert not [name for name, c in containers(profile).items() if name not in STEPS and not ("healthcheck" in c and c["restart"] == "unless-stopped")]


def test_every_image_is_pinned_and_fits_the_lock(profile: str) -> None:
    base = re.search(r"^FROM (\S+)$", (DOCKER / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    assert base
    images = {c["image"] for c in containers(profile).values()} | {base[1]}
    assert not [image for image in images if not re.search(r":\d", image) or "bitnami" in image]
    airflow = re.search(r"^apache-airflow==(\S+)$", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert airflow
    assert base[1] == f"apache/airflow:{airflow[1]}-python3.11"
    assert f"apache/kafka:{java.VERSIONS['kafka']}" in images


def test_the_lock_has_every_dependency_because_the_image_installs_nothing_else() -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    locked = set(re.findall(r"^([\w-]+)(?=\[|==)", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE))
    assert {name for line in wanted if (name := re.split(r"[\[=<>]", line)[0]) not in locked} == set()


def test_brokers_have_the_properties_of_the_template(profile: str) -> None:
    number = PROFILES[profile]
    text = Template((brokers.TEMPLATES / "kafka.properties").read_text(encoding="utf-8")).substitute(
        number=1,
        host="kafka-1",
        port=9092,
        controller_port=19092,
        voters=",".join(f"{i}@kafka-{i}:19092" for i in range(1, number + 1)),
        data="/var/lib/kafka/data",
        copies=number,
        in_sync=min(2, number),
        session_ms=brokers.session_seconds(number) * 1000,
    )
    wanted = dict(line.split("=", 1) for line in text.splitlines() if line and not line.startswith("#"))
    wanted["listeners"] = "PLAINTEXT://:9092,CONTROLLER://:19092"  # On every address of the container.
    given = {name: str(value) for name, value in containers(profile)["kafka-1"]["environment"].items()}
    missing = {name: value for name, value in wanted.items() if given.get(f"KAFKA_{name.upper().replace('.', '_')}") != value}
    assert not missing
    assert f"then sleep {brokers.AWAY_SECONDS};" in containers(profile)["kafka-1"]["command"][-1]  # As on the bare machine after a kill.


def test_only_one_of_several_brokers_stays_away_after_a_kill(profile: str, tmp_path: Path) -> None:
    broker = containers(profile)["kafka-1"]
    text = broker["command"][-1].replace("$$", "$")
    for real, stand_in in (("/var/lib/kafka/data", str(tmp_path)), ("sleep", "echo waits"), ("exec /etc/kafka/docker/run", "echo starts")):
        assert real in text
        text = text.replace(real, stand_in)

    def said() -> list[str]:
        voters = broker["environment"]["KAFKA_CONTROLLER_QUORUM_VOTERS"]
        run = subprocess.run(
            ["bash", "-c", text], env={"KAFKA_CONTROLLER_QUORUM_VOTERS": voters, "PATH": os.defpath}, capture_output=True, text=True, check=True
        )
        return [line.split()[0] for line in run.stdout.splitlines()]

    assert said() == ["starts"]  # The very first time.
    (tmp_path / "recovery-point-offset-checkpoint").touch()
    assert said() == (["waits", "starts"] if profile == "full" else ["starts"])
    (tmp_path / ".kafka_cleanshutdown").touch()
    assert said() == ["starts"]


def test_postgres_servers_have_the_options_of_the_others(profile: str, settings: Settings) -> None:
    elsewhere = ("listen_addresses", "port", "unix_socket_directories", "logging_collector")
    for cluster in postgres.clusters(settings):
        wanted = [option for option in cluster.argv() if "=" in option and not option.startswith(elsewhere)]
        given = [option for option in containers(profile)[cluster.name]["command"] if "=" in option]
        assert sorted(given) == sorted(wanted), cluster.name
