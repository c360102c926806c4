"""What watch_platform looks at each minute; a fault is raised only if it is still there after a moment."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from confluent_kafka import KafkaException
from redis import RedisError

from instashop import connect, metrics
from instashop.control import beats, disk, intents, supervision
from instashop.control.lease import Clock
from instashop.errors import InstaShopError, KafkaUnreachable, RedisUnreachable
from instashop.settings import Settings, load
from instashop.streams import CURSORS, PARTITIONS_OF, STREAMS

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 40.0
"""A service killed a moment ago, or a broker that elects a leader, is no fault yet."""

RECOVERY_SECONDS = 180.0
"""Longer than any service may take to come back, one that hangs too: until then the books wait for it, and a first start, before they are red."""


class PlatformFault(InstaShopError):
    """{faults}
    docs/running.md says for each what to do; `./instashop doctor` looks at the whole way.
    """


class BooksDiffer(InstaShopError):
    """The books do not balance; `./instashop event ID` shows one event's way, docs/running.md how to mend it.
    {verdict}
    """


def services() -> None:
    """Return if every service that is to run does so, and has room to; end those that hang.

    Raises:
        PlatformFault: which do not, or how little room there is, and what to do.
    """
    suspected: dict[str, str] = {}
    # The disk is looked at here, since one more task each minute would cost more than the look.
    _raise_what_stays(lambda settings: [*_disk_faults(settings), *_service_faults(settings, suspected)], _services_say)


def brokers() -> None:
    """Return if all brokers are there, all topics, and each partition has all its copies.

    Raises:
        PlatformFault: what is missing.
    """
    _raise_what_stays(_broker_faults)


def spark_progress() -> None:
    """Return if the live metrics are as fresh as the events are, and Spark's watermark dropped nothing.

    Raises:
        PlatformFault: what is wrong.
    """
    _raise_what_stays(_spark_faults)


def books() -> str:
    """Return the verdict of the books in words.

    Raises:
        BooksDiffer: they do not balance.
    """
    from instashop.control.books import verify

    verdict = verify(load(), wait_seconds=RECOVERY_SECONDS)
    if not verdict.balanced:
        raise BooksDiffer(verdict=verdict.describe())
    log.info("%s", verdict.describe())
    return verdict.describe()


def _raise_what_stays(look: Callable[[Settings], list[str]], say: Callable[[Settings], None] | None = None) -> None:
    settings, tick, until = load(), threading.Event(), time.monotonic() + PATIENCE_SECONDS
    while (faults := _faults(look, settings)) and time.monotonic() < until:
        log.info("not well yet: %s", "; ".join(faults))
        tick.wait(5)
    if say:
        say(settings)
    if faults:
        raise PlatformFault(faults="; ".join(faults))


def _faults(look: Callable[[Settings], list[str]], settings: Settings) -> list[str]:
    """Return what a look finds; a server that does not answer is a fault like others."""
    try:
        return look(settings)
    except (KafkaUnreachable, RedisUnreachable) as error:
        return [str(error)]


def _disk_faults(settings: Settings) -> list[str]:
    short = disk.shortage(settings.home)
    return [f"{short} {disk.CURE}"] if short else []


def _service_faults(settings: Settings, suspected: dict[str, str]) -> list[str]:
    """Return what is wrong with services; one that was `suspected` stays so until it is as wanted, since one that ends again and again lives in between."""
    if intents.read(settings.run_dir, intents.PLATFORM).state == "stopped":
        return []
    faults, ended = [], False
    for service in beats.SERVICES:
        intent, process = intents.read(settings.run_dir, service), supervision.find(settings.run_dir, service)
        found = supervision.finding(service, intent, process, beats.read(settings.run_dir, service), Clock.read(), settings.beat_stale_seconds)
        if found is not None:
            suspected[service] = found.text
        elif supervision.is_as_wanted(settings.run_dir, service):
            suspected.pop(service, None)
        if service in suspected:
            faults.append(f"{service} {suspected[service]}")
        if found is None:
            continue
        if found.hangs and process is not None:
            by_itself = supervision.stop(settings.run_dir, service, process, grace_seconds=5)
            log.error("%s was ended %s.", service, "and went by itself" if by_itself else "by SIGKILL")
            ended = True
    if ended:  # No patience: what hung was heard.
        raise PlatformFault(faults="; ".join(faults))
    return faults


def _services_say(settings: Settings) -> None:
    for service in beats.SERVICES:
        intent = intents.read(settings.run_dir, service)
        beat = beats.read(settings.run_dir, service)
        log.info("%s: %s", service, "stopped on purpose" if intent.state == "stopped" else supervision.describe(beat, datetime.now(UTC)))


def _broker_faults(settings: Settings) -> list[str]:
    try:
        found = connect.kafka_admin(settings).list_topics(timeout=5)
    except KafkaException as error:
        raise KafkaUnreachable(address=settings.kafka_bootstrap, cause=error.args[0].str()) from error
    wanted = len(settings.kafka_bootstrap.split(","))
    faults = [] if len(found.brokers) >= wanted else [f"only {len(found.brokers)} of {wanted} brokers answer; start the others with `./instashop up`"]
    missing = sorted({stream.name for stream in STREAMS} - set(found.topics)) + [CURSORS] * (CURSORS not in found.topics)
    if missing:
        faults.append(f"topics {', '.join(missing)} are not there; run prepare_platform")
    ours = {name: topic for name, topic in found.topics.items() if name in PARTITIONS_OF or settings.runs_here("kafka_bootstrap")}
    thin = sorted({name for name, topic in ours.items() for part in topic.partitions.values() if len(part.isrs) < len(part.replicas)})
    if thin:
        faults.append(f"topics {', '.join(thin)} have partitions without all their copies; a broker is down or behind")
    log.info("%d of %d brokers, %d topics", len(found.brokers), wanted, len(found.topics))
    return faults


def _spark_faults(settings: Settings) -> list[str]:
    stopped = [intents.read(settings.run_dir, name).state == "stopped" for name in (intents.PLATFORM, "live_metrics")]
    if any(stopped):
        return []
    client = connect.redis(settings)
    try:
        text = client.get(metrics.PROGRESS_KEY)
        producer = beats.read_all(client).get("producer")
    except RedisError as error:
        raise RedisUnreachable(address=settings.where("redis_url"), cause=error) from error
    progress = json.loads(text) if text else None
    log.info("last batch: %s", progress)
    fault = spark_fault(progress, producer.newest_recorded_at if producer else None, datetime.now(UTC), settings.beat_stale_seconds)
    return [fault] if fault else []


def spark_fault(progress: dict[str, Any] | None, newest: datetime | None, now: datetime, stale_seconds: float) -> str | None:
    """Return what is wrong with the live metrics, or None; without fresh events (newest in Kafka) no fresh batch is wanted."""
    if progress is not None and (dropped := metrics.dropped(progress, now)):
        return f"Spark's watermark dropped {dropped} rows; docs/running.md says under run_live_metrics when that matters, and the cure"
    if newest is None or (now - newest).total_seconds() > stale_seconds:
        return None
    if progress is None:
        return "Spark has not finished a batch yet; look at the log of run_live_metrics"
    age = (now - datetime.fromisoformat(progress["at"])).total_seconds()
    return f"Spark's last batch is {age:.0f} s old while events arrive; look at the log of run_live_metrics" if age > stale_seconds else None
