from datetime import UTC, datetime, timedelta

import pytest

from instashop import sql
from instashop.errors import DatabaseIsNewer, MigrationChanged
from instashop.transport.migrations import Applied, Migration, due, of_folder

THEN = datetime(2026, 5, 1, 12, tzinfo=UTC)
TABLE = Migration(1, "01_table", "-- A table.\nCREATE TABLE t (a integer)")
COLUMN = Migration(40, "40_column", "-- One more column.\nALTER TABLE t ADD COLUMN b text")
VIEW = Migration(30, "30_view", "-- A view.\nCREATE OR REPLACE VIEW v AS SELECT * FROM t")
GRANT = Migration(90, "90_grant", "-- Who may read.\nGRANT SELECT ON v TO {feed}")
ALL = (TABLE, COLUMN, VIEW, GRANT)


def applied(*migrations: Migration, minutes: int = 0) -> list[Applied]:
    return [Applied(m.number, m.name, m.checksum, m.repeatable, THEN + timedelta(minutes=minutes)) for m in migrations]


def names(wanted: list[Migration]) -> list[str]:
    return [migration.name for migration in wanted]


def test_an_empty_database_gets_all_and_what_is_repeatable_last() -> None:
    assert names(due(ALL, [])) == ["01_table", "40_column", "30_view", "90_grant"]


def test_nothing_is_due_when_all_is_applied() -> None:
    assert due(ALL, applied(TABLE, COLUMN) + applied(VIEW, minutes=1) + applied(GRANT, minutes=2)) == []


def test_a_changed_view_is_made_again_and_so_is_what_follows() -> None:
    changed = Migration(30, "30_view", "CREATE OR REPLACE VIEW v AS SELECT a FROM t")
    assert names(due((TABLE, COLUMN, changed, GRANT), applied(*ALL))) == ["30_view", "90_grant"]


def test_an_interrupted_run_goes_on_with_the_grant_of_the_view_it_made() -> None:
    assert names(due(ALL, applied(TABLE, COLUMN, GRANT) + applied(VIEW, minutes=5))) == ["90_grant"]


def test_a_lower_number_that_came_by_a_merge_is_still_applied() -> None:
    assert names(due(ALL, applied(COLUMN, VIEW, GRANT)))[0] == "01_table"


def test_a_database_that_knows_more_than_the_code_is_refused_by_name() -> None:
    future = Migration(50, "50_future", "ALTER TABLE t ADD COLUMN c text")
    with pytest.raises(DatabaseIsNewer, match=r"dwh_db is newer .* 50_future"):
        due(ALL, applied(*ALL, future), "dwh_db")


def test_an_applied_file_with_another_text_is_refused_by_name() -> None:
    changed = Migration(40, "40_column", "ALTER TABLE t ADD COLUMN b integer")
    with pytest.raises(MigrationChanged, match="40_column was applied to dwh_db"):
        due((TABLE, changed, VIEW, GRANT), applied(*ALL), "dwh_db")


def test_comments_and_line_breaks_may_change() -> None:
    assert TABLE.checksum == Migration(1, "01_table", "-- Said better.\nCREATE TABLE t\n    (a integer)\n").checksum


def test_another_role_is_another_text_of_the_grants_and_of_nothing_else() -> None:
    ours, theirs = (of_folder("shop", {"feed": role}) for role in ("feed", "acme feed"))
    changed = [(one.name, other.statement) for one, other in zip(ours, theirs, strict=True) if one.checksum != other.checksum]
    assert changed == [
        ("90_feed_usage", 'GRANT USAGE ON SCHEMA feed TO "acme feed"'),
        ("91_feed_select", 'GRANT SELECT ON ALL TABLES IN SCHEMA feed TO "acme feed"'),
    ]


@pytest.mark.parametrize("folder", ["shop", "crm", "warehouse"])
def test_each_folder_has_its_numbers_once_and_views_are_repeatable(folder: str) -> None:
    found = of_folder(folder)
    assert len(found) == len(sql.folder(folder))
    blocks = [migration for migration in found if migration.statement.startswith("DO ")]  # They put a view back as it was.
    assert all(migration.repeatable for migration in found if " VIEW " in migration.statement and migration not in blocks)
    assert not any(migration.repeatable for migration in found if migration.statement.startswith(("CREATE TABLE", "ALTER")))
