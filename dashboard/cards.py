"""The blocks of the Live page: pure functions from what is known to components."""

from __future__ import annotations

from collections.abc import Callable

from dash import html
from dash.development.base_component import Component

from dashboard import formats
from dashboard.spans import SPAN_SECONDS, STALE_SECONDS, Live, Measured, State, unfinished

Write = Callable[[float | None], str]
SPAN_WORDS = f"{SPAN_SECONDS // 60} minutes"


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


def marked(text: str) -> list[Component | str]:
    """Return a message with what stands between backticks set as code."""
    return [html.Code(part) if number % 2 else part for number, part in enumerate(text.split("`"))]


def banner(state: State, trouble: str | None, live: Live, now: float) -> Component | None:
    """Return what the reader must know before trusting a number; None when all is well."""
    since = age(live.as_of, now)
    match state:
        case "broken":
            known = ["The numbers below are from ", since, "."] if live.as_of else ["Nothing has been read yet."]
            return _banner(
                "broken",
                "Redis does not answer",
                [html.P(marked(trouble or "")), html.P([*known, " ", html.Code("./instashop doctor"), " names the broken part."])],
            )
        case "starting":
            return _banner(
                "starting",
                "Starting",
                [html.P("Spark has not written a window since this start. The first numbers come about 20 seconds after its job was submitted.")],
            )
        case "stale":
            cure = ["See ", html.Code("run_live_metrics"), " in Airflow, or run ", html.Code("./instashop doctor"), "."]
            return _banner(
                "stale",
                ["The live numbers are ", age(live.as_of, now, after=" old")],
                [html.P([f"Spark has said nothing for more than {STALE_SECONDS} seconds. ", *cure])],
            )
        case "zero":
            return _banner(
                "zero",
                f"Nothing happened in the last {SPAN_WORDS}",
                [html.P(["Spark's word is fresh (", since, "): these zeros are true. Is the generator running?"])],
            )
        case "live":
            return None


def _banner(name: str, title: str | list[object], body: list[Component]) -> Component:
    return html.Div([html.Span(className="banner-mark"), html.Div([html.Strong(title), *body])], className=f"banner is-{name}", role="status")


def kpis(live: Live, now: float, kept_seconds: int, started_at: float | None) -> list[Component]:
    """Return the numbers at the top of the Live page, each with its age and with the span before."""
    orders, refunds = live.measured("orders_paid"), live.measured("refund_cents")
    refunded = live.measured("orders_refunded").value
    return [
        _since_start(live, now, kept_seconds, started_at),
        _kpi("Revenue", "revenue", live.measured("revenue_cents"), formats.money, live, now),
        _kpi("Orders paid", "orders", orders, formats.count, live, now),
        _kpi("Average order", "average-order", live.ratio("revenue_cents", "orders_paid"), formats.money, live, now),
        _kpi("Conversion", "conversion", live.ratio("checkouts", "sessions"), formats.share, live, now, "checkouts by sessions"),
        _kpi("Sessions", "sessions", live.measured("sessions"), formats.count, live, now),
        _kpi("Refunds", "refunds", refunds, formats.money, live, now, f"{formats.count(refunded)} orders", good_is_up=False),
    ]


def _since_start(live: Live, now: float, kept_seconds: int, started_at: float | None) -> Component:
    count = live.events_since_start
    if started_at is None:
        since = "the start is not known"
    elif now - started_at > kept_seconds:
        since = f"started {formats.age(now - started_at)} ago; counted over the last {formats.age(kept_seconds)}, which is what Redis keeps"
    else:
        since = f"started at {formats.clock(started_at)} UTC"
    value = html.Div(formats.count(count), id="events-since-start", className="kpi-value", **{"data-value": str(count or 0)})
    return html.Div(
        [
            html.H3(["Events since start", html.Span("by window", className="kpi-hint")]),
            value,
            html.P(since, className="kpi-before"),
            _as_of(live, now),
            _sparks(live),
        ],
        className="kpi is-wide",
    )


def _sparks(live: Live) -> Component:
    """Return the events of each window of the span as small bars; the last ones can still grow."""
    highest = max(live.events_by_window.values(), default=0) or 1
    bars = [
        html.I(style={"height": f"{max(count / highest, 0.02) * 100:.1f}%"}, className="is-open" if unfinished(start, live.until) else "")
        for start, count in live.events_by_window.items()
    ]
    return html.Span(bars, className="sparks", **{"aria-hidden": "true"})


def _kpi(label: str, name: str, measured: Measured, write: Write, live: Live, now: float, hint: str = "", good_is_up: bool = True) -> Component:
    text = write(measured.value)
    whole, point, cents = text.partition(".") if text.startswith(("€", formats.MINUS)) else (text, "", "")
    value = html.Div([whole, html.Small(point + cents)] if point else whole, id=f"kpi-{name}", className="kpi-value", title=hint or None)
    body = [html.H3([label, html.Span(hint, className="kpi-hint")] if hint else label), value, _before(measured, write, live, good_is_up), _as_of(live, now)]
    return html.Div(body, className="kpi")


def _before(measured: Measured, write: Write, live: Live, good_is_up: bool) -> Component | str:
    if live.as_of is None:
        return ""
    if live.before is None:
        return html.P("nothing from before to compare", className="kpi-before")
    before, change = write(measured.before), measured.change
    if change is None:
        return html.P(f"{before} before", className="kpi-before")
    flat = abs(change) < 0.0005
    tone = "is-flat" if flat else "is-good" if (change > 0) == good_is_up else "is-bad"
    arrow = "▬" if flat else "▲" if change > 0 else "▼"
    return html.P([html.Span(f"{arrow} {abs(change) * 100:,.1f} %", className=f"change {tone}"), f" {before} before"], className="kpi-before")


def _as_of(live: Live, now: float) -> Component:
    return html.P(["as of ", age(live.as_of, now, STALE_SECONDS)] if live.as_of else "no value yet", className="kpi-age")


def money_steps(live: Live) -> list[Component]:
    """Return the way from gross to what is kept, each step drawn from where the one before ended."""
    gross, discount, net, tax, total, refund = (
        live.now.get(name, 0) for name in ("gross_cents", "discount_cents", "net_cents", "tax_cents", "revenue_cents", "refund_cents")
    )
    steps = (
        ("Gross", 0, gross, "sum"),
        ("Discounts", net, -discount, "less"),
        ("Net", 0, net, "sum"),
        ("Tax", net, tax, "more"),
        ("Revenue", 0, total, "sum"),
        ("Refunds", total + refund, refund, "less"),
        ("Kept", 0, total + refund, "sum"),
    )
    widest = max(gross, total, 1)
    return [
        html.Div(
            [
                html.Span(label, className="step-name"),
                _bar(begin / widest, abs(cents) / widest, kind),
                html.Span(_signed(cents, kind) if live.as_of else formats.UNKNOWN, className="step-value"),
            ],
            className=f"step is-{kind}",
        )
        for label, begin, cents, kind in steps
    ]


def _signed(cents: int, kind: str) -> str:
    return f"+{formats.money(cents)}" if kind == "more" and cents else formats.money(cents)


def _bar(begin: float, width: float, kind: str = "sum") -> Component:
    begin, width = max(0.0, min(begin, 1.0)), max(0.0, min(width, 1.0))
    return html.Span(html.Span(style={"left": f"{begin * 100:.2f}%", "width": f"{width * 100:.2f}%"}, className=f"bar-fill is-{kind}"), className="bar")


def categories(live: Live, shown: int = 8) -> list[Component]:
    """Return the categories by sales of paid items, the largest first; what does not fit is added up."""
    ranked = [(name, cents) for name, cents in sorted(live.categories.items(), key=lambda pair: -pair[1]) if cents]
    if len(ranked) > shown:
        ranked = [*ranked[: shown - 1], (f"{len(ranked) - shown + 1} others", sum(cents for _name, cents in ranked[shown - 1 :]))]
    total, widest = sum(cents for _name, cents in ranked), max((cents for _name, cents in ranked), default=1)
    if not ranked:
        return [html.P("No items sold in this span." if live.as_of else "No reading yet.", className="empty")]
    return [
        html.Div(
            [
                html.Span(name, className="step-name"),
                _bar(0, cents / widest, "category"),
                html.Span([formats.money(cents), html.Small(formats.share(cents / total))], className="step-value"),
            ],
            className="step",
        )
        for name, cents in ranked
    ]


def behaviour(live: Live) -> list[Component]:
    """Return what visitors did, from session to checkout, and their searches."""
    steps = [("Sessions", "sessions"), ("Product views", "product_views"), ("Put in cart", "cart_adds"), ("Checkouts", "checkouts")]
    widest = max(*(live.now.get(name, 0) for _label, name in steps), 1)
    rows = [
        html.Div(
            [
                html.Span(label, className="step-name"),
                _bar(0, live.now.get(name, 0) / widest, "visit"),
                html.Span([formats.count(live.measured(name).value), html.Small(_per_session(live, name))], className="step-value"),
            ],
            className="step",
        )
        for label, name in steps
    ]
    searches, without = live.measured("searches").value, live.measured("searches_without_result").value
    part = formats.share(without / searches) if searches and without is not None else formats.UNKNOWN
    pair = [
        html.Div([html.Strong(formats.count(searches)), html.Span("searches")]),
        html.Div([html.Strong(formats.count(without)), html.Span(f"without result ({part})")]),
        html.Div([html.Strong(formats.count(live.measured("carts_abandoned").value)), html.Span("carts abandoned")]),
    ]
    return [*rows, html.Div(pair, className="facts")]


def _per_session(live: Live, name: str) -> str:
    sessions = live.now.get("sessions")
    return "" if name == "sessions" or not sessions else f"{live.now.get(name, 0) / sessions:.2f} a session"
