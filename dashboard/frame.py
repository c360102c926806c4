"""What is around every page: the header with its links and controls, and what a screen needs to be pushed to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dash
import dash_mantine_components as dmc
from dash import dcc, html
from dash.development.base_component import Component

from dashboard import cards, spans
from dashboard.snapshot import Snapshot

CHOICES: dict[str, Any] = {"page": "/", "seconds": 5, "paused": False}
FALLBACK_SECONDS = 3
"""How often a screen asks itself whether pushes still come."""

STATE_WORDS = {"starting": "starting", "zero": "no events", "live": "live", "behind": "catching up", "stale": "stale", "broken": "broken"}


def frame(names: dict[str, str], snapshot: Snapshot, now: float) -> Any:
    """Return the frame of all pages; names are the pages' names by their addresses, in the order of the links."""
    links = [dcc.Link(name, href=path, id=f"to-{name.lower()}", className="nav-link") for path, name in names.items()]
    refresh = dmc.SegmentedControl(
        id="refresh",
        data=[{"value": str(seconds), "label": f"{seconds} s"} for seconds in (1, 5, 15)],
        value=str(CHOICES["seconds"]),
        size="xs",
        persistence=True,
        persistence_type="local",
        **{"aria-label": "Refresh every"},
    )
    pause = html.Button(
        [html.Span(className="icon-pause"), html.Span("Pause", className="pause-word")],
        id="pause",
        n_clicks=0,
        title="Hold the numbers, or let them go on",
    )
    theme = dmc.ColorSchemeToggle(
        id="theme",
        lightIcon=html.Span(className="icon-sun"),
        darkIcon=html.Span(className="icon-moon"),
        variant="default",
        size=30,
        **{"aria-label": "Light or dark"},
    )
    wall = html.Button(
        html.Span(className="icon-wall"),
        id="wall",
        n_clicks=0,
        title="Wall: each page whole on the screen, no controls, turns through the pages; Esc ends it",
        **{"aria-label": "Wall"},
    )
    header = html.Header(
        [
            html.Div([html.Span(className="logo"), html.Span("InstaShop", className="brand-name")], className="brand"),
            html.Nav(links, className="nav", **{"aria-label": "Pages"}),
            html.Div(id="state", children=state(snapshot, now)),
            html.Div([html.Span("Refresh", className="control-name"), refresh, pause, wall, theme], className="controls"),
        ],
        className="top",
    )
    lost = html.Div(
        [
            html.Span(className="banner-mark"),
            html.Div(
                [
                    html.Strong("This screen has lost the dashboard", role="alert"),
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
    )
    hidden = [
        dcc.Location(id="url", refresh="callback-nav"),
        dcc.Store(id="on-wall"),
        dcc.Store(id="at-rows"),
        dcc.Store(id="choices", data=CHOICES),
        dcc.Store(id="ask"),
        dcc.Interval(id="fallback", interval=FALLBACK_SECONDS * 1000),
        html.Div(id="pulse", hidden=True, **pulse(now, CHOICES["seconds"])),
    ]
    return dmc.MantineProvider([*hidden, header, lost, dash.page_container], defaultColorScheme="auto", theme=THEME)


def part(at: Mapping[str, dict[str, Any]], name: str, kind: type[Component] = html.Div, **more: Any) -> Component:
    """Return a part of a page that changes, with its present properties."""
    return kind(id=name, **{**more, **at[name]})


def live_values(name: str, snapshot: Snapshot, live: spans.Live, now: float) -> dict[str, dict[str, Any]]:
    """Return the properties of what every page of live numbers has around its blocks, by the part's id."""
    return {
        name: {"className": f"page state-{live.state}"},
        f"{name}-span": {"children": cards.span_words(live)},
        f"{name}-banner": {"children": cards.banner(live.state, snapshot.trouble, live, now)},
        f"{name}-ages": {"children": cards.all_as_of(live, now)},
    }


def live_page(name: str, title: str, at: Mapping[str, dict[str, Any]], *blocks: Component) -> Component:
    """Return a page of live numbers: its head, what the reader must know before trusting a number, and its blocks."""
    head = [html.Div([html.H1(title), part(at, f"{name}-span", html.P)]), part(at, f"{name}-ages", html.P, className="page-age")]
    return html.Main([html.Div(head, className="page-head"), part(at, f"{name}-banner"), *blocks], id=name, **at[name])


def pulse(now: float, seconds: float, batch: int = -1) -> dict[str, str]:
    """Return the mark by which a screen sees that something has come, with the newest batch of Spark in it (-1: none)."""
    return {"data-at": f"{now:.3f}", "data-seconds": str(seconds), "data-batch": str(batch)}


def state(snapshot: Snapshot, now: float) -> Any:
    """Return the state of the live numbers, for the header."""
    word = spans.state_of(snapshot, now)
    at = snapshot.progress.at if snapshot.progress else None
    return html.Span(
        [html.I(), html.Span(STATE_WORDS[word]), cards.age(at, now, spans.STALE_SECONDS) if at and word != "starting" else ""], className=f"pill is-{word}"
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
