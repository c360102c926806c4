"""How values are written on the screen: money, counts, shares, ages and times; an unknown value is a dash, never a zero."""

from __future__ import annotations

from datetime import UTC, datetime

from instashop import words

UNKNOWN = "—"


def money(cents: float | None) -> str:
    """Return an amount in euros and cents: `€1,234.50`, `−€3.00`."""
    return UNKNOWN if cents is None else words.euros(cents)


def count(value: float | None) -> str:
    """Return a whole number: `12,345`."""
    return UNKNOWN if value is None else f"{value:,.0f}"


def counted(number: float | None, noun: str) -> str:
    """Return a whole number with its noun: `12,345 events`, `1 order`, `— orders`."""
    return f"{UNKNOWN} {noun}s" if number is None else words.counted(number, noun)


def named(name: str) -> str:
    """Return a name as it can be seen: the shop may have a category, a product or a word that is empty."""
    return name or "(without a name)"


def share(value: float | None) -> str:
    """Return a share of one in percent: `12.3 %`."""
    return UNKNOWN if value is None else f"{value * 100:,.1f}\u00a0%"


def conversion(value: float | None, of: str = "") -> str:
    """Return how many come of each one before: `12.3 % of sessions`, and of more than one each `4.0 × sessions`."""
    if value is None:
        return UNKNOWN
    if value > 1:
        return f"{value:,.1f}\u00a0× {of}".rstrip()
    return f"{share(value)} of {of}" if of else share(value)


def points(difference: float) -> str:
    """Return how far apart two shares of one are, in percentage points: `1.7 pts`."""
    return f"{abs(difference) * 100:,.1f}\u00a0pts"


def rate(per_second: float | None) -> str:
    """Return events a second: `9.8/s`, `1,204/s`."""
    if per_second is None:
        return UNKNOWN
    return f"{per_second:,.0f}/s" if per_second >= 100 else f"{per_second:.1f}/s"


def short_id(event_id: str) -> str:
    """Return an id short enough for a table: `01a20c7a…bb35`."""
    return f"{event_id[:8]}…{event_id[-4:]}"


def age(seconds: float | None) -> str:
    """Return how long ago something was: `0 s`, `59 s`, `12 min`, `3 h 5 min`, `2 d`; the browser counts on in the same words."""
    if seconds is None:
        return "never"
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min" + (f" {whole % 60} s" if whole < 600 else "")
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86_400} d"


def clock(unix_seconds: float) -> str:
    """Return a time of day in UTC: `14:05:30`."""
    return f"{datetime.fromtimestamp(unix_seconds, UTC):%H:%M:%S}"


def day(unix_seconds: float) -> str:
    """Return a moment in UTC, with its day: `Sun 01 Mar 2026 14:05`."""
    return f"{datetime.fromtimestamp(unix_seconds, UTC):%a %d %b %Y %H:%M}"


def since(unix_seconds: float, until: float) -> str:
    """Return a moment in UTC short enough for a sentence that tells the day of `until`; its year when it is another: `29 Nov 08:25`."""
    at, end = (datetime.fromtimestamp(moment, UTC) for moment in (unix_seconds, until))
    return f"{at:%d %b %H:%M}" if at.year == end.year else f"{at:%d %b %Y %H:%M}"


def minute(unix_seconds: float) -> str:
    """Return a time of day in UTC, without seconds: `14:05`."""
    return f"{datetime.fromtimestamp(unix_seconds, UTC):%H:%M}"
