"""The live metrics: topics → 30-second windows → Redis, one source and one query; the definition is include/sql/metrics/windows.sql."""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from redis import RedisError

from instashop import connect, live, sql
from instashop.control import lease
from instashop.control.beats import BeatWriter
from instashop.errors import InstaShopError, first_line
from instashop.events import Event, Refusal, judge_of
from instashop.metrics import FIELDS, LABELS, NUMBERS, PROGRESS_KEY, WINDOW_SECONDS
from instashop.settings import Settings, load
from instashop.streams import BY_NAME, STREAMS
from instashop.transport.loop import Batch, Pulse, beating, every, lifetime, stop_on_signals, wait_for
from instashop.transport.refill import Keeper
from instashop.transport.reports import Reports
from instashop.transport.topics import consumer, require
from instashop.transport.window_sink import OnlyWriter, PatientSink, WindowSink

if TYPE_CHECKING:
    from pyspark.sql.streaming.query import StreamingQuery

log = logging.getLogger("live_metrics")

TOPICS = [stream.name for stream in STREAMS if stream.live]
_ENVELOPE = {"kind": "string", "occurred_at": "timestamp", "recorded_at": "timestamp"}
COLUMNS = _ENVELOPE | dict.fromkeys(LABELS, "string") | dict.fromkeys(NUMBERS, "bigint")
"""The columns of the view `events` and their types in Spark."""
EVENTS_SCHEMA = ", ".join(f"{name} {of_type}" for name, of_type in COLUMNS.items())
FINISH_SECONDS = 3
"""How long a stop waits for the batch under way."""
FEW_OFFSETS = 200
"""With fewer than this to read a batch waits until `live_quiet_ms` after the one before: it costs as much as a full one."""
_CHECKPOINTING = "org.apache.spark.sql.execution.streaming.checkpointing"
_IN_ARROW = {"string": pa.string(), "timestamp": pa.timestamp("us", tz="UTC"), "bigint": pa.int64()}
_ARROW = pa.schema([(name, _IN_ARROW[of_type]) for name, of_type in COLUMNS.items()])


class BatchHangs(InstaShopError):
    """No batch has ended for {seconds:.0f} s, so a task of Spark's executor hangs; this job ends, and the next one repeats the batch on another executor."""


def reader_of(topic: str) -> Callable[[Event], tuple[Any, ...]]:
    """Return what reads an event of a topic in the columns of the view `events`; one that its kind lacks is None."""
    fields = {name: name for name in _ENVELOPE} | dict(FIELDS[topic])
    read = attrgetter(*fields.values())
    places = {column: place for place, column in enumerate(fields)}
    pick = itemgetter(*(places.get(column, -1) for column in COLUMNS))
    return lambda event: pick((*read(event), None))


def judged(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Turn messages (topic, value, published_ms) into events by the judge that consumer and enricher ask; what it refuses is left out."""
    judges = {name: judge_of(name, BY_NAME[name].event_type) for name in TOPICS}
    readers = {name: reader_of(name) for name in TOPICS}
    for batch in batches:
        messages = zip(*(column.to_pylist() for column in batch.columns), strict=True)
        verdicts = ((topic, judges[topic](value, published_ms)) for topic, value, published_ms in messages)
        rows = [readers[topic](event) for topic, event in verdicts if not isinstance(event, Refusal)]
        columns = list(zip(*rows, strict=True)) or [()] * len(COLUMNS)
        arrays = [pa.array(column, type) for column, type in zip(columns, _ARROW.types, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, schema=_ARROW)
    live.spare_modules()


def windows(messages: DataFrame, tasks: int = 1) -> DataFrame:
    """Turn messages (topic, value, timestamp) into the rows of windows.sql, with the window's begin as Unix seconds in `start`; judge them by so many tasks at once."""
    # Else every partition costs a task in every batch, however little is in it.
    few = messages.select("topic", "value", F.unix_millis("timestamp")).coalesce(tasks)
    events = few.mapInArrow(judged, EVENTS_SCHEMA)
    events = events.withWatermark("occurred_at", "24 hours")  # Only frees state; late is decided by the event itself.
    events = events.withColumn("win", F.window("occurred_at", f"{WINDOW_SECONDS} seconds")).withColumn("win_end", F.col("win.end"))
    events.createOrReplaceTempView("events")
    rows = events.sparkSession.sql(sql.statement("metrics/windows"))
    return rows.withColumn("start", F.unix_timestamp("win.start")).drop("win")


def messages(spark: SparkSession, settings: Settings) -> DataFrame:
    """Return the stream of messages of every live topic, read-committed."""
    options = {
        **connect.kafka_spark_options(settings),
        "kafka.isolation.level": "read_committed",
        "kafka.fetch.max.wait.ms": "1",  # Spark asks for a partition's ends after each fetch, and the broker answers behind the next one.
        # A broker that starts takes connections long before it answers, and a call meant for one that has left the cluster waits for its
        # return: it is given up soon, and a new client asks those that lead by then.
        "kafka.request.timeout.ms": "2000",
        "kafka.default.api.timeout.ms": "3000",
        "fetchOffset.numRetries": "20",
        "fetchOffset.retryIntervalMs": "200",
        "subscribe": ",".join(TOPICS),
        "startingOffsets": "earliest",
        "failOnDataLoss": "true",
        "maxOffsetsPerTrigger": str(settings.live_offsets_limit),
        "minOffsetsPerTrigger": str(min(FEW_OFFSETS, settings.live_offsets_limit)),
        "maxTriggerDelay": f"{max(0, settings.live_quiet_ms - settings.live_trigger_ms // 2)}ms",  # A trigger may come a little early.
    }
    return spark.readStream.format("kafka").options(**options).load()


def session(settings: Settings) -> SparkSession:
    """Open the Spark session that spark-submit prepared."""
    builder = SparkSession.builder.appName(live.SERVICE)
    confs = {
        "spark.log.level": "WARN",
        # An executor is given the level before it reads Spark's default settings, which set it back (Spark 4.2).
        "spark.executor.defaultJavaOptions": f"-Dlog4j2.configurationFile=file:{Path(__file__).with_name('log4j2.xml')}",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "1",
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.streaming.metricsEnabled": "false",
        "spark.sql.streaming.minBatchesToRetain": "10",
        "spark.sql.streaming.noDataProgressEventInterval": "1000",  # A quiet shop's numbers stay as fresh as a busy one's.
        "spark.sql.streaming.noDataMicroBatches.enabled": "false",  # Only what comes changes a window.
        "spark.sql.streaming.checkpointFileManagerClass": f"{_CHECKPOINTING}.FileSystemBasedCheckpointFileManager",
        **live.FILES,
    }
    for name, value in confs.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def start(spark: SparkSession, settings: Settings, folder: Path, sink: PatientSink) -> StreamingQuery:
    """Start the query; each batch writes the absolute values of the windows it changed."""

    def write(frame: DataFrame, batch: int) -> None:
        sink.write(batch, [row.asDict() for row in frame.collect()])

    stream = windows(messages(spark, settings), settings.spark_cores).writeStream.outputMode("update").foreachBatch(write)
    return stream.option("checkpointLocation", str(folder)).trigger(processingTime=f"{settings.live_trigger_ms} milliseconds").start()


def watch(query: StreamingQuery, sink: PatientSink, stop: threading.Event, pulse: Pulse, settings: Settings, begun_ms: int, writer: OnlyWriter) -> None:
    """Say how far the query is until it ends or the stop is asked for; fill Redis again when it has lost the windows.

    Raises:
        BatchHangs: no batch has ended for so long that none will.
    """
    redis, reports, carried, told = connect.redis(settings), Reports(query, begun_ms), False, False

    def say() -> tuple[dict[str, Any] | None, str]:
        """Say how far the query is, in Redis and as a beat, and stay its only writer; return the progress, and what it waits for."""
        nonlocal carried, told
        pulse.events_total += reports.look()
        progress, trouble = reports.progress, sink.trouble
        try:
            writer.renew()
            if not carried:
                reports.carry_on(redis.get(PROGRESS_KEY))
                carried = True
            elif progress:
                redis.set(PROGRESS_KEY, json.dumps(progress))
        except RedisError as error:
            trouble = trouble or f"Redis does not take the progress ({error})"
        if trouble and not told:
            log.warning("%s; trying again until it does", trouble)
        told = bool(trouble)
        batch = Batch([], None, None, progress["behind"], None if progress["behind"] else 0.0) if progress else None
        # The first batch may take minutes after a long outage: who only starts is no hang, and stays the only writer.
        pulse.beat("waiting" if trouble else "running" if progress else "starting", trouble, batch)
        return progress, trouble

    keeper = Keeper(settings, redis, partial(every, settings.beat_seconds, say))
    while query.isActive and not stop.is_set():
        progress, trouble = say()
        if progress and not trouble:
            with suppress(RedisError):  # The next look says that it is away.
                keeper.look(progress, reports.went_back)
        if (seconds := reports.hang(waits=bool(trouble))) is not None:
            raise BatchHangs(seconds=seconds)
        stop.wait(0.5)


def _finish(query: StreamingQuery) -> None:
    """Stop between two batches; one that takes long is given up, and the next job repeats it."""
    until, tick = time.monotonic() + FINISH_SECONDS, threading.Event()
    while query.status["isTriggerActive"] and time.monotonic() < until:
        tick.wait(0.02)
    query.stop()


def _topics_are_there(settings: Settings) -> None:
    with consumer(settings, "instashop-live-metrics") as client:
        require(client, settings, TOPICS)


def main() -> int:
    """Run until SIGTERM; return 0 after a stop that was asked for, 1 when the query failed."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stdout)
    logging.getLogger("py4j").setLevel(logging.WARNING)
    settings, stop = load(), stop_on_signals()
    with lease.take(settings.run_dir, live.SERVICE):
        pulse = Pulse(live.SERVICE, settings, BeatWriter(settings.run_dir, connect.redis(settings)))
        pulse.beat("starting", now=True)
        writer = OnlyWriter(connect.redis(settings))
        ready = wait_for(lambda: _topics_are_there(settings), stop, pulse) and wait_for(writer.take, stop, pulse)
        if not ready:
            pulse.beat("stopped", now=True)
            return 0
        folder, begun_ms = live.checkpoint(settings)
        with beating(pulse, "starting"):
            sink = PatientSink(WindowSink(connect.redis(settings), begun_ms, settings.live_expiry_seconds), stop)
            query = start(session(settings), settings, folder, sink)
        with lifetime(settings, stop):
            watch(query, sink, stop, pulse, settings, begun_ms, writer)
        failed = query.exception()
        if failed is not None and not stop.is_set():  # A batch that waits for Redis fails when a stop is asked for.
            log.error("the query ended: %s", failed)
            pulse.beat("stopping", first_line(failed)[:300], now=True)
            return 1
        _finish(query)
        writer.leave()
        pulse.beat("stopped", now=True)
        log.info("stopped cleanly after %d events", pulse.events_total)
    return 0


if __name__ == "__main__":
    try:
        code = main()
    except InstaShopError as error:
        log.error("%s", error)
        code = 1
    sys.exit(code)
