"""Runs drills: the books before, the fault under load, facts flowing again, the books after."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from instashop.control import intents, supervision
from instashop.control.books import verify
from instashop.errors import InstaShopError
from instashop.local import programs
from instashop.local.drills.faults import DRILLS, OUTAGE_SECONDS, Drill, long_outage
from instashop.local.drills.judging import Outcome, judge
from instashop.local.drills.random_kills import RandomKills
from instashop.local.drills.stage import Platform
from instashop.local.signals import ends_on_sigterm
from instashop.settings import Settings, variable

RANDOM_KILLS = "random-kills"
COMING_BACK_SECONDS = 300
"""Patience with a platform that was killed again and again, beyond the time that it is behind; how fast it is, other drills judge."""
BOOKS_SECONDS = 180
IN_TRANSACTION = 0.25
"""Share of random kills that must strike an open transaction, once there are `ENOUGH_KILLS`."""
ENOUGH_KILLS = 20


class UnknownDrill(InstaShopError):
    """There is no drill {name}; choose one of {names}."""


class TooFewBrokers(InstaShopError):
    """The drill {name} takes one of {needed} brokers away, and this platform has {brokers}: with none left nothing could flow."""


class NotOurs(InstaShopError):
    """The drill {name} breaks a server of somebody else: {setting} leads to {address}. Drills break only servers that run here."""


class NotBySupervisord(InstaShopError):
    """Drills break servers that supervisord runs here, but INSTASHOP_SERVERS says elsewhere. Break one where it runs (containers: `docker compose restart NAME`), then compare the books: `instashop verify`."""


class NothingToBreak(InstaShopError):
    """No platform runs in {home}; start it with `./instashop up`, or set INSTASHOP_HOME."""


class BooksDifferAlready(InstaShopError):
    """The books do not balance before the drill, so it could prove nothing; look at `./instashop verify` first."""


def chosen(names: Iterable[str], everything: bool, short: bool, settings: Settings, outage_seconds: float = OUTAGE_SECONDS) -> list[Drill]:
    """Return the drills of these names, or all, or the short set, that this platform's servers allow; `long-outage` lasts so many seconds.

    Raises:
        UnknownDrill: there is none of that name. TooFewBrokers, NotOurs: one that was named needs more brokers, or a server of our own.
    """
    drills = DRILLS | {"long-outage": long_outage(outage_seconds)}
    if everything or short:
        return [drill for drill in drills.values() if (drill.short or not short) and not refusal(drill, settings)]
    unknown = [name for name in names if name not in drills]
    if unknown:
        raise UnknownDrill(name=unknown[0], names=", ".join([*drills, RANDOM_KILLS]))
    found = [drills[name] for name in names]
    for drill in found:
        if why := refusal(drill, settings):
            raise why
    return found


def refusal(drill: Drill, settings: Settings) -> InstaShopError | None:
    """Return why a drill is not for this platform, or None."""
    for name in drill.needs:
        if not settings.runs_here(name):
            return NotOurs(name=drill.name, setting=variable(name), address=settings.where(name))
    if drill.brokers > settings.kafka_brokers:
        return TooFewBrokers(name=drill.name, needed=drill.brokers, brokers=settings.kafka_brokers)
    return None


@ends_on_sigterm()
def run(settings: Settings, drills: Iterable[Drill], rate: float | None, say: Callable[[str], None]) -> list[Outcome]:
    """Run drills one after the other under load.

    Raises:
        NothingToBreak: no platform runs here. NotBySupervisord, BooksDifferAlready: as they say.
    """
    platform = _platform(settings, say)
    outcomes = []
    with _load(platform, rate):
        for drill in drills:
            say(f"{drill.name}: {drill.what}")
            outcomes.append(_run(platform, drill))
            say(outcomes[-1].describe())
    return outcomes


@ends_on_sigterm()
def random_kills(settings: Settings, kills: int, every_seconds: float, seed: int, rate: float | None, say: Callable[[str], None]) -> tuple[Outcome, str]:
    """Kill services at random under load, then wait for facts to flow and compare the books; return the outcome and what was struck."""
    platform = _platform(settings, say)
    outcome = Outcome(RANDOM_KILLS)
    killer = RandomKills(platform, seed)
    try:
        with _load(platform, rate):
            killer.run(kills, every_seconds)
            with _troubles_noted(outcome):
                ended_at, behind = datetime.now(UTC), platform.behind_seconds()
                say(f"the live windows are {behind:.0f} s behind")
                _measure(platform, outcome, ended_at, COMING_BACK_SECONDS + behind)
    finally:
        killer.close()
    judge(outcome, verify(settings, wait_seconds=BOOKS_SECONDS))
    if kills >= ENOUGH_KILLS and killer.share < IN_TRANSACTION:
        outcome.trouble = f"{outcome.trouble} only {killer.share:.0%} of the kills struck an open transaction: too gentle to prove anything".strip()
    return outcome, killer.describe()


@ends_on_sigterm()
def soak(settings: Settings, minutes: float, seed: int, rate: float | None, say: Callable[[str], None]) -> list[Outcome]:
    """Run random drills of the short set, with calm between them, for so many minutes; the last outcome is that of the whole time."""
    platform, chance = _platform(settings, say), random.Random(seed)
    until, outcomes = time.monotonic() + minutes * 60, []
    short = chosen((), everything=False, short=True, settings=settings)
    with _load(platform, rate):
        while time.monotonic() < until:
            platform.rest(min(chance.uniform(5, 30), max(0.0, until - time.monotonic())))
            drill = chance.choice(short)
            say(f"{drill.name}: {drill.what}")
            outcomes.append(_break(platform, drill))
            say(outcomes[-1].describe())
    whole = Outcome("soak")
    judge(whole, verify(settings, wait_seconds=BOOKS_SECONDS))
    return [*outcomes, whole]


def _platform(settings: Settings, say: Callable[[str], None]) -> Platform:
    if settings.servers == "elsewhere":
        raise NotBySupervisord()
    if not programs.alive(settings):
        raise NothingToBreak(home=settings.home)
    if not verify(settings, wait_seconds=BOOKS_SECONDS).balanced:
        raise BooksDifferAlready()
    return Platform(settings, say)


@contextmanager
def _load(platform: Platform, rate: float | None) -> Iterator[None]:
    """Keep the shop at a rate for a while; afterwards it is as somebody wanted it before."""
    if rate is None:
        yield
        return
    run_dir = platform.settings.run_dir
    before = intents.read(run_dir, "generator")
    _want(platform, intents.after("rate", before, rate))
    try:
        yield
    finally:
        _want(platform, intents.anew(before))


def _want(platform: Platform, intent: intents.Intent) -> None:
    """Have the generator at what is wanted: stopped, or at a rate."""
    run_dir, rate = platform.settings.run_dir, intent.rate or platform.settings.rate
    intents.write(run_dir, "generator", intent)
    what = "stopped" if intent.state == "stopped" else f"at {rate:.0f} events/s"
    platform.wait(lambda: supervision.generates(run_dir, intent, rate), 120, f"the shop {what}")
    platform.say(f"the shop is {what}")


def _run(platform: Platform, drill: Drill) -> Outcome:
    outcome = _break(platform, drill)
    judge(outcome, verify(platform.settings, wait_seconds=BOOKS_SECONDS))
    return outcome


def _break(platform: Platform, drill: Drill) -> Outcome:
    outcome = Outcome(drill.name, live_within_seconds=drill.live_within_seconds)
    with _troubles_noted(outcome):
        began = datetime.now(UTC)
        broke_at = drill.act(platform) or began
        _measure(platform, outcome, broke_at, drill.live_within_seconds + 120)
        platform.wait_until_well()
    return outcome


def _measure(platform: Platform, outcome: Outcome, broke_at: datetime, seconds: float) -> None:
    outcome.live_after_seconds = round(platform.wait_until_live(broke_at, seconds), 1)


@contextmanager
def _troubles_noted(outcome: Outcome) -> Iterator[None]:
    """Keep what did not come true as the outcome's trouble; what would follow is left out."""
    try:
        yield
    except InstaShopError as error:
        outcome.trouble = str(error)
