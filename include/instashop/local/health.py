"""Asks each server whether it is well; an answer is None, or the reason why not."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import datetime
from typing import Any

import psycopg
from confluent_kafka import KafkaException
from redis import RedisError

from instashop import connect
from instashop.errors import InstaShopError
from instashop.local import programs, servers
from instashop.settings import DSNS, Settings, places

Check = Callable[[Settings], str | None]


def get_json(url: str) -> Any:
    """Return the JSON of a page; no proxy is asked.

    Raises:
        OSError: nobody answers, or not with success.
        ValueError: the answer is no JSON.
    """
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=3) as answer:
        return json.load(answer)


def _postgres(setting: str) -> Check:
    def check(settings: Settings) -> str | None:
        dsn = getattr(settings, setting)
        try:
            with connect.postgres(dsn, seconds=2) as connection:
                connection.execute("SELECT 1")
        except psycopg.Error as error:
            return f"{connect.address(dsn)}: {(str(error).strip().splitlines() or ['no answer'])[-1]}"
        return None

    return check


def _redis(settings: Settings) -> str | None:
    try:
        connect.redis(settings).ping()
    except RedisError as error:
        return str(error)
    return None


def listens(host: str, port: int) -> bool:
    """Return whether somebody accepts connections there."""
    try:
        socket.create_connection((host, port), timeout=0.5).close()
    except OSError:
        return False
    return True


def kafka(settings: Settings) -> str | None:
    """Return None when every broker is a member of the cluster."""
    wanted = places("kafka_bootstrap", settings.kafka_bootstrap)
    closed = [f"{host}:{port}" for host, port in wanted if not listens(host, port)]
    if closed:
        return f"no broker listens on {', '.join(closed)}"
    try:
        there = len(connect.kafka_admin(settings).list_topics(timeout=2).brokers)
    except (KafkaException, InstaShopError) as error:
        return f"the brokers do not answer: {error}"
    return f"only {there} of {len(wanted)} brokers have joined" if there < len(wanted) else None


def _cluster(settings: Settings) -> str | None:
    """Return None when brokers of somebody else answer."""
    try:
        connect.kafka_admin(settings).list_topics(timeout=5)
    except (KafkaException, InstaShopError) as error:
        login = " or the login of INSTASHOP_KAFKA_USER is refused" if settings.kafka_user else ""
        return f"no broker answers{login}: {error}"
    return None


def _master(settings: Settings) -> str | None:
    """Return None when a Spark master of somebody else accepts connections."""
    closed = [f"{host}:{port}" for host, port in places("spark_master", settings.spark_master) if not listens(host, port)]
    return f"nothing listens on {', '.join(closed)}" if closed else None


def elsewhere(settings: Settings) -> dict[str, Check]:
    """Return how to ask each server of somebody else, by the setting that says where it is."""
    checks = {name: _postgres(name) for name in DSNS}
    checks |= {"kafka_bootstrap": _cluster, "redis_url": _redis, "spark_master": _master}
    return {name: check for name, check in checks.items() if name in settings.elsewhere}


def _broker(number: int) -> Check:
    def check(settings: Settings) -> str | None:
        known = places("kafka_bootstrap", settings.kafka_bootstrap)
        if number > len(known):
            return None  # Somebody else's cluster names fewer than it has; `kafka` asks for the others.
        host, port = known[number - 1]
        return None if listens(host, port) else f"nothing listens on {host}:{port}"

    return check


def _spark_master(settings: Settings) -> str | None:
    try:
        status = get_json(f"{settings.spark_ui_url}/json/")["status"]
    except (OSError, ValueError, KeyError) as error:
        return f"its page does not answer: {error}"
    return None if status == "ALIVE" else f"its state is {status}"


def _spark_worker(settings: Settings) -> str | None:
    try:
        alive = get_json(f"{settings.spark_ui_url}/json/")["aliveworkers"]
    except (OSError, ValueError, KeyError) as error:
        return f"the master's page does not answer: {error}"
    return None if alive else "no worker has joined the master"


def airflow_health(settings: Settings) -> dict[str, Any]:
    """Return what Airflow says of its own parts.

    Raises:
        OSError: the API server does not answer.
        ValueError: it answers something else.
    """
    return get_json(f"{settings.airflow_url}/api/v2/monitor/health")


def _api(settings: Settings) -> str | None:
    try:
        state = airflow_health(settings)["metadatabase"]["status"]
    except (OSError, ValueError, KeyError) as error:
        return f"{settings.airflow_url} does not answer: {error}"
    return None if state == "healthy" else "its database does not answer"


def _airflow_part(server: str, key: str, heartbeat: str) -> Check:
    def check(settings: Settings) -> str | None:
        try:
            part = airflow_health(settings)[key]
        except (OSError, ValueError, KeyError) as error:
            return f"the API server does not answer: {error}"
        if part["status"] != "healthy":
            return f"its state is {part['status']}, its last heartbeat {part[heartbeat]}"
        began = programs.states(settings).get(server, {}).get("start", 0)
        beat = datetime.fromisoformat(part[heartbeat].replace("Z", "+00:00")).timestamp()
        return None if beat >= began else "no heartbeat since its start"

    return check


def _dashboard(settings: Settings) -> str | None:
    url = f"{settings.dashboard_url}/healthz"
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=3):
            return None
    except urllib.error.HTTPError as error:
        return f"{url} answers {error.code}"
    except OSError as error:
        return f"{url} does not answer: {error}"


def live_events(settings: Settings) -> tuple[int, str]:
    """Return how many events of this start the Live page shows, and why there are none when so."""
    url = f"{settings.dashboard_url}/api/live"
    try:
        answer = get_json(url)
        return int(answer["events_since_start"] or 0), f"{url} says {json.dumps(answer)[:300]}"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return 0, f"{url} does not tell: {error!r}"


CHECKS: dict[str, Check] = {
    servers.SHOP: _postgres("shop_dsn"),
    servers.WAREHOUSE: _postgres("warehouse_dsn"),
    servers.AIRFLOW_DB: _postgres("airflow_dsn"),
    servers.REDIS: _redis,
    **{servers.broker(i): _broker(i) for i in (1, 2, 3)},
    servers.SPARK_MASTER: _spark_master,
    servers.SPARK_WORKER: _spark_worker,
    servers.API: _api,
    servers.SCHEDULER: _airflow_part(servers.SCHEDULER, "scheduler", "latest_scheduler_heartbeat"),
    servers.DAG_PROCESSOR: _airflow_part(servers.DAG_PROCESSOR, "dag_processor", "latest_dag_processor_heartbeat"),
    servers.TRIGGERER: _airflow_part(servers.TRIGGERER, "triggerer", "latest_triggerer_heartbeat"),
    servers.DASHBOARD: _dashboard,
}
"""How to ask each server of servers.table; a test compares the names."""
