"""A beat is in its file whatever Redis does, and a Redis that hangs holds no service up."""

from __future__ import annotations

import socket
from datetime import UTC, datetime

import pytest
from redis import Redis

from instashop.control import beats
from instashop.control.beats import Beat, BeatWriter
from tests.waiting import wait_until


@pytest.fixture
def black_hole():
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def _connections(server: socket.socket) -> int:
    """Return how many have been made since the last call."""
    found = 0
    while True:
        try:
            server.accept()[0].close()
        except BlockingIOError:
            return found
        found += 1


def test_a_redis_that_hangs_is_left_out_for_a_while_and_the_file_has_each_beat(tmp_path, black_hole):
    writer = BeatWriter(tmp_path, Redis(port=black_hole.getsockname()[1], socket_timeout=0.2, retry=None))
    beat = Beat("enricher", 1, datetime.now(UTC), datetime.now(UTC), "running")
    for total in range(3):
        writer.write(Beat("enricher", 1, beat.started_at, beat.at, "running", events_total=total))
        assert beats.read(tmp_path, "enricher").events_total == total
    assert _connections(black_hole) == 1
    wait_until(lambda: writer.write(beat) or _connections(black_hole), 10, "another try")
