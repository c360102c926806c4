"""What the watch says of the brokers; no server is needed."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import pytest

import instashop_watch
from instashop import connect
from instashop.control import disk, doctor
from instashop.settings import Settings
from instashop.streams import PARTITIONS_OF


def faults(monkeypatch: pytest.MonkeyPatch, thin: str, **given: object) -> list[str]:
    """Return what the watch finds in a Kafka that has our topics and one of somebody else, and that lacks a copy of one of them."""
    parts = {name: {0: SimpleNamespace(replicas=[1, 2, 3], isrs=[1, 2] if name == thin else [1, 2, 3])} for name in (*PARTITIONS_OF, "payroll")}
    found = SimpleNamespace(brokers={1: "", 2: "", 3: ""}, topics={name: SimpleNamespace(partitions=own) for name, own in parts.items()})
    monkeypatch.setattr(connect, "kafka_admin", lambda _: SimpleNamespace(list_topics=lambda timeout: found))
    return instashop_watch._broker_faults(Settings(_env_file=None, **given))  # type: ignore[arg-type]


def test_a_disk_that_is_nearly_full_is_a_fault_of_watch_and_doctor(monkeypatch, tmp_path):
    settings = Settings(_env_file=None, home=tmp_path)
    monkeypatch.setattr(instashop_watch, "load", lambda: settings)
    monkeypatch.setattr(instashop_watch, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(instashop_watch, "_service_faults", lambda *_: [])
    for free in (disk.FREE_BYTES, disk.FREE_BYTES - 1):
        monkeypatch.setattr(shutil, "disk_usage", lambda place, free=free: SimpleNamespace(free=free) if place == tmp_path else None)
        (found,) = doctor._disk(settings)
        if free == disk.FREE_BYTES:
            instashop_watch.services()
            assert (found.level, found.text) == ("well", "2 GB are free.")
        else:
            with pytest.raises(instashop_watch.PlatformFault, match=f"only 2.0 GB are free on the disk of {tmp_path}; .*INSTASHOP_WAREHOUSE_RETENTION_DAYS"):
                instashop_watch.services()
            assert (found.level, found.cure) == ("fault", disk.CURE)


def test_a_missing_copy_of_a_topic_is_a_fault_where_the_brokers_are_ours(monkeypatch):
    (fault,) = faults(monkeypatch, "payroll")
    assert fault.startswith("topics payroll have partitions without all their copies")


def test_at_the_organisations_brokers_only_our_topics_are_our_concern(monkeypatch):
    theirs = {"kafka_bootstrap": "kafka.example:9092"}
    assert faults(monkeypatch, "payroll", **theirs) == []
    (fault,) = faults(monkeypatch, "searches", **theirs)
    assert fault.startswith("topics searches have")
