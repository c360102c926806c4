"""Charts: pure functions from windows and steps to plotly figures. Texts and lines take their colours from assets/, so light and dark share a figure.

Each bar carries what it is and the address of the rows behind it, where a click leads.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime

import plotly.graph_objects as go

from dashboard import filters, formats, spans
from dashboard.measures import MEASURES
from dashboard.past import Past
from dashboard.snapshot import Window
from dashboard.spans import Live
from instashop.metrics import WINDOW_SECONDS

REVENUE, ORDERS, LOST = "#0f9d8a", "#5f72e8", "#b87d0b"
BAR_WIDTH = WINDOW_SECONDS * 1000 * 0.72
"""Of a window, in milliseconds: the rest is the gap between two."""
_MINUTES_SHOW_ONCE = 600
"""From this span on, in seconds, no two ticks of an axis lie in one minute."""
PARTS = ("finished", "unfinished")
"""The bars of a measure itself, by their names; those of a part of it have more in their name."""
CAME_LATE = "came late"
HOVER = "<b>%{text}</b><br>%{customdata[0]}<extra></extra>"
"""What a bar says when it is pointed at: its value as it is written everywhere, and when."""
SMALL = 5
"""An axis up to less than this has no more ticks than whole numbers of a count, and cents."""
FADED = {REVENUE: "rgba(15,157,138,.14)", ORDERS: "rgba(95,114,232,.16)", LOST: "rgba(184,125,11,.16)"}


def revenue(windows: Mapping[int, Window], live: Live) -> go.Figure:
    """Return revenue by window."""
    return _with_late(windows, live, REVENUE, "revenue_cents")


def orders(windows: Mapping[int, Window], live: Live) -> go.Figure:
    """Return orders paid by window."""
    return _with_late(windows, live, ORDERS, "orders_paid", "{} paid")


def abandoned(windows: Mapping[int, Window], live: Live) -> go.Figure:
    """Return the value of abandoned carts by window."""
    counted = _counted(windows, live, "abandoned_cents")
    return _by_window(live, LOST, "abandoned_cents", counted, {start: f"{formats.money(cents)} abandoned" for start, cents in counted.items()})


def searches(windows: Mapping[int, Window], live: Live) -> go.Figure:
    """Return searches by window; of each bar the upper part is those that found nothing."""
    searched, nothing = _counted(windows, live, "searches"), _counted(windows, live, "searches_without_result")
    found = {start: count - nothing.get(start, 0) for start, count in searched.items()}
    says = {start: _searched(count, nothing.get(start, 0)) for start, count in searched.items()}
    figure = _by_window(live, ORDERS, "searches", {start: count for start, count in found.items() if count}, says, searched.values())
    for part, some, marker in _parts(nothing, spans.still_open(live.until), LOST):
        figure.add_bar(
            name=f"{part} without result",
            x=[_middle(start) for start in some],
            y=[nothing[start] for start in some],
            base=[found[start] for start in some],
            width=BAR_WIDTH,
            marker={"line": {"color": LOST, "width": 2}, **marker},
            customdata=[_told(start, WINDOW_SECONDS, "searches_without_result", spans.unfinished(start, live.until)) for start in some],
            text=[f"{formats.count(nothing[start])} without result" for start in some],
            textposition="none",
            hovertemplate=HOVER,
        )
    return figure


def by_step(past: Past, asked: filters.Filters, now: float) -> go.Figure:
    """Return the chosen measure of History, a bar for each step; the step that has not ended is hatched."""
    measure, size = MEASURES[asked.measure], filters.STEP_SECONDS[asked.step]
    scale = 100 if measure.is_money else 1
    values = {start: measured[asked.measure] / scale for start, measured in past.series.items() if measured.get(asked.measure)}
    colour = REVENUE if measure.is_money else ORDERS
    figure = go.Figure(layout=_layout(measure.is_money, asked.since, asked.until, values.values()))
    if size == filters.DAY:
        figure.update_xaxes(tickformat="%d %b", ticklabelmode="period")
    else:
        clock = "%H:%M" if asked.seconds >= _MINUTES_SHOW_ONCE else "%H:%M:%S"
        figure.update_xaxes(tickformat=f"{clock}<br>%d %b" if asked.seconds >= filters.DAY else clock, automargin=True)
    if not values:
        return _empty(figure, "none in this span" if past.read_at and past.is_whole else "not known")
    for name, some, marker in _parts(values, [start for start in values if start + size > now], colour):
        figure.add_bar(
            name=name,
            x=[_time(start + size / 2) for start in some],
            y=[values[start] for start in some],
            width=size * 1000 * 0.78,
            marker=marker,
            customdata=[[_step_words(start, size, start + size > now), filters.href(asked, since=start, until=start + size)] for start in some],
            text=[measure.write(past.series[start][asked.measure]) for start in some],
            textposition="none",
            hovertemplate=HOVER.replace("<extra>", "<br>a click leads to this span<extra>"),
        )
    return figure


def in_words(figure: go.Figure, measure: str) -> str:
    """Return what the bars of a measure come to and which is the highest, or why there are none."""
    scale, write = (100 if MEASURES[measure].is_money else 1), MEASURES[measure].write
    bars: Counter[str] = Counter()
    for trace in figure.data:
        if trace.name != CAME_LATE:  # All others are parts of the measure itself.
            bars.update({told[0]: y for y, told in zip(trace.y, trace.customdata, strict=True)})
    late = sum(y for trace in figure.data if trace.name == CAME_LATE for y in trace.y)
    if not bars:
        return f"Only what came late is drawn: {write(round(scale * late))}." if late else f"{figure.layout.annotations[0].text}."
    when, highest = max(bars.items(), key=lambda bar: abs(bar[1]))
    return f"{write(round(scale * sum(bars.values())))} in all; the highest bar is {write(round(scale * highest))}, {when}."


def _step_words(start: int, size: int, is_open: bool) -> str:
    end = ", unfinished" if is_open else ""
    if size == filters.DAY:
        return f"{_time(start):%a %d %b %Y}{end}"
    clock = formats.minute if size >= filters.HOUR else formats.clock
    return f"{_time(start):%a %d %b}, {clock(start)}–{clock(start + size)} UTC{end}"


def _told(start: int, size: int, measure: str, is_open: bool = False) -> list[str]:
    """Return what a bar says when it is pointed at, and where it leads."""
    words = f"{formats.clock(start)}–{formats.clock(start + size)} UTC{', unfinished' if is_open else ''}"
    return [words, filters.rows_behind(measure, start, start + size)]


def _searched(searches: int, without_result: int) -> str:
    """Return a window's searches in words: `10 searches, 2 without result`."""
    return f"{formats.count(searches)} search{'' if searches == 1 else 'es'}" + (f", {formats.count(without_result)} without result" if without_result else "")


def _by_window(live: Live, colour: str, name: str, counted: Mapping[int, int], says: Mapping[int, str], above: Iterable[int] = ()) -> go.Figure:
    """Return a bar for each window that has counted something, and what it `says` when it is pointed at; windows that can still change are hatched behind a dashed line. `above` are the ends of bars that will stand on them."""
    starts = spans.span(live.until)
    scale = 100 if MEASURES[name].is_money else 1
    still_open = spans.still_open(live.until)
    drawn = [count / scale for count in (*counted.values(), *above)]
    figure = go.Figure(layout=_layout(MEASURES[name].is_money, starts[0], starts[-1] + WINDOW_SECONDS, drawn))
    if not any(drawn):
        return _empty(figure, "no windows" if live.as_of is None else "not known: something is missing" if live.missing else "none in these windows")
    for part, some, marker in _parts(counted, still_open, colour):
        figure.add_bar(
            name=part,
            x=[_middle(start) for start in some],
            y=[counted[start] / scale for start in some],
            width=BAR_WIDTH,
            marker=marker,
            customdata=[_told(start, WINDOW_SECONDS, name, start in still_open) for start in some],
            text=[says[start] for start in some],
            textposition="none",
            hovertemplate=HOVER,
        )
    if still_open:
        figure.add_vline(x=_time(still_open[0]), line={"dash": "dash", "width": 1, "color": colour})
        figure.add_annotation(
            x=_time(still_open[0]), y=1, yref="paper", yanchor="bottom", xanchor="right", text="unfinished ▸", showarrow=False, font={"size": 11}
        )
    return figure


def _with_late(windows: Mapping[int, Window], live: Live, colour: str, name: str, says: str = "{}") -> go.Figure:
    """Return a bar for each window and on it, or where none is, what came late; both together are the window restated."""
    late = {start: getattr(came, name) for start, came in (live.late or {}).items() if getattr(came, name)}
    scale, write = (100 if MEASURES[name].is_money else 1), MEASURES[name].write
    counted = _counted(windows, live, name)
    restated = {start: counted.get(start, 0) + value for start, value in late.items()}
    figure = _by_window(live, colour, name, counted, {start: says.format(write(count)) for start, count in counted.items()}, restated.values())
    if not late:
        return figure
    figure.add_bar(
        name=CAME_LATE,
        x=[_middle(start) for start in late],
        y=[value / scale for value in late.values()],
        base=[counted.get(start, 0) / scale for start in late],
        width=BAR_WIDTH,
        marker={"color": LOST},
        customdata=[
            [
                f"{write(counted.get(start, 0))} live, {write(restated[start])} restated",
                filters.rows_behind(name, start, start + WINDOW_SECONDS, counted="late"),
            ]
            for start in late
        ],
        text=[f"+{write(value)} came late" for value in late.values()],
        textposition="none",
        hovertemplate=HOVER,
    )
    return figure


def _parts(starts: Collection[int], still_open: Collection[int], colour: str) -> list[tuple[str, list[int], dict[str, object]]]:
    """Return finished and unfinished bars, and how each part is drawn."""
    hatched: dict[str, object] = {
        "color": FADED[colour],
        "line": {"color": colour, "width": 1},
        "pattern": {"shape": "/", "fgcolor": colour, "size": 5, "solidity": 0.35},
    }
    finished, unfinished = PARTS
    parts: dict[str, dict[str, object]] = {finished: {"color": colour}, unfinished: hatched}
    return [(name, [start for start in starts if (start in still_open) == (name == unfinished)], marker) for name, marker in parts.items()]


def _empty(figure: go.Figure, text: str) -> go.Figure:
    figure.add_annotation(x=0.5, y=0.5, xref="paper", yref="paper", text=text, showarrow=False, font={"size": 13})
    return figure


def _counted(windows: Mapping[int, Window], live: Live, name: str) -> dict[int, int]:
    """Return the measure of each window of the span that has some of it: a bar of nothing would still be a coloured line."""
    counts = {start: windows[start].total.get(name, 0) for start in spans.span(live.until) if live.as_of and start in windows}
    return {start: count for start, count in counts.items() if count}


def _layout(is_money: bool, since: float, until: float, values: Iterable[float]) -> dict[str, object]:
    """Return how a chart of these values is drawn, in euros or counts; refunds are below zero."""
    highest = max((abs(value) for value in values), default=0)
    small = {"tickformat": "$,.2f"} if is_money else {"nticks": round(highest) + 1}  # Else labels would be rounded until they repeat, or be thousandths.
    axis = {"showgrid": False, "zeroline": False, "fixedrange": True, "tickfont": {"size": 11}}
    return {
        "template": "none",
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
            "range": [_time(since), _time(until)],
            "tickformat": "%H:%M",
            "nticks": 6,
            "ticklabelstandoff": 5,
        },
        "yaxis": {
            **axis,
            "showgrid": True,
            "rangemode": "tozero",
            "tickformat": "$~s" if is_money else ",d",
            "nticks": 6,
            **(small if highest < SMALL else {}),
            **({} if highest else {"range": [0, 1], "showticklabels": False, "showgrid": False}),
        },
    }


def _time(unix_seconds: float) -> datetime:
    return datetime.fromtimestamp(unix_seconds, UTC)


def _middle(start: int) -> datetime:
    return _time(start + WINDOW_SECONDS / 2)
