import threading

import pytest

from instashop.transport.loop import Batch, move


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
