import os
import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from types import SimpleNamespace

import psycopg
import pytest
from confluent_kafka import KafkaError, KafkaException

from instashop.control import beats, lease
from instashop.errors import CursorAhead, LeaseTaken, OffsetsAhead, OffsetsMissing, RowNotTaken, RowsAhead
from instashop.settings import Settings
from instashop.transport import loop
from instashop.transport.loop import Batch, Pulse, _work_on, move, run_service


class ListSource:
    """A list as a source; the position is how many of it were read."""

    def __init__(self, records, size, stop):
        self.records, self.size, self.stop, self.at = records, size, stop, 0

    def seek(self, position):
        self.at = position

    def read(self):
        records = self.records[self.at : self.at + self.size]
        self.at += len(records)
        if not records:
            self.stop.set()
        return Batch(records, self.at)


class ListSink:
    """A list as a sink; it can fail at a given record, before anything of the batch is kept."""

    def __init__(self, fail_at=None):
        self.kept, self.at, self.fail_at = [], 0, fail_at

    def position(self):
        return self.at

    def write(self, batch):
        if self.fail_at in batch.records:
            self.fail_at = None
            raise ConnectionError("gone")
        self.kept += batch.records
        self.at = batch.position


def test_every_record_arrives_once_and_in_order():
    stop, sink = threading.Event(), ListSink()
    move(ListSource(list(range(10)), 3, stop), sink, stop, lambda batch: None)
    assert sink.kept == list(range(10))


def test_nothing_is_committed_when_the_sink_fails_and_the_next_session_goes_on_there():
    stop, sink = threading.Event(), ListSink(fail_at=4)
    with pytest.raises(ConnectionError):
        move(ListSource(list(range(10)), 3, stop), sink, stop, lambda batch: None)
    assert (sink.kept, sink.at) == ([0, 1, 2], 3)
    move(ListSource(list(range(10)), 3, stop), sink, stop, lambda batch: None)
    assert sink.kept == list(range(10))


def test_a_stop_ends_the_loop_before_the_next_read():
    stop, sink = threading.Event(), ListSink()
    move(ListSource(list(range(10)), 3, stop), sink, stop, lambda batch: stop.set())
    assert sink.kept == [0, 1, 2]


class Said:
    """A pulse that keeps what is said."""

    settings = SimpleNamespace(beat_seconds=60)

    def __init__(self):
        self.said = []

    def beat(self, state, message="", now=False):
        self.said.append((state, message))


def _failing(error, stop):
    """A session that cannot be opened, twice; then the stop is asked for."""
    tries = []

    def work():
        tries.append(error)
        if len(tries) == 2:
            stop.set()
        raise error

    return work, tries


ROW = RowNotTaken(row_id=5, stream="searches", txid=9, cause="too large")


PASSING = [
    KafkaException(KafkaError(KafkaError._TRANSPORT)),
    BufferError("Queue full"),
    ROW,
    psycopg.errors.AdminShutdown("terminating connection due to administrator command"),
    psycopg.errors.ReadOnlySqlTransaction("cannot execute INSERT in a read-only transaction"),
    psycopg.errors.IdleInTransactionSessionTimeout("terminating connection due to idle-in-transaction timeout"),
]


@pytest.mark.parametrize("error", PASSING)
def test_a_passing_fault_is_told_and_the_work_taken_up_again(error):
    stop, pulse = threading.Event(), Said()
    work, tries = _failing(error, stop)
    _work_on(work, stop, pulse, lambda batch: None)
    assert len(tries) == 2
    assert pulse.said == [("waiting", str(error))] * 2


FINAL = [
    CursorAhead(database="instashop", txid=9, why="has not begun yet"),
    RowsAhead(stream="searches", database="instashop", next=9),
    OffsetsMissing(group="g", where="transactions/0"),
    OffsetsAhead(group="g", where="transactions/0 up to 9"),
]


@pytest.mark.parametrize("error", FINAL)
def test_a_fault_that_no_waiting_mends_ends_the_service(error):
    stop, pulse = threading.Event(), Said()
    work, tries = _failing(error, stop)
    with pytest.raises(type(error)):
        _work_on(work, stop, pulse, lambda batch: None)
    assert len(tries) == 1


def test_a_beat_that_takes_long_is_not_followed_by_another_at_once(monkeypatch):
    clock, written = [100.0], []

    def write(beat):
        written.append(beat)
        clock[0] += 2

    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    pulse = Pulse("enricher", SimpleNamespace(beat_seconds=1), SimpleNamespace(write=write))
    pulse.beat("running")
    pulse.beat("running")
    assert len(written) == 1
    clock[0] += 1
    pulse.beat("running")
    assert len(written) == 2


def test_a_beat_says_the_pace_of_the_last_seconds_and_the_newest_event(monkeypatch):
    clock, written = [100.0], []
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    pulse = Pulse("enricher", SimpleNamespace(beat_seconds=1), SimpleNamespace(write=written.append))
    at = datetime(2026, 5, 1, 12, tzinfo=UTC)
    for seconds, total, batch in ((0, 0, None), (4, 100, Batch([], None, at, 7, 1.5)), (0, 100, Batch([], None)), (6, 400, Batch([], None)), (30, 400, None)):
        clock[0] += seconds
        pulse.events_total = total
        pulse.beat("running", batch=batch, now=not seconds)
    assert [beat.events_per_second for beat in written] == [0, 25, 25, 40, 0]
    assert [beat.newest_recorded_at for beat in written] == [None, at, at, at, at]
    assert [(beat.lag_events, beat.lag_seconds) for beat in written] == [(None, None), (7, 1.5), (None, None), (None, None), (None, None)]


@contextmanager
def _list_to_list(source, sink):
    yield source, sink


def test_a_service_takes_its_lease_carries_all_and_says_how_it_ended_though_redis_is_away(tmp_path):
    settings, stop, sink = Settings(home=tmp_path, redis_url="redis://127.0.0.1:1/0"), threading.Event(), ListSink()
    run_service("consumer", lambda: _list_to_list(ListSource(list(range(10)), 3, stop), sink), settings, stop)
    assert sink.kept == list(range(10))
    last = beats.read(settings.run_dir, "consumer")
    assert (last.state, last.events_total, last.pid) == ("stopped", 10, os.getpid())
    with lease.take(settings.run_dir, "consumer"), pytest.raises(LeaseTaken):
        run_service("consumer", lambda: _list_to_list(ListSource([], 3, stop), sink), settings, stop)


def test_a_service_ends_well_when_it_has_lived_as_long_as_it_may(tmp_path):
    class Endless(ListSource):
        """A list that something may be added to at any time."""

        def read(self):
            self.stop.wait(0.01)
            return Batch([], self.at)

    settings = Settings(home=tmp_path, redis_url="redis://127.0.0.1:1/0").model_copy(update={"service_lifetime_seconds": 0.1})
    stop = threading.Event()
    run_service("consumer", lambda: _list_to_list(Endless([], 3, stop), ListSink()), settings, stop)
    assert beats.read(settings.run_dir, "consumer").state == "stopped"
