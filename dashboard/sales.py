"""The blocks of the Live page: pure functions from what is known to components."""

from __future__ import annotations

from dash import html
from dash.development.base_component import Component

from dashboard import cards, formats, visits
from dashboard.filters import rows_behind
from dashboard.shelf import OLD_SECONDS, Late
from dashboard.spans import Live, unfinished
from instashop.metrics import WINDOW_SECONDS, window_of


def kpis(live: Live, now: float, kept_seconds: int, started_at: float | None) -> list[Component]:
    """Return the numbers at the top of the Live page, each with its age and with the span before."""
    refunded = live.measured("orders_refunded").value
    return [
        cards.live_kpi("Revenue", "revenue", live, now, "revenue_cents", hint=f"last {cards.SPAN_WORDS}, by 30-second window", drawn=_sparks(live)),
        cards.live_kpi("Orders paid", "orders", live, now, "orders_paid"),
        cards.live_kpi("Average order", "average-order", live, now, "revenue_cents", "orders_paid"),
        cards.live_kpi("Conversion", "conversion", live, now, "checkouts", "sessions", formats.conversion, "checkouts per session"),
        cards.live_kpi("Sessions", "sessions", live, now, "sessions"),
        cards.live_kpi("Refunds", "refunds", live, now, "refund_cents", hint=formats.counted(refunded, "order"), good_is_up=False),
        _since_start(live, now, kept_seconds, started_at),
    ]


def _since_start(live: Live, now: float, kept_seconds: int, started_at: float | None) -> Component:
    count, title = live.events_since_start, "Events since start"
    if started_at is None:
        since = "the start is not known"
    elif now - started_at > kept_seconds:
        title, since = f"Events of the last {kept_seconds // 60} minutes", f"started {formats.age(now - started_at)} ago; Redis keeps no older windows"
    else:
        since = f"started at {formats.clock(started_at)} UTC"
    first = -(-(started_at or 0) // WINDOW_SECONDS) * WINDOW_SECONDS  # The first window that began after the start.
    ends = window_of(live.until) + WINDOW_SECONDS
    begun = max(first, now - kept_seconds)
    rows = rows_behind("events", begun, ends) if live.as_of and count is not None and begun < ends else None
    text = formats.count(count)
    value = html.Div(cards.to_rows(text, rows), id="events-since-start", className="kpi-value", **{"data-value": str(count or 0)})
    parts = [html.H2(title), value, html.P(since, className="kpi-before"), cards.as_of(live.as_of, now)]
    return html.Div(parts, className="kpi", style={"--length": len(text)})


def _sparks(live: Live) -> Component:
    """Return the revenue of each window of the span as small bars; the last ones can still grow."""
    highest = max(live.revenue_by_window.values(), default=0) or 1
    bars = [
        html.I(style={"height": f"{max(cents / highest, 0.02) * 100:.1f}%"}, className="is-open" if unfinished(start, live.until) else "")
        for start, cents in live.revenue_by_window.items()
    ]
    return html.Span(bars, className="sparks", **{"aria-hidden": "true"})


def came_late(live: Live, read_at: float | None, now: float) -> list[object]:
    """Return what came late for the windows of the span, in events and money, and the revenue with it; no other live number counts it."""
    if live.as_of is None or live.late is None:
        return ["What came late is not known yet."]
    late, age_of_it = sum(live.late.values(), Late()), [" · as of ", cards.age(read_at, now, OLD_SECONDS)]
    if not late.events:
        return [f"Nothing came late in these {cards.SPAN_WORDS}.", *age_of_it]
    restated = formats.money(live.now.get("revenue_cents", 0) + late.revenue_cents)
    more = f"+{formats.counted(late.events, 'event')}, +{formats.money(late.revenue_cents)}"
    return [
        cards.to_rows(more, cards.behind(live, "events", counted="late")),
        " came late and is not counted above; restated, revenue is ",
        cards.to_rows(restated, cards.behind(live, "revenue_cents", counted="restated")),
        *age_of_it,
    ]


def money_steps(live: Live) -> list[Component]:
    """Return the way from gross to what is kept, each step drawn from where the one before ended."""
    gross, discount, net, tax, total, refund = (
        live.now.get(name, 0) for name in ("gross_cents", "discount_cents", "net_cents", "tax_cents", "revenue_cents", "refund_cents")
    )
    steps = (
        ("Gross", 0, gross, "sum", {"measure": "gross_cents"}),
        ("Discounts", net, -discount, "less", {"measure": "discount_cents"}),
        ("Net", 0, net, "sum", {"measure": "net_cents"}),
        ("Tax", net, tax, "more", {"measure": "tax_cents"}),
        ("Revenue", 0, total, "sum", {"measure": "revenue_cents"}),
        ("Refunds", total + refund, refund, "less", {"measure": "refund_cents"}),
        ("Kept", 0, total + refund, "sum", {"measure": "revenue_cents", "kind": "transactions"}),
    )
    widest = max(gross, total, -refund, 1)
    return [
        cards.step(
            label,
            (cents if kind == "sum" else abs(cents)) / widest,  # Below zero is kept when more was refunded than paid.
            kind,
            _signed(cents, kind) if live.as_of else formats.UNKNOWN,
            href=cards.behind(live, **rows),
            begin=begin / widest,
        )
        for label, begin, cents, kind, rows in steps
    ]


def _signed(cents: int, kind: str) -> str:
    return f"+{formats.money(cents)}" if kind == "more" and cents else formats.money(cents)


def categories(live: Live, shown: int = 8) -> list[Component]:
    """Return the categories by sales of paid items, the largest first; what does not fit is added up."""
    ranked = [(name, cents) for name, cents in sorted(live.categories.items(), key=lambda pair: -pair[1]) if cents]
    if len(ranked) > shown:
        ranked = [*ranked[: shown - 1], (f"{len(ranked) - shown + 1} others", sum(cents for _name, cents in ranked[shown - 1 :]))]
    total, widest = sum(cents for _name, cents in ranked), max((cents for _name, cents in ranked), default=1)
    if not ranked:
        return [cards.no_items(live)]
    known = {name for name, _cents in ranked} & live.categories.keys()
    return [
        cards.step(
            name,
            cents / widest,
            "category",
            formats.money(cents),
            formats.share(cents / total),
            cards.behind(live, "sales_cents", category=name) if name in known else None,
        )
        for name, cents in ranked
    ]


def behaviour(live: Live) -> list[Component]:
    """Return what visitors did, from session to checkout, and their searches."""
    searches, without = live.measured("searches").value, live.measured("searches_without_result").value
    part = formats.share(without / searches) if searches and without is not None else formats.UNKNOWN
    pair = [
        cards.fact(formats.count(searches), "searches", cards.behind(live, "searches")),
        cards.fact(formats.count(without), f"without result ({part})", cards.behind(live, "searches_without_result")),
        cards.fact(formats.count(live.measured("carts_abandoned").value), "carts abandoned", cards.behind(live, "carts_abandoned")),
    ]
    return [*visits.steps(live, lambda name: _per_session(live, name)), html.Div(pair, className="facts")]


def _per_session(live: Live, name: str) -> str:
    """Return how many of something there were for each session."""
    sessions = live.now.get("sessions")
    return "" if name == "sessions" or not sessions else f"{live.now.get(name, 0) / sessions:.2f} a session"
