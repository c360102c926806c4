"""The commands; each is a few lines that hand over to the part that does it."""

from __future__ import annotations

import json
import logging
import sys
from typing import Annotated

import typer

from instashop.errors import InstaShopError
from instashop.settings import Settings, load

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="InstaShop: a streaming shop platform whose books balance.")


@app.command()
def up() -> None:
    """Set up what is missing, start everything, wait for live numbers, print the addresses."""
    from instashop.local.up import up as start

    start(load())


@app.command()
def down() -> None:
    """Stop everything in the right order; data stays."""
    from instashop.local.down import down as stop

    stop(load())


@app.command()
def status() -> None:
    """Show every server and service: state, process, memory, age of its beat."""
    from instashop.local.status import status as show

    show(load())


@app.command()
def reset(yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Delete all data of this platform; asks first."""
    from instashop.local.reset import reset as delete

    delete(load(), yes)


@app.command()
def doctor() -> None:
    """Look at every hop and name what is broken and its cure; exit status 0 only if all is well."""
    from instashop.control.doctor import doctor as look

    raise typer.Exit(0 if look(load()) else 1)


@app.command()
def test() -> None:
    """Run all tests on servers of their own; a running platform is not touched."""
    from instashop.local.suite import test as run

    raise typer.Exit(run())


@app.command()
def check() -> None:
    """Lint, check types and run what needs no server."""
    from instashop.local.suite import check as run

    raise typer.Exit(run())


@app.command()
def prepare() -> None:
    """Make the tables, views and topics that are missing."""
    from instashop.transport.prepare import prepare as make

    make(load())


@app.command()
def build() -> None:
    """Build the warehouse's typed tables and roll-ups from the events that are new."""
    from instashop.control.build import build_warehouse

    page = build_warehouse(load())
    typer.echo(f"{page.events} events built, {page.events_in_all} in all; next: those kept from transaction {page.built_below} on")


@app.command()
def verify(
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for every stage to pass the horizon.")] = 60,
) -> None:
    """Compare shop, Kafka, warehouse, items and live windows; exit status 0 only if the books balance."""
    from instashop.control.books import verify as compare

    verdict = compare(load(), wait_seconds=wait)
    typer.echo(json.dumps(verdict.report(), default=str) if as_json else verdict.describe())
    raise typer.Exit(0 if verdict.balanced else 1)


@app.command()
def event(event_id: str) -> None:
    """Show the whole way of one event: shop row, topic and offset, warehouse row, window, or why it was refused."""
    from instashop.control.trace import trace

    typer.echo(trace(load(), event_id))


@app.command()
def generator(
    rate: Annotated[float | None, typer.Option(min=0.1, max=5000, help="Events a second.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the randomness.")] = None,
    orders: Annotated[float | None, typer.Option(min=0, max=1, help="Share of steps of orders; the rest is behaviour.")] = None,
    duration: Annotated[int | None, typer.Option(min=1, help="Seconds until it ends by itself.")] = None,
) -> None:
    """Run the simulated shop in the foreground."""
    from instashop.shop.generator import work

    given = {"rate": rate, "seed": seed, "orders_share": orders, "service_lifetime_seconds": duration}
    _serve("generator", work, load().model_copy(update={k: v for k, v in given.items() if v is not None}))


@app.command()
def producer() -> None:
    """Bring every committed row of the shop to Kafka, in the foreground."""
    from instashop.transport.producer import work

    _serve("producer", work, load())


@app.command()
def consumer() -> None:
    """Fill the warehouse from Kafka, in the foreground."""
    from instashop.transport.consumer import work

    _serve("consumer", work, load())


@app.command()
def enricher() -> None:
    """Publish the items of transactions, in the foreground."""
    from instashop.transport.enricher import work

    _serve("enricher", work, load())


def _serve(name: str, work: object, settings: Settings) -> None:
    from instashop.transport.loop import run_service, stop_on_signals

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stdout)
    stop = stop_on_signals()
    run_service(name, work(settings, stop), settings, stop)  # type: ignore[operator]


def main() -> None:
    """Run a command; an error of ours is one message on standard error and exit status 1."""
    try:
        app()
    except InstaShopError as error:
        typer.secho(f"error: {error}", fg="red", err=True)
        raise SystemExit(1) from None
