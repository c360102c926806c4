"""Charts of the Live page: pure functions from windows to plotly figures. Texts and lines take their colours from assets/, so light and dark share a figure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import plotly.graph_objects as go

from dashboard import formats, spans
from dashboard.readings import Window
from dashboard.spans import Live
from instashop.metrics import WINDOW_SECONDS

REVENUE, ORDERS = "#0f9d8a", "#5f72e8"
HEIGHT = 230
FADED = {REVENUE: "rgba(15,157,138,.14)", ORDERS: "rgba(95,114,232,.16)"}


def revenue(windows: Mapping[int, Window], live: Live) -> go.Figure:
    """Return revenue by window."""
    return _by_window(windows, live, REVENUE, lambda window: window.total.get("revenue_cents", 0) / 100, "€%{y:,.2f}", "~s", "€")


def orders(windows: Mapping[int, Window], live: Live) -> go.Figure:
    """Return orders paid by window."""
    return _by_window(windows, live, ORDERS, lambda window: window.total.get("orders_paid", 0), "%{y:,d} paid", ",d")


def _by_window(windows: Mapping[int, Window], live: Live, colour: str, measure: Callable[[Window], float], hover: str, ticks: str, unit: str = "") -> go.Figure:
    """Return a bar for each window of the span; windows that can still change are hatched behind a dashed line."""
    starts = spans.span(live.until)
    values = _values(windows if live.as_of else {}, starts, measure)
    finished = [start for start in starts if not spans.unfinished(start, live.until)]
    still_open = [start for start in starts if spans.unfinished(start, live.until)]
    figure = go.Figure(layout=_layout(ticks, unit, starts, empty=not any(values.values())))
    if not any(values.values()):
        text = "none in these windows" if live.as_of else "no windows yet"
        figure.add_annotation(x=0.5, y=0.5, xref="paper", yref="paper", text=text, showarrow=False, font={"size": 13})
        return figure
    for name, some, marker in (
        ("finished", finished, {"color": colour}),
        (
            "unfinished",
            still_open,
            {"color": FADED[colour], "line": {"color": colour, "width": 1}, "pattern": {"shape": "/", "fgcolor": colour, "size": 5, "solidity": 0.35}},
        ),
    ):
        figure.add_bar(
            name=name,
            x=[_middle(start) for start in some],
            y=[values[start] for start in some],
            width=WINDOW_SECONDS * 1000 * 0.72,
            marker=marker,
            customdata=[f"{formats.clock(start)}–{formats.clock(start + WINDOW_SECONDS)} UTC{', unfinished' if some is still_open else ''}" for start in some],
            hovertemplate=f"<b>{hover}</b><br>%{{customdata}}<extra></extra>",
        )
    if still_open:
        figure.add_vline(x=_time(still_open[0]), line={"dash": "dash", "width": 1, "color": colour})
        figure.add_annotation(
            x=_time(still_open[0]), y=1, yref="paper", yanchor="bottom", xanchor="right", text="unfinished ▸", showarrow=False, font={"size": 11}
        )
    return figure


def _values(windows: Mapping[int, Window], starts: range, measure: Callable[[Window], float]) -> dict[int, float | None]:
    """Return the measure of each window: zero for one without events, None for one from before all that is kept."""
    oldest = min(windows, default=None)
    return {start: measure(windows[start]) if start in windows else None if oldest is None or start < oldest else 0 for start in starts}


def _layout(ticks: str, unit: str, starts: range, empty: bool) -> dict[str, object]:
    axis = {"showgrid": False, "zeroline": False, "fixedrange": True, "tickfont": {"size": 11}}
    return {
        "template": "none",
        "height": HEIGHT,
        "margin": {"l": 46, "r": 10, "t": 22, "b": 30},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "inherit"},
        "showlegend": False,
        "barmode": "overlay",
        "uirevision": "same",
        "hoverlabel": {"bgcolor": "#1d232b", "bordercolor": "#1d232b", "font": {"color": "#fff", "size": 12}},
        "xaxis": {
            **axis,
            "type": "date",
            "range": [_time(starts[0]), _time(starts[-1] + WINDOW_SECONDS)],
            "tickformat": "%H:%M",
            "nticks": 6,
            "ticklabelstandoff": 5,
        },
        "yaxis": {
            **axis,
            "showgrid": True,
            "rangemode": "tozero",
            "tickprefix": unit,
            "tickformat": ticks,
            "nticks": 4,
            **({"range": [0, 1], "showticklabels": False, "showgrid": False} if empty else {}),
        },
    }


def _time(unix_seconds: float) -> datetime:
    return datetime.fromtimestamp(unix_seconds, UTC)


def _middle(start: int) -> datetime:
    return _time(start + WINDOW_SECONDS / 2)
