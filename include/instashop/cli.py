"""The commands; each is a few lines that hand over to the part that does it. All in one file, however long: it is the list of what there is."""

from __future__ import annotations

import errno
import json
import logging
import os
import sys
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Literal, NoReturn
from uuid import UUID

import typer

from instashop.cli_dead_letters import letters
from instashop.errors import InstaShopError, first_line
from instashop.settings import ROOT, Settings, load

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="InstaShop: a streaming shop platform whose books balance.",
)

_PLATFORM, _BOOKS, _TRIALS, _PARTS, _DEVELOPMENT = "Platform", "Books", "Faults and figures", "Single parts", "Development"
"""The groups of commands in the help."""


@app.command(rich_help_panel=_PLATFORM)
def up(
    light: Annotated[bool, typer.Option("--light", help="One broker, smaller heaps, a longer trigger; for an empty home, which stays light.")] = False,
) -> None:
    """Set up what is missing, start everything, wait for live numbers, print the addresses."""
    from instashop.local.light import settings_of
    from instashop.local.up import up as start

    start(settings_of(light))


@app.command(rich_help_panel=_PLATFORM)
def down() -> None:
    """Stop everything in the right order; data stays."""
    from instashop.local.down import down as stop

    stop(load())


@app.command(rich_help_panel=_PLATFORM)
def status() -> None:
    """Show every server and service: state, process, memory, age of its beat."""
    from instashop.local.status import status as show

    show(load())


@app.command(rich_help_panel=_PLATFORM)
def doctor() -> None:
    """Look at every hop and name what is broken and its cure; exit status 0 only if all is well."""
    from instashop.control.doctor import doctor as look

    raise typer.Exit(0 if look(load()) else 1)


@app.command(rich_help_panel=_PLATFORM)
def control(
    service: Annotated[str, typer.Argument(help="generator, producer, consumer, enricher or live_metrics.")],
    action: Annotated[Literal["stop", "start", "restart", "rate"], typer.Argument(help="What is to happen; it lasts over `down` and `up`.")],
    rate: Annotated[
        float | None, typer.Argument(help="Events a second, for the action `rate` of the generator; without it INSTASHOP_RATE counts again.")
    ] = None,
) -> None:
    """Stop, start or restart a service, or change the generator's rate, as the DAG control_service does."""
    from instashop.control import supervision
    from instashop.local import owner
    from instashop.local.failures import NothingThere

    settings = load()
    if not owner.is_home(settings):
        raise NothingThere(home=settings.home)
    typer.echo(f"… {action} of {service}: run_{service} looks every second", err=True)
    typer.echo(supervision.carry_out(settings.run_dir, service, action, rate))


@app.command(rich_help_panel=_PLATFORM)
def reset(yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Delete all data of this platform; asks first."""
    from instashop.local.reset import reset as delete

    delete(load(), yes)


@app.command(rich_help_panel=_BOOKS)
def verify(
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for every stage to pass the horizon.")] = 60,
    whole: Annotated[bool, typer.Option("--whole", help="Add up all pages again, not only what is new, red or recent.")] = False,
) -> None:
    """Compare shop, Kafka, warehouse, items and live windows; exit status 0 only if the books balance."""
    from instashop.control.books import verify as compare

    verdict = compare(load(), wait_seconds=wait, whole=whole)
    typer.echo(json.dumps(verdict.report(), default=str) if as_json else verdict.describe())
    raise typer.Exit(0 if verdict.balanced else 1)


@app.command(rich_help_panel=_BOOKS)
def accept(
    event_ids: Annotated[list[UUID], typer.Argument(metavar="ID...", help="Ids of foreign messages, as `verify` names them.")],
    why: Annotated[str, typer.Option(prompt=True, help="Whose they are, and why nothing is wrong with them.")],
) -> None:
    """Say that foreign messages in Kafka are known, so that the books leave them out; kept with the reason in `accepted`."""
    from instashop.control.books import accept as write_down

    windows = write_down(load(), event_ids, why)
    typer.echo(f"{len(event_ids)} accepted; `./instashop verify` compares their pages again.")
    if windows:
        typer.echo(f"{windows} live windows had counted a repeat twice; the Spark job fills them again within a minute.")


app.add_typer(letters, name="dead-letters", rich_help_panel=_BOOKS)


@app.command(rich_help_panel=_TRIALS)
def bench(
    only: Annotated[list[str] | None, typer.Option(help="Measure only this part: backlog or platform.")] = None,
    runs: Annotated[int, typer.Option(min=1, help="Runs over each backlog; the median is shown.")] = 3,
    minutes: Annotated[float, typer.Option(min=0.2, help="How long each steady rate is held.")] = 5,
    rate: Annotated[list[float] | None, typer.Option(min=1, max=5000, help="Steady rates to try, in order, in events a second.")] = None,
    page: Annotated[Path, typer.Option(dir_okay=False, writable=True, help="Where the page is written.")] = ROOT / "docs" / "performance.md",
    beside: Annotated[bool, typer.Option("--beside", help="Measure although a platform runs here; its load is then in the figures.")] = False,
) -> None:
    """Measure rates, costs, delays and the start on stacks of its own, and write docs/performance.md."""
    from instashop.local.bench import run

    unknown = set(only or ()) - set(run.PARTS)
    if unknown:
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: choose one of {', '.join(run.PARTS)}", param_hint="--only")
    run.bench(tuple(only or run.PARTS), runs, minutes, rate or [2000, 3500, 5000], page, beside)


@app.command(rich_help_panel=_BOOKS)
def event(event_id: str) -> None:
    """Show the whole way of one event: shop row, topic and offset, warehouse row, window, or why it was refused; times are in UTC."""
    from instashop.control.trace import trace

    typer.echo(trace(load(), event_id))


@app.command(rich_help_panel=_TRIALS)
def drill(
    name: Annotated[list[str] | None, typer.Argument(help="Names of drills; `random-kills` is one, too.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Run every drill but `random-kills`.")] = False,
    short: Annotated[bool, typer.Option("--short", help="Run the short set, about five minutes.")] = False,
    rate: Annotated[float | None, typer.Option(min=1, max=5000, help="Events a second while it lasts; else the shop's present rate.")] = None,
    kills: Annotated[int, typer.Option(min=1, help="random-kills: so many.")] = 60,
    every: Annotated[float, typer.Option(min=1, help="random-kills: seconds from one to the next.")] = 10,
    seed: Annotated[int, typer.Option(help="random-kills: the seed of its randomness.")] = 1,
    outage: Annotated[float, typer.Option(min=10, help="long-outage: seconds that the producer is down.")] = 100,
) -> None:
    """Break one thing in the running platform and judge: lost, doubled, wrong, seconds until live again."""
    from instashop.local.drills import run
    from instashop.local.drills.faults import DRILLS

    if not (name or everything or short):
        for one in DRILLS.values():
            typer.echo(f"{one.name:<20} {one.what}{' (short set)' if one.short else ''}")
        typer.echo(f"{run.RANDOM_KILLS:<20} kill producer, consumer, enricher and Spark at random, without waiting for recovery")
        return
    names, settings = list(name or []), load()
    say = _say_with_time
    outcomes = []
    if run.RANDOM_KILLS in names:
        names.remove(run.RANDOM_KILLS)
        outcome, struck = run.random_kills(settings, kills, every, seed, rate, say)
        typer.echo(struck)
        outcomes.append(outcome)
    if names or everything or short:
        outcomes += run.run(settings, run.chosen(names, everything, short, settings, outage), rate, say)
    for each in outcomes:
        typer.echo(each.describe())
    raise typer.Exit(0 if all(each.passed for each in outcomes) else 1)


@app.command(rich_help_panel=_TRIALS)
def soak(
    minutes: Annotated[float, typer.Option(min=0.5, help="How long.")] = 30,
    seed: Annotated[int, typer.Option(help="Seed of the randomness.")] = 1,
    rate: Annotated[float | None, typer.Option(min=1, max=5000, help="Events a second while it lasts; else the shop's present rate.")] = None,
) -> None:
    """Keep the platform under a steady rate with random faults, then compare the books; exit status 0 only if they balance."""
    from instashop.local.drills import run

    outcomes = run.soak(load(), minutes, seed, rate, _say_with_time)
    for each in outcomes:
        typer.echo(each.describe())
    raise typer.Exit(0 if all(each.passed for each in outcomes) else 1)


def _say_with_time(text: str) -> None:
    typer.echo(f"{datetime.now(UTC):%H:%M:%S}  {text}", err=True)


@app.command(rich_help_panel=_PARTS)
def prepare() -> None:
    """Apply the migrations and make the topics that are missing."""
    from instashop.transport.prepare import prepare as make

    make(load())


@app.command(rich_help_panel=_PARTS)
def build() -> None:
    """Build the warehouse's typed tables and roll-ups from the events that are new, page by page."""
    from instashop.control.build import build_warehouse

    for page in build_warehouse(load()):
        typer.echo(f"{page.events} events built, {page.events_in_all} in all; next: those kept from transaction {page.built_below} on")


@app.command(rich_help_panel=_PARTS)
def generator(
    rate: Annotated[float | None, typer.Option(min=0.1, max=5000, help="Events a second.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of customers and catalogue, which an empty shop gets.")] = None,
    orders: Annotated[float | None, typer.Option(min=0, max=1, help="Share of steps of orders; the rest is behaviour.")] = None,
    duration: Annotated[int | None, typer.Option(min=1, help="Seconds until it ends by itself.")] = None,
) -> None:
    """Run the simulated shop in the foreground."""
    from instashop.shop.generator import work

    given = {"rate": rate, "seed": seed, "orders_share": orders, "service_lifetime_seconds": duration}
    _serve("generator", work, load().model_copy(update={k: v for k, v in given.items() if v is not None}))


@app.command(rich_help_panel=_PARTS)
def producer() -> None:
    """Bring every committed row of the shop to Kafka, in the foreground."""
    from instashop.transport.producer import work

    _serve("producer", work, load())


@app.command(rich_help_panel=_PARTS)
def consumer(
    member: Annotated[int, typer.Option(min=1, max=3, help="Which member of the group: 1 is the one that Airflow runs; 2 and 3 share its work.")] = 1,
) -> None:
    """Fill the warehouse from Kafka, in the foreground."""
    from instashop.transport.consumer import work

    _serve("consumer" if member == 1 else f"consumer-{member}", partial(work, member=member), load())


@app.command(rich_help_panel=_PARTS)
def enricher() -> None:
    """Publish the items of transactions, in the foreground."""
    from instashop.transport.enricher import work

    _serve("enricher", work, load())


@app.command(rich_help_panel=_DEVELOPMENT)
def test() -> None:
    """Run all tests on servers of their own; a running platform is not touched."""
    from instashop.local.suite import test as run

    raise typer.Exit(run())


@app.command(rich_help_panel=_DEVELOPMENT)
def check() -> None:
    """Lint, check types and run what needs no server."""
    from instashop.local.suite import check as run

    raise typer.Exit(run())


def _serve(name: str, work: object, settings: Settings) -> None:
    from instashop.transport.loop import run_service, stop_on_signals

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stdout)
    stop = stop_on_signals()
    run_service(name, work(settings, stop), settings, stop)  # type: ignore[operator]


def main(name: str = "instashop") -> None:
    """Run a command, which calls itself by this name; an error of ours is one message on standard error and exit status 1."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # A terminal that knows no "✓" ends nothing.
    try:
        app(prog_name=name)
    except InstaShopError as error:
        _fail(str(error))
    except Exception as error:
        told = _of_a_file(error) if isinstance(error, OSError) else _of_a_server(error)
        if told is None:
            raise
        _fail(told)


def _fail(message: str) -> NoReturn:
    typer.secho(f"error: {message}", fg="red", err=True)
    raise SystemExit(1) from None


def _of_a_file(error: OSError) -> str | None:
    """Return what to say of a disk that takes nothing, and of a file that is another user's; None of another error, which is ours to mend."""
    if error.errno in (errno.EROFS, errno.ENOSPC, errno.EDQUOT):
        return f"{error.filename or 'a file'} cannot be written ({error.strerror}); make room, or set INSTASHOP_HOME to a folder on another disk."
    if not isinstance(error, PermissionError) or not isinstance(error.filename, str):
        return None
    path = Path(error.filename)
    for place in (path, *path.parents):  # What lies in a closed folder, or is to be made in one, is whose the folder is.
        with suppress(OSError):
            if place.lstat().st_uid == os.geteuid():
                return None
            return f"{path} belongs to another user; run this as that user, or set INSTASHOP_HOME to a folder of yours."
    return None


def _of_a_server(error: Exception) -> str | None:
    """Return what to say of a server's own error, which came after it had answered; None of another error, which is ours to mend."""
    import psycopg
    from confluent_kafka import KafkaException
    from redis import RedisError

    if not isinstance(error, (psycopg.Error, KafkaException, RedisError)):
        return None
    words = first_line(error)
    if isinstance(error, (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn, psycopg.errors.InvalidSchemaName)):
        return f"{words}; a database is not prepared for this code: `./instashop prepare`."
    return f"{words}; `./instashop doctor` names the part that is broken, and its cure."
