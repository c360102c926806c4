"""What the watch says of the brokers; no server is needed."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

import instashop_watch
from instashop import connect
from instashop.settings import Settings
from instashop.streams import PARTITIONS_OF


def faults(monkeypatch: pytest.MonkeyPatch, thin: str, **given: object) -> list[str]:
    """Return what the watch finds in a Kafka that has our topics and one of somebody else, and that lacks a copy of one of them."""
    parts = {name: {0: SimpleNamespace(replicas=[1, 2, 3], isrs=[1, 2] if name == thin else [1, 2, 3])} for name in (*PARTITIONS_OF, "payroll")}
    found = SimpleNamespace(brokers={1: "", 2: "", 3: ""}, topics={name: SimpleNamespace(partitions=own) for name, own in parts.items()})
    monkeypatch.setattr(connect, "kafka_admin", lambda _: SimpleNamespace(list_topics=lambda timeout: found))
    return instashop_watch._broker_faults(Settings(_env_file=None, **given))  # type: ignore[arg-type]


def test_a_missing_copy_of_a_topic_is_a_fault_where_the_brokers_are_ours(monkeypatch):
    (fault,) = faults(monkeypatch, "payroll")
    assert fault.startswith("topics payroll have partitions without all their copies")


def test_at_the_organisations_brokers_only_our_topics_are_our_concern(monkeypatch):
    theirs = {"kafka_bootstrap": "kafka.example:9092"}
    assert faults(monkeypatch, "payroll", **theirs) == []
    (fault,) = faults(monkeypatch, "searches", **theirs)
    assert fault.startswith("topics searches have")
