"""When a start is live: with events on the screen, or, where somebody has stopped what brings them, once the rest runs; and when it gives up."""

from __future__ import annotations

import threading

import pytest

from instashop.control import intents, supervision
from instashop.local import health, programs, up
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


def _seen(state: str, start: int, said: str = "") -> dict[str, object]:
    return {"statename": state, "start": start, "spawnerr": "", "description": said}


@pytest.mark.parametrize(
    ("looks", "why"),
    [
        ([_seen("STARTING", 1), _seen("RUNNING", 1), _seen("RUNNING", 1)], None),
        ([_seen("STARTING", 1), _seen("BACKOFF", 1), _seen("BACKOFF", 2), _seen("BACKOFF", 4)], None),
        ([_seen("BACKOFF", 1), _seen("BACKOFF", 2), _seen("BACKOFF", 4), _seen("BACKOFF", 7)], "it has ended 4 times"),
        ([_seen("RUNNING", second) for second in (1, 6, 11, 16)], None),
        ([_seen("RUNNING", second) for second in (1, 6, 11, 16, 21)], "it has ended 4 times"),
        ([_seen("STOPPED", 1, "Nov 29 08:54 AM")], "Nov 29 08:54 AM"),
        ([None], "supervisord has gone"),
    ],
)
def test_a_server_that_ends_again_and_again_is_given_up_though_it_is_tried_again(looks, why):
    starts: set[int] = set()
    assert [up.why_gone(info, starts) for info in looks][-1] == why


def test_a_start_gives_up_on_the_server_that_fails_and_names_it(settings, monkeypatch):
    tries = iter(range(100))
    monkeypatch.setattr(programs, "start", lambda *_: True)
    monkeypatch.setattr(programs, "states", lambda _: {"kafka-1": _seen("RUNNING", 1), "kafka-2": _seen("BACKOFF", next(tries))})
    monkeypatch.setattr(health, "CHECKS", {name: lambda _: "not yet" for name in ("kafka-1", "kafka-2")})
    monkeypatch.setattr(up, "PATIENCE_SECONDS", 5)
    with pytest.raises(ServerFailed, match=r"kafka-2 does not stay up \(it has ended 4 times\)"):
        up._start_and_wait(settings, ["kafka-1", "kafka-2"], threading.Event())
