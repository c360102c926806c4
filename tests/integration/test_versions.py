"""Two schema versions of one event live together through every stage."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from instashop import connect
from instashop.control.books.comparing import shop_sums, warehouse_sums
from instashop.control.books.explained import explained
from instashop.control.books.pages import Page
from instashop.control.books.reading import Client, PageReader
from instashop.events import Search, SearchV2, judge_of
from instashop.transport.topics import ToEnd, consumer
from spark_jobs.live_metrics import judged
from tests import bodies
from tests.integration.conftest import drain, publish

V1 = "INSERT INTO searches (event_id, occurred_at, session_id, query, term, results) VALUES (%s, %s, %s, 'typed', 'kettle', 7)"
V2 = (
    "INSERT INTO searches (event_id, occurred_at, session_id, query, term, results, schema_version, sort) VALUES (%s, %s, %s, 'typed', 'kettle', 7, 2, 'price')"
)


@pytest.fixture(scope="module")
def ids(stack, shop) -> dict[str, int]:
    """What a writer of each version wrote, turn and turn about: id → version."""
    written = {}
    for version, text in ((1, V1), (2, V2)) * 5:
        body = bodies.search()
        shop.execute(text, [body["event_id"], body["occurred_at"], body["session_id"]])
        written[body["event_id"]] = version
    publish(stack)
    drain(stack)
    return written


def _messages(stack, ids) -> list[bytes]:
    with consumer(stack, "test") as client:
        found = [message.value() for message in ToEnd(client, ["searches"])]
    judge = judge_of("searches", Search)
    return [body for body in found if str(getattr(judge(body), "event_id", "")) in ids]


def test_the_feed_publishes_each_row_in_its_own_version(stack, ids):
    events = list(map(judge_of("searches", Search), _messages(stack, ids)))
    assert {str(event.event_id): event.schema_version for event in events} == ids
    assert {type(event) for event in events} == {Search, SearchV2}
    assert {event.sort for event in events if isinstance(event, SearchV2)} == {"price"}


def test_the_warehouse_keeps_each_event_in_its_own_version(stack, dwh, ids):
    rows = dwh.execute("SELECT event_id::text, schema_version, payload ->> 'sort' FROM realtime_events WHERE event_id = ANY(%s)", [list(ids)]).fetchall()
    assert {event_id: version for event_id, version, _sort in rows} == ids
    assert {(version, sort) for _id, version, sort in rows} == {(1, None), (2, "price")}


def test_spark_and_the_metrics_view_count_both(stack, dwh, ids):
    bodies_of = _messages(stack, ids)
    columns = [pa.array(["searches"] * len(bodies_of)), pa.array(bodies_of), pa.array([time.time_ns() // 10**6] * len(bodies_of))]
    batch = pa.RecordBatch.from_arrays(columns, names=["topic", "value", "published_ms"])
    (found,) = judged(iter([batch]))
    assert found.num_rows == len(ids)
    assert set(found.column("results").to_pylist()) == {7}
    assert dwh.execute("SELECT count(*), sum(results) FROM metrics.events WHERE event_id = ANY(%s)", [list(ids)]).fetchone() == (10, 70)


def test_the_books_count_both_at_every_stage(stack, shop, dwh, ids):
    begin, end = shop.execute("SELECT min(txid::text::bigint), max(txid::text::bigint) FROM searches WHERE event_id = ANY(%s)", [list(ids)]).fetchone()
    page = Page(begin, end + 1, datetime.now(UTC))
    with closing(Client(lambda: connect.independent_reader(stack))) as kafka:
        reader = PageReader(kafka, page, lambda: end + 1)
        reader.read_on()
    read = reader.streams["searches"]
    with connect.crm(stack, "test") as crm:
        in_shop = shop_sums({"instashop": shop, "crm_db": crm}, page)["searches"]
    assert {str(event_id) for event_id in read.ids} == ids.keys()
    assert read.sum == in_shop == warehouse_sums(dwh, page, explained(dwh))["searches"]
    assert read.sum.events == len(ids)
    assert not read.repeats


def test_the_shop_refuses_a_row_that_mixes_the_versions(shop, ids):
    body = bodies.search()
    with pytest.raises(Exception, match="searches_sort_is_of_version_2"):
        shop.execute(V2.replace("2, 'price'", "1, 'price'"), [body["event_id"], body["occurred_at"], body["session_id"]])
