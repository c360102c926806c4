"""Kafka's brokers: three KRaft nodes that are broker and controller at once."""

from __future__ import annotations

import shutil
import threading
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from instashop import java
from instashop.local import commands
from instashop.local.failures import InitFailed
from instashop.settings import ROOT, Settings

TEMPLATES = ROOT / "deploy" / "local" / "templates"
SESSION_SECONDS = 3
"""How long the controller waits for a broker that says nothing before others lead its partitions."""
LONE_SESSION_SECONDS = 9
"""The same where there is one broker: nobody else could lead, and on a busy machine one may say nothing for some seconds."""
ELECTION_SECONDS = 4
"""How long the others may take to elect another controller, if the killed node was it; only then its session begins to run out."""
AWAY_SECONDS = ELECTION_SECONDS + SESSION_SECONDS + 1
"""How long a killed node stays away."""


@dataclass(frozen=True)
class AfterKill:
    """The file that a program has once it ran, and the one that only a clean stop leaves; without the latter its start waits."""

    ran: Path
    clean: Path
    seconds: int


@dataclass(frozen=True)
class Broker:
    """One node."""

    number: int
    port: int
    controller_port: int
    data: Path
    config: Path
    heap_mb: int

    @property
    def after_kill(self) -> AfterKill:
        """Return how long a killed node stays away.

        One that is back before its session is over still takes itself for the leader of its partitions. It then ends transactions by
        what only its own log says: half a transaction is committed, and the new leaders abort the other half.
        """
        return AfterKill(self.data / "recovery-point-offset-checkpoint", self.data / ".kafka_cleanshutdown", AWAY_SECONDS)

    def argv(self) -> tuple[str, ...]:
        """Return the command of the node."""
        return _java(["-Xms128m", f"-Xmx{self.heap_mb}m", "-XX:+ExitOnOutOfMemoryError", *java.LONG_RUN], "kafka.Kafka", str(self.config))


def _java(options: Sequence[str], program: str, *arguments: str) -> tuple[str, ...]:
    """Return the command of a program of Kafka."""
    logging = f"-Dlog4j2.configurationFile={TEMPLATES / 'kafka-log4j2.xml'}"
    path = ("-cp", java.class_path("kafka"))
    return (java.command(), *options, *java.class_data("kafka"), logging, *path, program, *arguments)


def brokers(settings: Settings) -> tuple[Broker, ...]:
    """Return the nodes of this machine; none when the brokers are somebody else's."""
    home = settings.home
    if not settings.runs_here("kafka_bootstrap"):
        return ()
    return tuple(
        Broker(
            i,
            settings.kafka_port + i - 1,
            settings.kafka_controller_port + i - 1,
            home / "data" / f"kafka-{i}",
            home / "run" / f"kafka-{i}.properties",
            settings.kafka_heap_mb,
        )
        for i in range(1, settings.kafka_brokers + 1)
    )


def session_seconds(number: int) -> int:
    """Return how long the controller of so many brokers waits for one that says nothing."""
    return SESSION_SECONDS if number > 1 else LONE_SESSION_SECONDS


def write_config(settings: Settings) -> None:
    """Write the properties of each node."""
    nodes = brokers(settings)
    template = Template((TEMPLATES / "kafka.properties").read_text(encoding="utf-8"))
    for node in nodes:
        text = template.substitute(
            number=node.number,
            host=settings.host,
            port=node.port,
            controller_port=node.controller_port,
            voters=",".join(f"{n.number}@{settings.host}:{n.controller_port}" for n in nodes),
            data=node.data,
            copies=len(nodes),
            in_sync=min(2, len(nodes)),
            session_ms=session_seconds(len(nodes)) * 1000,
        )
        node.config.write_text(text, encoding="utf-8")


def _cluster_id(settings: Settings) -> str:
    """Return the id that all nodes share: the formatted ones' when there are any."""
    for node in brokers(settings):
        file = node.data / "meta.properties"
        if file.exists():
            return next(line.split("=", 1)[1] for line in file.read_text().splitlines() if line.startswith("cluster.id="))
    return kafka_id(uuid.uuid4())


def kafka_id(seed: uuid.UUID) -> str:
    """Return a new id in Kafka's form; never one that begins with "-", which its tool takes for an option."""
    first, *others = seed.bytes
    return urlsafe_b64encode(bytes([first & 0x7F, *others])).decode().rstrip("=")


def format_storage(settings: Settings, stop: threading.Event) -> bool:
    """Format the folders of the nodes that have none; return whether one was made.

    Only the first is formatted by Kafka's tool, which takes seconds; the others are its copy under their own number.

    Raises:
        InitFailed: Kafka's tool complained; its lines are in the message.
    """
    nodes = brokers(settings)
    missing = [node for node in nodes if not (node.data / "meta.properties").exists()]
    if not missing:
        return False
    cluster_id, pattern = _cluster_id(settings), settings.home / "data" / "kafka.new"
    shutil.rmtree(pattern, ignore_errors=True)
    config = settings.run_dir / "kafka-format.properties"
    text = missing[0].config.read_text(encoding="utf-8")
    config.write_text(text.replace(f"log.dirs={missing[0].data}", f"log.dirs={pattern}"), encoding="utf-8")
    status, lines = commands.run(_java(java.QUICK, "kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", str(config)), stop, 120)
    if status != 0:
        raise InitFailed(what="Kafka's storage", lines=lines, cure=f"see the lines above; broken jars are fetched again after removing {java.jars('kafka')}.")
    for node in missing:
        draft = node.data.with_name(f"{node.data.name}.new")
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(pattern, draft)
        meta = draft / "meta.properties"
        meta.write_text(_meta_for(node.number, meta.read_text()))
        shutil.rmtree(node.data, ignore_errors=True)
        draft.rename(node.data)
    shutil.rmtree(pattern)
    return True


def _meta_for(number: int, text: str) -> str:
    """Return meta.properties under another node's number, with a directory id of its own."""
    own = {"node.id": str(number), "directory.id": kafka_id(uuid.uuid4())}
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
    return "".join(f"{key}={own.get(key, value)}\n" for key, value in pairs)
