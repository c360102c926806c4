"""Which drills are run where, and what becomes of one that is told to end; no server is needed."""

from __future__ import annotations

import os
import signal

import pytest

from instashop.local.drills.run import TooFewBrokers, UnknownDrill, chosen
from instashop.local.signals import ends_on_sigterm


def names(brokers: int, short: bool = False) -> set[str]:
    return {drill.name for drill in chosen((), everything=not short, short=short, brokers=brokers)}


def test_with_one_broker_the_drills_that_take_one_away_are_left_out() -> None:
    assert names(3) - names(1) == {"kill-broker", "kill-controller", "pause-broker"}
    assert names(3, short=True) - names(1, short=True) == {"kill-broker"}
    with pytest.raises(TooFewBrokers, match="kill-broker takes one of 3"):
        chosen(["kill-broker"], everything=False, short=False, brokers=1)


def test_a_drill_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(UnknownDrill, match=r"kill-everything; choose of kill-producer, .*random-kills"):
        chosen(["kill-consumer", "kill-everything"], everything=False, short=False, brokers=3)


@pytest.mark.parametrize("name", ["kill-scheduler", "kill-api-server", "disk-full"])
def test_airflow_does_not_run_a_drill_that_ends_its_own_task_or_must_not_be_killed(name: str) -> None:
    import instashop_by_hand

    with pytest.raises(instashop_by_hand.NotFromAirflow, match=f"drill {name}"):
        instashop_by_hand.drill(name, None)


@pytest.mark.parametrize("word", [signal.SIGTERM, signal.SIGHUP])
def test_a_drill_that_is_told_to_end_undoes_what_it_began(word):
    undone, before = [], signal.getsignal(word)

    @ends_on_sigterm()
    def drill():
        try:
            os.kill(os.getpid(), word)
        finally:
            undone.append("the fault")

    with pytest.raises(KeyboardInterrupt):
        drill()
    assert undone == ["the fault"]
    assert signal.getsignal(word) is before
