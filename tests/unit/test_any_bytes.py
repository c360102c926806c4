"""Whatever bytes come: the judge says event or refusal, and what it lets pass goes through enricher and Spark; integration/test_properties.py has the consumer."""

from __future__ import annotations

import json

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from instashop.events import Event, Refusal, Transaction, judge_of
from instashop.streams import STREAMS
from instashop.transport.enricher import Catalogue, items_of
from spark_jobs.live_metrics import TOPICS, judged, reader_of
from tests import bodies

JUDGES = {stream.name: judge_of(stream.name, stream.event_type) for stream in STREAMS}
GOOD = {"transactions": bodies.transaction, "searches": bodies.search, "user_behavior": bodies.behavior, "cart_events": bodies.cart}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def nearly_events(draw):
    """A good event with one field replaced, and perhaps cut or with a byte changed."""
    topic = draw(st.sampled_from(sorted(GOOD)))
    body = GOOD[topic]()
    name = draw(st.sampled_from(sorted(body)))
    raw = bytearray(json.dumps({**body, name: draw(json_values)}).encode())
    if draw(st.booleans()):
        raw[draw(st.integers(0, len(raw) - 1))] = draw(st.integers(0, 255))
    return topic, bytes(raw[: draw(st.integers(0, len(raw)))] if draw(st.booleans()) else raw)


@settings(max_examples=400)
@given(st.one_of(nearly_events(), st.tuples(st.sampled_from(sorted(JUDGES)), st.none() | st.binary(max_size=200))))
def test_any_bytes_are_judged_and_carried_without_a_crash(message):
    topic, body = message
    verdict = JUDGES[topic](body)
    assert isinstance(verdict, Event | Refusal)
    if isinstance(verdict, Transaction):
        items_of(verdict, Catalogue([]))  # type: ignore[arg-type]
    if topic in TOPICS:
        columns = [pa.array([topic]), pa.array([body], pa.binary()), pa.array([2**52])]
        batch = pa.RecordBatch.from_arrays(columns, names=["topic", "value", "published_ms"])
        rows = sum(part.num_rows for part in judged(iter([batch])))
        assert rows == isinstance(verdict, Event)
        if isinstance(verdict, Event):
            assert len(reader_of(topic)(verdict)) == 14
