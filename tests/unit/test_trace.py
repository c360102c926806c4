"""What `event` says of an event that the warehouse does not have."""

from datetime import UTC, datetime, timedelta

import pytest

from instashop.control.trace import _not_kept
from instashop.events import uuid7
from instashop.settings import Settings

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
    assert says in _not_kept(settings, uuid7(NOW - timedelta(days=age), 1), NOW)
