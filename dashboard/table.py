"""The rows of History as one piece of HTML.

Dash asks every component of a page at every change of it, and each new component is a change: two thousand cells as components
kept a browser busy for half a minute at each reading.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from html import escape
from typing import Any

from dash import dcc

from dashboard import filters, formats
from dashboard.past import Row
from instashop.metrics import LATE_SECONDS, WINDOW_SECONDS, window_of

HEADS = ("Occurred (UTC)", "Stream", "What", "Amount", "Recorded", "Event")


def of(rows: Iterable[Row]) -> dcc.Markdown:
    """Return the rows as a table; each leads to the whole way of its event."""
    heads = "".join(f'<th scope="col">{head}</th>' for head in HEADS)
    body = "".join(_row(row) for row in rows)
    return dcc.Markdown(f'<table class="rows"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>', dangerously_allow_html=True)


def _row(row: Row) -> str:
    cents = row.payload.get("total_cents", row.payload.get("value_cents", row.payload.get("price_cents")))
    delay = (row.recorded_at - row.occurred_at).total_seconds()
    number, milliseconds = str(row.event_id), row.occurred_at.microsecond // 1000
    cells = {
        "Occurred": f"{row.occurred_at:%d %b} <strong>{row.occurred_at:%H:%M:%S}</strong><small>.{milliseconds:03d}</small>",
        "Stream": _text(row.kind),
        "What": _text(facts(row.kind, row.payload)),
        "Amount": formats.money(cents) if cents is not None else "",
        "Recorded": f"{delay:.1f} s after" + ('<em class="late">late</em>' if is_late(row) else ""),
        "Event": f'<dccLink href="/event/{number}" className="number" title="{number}">{formats.short_id(number)}</dccLink>',
    }
    return "<tr>" + "".join(f'<td data-head="{head}">{cell}</td>' for head, cell in cells.items()) + "</tr>"


def _text(value: str) -> str:
    """Return a text that stands for itself: no tag, no expression in braces, and no empty line, at which the HTML would end."""
    return " ".join(escape(value).replace("{", "&#123;").replace("}", "&#125;").split())


def is_late(row: Row) -> bool:
    """Return whether an event is late, as windows.sql says it."""
    end = window_of(row.occurred_at.timestamp()) + WINDOW_SECONDS
    return row.recorded_at > datetime.fromtimestamp(end, filters.UTC) + timedelta(seconds=LATE_SECONDS)


def facts(kind: str, payload: Mapping[str, Any]) -> str:
    """Return what an event says, in a few words."""
    get = payload.get
    match kind:
        case "transactions":
            lines = len(get("lines") or ())
            said = [get("status"), formats.counted(lines, "line"), get("payment_method"), f"customer {get('customer_id')}"]
        case "transaction_items":
            said = [get("status"), f"{get('quantity')} × {get('product_name')}", get("category")]
        case "user_behavior":
            said = [get("action"), get("page"), get("device")]
        case "searches":
            said = [f"“{get('term')}”" if get("term") else "no word of the catalogue", _counted(get("results"), "result")]
        case "cart_events":
            said = [get("action"), f"product {get('product_id')}" if get("product_id") else None, _counted(get("quantity"), "item")]
        case "crm_interactions":
            said = [get("channel"), get("reason"), f"satisfaction {get('satisfaction')}" if get("satisfaction") else None]
        case "products":
            said = [get("name"), get("category"), f"version {get('version')}", f"stock {get('stock')}"]
        case _:
            said = []
    return " · ".join(str(one) for one in said if one is not None)


def _counted(number: int | None, noun: str) -> str | None:
    return None if number is None else formats.counted(number, noun)
