"""How amounts, counts and moments are written, the same on the command line and on the dashboard."""

from __future__ import annotations

from datetime import UTC, datetime

MINUS = "−"


def euros(cents: float) -> str:
    """Return an amount in euros and cents: `€1,234.50`, `−€3.00`."""
    return f"{MINUS if round(cents) < 0 else ''}€{abs(cents) / 100:,.2f}"


def moment(at: datetime) -> str:
    """Return a moment in UTC, to the millisecond unless it is a whole second: `29 Nov 08:40:17.457`."""
    utc = at.astimezone(UTC)
    return f"{utc:%d %b %H:%M:%S}" + (f".{utc.microsecond // 1000:03d}" if utc.microsecond else "")


def counted(number: float, noun: str) -> str:
    """Return a whole number with its noun, which takes an s but for one: `12,345 events`, `1 order`, `-1 item`."""
    return f"{number:,.0f} {noun}{'' if abs(round(number)) == 1 else 's'}"
