"""What every page's blocks are made of: pure functions from what is known to components."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from dashboard import figures, formats
from dashboard.filters import rows_behind
from dashboard.measures import MEASURES
from dashboard.shelf import OLD_SECONDS, Shelf
from dashboard.spans import SPAN_SECONDS, STALE_SECONDS, Live, Measured, State
from instashop import words
from instashop.metrics import WINDOW_SECONDS, window_of

Write = Callable[[float | None], str]
CHART_HEIGHT = 230
CHART_CONFIG = {"displayModeBar": False, "locales": {"en": {"format": {"currency": ["€", ""]}}}}
"""An axis writes money as everybody does, the sign first: `$` in its format is this currency."""
SPAN_WORDS = f"{SPAN_SECONDS // 60} minutes"
NOTHING_BEFORE = "nothing from before to compare"
FLAT = 0.01
"""A change by a smaller share than this is neither good nor bad."""


def event_link(event_id: str) -> Component:
    """Return a short link to an event's page."""
    return dcc.Link(formats.short_id(event_id), href=f"/event/{event_id}", className="number", title=event_id)


def age(at: float | None, now: float, limit_seconds: float | None = None, after: str = " ago") -> Component:
    """Return how old something is; the browser counts on by itself, so that an age is true even when nothing comes any more."""
    if at is None:
        return html.Span("never", className="age is-unknown")
    limit = {"data-limit": str(limit_seconds)} if limit_seconds else {}
    old = limit_seconds is not None and now - at > limit_seconds
    return html.Time(formats.age(now - at) + after, className=f"age{' is-old' if old else ''}", **{"data-at": f"{at:.3f}", "data-after": after, **limit})


def card(title: str, *body: Component, note: str | Component = "", name: str = "") -> Component:
    """Return a framed block with a title."""
    return html.Section([html.Header([html.H2(title), html.Span(note, className="card-note")], className="card-head"), *body], className=f"card {name}")


def to_rows(shown: object, href: str | None) -> object:
    """Return a number as a link to the rows behind it; a number that is not known leads nowhere."""
    return shown if href is None else dcc.Link(shown, href=href, className="number")


def behind(live: Live, measure: str, **more: Any) -> str | None:
    """Return the address of the rows behind a measure of the live span."""
    return rows_behind(measure, live.since, window_of(live.until) + WINDOW_SECONDS, **more) if live.as_of else None


def span_words(live: Live) -> str:
    """Return which span a live page shows."""
    against = NOTHING_BEFORE if live.as_of and live.before is None else f"against the {SPAN_WORDS} before"
    return f"Last {SPAN_WORDS}, {formats.clock(live.since)}–{formats.clock(live.until)} UTC, {against}."


def all_as_of(live: Live, now: float) -> list[object]:
    """Return how old the live numbers of a page are."""
    return ["live numbers as of ", age(live.as_of, now, STALE_SECONDS)] if live.as_of else ["no live numbers"]


def charted(name: str, figure: Any, measure: str, href: str | None) -> dict[str, dict[str, Any]]:
    """Return the properties of a chart and of its words, by their ids; the words lead to the rows that its bars lead to."""
    rows = [" ", dcc.Link(f"Rows behind {MEASURES[measure].title}", href=href, className="number")] if href else []
    return {name: {"figure": figure}, f"{name}-words": {"children": [figures.in_words(figure, measure), *rows]}}


def chart(name: str, says: str, at: Mapping[str, dict[str, Any]]) -> list[Component]:
    """Return a chart that is as high as it will be before it is drawn, and its words; who cannot see it is told what it shows."""
    graph = dcc.Graph(id=name, **at[name], className="chart", config=CHART_CONFIG, responsive=True, style={"height": CHART_HEIGHT})
    frame = html.Div([graph], className="chart-frame", role="img", **{"aria-label": f"Chart: {says}", "aria-describedby": f"{name}-words"})
    return [frame, html.P(id=f"{name}-words", **at[f"{name}-words"], className="chart-words")]


def marked(text: str) -> list[Component | str]:
    """Return a message with what stands between backticks set as code."""
    return [html.Code(part) if number % 2 else part for number, part in enumerate(text.split("`"))]


def shelf_age(what: str, shelf: Shelf, now: float) -> list[object]:
    """Return what a block shows of the last reading, and how old that is."""
    return [f"{what} · as of ", age(shelf.read_at, now, OLD_SECONDS)] if shelf.read_at else ["not read yet"]


def trouble(shelf: Shelf, now: float) -> list[Component]:
    """Return what the last reading lacks, or what went wrong since; nothing when all is well."""
    said = shelf.trouble or shelf.lacks
    if not said or shelf.read_at is None:
        return []
    return [html.P(["This is from ", age(shelf.read_at, now), ". ", *marked(said)], className="trouble")]


def banner(state: State, trouble: str | None, live: Live, now: float) -> Component | None:
    """Return what the reader must know before trusting a number; None when all is well."""
    since = age(live.as_of, now)
    match state:
        case "broken":
            known = ["The numbers below are from ", since, "."] if live.as_of else ["There are no numbers to show."]
            return told(
                "broken",
                "Redis does not answer",
                [html.P(marked(trouble or "")), html.P([*known, " ", html.Code("./instashop doctor"), " names the broken part."])],
            )
        case "starting":
            return told(
                "starting",
                "Starting",
                [html.P("Spark has not written a window since this start. The first numbers come about 20 seconds after its job was submitted.")],
            )
        case "stale":
            cure = ["See ", html.Code("run_live_metrics"), " in Airflow, or run ", html.Code("./instashop doctor"), "."]
            if live.as_of is None:
                return told("stale", "The live numbers are gone", [html.P(["Spark has said nothing for so long that Redis no longer keeps them. ", *cure])])
            return told(
                "stale",
                "The live numbers are old",
                [html.P(["They are from ", since, f": Spark has said nothing for more than {STALE_SECONDS} seconds. ", *cure])],
            )
        case "behind":
            where = dcc.Link("Platform", href="/platform", className="number")
            return told(
                "behind",
                "Catching up: the live numbers are not complete",
                [*map(html.P, live.missing), html.P([where, " shows who carries what, and how far."])],
            )
        case "zero":
            return told(
                "zero",
                f"Nothing happened in the last {SPAN_WORDS}",
                [html.P(["Spark's word is fresh (", since, ") and nothing waits on its way: these zeros are true. Is the generator running?"])],
            )
        case "live":
            return None


def told(name: str, title: str, body: list[Component]) -> Component:
    """Return a message above the numbers; its name is its tone: a state, or `note`. Only the title is read aloud when it comes: ages in the body go on."""
    return html.Div([html.Span(className="banner-mark"), html.Div([html.Strong(title, role="status"), *body])], className=f"banner is-{name}")


def kpi(
    label: str,
    name: str,
    measured: Measured,
    write: Write,
    live: Live,
    now: float,
    hint: str = "",
    good_is_up: bool | None = True,
    href: str | None = None,
    limit_seconds: float = STALE_SECONDS,
    drawn: Component | None = None,
) -> Component:
    """Return one number with its age, a link to its rows, and the span before; `good_is_up` None: neither way is good. One with a drawing is wide."""
    text = write(measured.value)
    whole, point, cents = text.partition(".") if text.startswith(("€", words.MINUS)) else (text, "", "")
    shown = to_rows([whole, html.Small(point + cents)] if point else whole, href if measured.value is not None else None)
    value = html.Div(shown, id=f"kpi-{name}", className="kpi-value", title=hint or None)
    head = html.H2([label, html.Span(hint, className="kpi-hint")] if hint else label)
    parts = [head, value, _before(measured, write, live, good_is_up), as_of(live.as_of, now, limit_seconds), drawn]
    return html.Div(parts, className="kpi is-wide" if drawn is not None else "kpi", style={"--length": len(text)})


def live_kpi(
    label: str,
    name: str,
    live: Live,
    now: float,
    measure: str,
    over: str | None = None,
    write: Write | None = None,
    hint: str = "",
    good_is_up: bool | None = True,
    drawn: Component | None = None,
) -> Component:
    """Return a measure of the live span, or what there is of it for each of another one (`over`), as one number."""
    measured = live.ratio(measure, over) if over else live.measured(measure)
    return kpi(label, name, measured, write or MEASURES[measure].write, live, now, hint, good_is_up, behind(live, measure), drawn=drawn)


def alike(numbers: list[Component]) -> list[Component]:
    """Write the numbers of a row in one size, that of the longest."""
    longest = max(number.style["--length"] for number in numbers)  # type: ignore[attr-defined]
    for number in numbers:
        number.style = {"--length": longest}  # type: ignore[attr-defined]
    return numbers


def _before(measured: Measured, write: Write, live: Live, good_is_up: bool | None) -> Component | str:
    if live.as_of is None:
        return ""
    if live.before is None:
        return html.P(formats.UNKNOWN, title=NOTHING_BEFORE, className="kpi-before")
    before, change = write(measured.before), measured.change
    if change is None:
        return html.P(f"{before} before", className="kpi-before")
    value, was = measured.value or 0, measured.before or 0
    in_points = write in (formats.share, formats.conversion) and max(value, was) <= 1  # Beyond, both are written as times, not as percent.
    amount = formats.points(value - was) if in_points else f"{abs(change) * 100:,.1f} %"
    return html.P([changed(change, amount, good_is_up), f" {before} before"], className="kpi-before")


def changed(change: float, amount: str, good_is_up: bool | None = True) -> Component:
    """Return by how much something is more or less than before; the change is a share of before."""
    flat = abs(change) < FLAT or amount.startswith("0.0")
    tone = "is-flat" if flat or good_is_up is None else "is-good" if (change > 0) == good_is_up else "is-bad"
    arrow = "▬" if flat else "▲" if change > 0 else "▼"
    return html.Span(f"{arrow} {amount}", className=f"change {tone}")


def as_of(at: float | None, now: float, limit_seconds: float = STALE_SECONDS) -> Component:
    """Return the foot of a block: how old its numbers are."""
    return html.P(["as of ", age(at, now, limit_seconds)] if at else "no value", className="kpi-age")


def step(
    label: str, width: float, kind: str, value: str, small: object = None, href: str | None = None, of: str = "", chosen: bool = False, begin: float = 0
) -> Component:
    """Return a named bar with its value, which leads to its rows; begin and width are shares of the widest, and nothing is drawn below zero; `of` stands small beside the name; one that is `chosen` is marked."""
    shown, label = to_rows(value, href), formats.named(label)
    begin, width = max(0.0, min(begin, 1.0)), max(0.0, min(width, 1.0))
    fill = html.Span(style={"left": f"{begin * 100:.2f}%", "width": f"{width * 100:.2f}%"}, className=f"bar-fill is-{kind}")
    return html.Div(
        [
            html.Span([label, html.Small(of)] if of else label, className="step-name", title=f"{label}, {of}" if of else label),
            html.Span(fill, className="bar"),
            html.Span(shown if small is None else [shown, html.Small(small)], className="step-value"),
        ],
        className=f"step is-{kind}{' is-chosen' if chosen else ''}",
        **({"aria-current": "true"} if chosen else {}),
    )


def no_items(live: Live) -> Component:
    """Return that no item was sold, as far as that can be said."""
    text = "Not known." if live.as_of is None else "Not known: something is missing." if live.missing else "No items sold in this span."
    return html.P(text, className="empty")


def fact(value: str, name: str, href: str | None = None) -> Component:
    """Return a small number with its name below."""
    return html.Div([html.Strong(to_rows(value, href)), html.Span(name)])
