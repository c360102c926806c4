"""The dashboard: Dash on FastAPI. One reader, one snapshot, values pushed to the pages; a page only lays out."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import dash
import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, callback, clientside_callback, ctx, dcc, html, set_props
from dash._utils import to_json
from fastapi import FastAPI, Response

from dashboard import api, cards, spans
from dashboard.pages import live, platform
from dashboard.readings import Reader, Snapshot

PAGES = {page.PATH: page for page in (live, platform)}
CHOICES = {"page": "/", "seconds": 5, "paused": False}
PUSH_SECONDS = 0.5
"""Pause between two looks at whether a screen wants something new."""
FALLBACK_SECONDS = 3
"""How often a screen asks itself whether pushes still come."""

STATE_WORDS = {"starting": "starting", "zero": "no events", "live": "live", "stale": "stale", "broken": "broken"}


def build(reader: Reader) -> FastAPI:
    """Return the web server; health and JSON come before Dash, which answers every other path."""

    @asynccontextmanager
    async def prepared(_server: FastAPI) -> AsyncIterator[None]:
        # Dash gathers styles, scripts and callbacks at the first request for "/": a first visit to another page would find none of them.
        for prepare in app.backend._before_request_funcs:
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
    app.index_string = INDEX
    app.layout = lambda: _frame(reader.snapshot, time.time())
    _answer_choices()
    _push(reader)
    return server


def _register(page: Any, path: str, reader: Reader) -> None:
    def layout(**_query: str) -> Any:
        return page.layout(reader.snapshot, time.time())

    dash.register_page(page.__name__, path=path, name=page.NAME, title=f"{page.NAME} · InstaShop", layout=layout)


def _frame(snapshot: Snapshot, now: float) -> Any:
    links = [dcc.Link(page.NAME, href=path, id=f"to-{page.NAME.lower()}", className="nav-link") for path, page in PAGES.items()]
    refresh = dmc.SegmentedControl(
        id="refresh",
        data=[{"value": str(seconds), "label": f"{seconds} s"} for seconds in (1, 5, 15)],
        value=str(CHOICES["seconds"]),
        size="xs",
        persistence=True,
        persistence_type="local",
    )
    pause = html.Button(
        [html.Span(className="icon-pause"), html.Span("Pause", className="pause-word")],
        id="pause",
        n_clicks=0,
        title="Pause or go on",
        **{"aria-pressed": "false"},
    )
    theme = dmc.ColorSchemeToggle(
        id="theme",
        lightIcon=html.Span(className="icon-sun"),
        darkIcon=html.Span(className="icon-moon"),
        variant="default",
        size=30,
        **{"aria-label": "Light or dark"},
    )
    header = html.Header(
        [
            html.Div([html.Span(className="logo"), html.Span("InstaShop", className="brand-name")], className="brand"),
            html.Nav(links, className="nav", **{"aria-label": "Pages"}),
            html.Div(id="state", children=_state(snapshot, now)),
            html.Div([html.Span("Refresh", className="control-name"), refresh, pause, theme], className="controls"),
        ],
        className="top",
    )
    lost = html.Div(
        [
            html.Span(className="banner-mark"),
            html.Div(
                [
                    html.Strong("This screen has lost the dashboard"),
                    html.P(
                        [
                            "Nothing has come for ",
                            html.Span(id="lost-for"),
                            ". It goes on by itself when the dashboard answers; ",
                            html.Code("./instashop status"),
                            " tells whether it runs.",
                        ]
                    ),
                ]
            ),
        ],
        className="banner is-broken lost-banner",
        role="alert",
    )
    hidden = [
        dcc.Location(id="url"),
        dcc.Store(id="choices", data=CHOICES),
        dcc.Store(id="ask"),
        dcc.Interval(id="fallback", interval=FALLBACK_SECONDS * 1000),
        html.Div(id="pulse", hidden=True, **_pulse(now, CHOICES["seconds"])),
    ]
    return dmc.MantineProvider([*hidden, header, lost, dash.page_container], defaultColorScheme="auto", theme=THEME)


def _pulse(now: float, seconds: float) -> dict[str, str]:
    return {"data-at": f"{now:.3f}", "data-seconds": str(seconds)}


def _state(snapshot: Snapshot, now: float) -> Any:
    state = spans.state_of(snapshot, now)
    at = snapshot.progress.at if snapshot.progress else None
    return html.Span(
        [html.I(), html.Span(STATE_WORDS[state]), cards.age(at, now, spans.STALE_SECONDS) if at and state != "starting" else ""], className=f"pill is-{state}"
    )


def _changes(reader: Reader, choices: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what one page shows now, all of it from one snapshot."""
    snapshot, now = reader.snapshot, time.time()
    page = PAGES.get(choices["page"])
    if page:
        yield from page.values(snapshot, now).items()
    yield "state", {"children": _state(snapshot, now)}
    yield "pulse", _pulse(now, choices["seconds"])


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
    clientside_callback(dash.ClientsideFunction("instashop", "choose"), Output("choices", "data"), *chosen)
    clientside_callback(
        dash.ClientsideFunction("instashop", "ask"),
        Output("ask", "data"),
        Input("fallback", "n_intervals"),
        State("choices", "data"),
        prevent_initial_call=True,
    )


THEME = {
    "primaryColor": "teal",
    "defaultRadius": "md",
    "fontFamily": "Inter, ui-sans-serif, system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif",
}

INDEX = """<!DOCTYPE html>
<html lang="en">
<head>
{%metas%}
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{%title%}</title>
<link rel="icon" type="image/svg+xml" href="/assets/logo.svg">
{%css%}
<script>
  (function () {
    var kept = localStorage.getItem("mantine-color-scheme-value");
    var dark = kept === "dark" || ((!kept || kept === "auto") && matchMedia("(prefers-color-scheme: dark)").matches);
    document.documentElement.setAttribute("data-mantine-color-scheme", dark ? "dark" : "light");
  })();
</script>
</head>
<body>
{%app_entry%}
<footer>{%config%}{%scripts%}{%renderer%}</footer>
</body>
</html>"""
