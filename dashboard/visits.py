"""What visitors do: the funnel, abandoned carts and searches; pure functions from a snapshot to components of the Behaviour page."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from dash import dcc, html
from dash.development.base_component import Component

from dashboard import cards, formats
from dashboard.shelf import LOOK_SECONDS, Shelf
from dashboard.spans import Live

FUNNEL = (
    ("Sessions", "sessions"),
    ("Product views", "product_views"),
    ("Added to cart", "cart_adds"),
    ("Checkouts", "checkouts"),
)
TERMS = 15


def kpis(live: Live, now: float) -> list[Component]:
    """Return the numbers at the top of the page."""
    return cards.alike(
        [
            cards.live_kpi("Sessions", "sessions", live, now, "sessions"),
            cards.live_kpi("Conversion", "checkouts", live, now, "checkouts", "sessions", formats.conversion, "checkouts per session"),
            cards.live_kpi("Carts abandoned", "carts-abandoned", live, now, "carts_abandoned", good_is_up=False),
            cards.live_kpi("Value abandoned", "abandoned-cents", live, now, "abandoned_cents", good_is_up=False),
            cards.live_kpi("Searches", "searches", live, now, "searches", good_is_up=None),
            cards.live_kpi(
                "Without result", "searches-without-result", live, now, "searches_without_result", "searches", formats.share, "of all searches", False
            ),
        ]
    )


def steps(live: Live, beside: Callable[[str], str]) -> list[Component]:
    """Return the steps from session to checkout, with what is said beside each."""
    widest = max(*(live.now.get(name, 0) for _label, name in FUNNEL), 1)
    return [
        cards.step(label, live.now.get(name, 0) / widest, "visit", formats.count(live.measured(name).value), beside(name), cards.behind(live, name))
        for label, name in FUNNEL
    ]


def funnel(live: Live) -> list[Component]:
    """Return the way from session to checkout, with the rate of each step to the one before it."""
    before = {name: above for above, (_label, name) in pairwise(FUNNEL)}

    def rate(name: str) -> str:
        if name not in before:
            return "events, not visitors"
        label, above = before[name]
        value = live.ratio(name, above).value
        return "" if value is None else formats.conversion(value, label.lower())

    abandoned = cards.fact(formats.share(_abandoned_share(live)), "of ended carts abandoned", cards.behind(live, "carts_abandoned"))
    return [*steps(live, rate), html.Div(abandoned, className="facts")]


def _abandoned_share(live: Live) -> float | None:
    ended = live.now.get("carts_abandoned", 0) + live.now.get("checkouts", 0)
    return live.now.get("carts_abandoned", 0) / ended if live.as_of and ended else None


def carts(shelf: Shelf, now: float) -> list[Component]:
    """Return the newest abandoned carts, each a link to its event."""
    if not shelf.carts:
        return _nothing(shelf, "No cart was abandoned in the last hour.", now)
    rows = [
        html.Li(
            [
                dcc.Link(formats.money(cart.value_cents), href=f"/event/{cart.event_id}", className="number"),
                html.Small("a guest" if cart.customer_id is None else f"customer {cart.customer_id}"),
                html.Small(cards.age(cart.at, now)),
            ]
        )
        for cart in shelf.carts
    ]
    return [html.Ul(rows, className="lines"), *cards.trouble(shelf, now)]


def terms(shelf: Shelf, now: float) -> list[Component]:
    """Return what was searched for most; what found nothing names no word of the catalogue and is counted below."""
    named = [term for term in shelf.terms if term.term is not None]
    if not shelf.terms:
        return _nothing(shelf, "Nobody searched in the last hour.", now)
    widest = max((term.searches for term in named), default=1)
    since = (shelf.read_at or now) - LOOK_SECONDS
    rows = [
        cards.step(
            term.term,
            term.searches / widest,
            "visit",
            formats.count(term.searches),
            f"{formats.count(term.without_result)} without result" if term.without_result else "",
            cards.rows_behind("searches", since, now + 30, counted="restated", term=term.term),
        )
        for term in named[:TERMS]
    ]

    def fact(number: int, name: str, measure: str | None = None) -> Component:
        if shelf.lacks:
            return cards.fact(formats.UNKNOWN, name)
        return cards.fact(formats.count(number), name, measure and cards.rows_behind(measure, since, now + 30, counted="restated"))

    facts = [
        fact(shelf.searched.searches, "searches in the last hour", "searches"),
        fact(shelf.searched.without_result, "without result", "searches_without_result"),
        fact(shelf.searched.words, "different words"),
    ]
    note = html.P("What found nothing is counted, not named: only words of the catalogue leave the shop.", className="list-foot")
    return [html.Div(rows, className="steps"), html.Div(facts, className="facts"), note, *cards.trouble(shelf, now)]


def _nothing(shelf: Shelf, words: str, now: float) -> list[Component]:
    if shelf.read_at is None:
        return [html.P(cards.marked(shelf.trouble or "The warehouse has not been read yet."), className="empty")]
    if shelf.lacks:
        return [html.P(f"Not known. {shelf.lacks}", className="empty")]
    return [html.P(words, className="empty"), *cards.trouble(shelf, now)]
