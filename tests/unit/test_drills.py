"""Which drills are run where, and what becomes of one that is told to end; no server is needed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from instashop.local.drills import lost_redis
from instashop.local.drills.faults import DRILLS
from instashop.local.drills.run import NotBySupervisord, NotOurs, TooFewBrokers, UnknownDrill, chosen, random_kills, run
from instashop.local.signals import ends_on_sigterm
from instashop.settings import ADDRESSES, Settings

OURS: dict[str, object] = {"kafka_brokers": 3}


def make(**given: object) -> Settings:
    return Settings(_env_file=None, **(OURS | given))  # type: ignore[arg-type]


def names(settings: Settings, short: bool = False) -> set[str]:
    return {drill.name for drill in chosen((), everything=not short, short=short, settings=settings)}


def one(name: str, settings: Settings) -> None:
    chosen([name], everything=False, short=False, settings=settings)


def test_with_one_broker_the_drills_that_take_one_away_are_left_out() -> None:
    light = make(kafka_brokers=1)
    assert names(make()) - names(light) == {"kill-broker", "kill-controller", "pause-broker"}
    assert names(make(), short=True) - names(light, short=True) == {"kill-broker"}
    with pytest.raises(TooFewBrokers, match="kill-broker takes one of 3"):
        one("kill-broker", light)


@pytest.mark.parametrize(
    ("setting", "address", "left_out"),
    [
        ("redis_url", "redis://cache.example:6379/5", {"flush-redis", "kill-redis", "stop-redis"}),
        ("warehouse_dsn", "postgresql://acme:x@dwh.example/acme", {"restart-warehouse", "disk-full", "slow-network"}),
        ("kafka_bootstrap", "k1.example:9092", {"kill-broker", "kill-controller", "pause-broker"}),
        ("spark_master", "spark://spark.example:7077", {"kill-spark-worker", "hang-executor"}),
    ],
)
def test_a_server_of_somebody_else_is_never_broken(setting: str, address: str, left_out: set[str]) -> None:
    settings = make(**{setting: address})
    assert names(make()) - names(settings) == left_out
    for name in left_out:
        with pytest.raises(NotOurs, match=f"drill {name} breaks a server of somebody else: INSTASHOP_{setting.upper()} leads to .*example"):
            one(name, settings)


def test_the_shop_of_somebody_else_is_not_restarted() -> None:
    theirs = dict.fromkeys(("shop_dsn", "shop_feed_dsn", "crm_dsn", "crm_feed_dsn"), "postgresql://acme:x@shop.example/acme")
    assert names(make()) - names(make(**theirs)) == {"restart-shop-db"}


def test_every_drill_needs_servers_that_there_are() -> None:
    assert {name for drill in DRILLS.values() for name in drill.needs} <= set(ADDRESSES)


def test_to_flush_redis_takes_our_database_only(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    class Redis:
        def scan_iter(self, _pattern: str) -> list[str]:
            return []

        def flushdb(self) -> None:
            asked.append("flushdb")

    class Platform:
        settings = make()

        def say(self, _text: str) -> None: ...

        def wait(self, _true: object, _seconds: float, _what: str) -> None: ...

        def rest(self, _seconds: float) -> None: ...

    monkeypatch.setattr(lost_redis.connect, "redis", lambda _settings: Redis())
    lost_redis.flush(Platform())  # type: ignore[arg-type]
    assert asked == ["flushdb"]


def test_in_containers_drills_say_what_to_do_instead(tmp_path: Path) -> None:
    settings = make(servers="elsewhere", home=tmp_path)
    for begin in (lambda: run(settings, [], None, print), lambda: random_kills(settings, 1, 1, 1, None, print)):
        with pytest.raises(NotBySupervisord, match="docker compose restart NAME"):
            begin()


def test_a_drill_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(UnknownDrill, match=r"kill-everything; choose one of kill-producer, .*random-kills"):
        chosen(["kill-consumer", "kill-everything"], everything=False, short=False, settings=make())


@pytest.mark.parametrize("name", ["kill-scheduler", "kill-api-server", "disk-full", "random-kills"])
def test_airflow_does_not_run_a_drill_that_ends_its_own_task_must_not_be_killed_or_takes_long(name: str) -> None:
    import instashop_by_hand

    with pytest.raises(instashop_by_hand.NotFromAirflow, match=f"drill {name}"):
        instashop_by_hand.drill(name, None)


@pytest.mark.usefixtures("hangup_heard")
@pytest.mark.parametrize("word", [signal.SIGTERM, signal.SIGHUP])
def test_a_drill_that_is_told_to_end_undoes_what_it_began(word):
    undone, before = [], signal.getsignal(word)

    @ends_on_sigterm()
    def drill():
        try:
            os.kill(os.getpid(), word)
        finally:
            undone.append("the fault")

    with pytest.raises(KeyboardInterrupt):
        drill()
    assert undone == ["the fault"]
    assert signal.getsignal(word) is before


@pytest.mark.usefixtures("hangup_heard")
def test_a_drill_goes_on_when_a_terminal_is_lost_that_its_caller_gave_up():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with ends_on_sigterm():
        os.kill(os.getpid(), signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
