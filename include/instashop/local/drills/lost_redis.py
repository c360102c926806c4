"""A Redis that loses its windows, all at once or those since it last saved; the Spark job has to fill it again."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from instashop import connect
from instashop.local.drills.stage import Platform, since
from instashop.metrics import FILLED_KEY, LATE_SECONDS, WINDOW_SECONDS, window_key, window_of


def flush(platform: Platform) -> datetime:
    """Empty our database of Redis, and return when; it has to be filled again, with the window that was open."""
    redis = connect.redis(platform.settings)
    closed = {key for key in redis.scan_iter("window:*") if int(str(key).split(":")[1]) < time.time() - 2 * WINDOW_SECONDS}
    at = datetime.now(UTC)
    redis.flushdb()
    platform.say(f"flushed Redis, {len(closed)} closed windows are gone")
    kept = {window_key(int(str(key).split(":")[1])) for key in closed}
    platform.wait(lambda: all(redis.exists(key) for key in sorted(kept)[3:]), 60, "Redis filled again")
    platform.say(f"filled again after {since(at):.1f} s")
    closes = window_of(at.timestamp()) + WINDOW_SECONDS + LATE_SECONDS
    platform.rest(max(0.0, closes - time.time()))  # The window that was open then has to be whole, too.
    return at


def kill(platform: Platform) -> datetime:
    """Let Redis save, and kill it when it has more than it saved: it comes back without windows that are closed by then. Return when."""
    redis = connect.redis(platform.settings)
    redis.bgsave()
    platform.wait(lambda: not redis.info("persistence")["rdb_bgsave_in_progress"], 30, "Redis' save")
    saved, mark = window_of(time.time()), redis.get(FILLED_KEY)
    platform.rest(saved + 2 * WINDOW_SECONDS + LATE_SECONDS - time.time())
    at = datetime.now(UTC)
    platform.kill_server("redis")
    platform.wait(lambda: redis.get(FILLED_KEY) not in (None, mark), 60, "Redis filled again")
    platform.say(f"filled again after {since(at):.1f} s")
    return at
