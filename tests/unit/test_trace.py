"""What `event` says of an event: where it is, where it is not yet, and when."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from instashop.control.trace import _not_kept, _page
from instashop.events import uuid7
from instashop.settings import Settings
from instashop.words import moment

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("retention", "age", "says"),
    [
        (0, 400, "not in the warehouse yet"),
        (9, 8, "not in the warehouse yet"),
        (9, 10, "keeps events for 9 days (INSTASHOP_WAREHOUSE_RETENTION_DAYS) and has let it go"),
    ],
)
def test_an_event_that_was_let_go_is_not_awaited(retention, age, says):
    settings = Settings(_env_file=None, warehouse_retention_days=retention)
    stop = _not_kept(settings, uuid7(NOW - timedelta(days=age), 1), NOW)
    assert says in stop.text
    assert stop.reached == ("yet" not in says)


class Books:
    """A warehouse in which one row, or none, is found."""

    def __init__(self, row: dict[str, Any] | None) -> None:
        self.row = row

    def execute(self, *_asked: object) -> "Books":
        return self

    def fetchone(self) -> dict[str, Any] | None:
        return self.row


def test_an_event_that_no_round_of_the_books_has_compared_is_not_there_yet():
    none, cut = _page(Books(None), 7), _page(Books({"page_id": 3, "cut_at": NOW, "balanced": True}), 7)
    assert (none.reached, none.text) == (False, "not compared yet; the next round of the books will")
    assert (cut.reached, cut.text) == (True, "page 3, cut 01 Mar 12:00:00: balances")


def test_moments_are_in_utc_and_to_the_millisecond_as_rows_have_them():
    assert moment(datetime(2026, 11, 29, 10, 40, 17, 457_999, timezone(timedelta(hours=2)))) == "29 Nov 08:40:17.457"
    assert moment(NOW) == "01 Mar 12:00:00"
