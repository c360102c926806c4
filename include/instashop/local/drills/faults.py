"""The drills by name. Each breaks one thing, lets it last as long as it must, and returns when it broke, unless that was at once."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import psutil
import psycopg

from instashop import connect
from instashop.events import uuid7
from instashop.local.drills import disk, lost_broker, lost_redis
from instashop.local.drills.proxy import SlowProxy
from instashop.local.drills.stage import DidNotHappen, Platform, since
from instashop.settings import ROOT

OUTAGE_SECONDS = 100
HANG_SECONDS = 150
HOLD_SECONDS = 180
CATCH_UP = 5
"""How many times as fast as facts come a service must be when it catches up."""


@dataclass(frozen=True)
class Drill:
    """One fault: what it does, how long until facts flow again at most, and whether it is one of the short set."""

    name: str
    what: str
    act: Callable[[Platform], datetime | None]
    """Returns when it broke; None: as soon as it began."""
    live_within_seconds: float
    short: bool = False
    needs: tuple[str, ...] = ()
    """The address settings of the servers that it breaks: these have to be ours."""
    brokers: int = 1
    """How many brokers it needs."""


def _now() -> datetime:
    return datetime.now(UTC)


def _hang(service: str, part: Callable[[Platform], psutil.Process] | None = None) -> Callable[[Platform], datetime]:
    """Let a service, or a process that works for it, stand still for good: who watches it has to notice and end it."""

    def act(platform: Platform) -> datetime:
        at, pid = _now(), platform.service(service).pid
        process = part(platform) if part else psutil.Process(pid)
        process.suspend()
        platform.say(f"process {process.pid} of {service} stands still")
        try:
            platform.wait(lambda: platform.service(service).pid != pid, HANG_SECONDS, f"another {service} in its place")
        finally:
            with suppress(psutil.NoSuchProcess):
                process.resume()
        platform.say(f"another {service} has its place after {since(at):.1f} s")
        return at

    return act


def _restart_warehouse(platform: Platform) -> datetime:
    """Restart the warehouse while the consumer has a transaction open."""
    with connect.warehouse(platform.settings, "drill", autocommit=True) as dwh:
        open_batch = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'instashop-consumer' AND backend_xid IS NOT NULL"
        platform.wait(lambda: dwh.execute(open_batch).fetchone(), 60, "an open batch of the consumer", look_seconds=0.001)
    at = _now()
    platform.restart_server("postgres-warehouse")
    return at


def _search(connection: psycopg.Connection, occurred_at: datetime) -> str:
    event_id = uuid7(_now(), uuid4().int & (2**74 - 1))
    connection.execute(
        "INSERT INTO searches (event_id, occurred_at, session_id, query, term, results) VALUES (%s, %s, %s, 'drill', 'drill', 1)",
        [event_id, occurred_at, uuid4()],
    )
    return str(event_id)


def _late_commit(platform: Platform) -> datetime:
    with connect.shop(platform.settings, "drill") as shop:
        shop.execute("SET idle_in_transaction_session_timeout = 0")
        shop.commit()
        event_id = _search(shop, _now())
        platform.say(f"a transaction of the shop is open; nothing above it may be published for {HOLD_SECONDS} s")
        platform.rest(HOLD_SECONDS / 2)
        platform.kill_service("producer")
        platform.rest(HOLD_SECONDS / 2)
        shop.commit()
    at = _now()
    platform.wait(lambda: _kept(platform, event_id), 60, "the row committed late in the warehouse")
    return at


def _kept(platform: Platform, event_id: str) -> bool:
    with connect.warehouse(platform.settings, "drill") as dwh:
        return dwh.execute("SELECT 1 FROM realtime_events WHERE event_id = %s", [event_id]).fetchone() is not None


def _rollbacks(platform: Platform) -> None:
    with connect.shop(platform.settings, "drill") as shop:
        for number in range(200):
            _search(shop, _now())
            if number % 4:
                shop.rollback()
            else:
                shop.commit()
    platform.say("200 transactions, of which 150 were rolled back")


def long_outage(seconds: float = OUTAGE_SECONDS) -> Drill:
    """Return the drill that keeps the producer down so long; what gathered meanwhile has to be caught up with at five times the live rate."""
    limit = max(60.0, seconds / (CATCH_UP - 1))  # More facts come meanwhile.

    def act(platform: Platform) -> datetime:
        try:
            platform.want("producer", "stop")
            platform.rest(seconds)
        finally:
            at = _now()
            platform.want("producer", "start")
        platform.wait_until_live(at, limit + 60)
        platform.wait(platform.caught_up, limit + 60, "every service at the head of what it reads")
        took = since(at)
        platform.say(f"caught up with {seconds:.0f} s in {took:.1f} s: {(seconds + took) / took:.1f} times the live rate")
        return at

    return Drill("long-outage", "keep the producer down longer than any window", act, limit)


def _two_producers(platform: Platform) -> None:
    """Start a second producer as if on another machine: same servers, no lease in common."""
    with tempfile.TemporaryDirectory() as folder:
        secrets = platform.settings.home / "secrets.env"
        (Path(folder) / "secrets.env").write_text(secrets.read_text() if secrets.exists() else "")
        environment = {**os.environ, "INSTASHOP_HOME": folder, "PYTHONPATH": str(ROOT / "include")}
        command = [sys.executable, "-m", "instashop", "producer"]
        with subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as second:
            try:
                platform.rest(8)
            finally:
                second.terminate()
            said, _ = second.communicate(timeout=30)
    if "another producer" not in said.lower():
        raise DidNotHappen(what=f"the second producer's clear message (it said: {said[-300:]})", seconds=8)
    platform.say(f"the second producer waited: {said.strip().splitlines()[0][-160:]}")


POISON = (
    b"",
    b"not json",
    b"\xff\xfe\x00",
    b"[" * 50_000,
    b'{"event_id": 7}',
    b'{"term": "k\xc3\x28"}',
    b'{"term": "a\\u0000b"}',
    b"x" * 900_000,
    b"x" * 2_000_000,
)


def _poison(platform: Platform) -> datetime:
    """Send what is no event to every topic; each must end among the dead letters, and nothing may stop."""
    before, at = platform.dead_letters(), _now()
    producer = connect.kafka_producer(platform.settings, "instashop-drill", **{"message.max.bytes": 3_000_000})
    producer.init_transactions(30)
    producer.begin_transaction()
    topics = ("transactions", "searches", "transaction_items")
    for topic in topics:
        for body in POISON:
            producer.produce(topic, body, "drill")
    producer.commit_transaction(30)
    producer.close()
    wanted = before + len(topics) * len(POISON)
    platform.wait(lambda: platform.dead_letters() == wanted, 60, f"{len(topics) * len(POISON)} more dead letters")
    return at


def _clock_skew(platform: Platform) -> datetime:
    """Let two clients' clocks be five minutes wrong: one event comes late, the other is refused; both are counted."""
    before, at = platform.dead_letters(), _now()
    with connect.shop(platform.settings, "drill", autocommit=True) as shop:
        slow = _search(shop, _now() - timedelta(minutes=5))
        _search(shop, _now() + timedelta(minutes=5))
    platform.wait(lambda: _kept(platform, slow), 60, "the event of the slow clock in the warehouse")
    platform.wait(lambda: platform.dead_letters() == before + 1, 60, "the event of the fast clock among the dead letters")
    return at


def _slow_network(platform: Platform) -> datetime:
    """Run the consumer for a while over a line to the warehouse that delays, throttles and cuts."""
    settings = platform.settings
    with ExitStack() as opened:
        opened.callback(platform.want, "consumer", "start")
        platform.want("consumer", "stop")
        proxy = opened.enter_context(SlowProxy(settings.host, settings.warehouse_port, delay_seconds=0.02, bytes_per_second=2_000_000, cut_seconds=5))
        dsn = settings.warehouse_dsn.replace(f":{settings.warehouse_port}/", f":{proxy.port}/")
        environment = {**os.environ, "INSTASHOP_HOME": str(settings.home), "INSTASHOP_WAREHOUSE_DSN": dsn, "PYTHONPATH": str(ROOT / "include")}
        with (settings.log_dir / "drill-consumer.log").open("ab") as log:
            slow = subprocess.Popen([sys.executable, "-m", "instashop", "consumer"], env=environment, cwd=ROOT, stdout=log, stderr=log)
            opened.callback(slow.wait, 30)
            opened.callback(slow.terminate)
            platform.rest(30)
        platform.say(f"the consumer went on over a line cut {proxy.cuts} times")
        at = _now()
    return at


DRILLS = {
    drill.name: drill
    for drill in (
        Drill("kill-producer", "SIGKILL the producer", lambda p: p.kill_service("producer"), 30, short=True),
        Drill("kill-consumer", "SIGKILL the consumer", lambda p: p.kill_service("consumer"), 30, short=True),
        Drill("kill-enricher", "SIGKILL the enricher", lambda p: p.kill_service("enricher"), 30, short=True),
        Drill("kill-spark-driver", "SIGKILL the JVM of the Spark job", Platform.kill_spark_driver, 60, short=True),
        Drill("kill-spark-worker", "SIGKILL Spark's worker", lambda p: p.kill_server("spark-worker"), 60, needs=("spark_master",)),
        Drill("kill-broker", "SIGKILL one of three brokers", lambda p: p.kill_server("kafka-2"), 15, short=True, needs=("kafka_bootstrap",), brokers=3),
        Drill(
            "kill-controller", "SIGKILL the broker that is Kafka's active controller", lost_broker.kill_controller, 15, needs=("kafka_bootstrap",), brokers=3
        ),
        Drill("pause-broker", "let one of three brokers stand still for 30 s", lost_broker.pause, 45, needs=("kafka_bootstrap",), brokers=3),
        Drill("kill-scheduler", "SIGKILL Airflow's scheduler", lambda p: p.kill_server("airflow-scheduler"), 30),
        Drill("kill-api-server", "SIGKILL Airflow's API server", lambda p: p.kill_server("airflow-api-server"), 30),
        Drill("hang-producer", "let the producer stand still for good", _hang("producer"), HANG_SECONDS),
        Drill("hang-spark", "let the Spark job stand still for good", _hang("live_metrics"), HANG_SECONDS),
        Drill(
            "hang-executor", "let Spark's executor stand still for good", _hang("live_metrics", Platform.spark_executor), HANG_SECONDS, needs=("spark_master",)
        ),
        Drill("restart-shop-db", "restart the shop's Postgres", lambda p: p.restart_server("postgres-shop"), 30, short=True, needs=("shop_dsn",)),
        Drill("restart-warehouse", "restart the warehouse in the middle of a batch", _restart_warehouse, 30, short=True, needs=("warehouse_dsn",)),
        Drill("flush-redis", "empty Redis", lost_redis.flush, 60, short=True, needs=("redis_url",)),
        Drill("kill-redis", "SIGKILL Redis, which comes back with what it saved a minute before", lost_redis.kill, 60, needs=("redis_url",)),
        Drill("stop-redis", "stop Redis for 20 s", lambda p: p.restart_server("redis", 20), 60, needs=("redis_url",)),
        Drill("late-commit", "keep a transaction open for 3 minutes across a producer's restart", _late_commit, 60),
        Drill("rollbacks", "roll transactions back between committed ones", _rollbacks, 30, short=True),
        long_outage(),
        Drill("two-producers", "start a second producer", _two_producers, 30, short=True),
        Drill("poison", "send what is no event to the topics", _poison, 30, short=True),
        Drill("clock-skew", "let two clients' clocks be five minutes wrong", _clock_skew, 30, short=True),
        Drill("disk-full", "fill the disk of the warehouse", disk.fill, 30, needs=("warehouse_dsn",)),
        Drill("slow-network", "delay, throttle and cut the consumer's line to the warehouse", _slow_network, 60, needs=("warehouse_dsn",)),
    )
}
