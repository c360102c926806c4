"""The dashboard: Dash on FastAPI. One reader, one snapshot, values pushed to the pages; a page only lays out."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import dash
import psycopg
from dash import Dash, Input, Output, State, callback, clientside_callback, ctx, set_props
from dash._utils import to_json
from fastapi import FastAPI, Request, Response

from dashboard import api, filters, frame
from dashboard.frame import CHOICES
from dashboard.pages import behaviour, event, history, live, platform, products
from dashboard.readings import Reader, why
from instashop.control.trace import NoSuchEvent, Stop
from instashop.errors import InstaShopError

PAGES = {page.PATH: page for page in (live, products, behaviour, platform)}
"""Pages whose values are pushed."""
LINKS = {page.PATH: page.NAME for page in (live, products, behaviour, history, platform)}
CHARTS = ("live-revenue", "live-orders", "behaviour-abandoned", "behaviour-searches", "history-chart")
PUSH_SECONDS = 0.5
"""Pause between two looks at whether a screen wants something new."""


def build(reader: Reader) -> FastAPI:
    """Return the web server; health and JSON come before Dash, which answers every other path."""

    @asynccontextmanager
    async def prepared(_server: FastAPI) -> AsyncIterator[None]:
        # Dash gathers styles, scripts and callbacks at the first request for "/": a first visit to another page would find none of them.
        for prepare in app.backend._before_request_funcs:  # type: ignore[attr-defined]
            waiting = prepare()
            if inspect.isawaitable(waiting):
                await waiting
        yield

    server = FastAPI(title="InstaShop dashboard", docs_url=None, redoc_url=None, lifespan=prepared)

    @server.get("/healthz")
    def healthz() -> Response:
        return api.health(reader.looked_at, time.time())

    @server.get("/api/live")
    def live_json() -> dict[str, Any]:
        return api.live(reader.snapshot, time.time())

    @server.get("/history.csv")
    def rows_csv(request: Request) -> Response:
        return api.rows_csv(reader, dict(request.query_params), time.time())

    @server.get("/history-numbers.csv")
    def numbers_csv(request: Request) -> Response:
        return api.numbers_csv(reader, dict(request.query_params), time.time())

    app = Dash(
        __name__,
        server=server,
        use_pages=True,
        pages_folder="",
        title="InstaShop",
        update_title=None,  # type: ignore[arg-type]
        websocket_inactivity_timeout=0,
        suppress_callback_exceptions=True,
    )
    for path, page in PAGES.items():
        _register(page, path, reader)
    _register_asked(reader)
    app.index_string = frame.INDEX
    app.layout = lambda: frame.frame(LINKS, reader.snapshot, time.time())
    _answer_choices()
    _push(reader)
    return server


def _register(page: Any, path: str, reader: Reader) -> None:
    def layout(**_query: str) -> Any:
        return page.layout(reader.snapshot, time.time())

    dash.register_page(page.__name__, path=path, name=page.NAME, title=f"{page.NAME} · InstaShop", layout=layout)


def _register_asked(reader: Reader) -> None:
    """Register the pages that are read from the warehouse when somebody asks, each for its own address."""

    async def past(query: Mapping[str, Any]) -> tuple[Any, ...]:
        now = time.time()
        asked, notes = filters.parse(query, now)
        return asked, notes, await asyncio.to_thread(reader.past, asked), now

    async def history_layout(**query: Any) -> Any:
        return history.layout(reader.snapshot, *await past(query))

    async def event_layout(event_in_path: Any = "", **_query: Any) -> Any:
        event_id = str(event_in_path)  # A query that has this name nevertheless, and twice, gives a list.
        stops: list[Stop] = []
        found, trouble = None, None
        try:
            stops, found = await asyncio.to_thread(reader.event, event_id)
        except NoSuchEvent as error:
            trouble = str(error)
        except (psycopg.Error, InstaShopError) as error:
            trouble = why(error)
        return event.layout(event_id, stops, found, trouble, time.time())

    dash.register_page(history.__name__, path=history.PATH, name=history.NAME, title="History · InstaShop", layout=history_layout)
    dash.register_page(event.__name__, path_template=event.PATH, name=event.NAME, title="Event · InstaShop", layout=event_layout)
    dash.register_page("not_found_404", title="InstaShop", layout=event.missing())

    @callback(
        Output("history-answer", "data"),
        Input("history-again", "n_intervals"),
        State("url", "search"),
        State("choices", "data"),
        running=[(Output("history-again", "disabled"), True, False)],  # Else the next tick would give up an answer that takes long.
        prevent_initial_call=True,
    )
    async def read_again(_count: int, search: str, choices: dict[str, Any]) -> Any:
        """Read the span of an open page again, unless the screen is paused; without an answer its numbers stay, with their age."""
        if choices["paused"]:
            return dash.no_update
        return {"search": search, **history.read_again(*await past(filters.asked_in(search)))}

    clientside_callback(
        dash.ClientsideFunction("instashop", "take"),
        Output("history", "className"),
        Output("history-trouble", "children"),
        Output("history-span", "children"),
        Output("history-age", "children"),
        Output("history-shown", "children"),
        Input("history-answer", "data"),
        State("url", "search"),
        prevent_initial_call=True,
    )


def _changes(reader: Reader, choices: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what one page shows now, all of it from one snapshot."""
    snapshot, now = reader.snapshot, time.time()
    page = PAGES.get(choices["page"])
    if page:
        yield from page.values(snapshot, now).items()
    yield "state", {"children": frame.state(snapshot, now)}
    yield "pulse", frame.pulse(now, choices["seconds"], snapshot.batch)


def _push(reader: Reader) -> None:
    @callback(websocket=True, persistent=True)
    async def push() -> None:
        """Send what changed, at the pace that the screen chose, for as long as it is connected."""
        screen = ctx.websocket
        if screen is None:  # A browser without shared workers calls this by HTTP; the fallback serves it.
            return
        sent: dict[str, str] = {}
        served, next_at = dict(CHOICES), 0.0
        while not screen.is_shutdown:
            try:
                choices = await screen.get_prop("choices", "data", timeout=10) or CHOICES
            except TimeoutError:  # The tab is closed while another one keeps the connection, or it sleeps.
                return
            fresh = choices != served
            if choices["page"] != served["page"]:
                sent.clear()
            if not choices["paused"] and (fresh or time.monotonic() >= next_at):
                next_at = time.monotonic() + choices["seconds"]
                for name, props in _changes(reader, choices):
                    text = to_json(props)
                    if sent.get(name) != text:
                        sent[name] = text
                        set_props(name, props)
            served = choices
            await asyncio.sleep(PUSH_SECONDS)

    @callback(Input("ask", "data"), State("choices", "data"), prevent_initial_call=True)
    def pull(_asked: int, choices: dict[str, Any]) -> None:
        """Send everything by HTTP to a screen to which no pushes come."""
        for name, props in _changes(reader, choices):
            set_props(name, props)


def _answer_choices() -> None:
    chosen = (Input("url", "pathname"), Input("refresh", "value"), Input("pause", "n_clicks"))
    for chart in CHARTS:
        clientside_callback(
            dash.ClientsideFunction("instashop", "lead"), Output("url", "href", allow_duplicate=True), Input(chart, "clickData"), prevent_initial_call=True
        )
    names = ("measure", "step", "counted", "category", "product", "kind")
    clientside_callback(
        dash.ClientsideFunction("instashop", "filter"),
        Output("url", "href", allow_duplicate=True),
        *(Input(f"history-{name}", "value") for name in names),
        Input("history-show", "n_clicks"),
        State("history-from", "value"),
        State("history-to", "value"),
        State("history-drawn", "data"),
        prevent_initial_call=True,
    )
    clientside_callback(dash.ClientsideFunction("instashop", "goToRows"), Output("at-rows", "data"), Input("history-drawn", "data"))
    clientside_callback(
        dash.ClientsideFunction("instashop", "wall"), Output("on-wall", "data"), Input("wall", "n_clicks"), Input("url", "search"), Input("url", "pathname")
    )
    clientside_callback(dash.ClientsideFunction("instashop", "choose"), Output("choices", "data"), *chosen)
    clientside_callback(
        dash.ClientsideFunction("instashop", "ask"),
        Output("ask", "data"),
        Input("fallback", "n_intervals"),
        State("choices", "data"),
        prevent_initial_call=True,
    )
