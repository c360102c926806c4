"""When the producer looks next."""

import pytest

from instashop.settings import Settings
from instashop.transport.pace import BUSY_ROWS, LOADED_ROWS, QUIET_PAUSES, Pace

PAUSE = 0.02


@pytest.fixture
def pace():
    return Pace(PAUSE)


def test_a_quiet_shop_is_looked_at_seldom(pace):
    pace.looked(100.0, 100.001, rows=BUSY_ROWS - 1, full=False)

    assert pace.rest(100.001) == pytest.approx(0.239)


def test_a_busy_shop_is_looked_at_soon_also_between_its_ticks(pace):
    pace.looked(100.0, 100.001, rows=BUSY_ROWS, full=False)
    assert pace.rest(100.005) == pytest.approx(PAUSE - 0.005)

    pace.looked(100.5, 100.501, rows=0, full=False)
    assert pace.rest(100.501) == pytest.approx(PAUSE - 0.001)

    pace.looked(101.0, 101.001, rows=0, full=False)
    assert pace.rest(101.001) == pytest.approx(0.239)


def test_a_write_that_took_longer_than_the_pause_is_followed_by_a_look(pace):
    pace.looked(100.0, 100.001, rows=BUSY_ROWS, full=False)

    assert pace.rest(100.3) == 0


def test_under_load_it_rests_as_long_as_the_write_took(pace):
    pace.looked(100.0, 100.01, rows=LOADED_ROWS, full=False)

    assert pace.rest(100.21) == pytest.approx(0.2)


def test_a_broker_that_was_away_is_no_reason_to_rest_long(pace):
    pace.looked(100.0, 100.01, rows=500, full=False)

    assert pace.rest(107.0) == 0.5


def test_it_never_rests_while_more_waits_than_fits(pace):
    pace.looked(100.0, 100.005, rows=5000, full=True)

    assert pace.rest(100.005) == 0
    assert pace.rest(100.25) == 0


def test_by_default_a_row_of_a_quiet_shop_waits_no_longer_than_decision_4_says():
    assert QUIET_PAUSES * Settings.model_fields["feed_pause_ms"].default == 240
