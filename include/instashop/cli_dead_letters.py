"""The commands `dead-letters list | show | replay`."""

from __future__ import annotations

from typing import Annotated

import typer

from instashop.settings import load

letters = typer.Typer(no_args_is_help=True, help="Look at refused messages, and replay those that the judge finds valid now.")
ReasonOption = Annotated[str | None, typer.Option(help="Only letters refused for this reason.")]
TopicOption = Annotated[str | None, typer.Option(help="Only letters of this topic.")]


@letters.command("list")
def list_letters(
    reason: ReasonOption = None, topic: TopicOption = None, limit: Annotated[int, typer.Option(min=1, help="Show so many, the newest first.")] = 50
) -> None:
    """List dead letters by reason, and the newest of them with their places."""
    from instashop.control import dead_letters

    found = dead_letters.find(load(), reason, topic, limit)
    _tell_counts()
    for letter in found:
        mark = "replayed" if letter.replayed_at else ""
        typer.echo(f"{letter.place:<32} {letter.arrived_at:%Y-%m-%d %H:%M:%S} {letter.reason:<20} {letter.event_id or '-'} {mark} {letter.detail[:120]}")
    if not found:
        typer.echo("No dead letter fits.")


def _tell_counts() -> None:
    from instashop.control import dead_letters

    for why, count, replayed, newest in dead_letters.counts(load()):
        typer.echo(f"{why:<20} {count:>8} letters, {replayed} replayed, the newest of {newest:%Y-%m-%d %H:%M:%S}")


@letters.command("show")
def show_letter(place: Annotated[str, typer.Argument(help="TOPIC/PARTITION/OFFSET, as `dead-letters list` shows it.")]) -> None:
    """Show one dead letter whole, with its bytes as they came."""
    from instashop.control import dead_letters

    for name, value in dead_letters.show(load(), place).items():
        typer.echo(f"{name:<14} {value!r}" if isinstance(value, bytes) else f"{name:<14} {value}")


@letters.command("replay")
def replay_letters(
    reason: ReasonOption = None,
    topic: TopicOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Publish again the letters that the judge finds valid now; replaying twice changes nothing."""
    from instashop.control import dead_letters

    dead_letters.check(reason, topic)
    if not yes:
        _tell_counts()
        typer.confirm("Publish what the judge finds valid now again, to its topic?", abort=True)
    typer.echo(dead_letters.replay(load(), reason, topic).describe())
