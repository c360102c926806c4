"""The drills that take a broker away: the one that leads Kafka's metadata killed, and one that stands still."""

from __future__ import annotations

import signal
from contextlib import closing
from datetime import UTC, datetime

from instashop import connect
from instashop.local.drills.stage import Platform, since


def kill_controller(platform: Platform) -> datetime:
    """Kill the broker that leads Kafka's metadata: the others first have to elect another before anybody replaces it. Return when."""
    with closing(connect.independent_admin(platform.settings)) as admin:
        quorum = admin.describe_metadata_quorum()
    at = datetime.now(UTC)
    platform.kill_server(f"kafka-{quorum['topics'][0]['partitions'][0]['leader_id']}")
    return at


def pause(platform: Platform) -> datetime:
    """Let a broker stand still for 30 s; facts have to flow meanwhile. Return when it began."""
    at = datetime.now(UTC)
    platform.signal_server("kafka-2", signal.SIGSTOP)
    try:
        platform.say(f"facts flow again after {platform.wait_until_live(at, 30):.1f} s, with the broker still standing still")
        platform.rest(max(0.0, 30 - since(at)))
    finally:
        platform.signal_server("kafka-2", signal.SIGCONT)
    return at
