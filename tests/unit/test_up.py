"""When a start is live: with events on the screen, or, where somebody has stopped what brings them, once the rest runs."""

from __future__ import annotations

import threading

import pytest

from instashop.control import intents, supervision
from instashop.local import health, up
from instashop.local.failures import ServerFailed
from instashop.settings import Settings


@pytest.fixture
def settings(tmp_path, monkeypatch) -> Settings:
    monkeypatch.setattr(up, "LIVE_PATIENCE_SECONDS", 0.1)
    settings = Settings(_env_file=None, home=tmp_path)
    settings.run_dir.mkdir(parents=True)
    return settings


def test_a_start_is_live_when_its_events_are_on_the_screen(settings, monkeypatch):
    monkeypatch.setattr(health, "live_events", lambda _: (0, "none yet"))
    with pytest.raises(ServerFailed, match="none yet"):
        up._live(settings, threading.Event())
    monkeypatch.setattr(health, "live_events", lambda _: (12, ""))
    assert up._live(settings, threading.Event()) == "12 events"


@pytest.mark.parametrize("service", ["generator", "producer", "live_metrics"])
def test_where_nothing_brings_events_on_purpose_a_start_waits_for_the_services_that_are_to_run(settings, monkeypatch, service):
    intents.ask(settings.run_dir, service, "stop")
    with pytest.raises(ServerFailed, match="does not run yet"):
        up._live(settings, threading.Event())
    monkeypatch.setattr(supervision, "is_as_wanted", lambda _run_dir, _name: True)
    assert up._live(settings, threading.Event()) == f"none: {service} stopped on purpose"
