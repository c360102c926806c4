"""Page History: any span of the warehouse by the same definitions as Live, down to the rows; its filters are its address."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import dash_mantine_components as dmc
from dash import dcc, html
from dash.development.base_component import Component

from dashboard import cards, figures, filters, formats, rows
from dashboard.filters import Filters
from dashboard.measures import MEASURES, OF_ITEMS
from dashboard.past import Past
from dashboard.snapshot import Snapshot
from instashop.streams import STREAMS

PATH, NAME = filters.PATH, "History"
AGAIN_SECONDS = 20
"""How often an open page reads the warehouse again."""


def layout(snapshot: Snapshot, asked: Filters, notes: tuple[str, ...], past: Past, now: float) -> Component:
    """Return the page for its filters: controls that a reading never replaces, and what was read."""
    products = {product.product_id: product.name for product in snapshot.shelf.products}
    categories = sorted({product.category for product in snapshot.shelf.products})
    return html.Main(
        [
            html.Div(
                [
                    html.Div([html.H1(NAME), html.P(rows.span_words(asked, past), id="history-span")]),
                    html.P(age(past, now), id="history-age", className="page-age"),
                ],
                className="page-head",
            ),
            *rows.notes(notes, asked, snapshot.shelf.products),
            html.Section([_spans(asked), _choices(asked, products, categories)], className="card filters"),
            html.Div(rows.trouble(past), id="history-trouble"),
            html.Div(shown(asked, past, now), id="history-shown", className="page-part"),
            dcc.Store(id="history-drawn", data={"query": filters.query(asked), "values": _chosen(asked)}),
            dcc.Interval(id="history-again", interval=AGAIN_SECONDS * 1000),
            dcc.Store(id="history-answer"),
        ],
        id="history",
        className=class_name(past),
    )


def class_name(past: Past) -> str:
    """Return the class of the page, which tells whether the warehouse has answered."""
    return f"page state-{'broken' if past.read_at is None else 'live'}"


def read_again(asked: Filters, _notes: tuple[str, ...], past: Past, now: float) -> dict[str, Any]:
    """Return class, trouble, span, age and numbers of an open page; without an answer its numbers stay, with their span and age."""
    if past.trouble:
        return {"className": class_name(past), "trouble": rows.trouble(past, kept=True)}
    return {
        "className": class_name(past),
        "trouble": rows.trouble(past),
        "span": rows.span_words(asked, past),
        "age": age(past, now),
        "shown": shown(asked, past, now),
    }


def shown(asked: Filters, past: Past, now: float) -> list[Component]:
    """Return everything that was read, all as of one moment."""
    measure = MEASURES[asked.measure]
    title = f"{measure.title} {rows.STEP_WORDS[asked.step]}"
    total = measure.write(past.totals.get(asked.measure, 0))
    return [
        html.Div(rows.kpis(asked, past, now), className="kpis is-flow"),
        html.Div(
            [
                cards.card(
                    title,
                    *cards.chart(
                        "history-chart", title, cards.charted("history-chart", figures.by_step(past, asked, now), asked.measure, f"{filters.href(asked)}#rows")
                    ),
                    note=html.Span([html.Strong(total), " in all"]) if past.trouble is None else "",
                    name="is-wide",
                ),
                cards.card("Sales by category", html.Div(rows.groups(asked, past, False), className="steps"), note=rows.groups_note(asked, False)),
                cards.card("Sales by product", html.Div(rows.groups(asked, past, True), className="steps"), note=rows.groups_note(asked, True)),
            ],
            className="row is-history",
        ),
        html.Div(
            cards.card(
                rows.title(asked),
                html.Div(
                    [html.P(rows.summary(asked, past), id="history-summary"), rows.downloads(asked, past) if past.read_at else ""], className="table-head"
                ),
                html.Div(rows.table_of(asked, past), className="table-frame", id="history-rows"),
                note="last recorded first",
            ),
            id="rows",
        ),
    ]


def age(past: Past, now: float) -> list[object]:
    """Return how old everything on the page is."""
    return ["all as of ", cards.age(past.read_at, now, rows.OLD_SECONDS)] if past.read_at else ["nothing was read"]


def _spans(asked: Filters) -> Component:
    chips = [
        dcc.Link(label, href=filters.href(asked, last=name, step=filters.fitting(name)), className=f"chip{' is-current' if asked.last == name else ''}")
        for name, label in filters.LAST.items()
    ]
    return html.Div(
        [
            html.Div(chips, className="chips"),
            html.Div(
                [
                    _moment("From (UTC)", "from", asked.since, asked.last and f"{filters.length(asked.last)} ago"),
                    _moment("To (UTC)", "to", asked.until, asked.last and "now"),
                    html.Button("Show", id="history-show", n_clicks=0),
                ],
                className="moments",
            ),
        ],
        className="filter-row",
    )


def _moment(label: str, name: str, at: int, moving: str | None) -> Component:
    """Return a picker of one end of the span; an end that moves on while the page is open is told in words."""
    picker = dmc.DateTimePicker(
        id=f"history-{name}",
        value=None if moving else f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}",
        placeholder=moving,
        valueFormat="D MMM YYYY HH:mm",
        size="xs",
        w=165,
        popoverProps={"withinPortal": True},
        **{"aria-label": label},
    )
    return html.Label([html.Span(label), picker])


def _choices(asked: Filters, products: dict[int, str], categories: list[str]) -> Component:
    of_items = asked.category is not None or asked.product is not None
    names = [name for name in MEASURES if not of_items or name in OF_ITEMS]
    known = dict(products)
    if asked.product is not None:
        known.setdefault(asked.product, f"product {asked.product}")
    kept = [*categories, *([asked.category] if asked.category is not None and asked.category not in categories else [])]
    choices: dict[str, tuple[str, list[dict[str, str]], dict[str, Any]]] = {
        "measure": ("Measure", [{"value": name, "label": MEASURES[name].title} for name in names], {"searchable": True}),
        "step": ("Steps", [{"value": "window", "label": "30-second windows"}, {"value": "hour", "label": "Hours"}, {"value": "day", "label": "Days"}], {}),
        "counted": ("Late events", [{"value": name, "label": label} for name, label in filters.COUNTED.items()], {}),
        "category": ("Category", [{"value": name, "label": formats.named(name)} for name in kept], {"clearable": True, "placeholder": "all"}),
        "product": (
            "Product",
            [{"value": str(number), "label": formats.named(name)} for number, name in sorted(known.items(), key=lambda pair: pair[1])],
            {"clearable": True, "searchable": True, "placeholder": "all"},
        ),
        "kind": (
            "Rows",
            [{"value": stream.name, "label": f"all {stream.name}"} for stream in STREAMS],
            {"clearable": True, "placeholder": "of the measure"},
        ),
    }
    values = _chosen(asked)
    return html.Div(
        [
            dmc.Select(id=f"history-{name}", label=label, data=data, value=values[name], size="xs", allowDeselect=bool(more.get("clearable")), **more)
            for name, (label, data, more) in choices.items()
        ],
        className="filter-row is-choices",
    )


def _chosen(asked: Filters) -> dict[str, str | None]:
    product = None if asked.product is None else str(asked.product)
    return {"measure": asked.measure, "step": asked.step, "counted": asked.counted, "category": asked.category, "product": product, "kind": asked.kind}
