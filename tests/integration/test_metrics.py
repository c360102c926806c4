"""One text, two engines: Spark and Postgres must say the same of the same events."""

from __future__ import annotations

import logging
import random
import sys
from datetime import UTC, datetime, timedelta

import pytest
from psycopg.rows import dict_row

from instashop import live, sql
from instashop.metrics import MEASURES, field_of
from instashop.transport.reports import Reports
from tests import bodies
from tests.integration.rows import keep_body


@pytest.fixture(scope="module")
def spark(stack):
    from pyspark.sql import SparkSession

    environment = live.submit_environment(stack)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("SPARK_HOME", "PYSPARK_PYTHON", "PYTHONPATH", "SPARK_LOCAL_IP", "TZ"):
            patch.setenv(name, environment[name])
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").config("spark.sql.session.timeZone", "UTC")
        session = builder.config("spark.sql.shuffle.partitions", "1").config("spark.driver.memory", "512m").getOrCreate()
        yield session
        session.stop()
        logging.getLogger("py4j").setLevel(logging.WARNING)  # It still speaks when pytest has closed its streams.


NAMES = ("Kettle", "kettle", "Kettle, blue", "Über-Kettle")
"""Of each product within one window."""


def _events(seed: int = 3) -> list[tuple[str, dict]]:
    """Return events over five windows, late ones and refused ones among them."""
    rng, begin = random.Random(seed), datetime(2026, 5, 1, 12, tzinfo=UTC)
    made: list[tuple[str, dict]] = []
    for _ in range(400):
        at = begin + timedelta(seconds=rng.uniform(0, 150))
        recorded = (at + timedelta(seconds=rng.choice((0, 0, 0, 5, 39.5, 41, 90)))).isoformat()
        kind = rng.choice(("transactions", "transaction_items", "user_behavior", "searches", "cart_events"))
        body = {
            "transactions": lambda at: bodies.transaction(at, status=rng.choice(("created", "paid", "failed", "refunded"))),
            "transaction_items": lambda at: bodies.item(
                at, category=rng.choice(("Books", "Toys")), product_id=rng.randint(1, 4), product_name=rng.choice(NAMES)
            ),
            "user_behavior": lambda at: bodies.behavior(at, action=rng.choice(("session_start", "page_view", "product_view", "wishlist_add"))),
            "searches": lambda at: rng.choice((bodies.search, bodies.search_v2))(at, results=rng.choice((0, 5))),
            "cart_events": lambda at: bodies.cart(at, action=rng.choice(("add", "remove", "checkout", "abandon"))),
        }[kind](at)
        made.append((kind, {**body, "recorded_at": recorded}))
    return made


def _by_field(rows: list[tuple[int, dict]]) -> dict[tuple[int, str], dict]:
    """Return the measures of each row by its window and its field in Redis, which no two rows share."""
    found = {(start, field_of(row)): {m: int(row[m]) for m in MEASURES} for start, row in rows}
    assert len(found) == len(rows)
    return found


def test_spark_and_postgres_say_the_same_of_the_same_events(spark, dwh):
    from spark_jobs.live_metrics import windows

    made = _events()
    messages = [(topic, bytearray(bodies.raw(body))) for topic, body in made]
    messages += [(topic, bytearray(body) if body is not None else None) for topic, body, _reason in bodies.poison()]
    published = datetime.now(UTC)
    frame = spark.createDataFrame([(*message, published) for message in messages], "topic string, value binary, timestamp timestamp")
    ours = _by_field([(row["start"], row.asDict()) for row in windows(frame).collect()])

    with dwh.transaction(force_rollback=True), dwh.cursor(row_factory=dict_row) as cursor:
        cursor.execute("CREATE TABLE realtime_events_test PARTITION OF realtime_events DEFAULT")
        for topic, body in made:
            keep_body(dwh, topic, body)
        span = {"since": datetime(2026, 5, 1, 12, tzinfo=UTC), "until": datetime(2026, 5, 1, 12, 5, tzinfo=UTC)}
        rows = cursor.execute(sql.statement("metrics/events_between") + sql.statement("metrics/windows"), span).fetchall()
    theirs = _by_field([(int(row["win"].timestamp()), row) for row in rows])

    assert len(theirs) > 30
    assert sum(values["events"] for place, values in theirs.items() if place[1] == "total") < len(made)  # Late ones are left out.
    assert ours == theirs


def test_what_the_watermark_dropped_stays_in_the_progress(spark, tmp_path):
    from spark_jobs.live_metrics import windows

    def arrive(age: timedelta) -> None:
        at = datetime.now(UTC) - age
        body = bytearray(bodies.raw({**bodies.search(at), "recorded_at": at.isoformat()}))
        spark.createDataFrame([("searches", body, at)], schema).coalesce(1).write.mode("append").parquet(str(tmp_path / "messages"))
        query.processAllAvailable()

    schema = "topic string, value binary, timestamp timestamp"
    spark.createDataFrame([], schema).write.parquet(str(tmp_path / "messages"))
    rows = windows(spark.readStream.schema(schema).parquet(str(tmp_path / "messages"))).writeStream.outputMode("update")
    query = rows.foreachBatch(lambda frame, _batch: frame.collect()).option("checkpointLocation", str(tmp_path / "checkpoint")).start()
    try:
        reports, dropped, events = Reports(query, 1), [], 0
        for age in (timedelta(0), timedelta(hours=25), timedelta(0)):
            arrive(age)
            events += reports.look()
            dropped.append(reports.progress["dropped_by_watermark"])
    finally:
        query.stop()
    assert dropped == [0, 1, 1]
    assert events == 3
