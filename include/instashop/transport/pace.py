"""How often the producer looks at the shop."""

from __future__ import annotations

BUSY_ROWS, BUSY_SECONDS = 5, 1.0
"""From so many rows at a look on, the shop is busy for so long: also between the ticks in which it writes."""
QUIET_PAUSES = 12
"""Pauses between two looks at a shop that is not busy."""
LOADED_ROWS, LONGEST_REST_SECONDS = 150, 0.5
"""From so many rows at a look on, the producer rests as long as their transaction took; but not for a broker that was away."""


class Pace:
    """When to look next: at once while more waits than fits, soon at a busy shop, more seldom at a quiet one and under load.

    A Kafka transaction costs the brokers the same for one row as for a thousand, so under load fewer and larger ones are cheaper.
    """

    def __init__(self, pause_seconds: float) -> None:
        self._pause = pause_seconds
        self._next = self._ended = self._busy_until = 0.0
        self._loaded = False

    def rest(self, now: float) -> float:
        """Return the seconds to wait before the next look, once what the last one found is written."""
        rest = min(now - self._ended, LONGEST_REST_SECONDS) if self._loaded else 0.0
        return max(0.0, rest, self._next - now)

    def looked(self, began: float, ended: float, rows: int, full: bool) -> None:
        """Take in a look: when it was, how many rows it found, and whether more wait than fitted."""
        if rows >= BUSY_ROWS:
            self._busy_until = began + BUSY_SECONDS
        pauses = 0 if full else 1 if began < self._busy_until else QUIET_PAUSES
        self._next, self._ended = began + self._pause * pauses, ended
        self._loaded = rows >= LOADED_ROWS and not full
