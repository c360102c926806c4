"""What History is asked for: filters from an address and back into one. Pure; anything may stand in an address."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlencode

from dashboard.measures import MEASURES, OF_ITEMS
from instashop import words
from instashop.metrics import WINDOW_SECONDS
from instashop.streams import BY_NAME

PATH = "/history"
HOUR, DAY = 3600, 86_400
STEP_SECONDS = {"window": WINDOW_SECONDS, "hour": HOUR, "day": DAY}
LIMIT_SECONDS = {"window": 3 * HOUR, "hour": 31 * DAY, "day": 1096 * DAY}
"""The longest span for each step: more bars are not told apart on a screen, and each step reads every row below it."""
LIMIT_WORDS = {"window": "3 hours", "hour": "31 days", "day": "3 years"}
LAST = {"15m": "15 minutes", "1h": "1 hour", "24h": "24 hours", "7d": "7 days", "30d": "30 days"}
COUNTED = {"in_time": "In time, as live", "late": "Late only", "restated": "Restated: both"}
LATE = {"in_time": [False], "late": [True], "restated": [False, True]}
DEFAULT = "24h"
EARLIEST = 1_577_836_800
"""The begin of 2020: the judge refuses events of earlier times."""
_LATEST = 4_102_444_800
_LARGEST_PRODUCT = 2**53
_THE_SHOPS_OWN = ("category", "term")
"""Values that are the shop's words: a blank, or nothing at all, may be one."""
_UNITS = {"m": 60, "h": HOUR, "d": DAY}


@dataclass(frozen=True)
class Filters:
    """A span in Unix seconds, cut at whole steps, and what of it is looked at; `last` is set when the span ends now."""

    since: int
    until: int
    step: str = "hour"
    last: str | None = None
    counted: str = "in_time"
    measure: str = "revenue_cents"
    category: str | None = None
    product: int | None = None
    kind: str | None = None
    term: str | None = None

    @property
    def late(self) -> list[bool]:
        """Return which values of `late` are counted."""
        return LATE[self.counted]

    @property
    def seconds(self) -> int:
        """Return the length of the span."""
        return self.until - self.since


def parse(query: Mapping[str, Any], now: float) -> tuple[Filters, tuple[str, ...]]:
    """Return the filters of an address, and a sentence for each of its values that could not be taken as it is."""
    given = {name: str(value[-1] if isinstance(value, list) and value else value) for name, value in query.items()}
    asked = {name: (value if name in _THE_SHOPS_OWN else value.strip())[:200] for name, value in given.items()}
    notes: list[str] = []
    for name in _THE_SHOPS_OWN:  # Other values are compared with words that we know.
        if "\0" in asked.get(name, ""):
            notes.append(f"No {name} has the character U+0000, which Postgres does not keep; all are shown.")
            del asked[name]

    def one_of(name: str, known: Mapping[str, object], otherwise: str | None) -> str | None:
        value = asked.get(name, "")
        if value and value not in known:
            notes.append(f"There is no {name} “{value}”; known are {', '.join(known)}." if len(known) < 10 else f"There is no {name} “{value}”.")
        return value if value in known else otherwise

    since, until, last = _span(asked, now, notes)
    step = one_of("step", STEP_SECONDS, None) or _fitting(until - since)
    begin, until = _at_steps(since, until, step, last is not None, now, notes)
    since = _within_limit(begin, until, step, notes)
    product = _product(asked, notes)
    category = asked.get("category")
    if category is not None and product is not None:
        notes.append(f"Sales are known by category or by product, not by both; shown is product {product}.")
        category = None
    measure = one_of("measure", MEASURES, None)
    if (category is not None or product is not None) and measure not in OF_ITEMS:
        if measure:
            notes.append(f"{MEASURES[measure].title} is not known by category or product, since only items name one; shown is {MEASURES['sales_cents'].title}.")
        measure = "sales_cents"
    return Filters(
        since=since,
        until=until,
        step=step,
        last=last if since == begin else None,  # A span that was cut is another one than its name says.
        counted=one_of("counted", COUNTED, "in_time") or "in_time",
        measure=measure or "revenue_cents",
        category=category,
        product=product,
        kind=one_of("kind", BY_NAME, None),
        term=asked.get("term"),
    ), tuple(notes)


def _span(asked: Mapping[str, str], now: float, notes: list[str]) -> tuple[float, float, str | None]:
    begin, end = (_moment(name, asked, notes) for name in ("from", "to"))
    if begin is not None or end is not None:
        until = end if end is not None else now
        since = begin if begin is not None else max(until - DAY, EARLIEST)
        if since < until:
            return since, until, None
        notes.append(f"The span ends before it begins; shown are the last {LAST[DEFAULT]}.")
    last = asked.get("last") or DEFAULT
    found = re.fullmatch(r"([0-9]{1,5})([mhd])", last)
    if not found or int(found[1]) == 0:
        notes.append(f"“{last}” is no span; write 15m, 24h or 7d. Shown are the last {LAST[DEFAULT]}.")
        last, found = DEFAULT, re.fullmatch(r"([0-9]+)([mhd])", DEFAULT)
    assert found
    return now - int(found[1]) * _UNITS[found[2]], now, last


def _moment(name: str, asked: Mapping[str, str], notes: list[str]) -> float | None:
    text = asked.get(name, "").replace(" ", "+")  # A plus in an address is read as a space.
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        notes.append(f"“{text}” is no time; write it like 2026-11-24T08:30 (UTC).")
        return None
    if not EARLIEST <= seconds <= _LATEST:
        notes.append(f"{text} is outside of what the shop can know, 2020 to 2099.")
        return None
    return seconds


def _product(asked: Mapping[str, str], notes: list[str]) -> int | None:
    text = asked.get("product", "")
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,16}", text) or int(text) > _LARGEST_PRODUCT:
        notes.append(f"“{text}” is no product; a product is a whole number up to 2^53, its product_id.")
        return None
    return int(text)


def _fitting(seconds: float) -> str:
    return "window" if seconds <= 2 * HOUR else "hour" if seconds <= 3 * DAY else "day"


def fitting(last: str) -> str:
    """Return the step that a span that ends now is shown by, if no other is asked for."""
    return _fitting(int(last[:-1]) * _UNITS[last[-1]])


def length(last: str) -> str:
    """Return how long a span that ends now is, in words: `15 minutes`, `1 hour`."""
    return words.counted(int(last[:-1]), {"m": "minute", "h": "hour", "d": "day"}[last[-1]])


def _at_steps(since: float, until: float, step: str, ends_now: bool, now: float, notes: list[str]) -> tuple[int, int]:
    """Return the span at whole steps: outwards, and not beyond the step of now."""
    size = STEP_SECONDS[step]
    present = int(now // size + 1) * size
    end = min(int(-(-until // size)) * size, present)
    begin = end - int(-(-(until - since) // size)) * size if ends_now else int(since // size) * size
    if begin >= end:
        notes.append("The span lies in the future; shown is the newest step.")
        begin = end - size
    return begin, end


def _within_limit(since: int, until: int, step: str, notes: list[str]) -> int:
    """Return the begin of a span that is not longer than its step's limit."""
    if until - since <= LIMIT_SECONDS[step]:
        return since
    more = " A larger step reaches further." if step != "day" else ""
    notes.append(f"The span is too long for steps of one {step}: shown are its last {LIMIT_WORDS[step]}.{more}")
    return until - LIMIT_SECONDS[step]


def asked_in(search: str | None) -> dict[str, list[str]]:
    """Return the values in the query of an address."""
    return parse_qs((search or "").removeprefix("?"), keep_blank_values=True)


def iso(unix_seconds: float) -> str:
    """Return a moment as it stands in an address: UTC, without a zone."""
    moment = datetime.fromtimestamp(unix_seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M}" + (f":{moment:%S}" if moment.second else "")


def query(filters: Filters) -> str:
    """Return filters as the query of an address; what is as it would be anyway is left out."""
    span = {"last": filters.last} if filters.last else {"from": iso(filters.since), "to": iso(filters.until)}
    usual = fitting(filters.last) if filters.last else _fitting(filters.seconds)
    chosen = {"counted": filters.counted if filters.counted != "in_time" else None, "step": filters.step if filters.step != usual else None}
    what = {"measure": filters.measure, "category": filters.category, "product": filters.product, "kind": filters.kind, "term": filters.term}
    return urlencode({name: value for name, value in {**span, **chosen, **what}.items() if value is not None})


def href(filters: Filters, **changes: Any) -> str:
    """Return the address of History with some filters changed; a category or a product is looked at by itself."""
    if {"since", "until"} & changes.keys():
        changes.setdefault("last", None)
        changes.setdefault("step", _fitting(changes.get("until", filters.until) - changes.get("since", filters.since)))
    return f"{PATH}?{query(replace(filters, **changes))}"


def rows_behind(measure: str, since: float, until: float, **more: Any) -> str:
    """Return the address of the rows behind a live number of a span."""
    return href(Filters(int(since), int(until), _fitting(until - since), measure=measure, **more))
