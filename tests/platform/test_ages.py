"""Ages count on in a browser, by its own clock; this page needs no platform."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

AGES = Path(__file__).resolve().parents[2] / "dashboard" / "assets" / "ages.js"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LOOK = timedelta(seconds=0.5)
"""How often the page looks."""


@pytest.fixture
def at_noon(page):
    """A page with a fact of 20 s ago, in a browser whose time stands still half a second after noon, when a pulse has come at once."""
    page.clock.install(time=NOON - timedelta(seconds=1))
    page.clock.pause_at(NOON)
    page.set_content(f'<div id="pulse" data-seconds="5"></div><time class="age" data-at="{(NOON - timedelta(seconds=20)).timestamp()}"></time>')
    page.add_script_tag(path=AGES)
    _pulse(page, NOON + LOOK)
    return page


def _pulse(page, sent_at: datetime) -> None:
    """Let a pulse come that the server sent at this moment of its clock, and the page look once."""
    page.evaluate("at => document.getElementById('pulse').dataset.at = at", str(sent_at.timestamp()))
    page.clock.run_for(round(LOOK.total_seconds() * 1000))


def test_an_age_counts_on_though_nothing_comes(at_noon):
    at_noon.clock.run_for(9_500)
    assert at_noon.inner_text("time") == "30 s"


@pytest.mark.parametrize("jump", [timedelta(days=1), timedelta(days=-1)])
def test_an_age_is_right_again_with_the_next_pulse_after_the_browsers_clock_was_set(at_noon, jump):
    at_noon.clock.set_system_time(NOON + LOOK + jump)
    _pulse(at_noon, NOON + 2 * LOOK)
    assert at_noon.inner_text("time") == "21 s"


def test_a_pulse_that_comes_late_makes_no_age_younger(at_noon):
    at_noon.clock.run_for(3_500)
    _pulse(at_noon, NOON + timedelta(seconds=2.5))  # Two seconds ago.
    assert at_noon.inner_text("time") == "24 s"
