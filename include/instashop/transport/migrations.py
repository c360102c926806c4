"""The migrations of a database: each numbered file of its folder in include/sql, in order, each in a transaction of its own.

A file is applied once and then never changed. What can simply be made again (`CREATE OR REPLACE …`, `GRANT …`) is *repeatable*:
it follows all others, and is applied again whenever its text, or anything before it, has changed.
"""

from __future__ import annotations

import hashlib
import logging
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg.sql import SQL, Identifier

from instashop import sql
from instashop.errors import DatabaseIsNewer, MigrationBlocked, MigrationChanged, MigrationFailed, TwoMigrations

log = logging.getLogger(__name__)

LOCK_TIMEOUT_MS = 1000
"""A migration that waits longer for a table lets go again, since everybody behind it in the queue would wait, too."""
PATIENCE_SECONDS = 60.0
"""How long a migration is tried again before it is given up."""
_REPEATABLE = re.compile(r"(CREATE OR REPLACE|GRANT)\b", re.IGNORECASE)
_VIEW = re.compile(r"CREATE OR REPLACE VIEW (\S+)", re.IGNORECASE)
_BUSY = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)


@dataclass(frozen=True)
class Migration:
    """A file of a database's folder; its number says when it comes."""

    number: int
    name: str
    text: str

    @property
    def statement(self) -> str:
        """Return the text without its comments and line breaks, which may change at any time."""
        return " ".join(" ".join(line.split("--")[0] for line in self.text.splitlines()).split())

    @property
    def repeatable(self) -> bool:
        """Whether it can be applied again at any time."""
        return _REPEATABLE.match(self.statement) is not None

    @property
    def view(self) -> str | None:
        """Return the view that it makes, if it makes one."""
        made = _VIEW.match(self.statement)
        return made[1] if made else None

    @property
    def checksum(self) -> str:
        """Return a fingerprint of the statement."""
        return hashlib.sha256(self.statement.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Applied:
    """A row of `schema_migrations`."""

    number: int
    name: str
    checksum: str
    repeatable: bool
    at: datetime


def of_folder(folder: str, names: Mapping[str, str] | None = None) -> list[Migration]:
    """Return the migrations of a folder of include/sql; `{word}` in a text stands for the name, for example of a role, that `names` gives.

    Raises:
        TwoMigrations: two files have one number.
    """
    found: dict[int, Migration] = {}
    for path in sql.folder(folder):
        name = path.rpartition("/")[2]
        migration = Migration(int(name.split("_")[0]), name, _named(sql.statement(path), names or {}))
        if migration.number in found:
            raise TwoMigrations(one=found[migration.number].name, other=name, folder=folder)
        found[migration.number] = migration
    return list(found.values())


def _named(text: str, names: Mapping[str, str]) -> str:
    for word, name in names.items():
        text = text.replace(f"{{{word}}}", Identifier(name).as_string())
    return text


def due(migrations: Sequence[Migration], applied: Sequence[Applied], database: str = "") -> list[Migration]:
    """Return what has to be applied, in order: what was not yet, then what is repeatable and older than its text or than anything before it.

    Raises:
        DatabaseIsNewer: something was applied that this code does not know.
        MigrationChanged: the text of an applied one is another than it was.
    """
    known, done = {m.number: m for m in migrations}, {row.number: row for row in applied}
    strange = [row.name for row in applied if row.number not in known and not row.repeatable]
    if strange:
        raise DatabaseIsNewer(database=database, names=", ".join(strange))
    once = sorted((m for m in migrations if not m.repeatable), key=lambda m: m.number)
    changed = [m.name for m in once if m.number in done and done[m.number].checksum != m.checksum]
    if changed:
        raise MigrationChanged(database=database, names=", ".join(changed))
    wanted = [m for m in once if m.number not in done]
    newest = max((done[m.number].at for m in once if m.number in done), default=None)
    for migration in sorted((m for m in migrations if m.repeatable), key=lambda m: m.number):
        row = done.get(migration.number)
        if wanted or row is None or row.checksum != migration.checksum or (newest is not None and row.at < newest):
            wanted.append(migration)
        else:
            newest = max(row.at, newest) if newest else row.at
    return wanted


def pending(connection: psycopg.Connection, migrations: Sequence[Migration]) -> list[str]:
    """Return the names of what would be applied now; nothing is changed.

    Raises:
        DatabaseIsNewer, MigrationChanged: see `due`.
    """
    there = connection.execute("SELECT to_regclass('schema_migrations')").fetchone()
    applied = _applied(connection, migrations) if there and there[0] else []
    return [migration.name for migration in due(migrations, applied, connection.info.dbname)]


def migrate(
    connection: psycopg.Connection,
    migrations: Sequence[Migration],
    lock_timeout_ms: int = LOCK_TIMEOUT_MS,
    patience_seconds: float = PATIENCE_SECONDS,
) -> list[str]:
    """Apply what is due and return its names; safe while the platform runs, and when two do it at once.

    The connection is in autocommit.

    Raises:
        DatabaseIsNewer, MigrationChanged: see `due`; nothing is changed.
        MigrationBlocked: somebody kept a lock all the time; what came before is kept, and the next try goes on there.
        MigrationFailed: a statement fails; the same.
    """
    assert connection.autocommit
    done: list[str] = []
    _make_version_table(connection)

    def apply_next() -> bool:
        with connection.transaction():
            connection.execute(sql.statement("migrations/one_at_a_time"))  # type: ignore[arg-type]
            wanted = due(migrations, _applied(connection, migrations), connection.info.dbname)  # Somebody else may have been quicker.
            if not wanted:
                return False
            connection.execute(SQL("SET LOCAL lock_timeout = {}").format(lock_timeout_ms))
            _apply(connection, wanted[0])
        done.append(wanted[0].name)
        log.info("%s: applied %s", connection.info.dbname, wanted[0].name)
        return True

    while due(migrations, _applied(connection, migrations), connection.info.dbname):
        if not _while_busy(connection, apply_next, patience_seconds):
            break
    return done


def _make_version_table(connection: psycopg.Connection) -> None:
    there = connection.execute("SELECT to_regclass('schema_migrations')").fetchone()
    if not there or there[0] is None:
        with connection.transaction():
            connection.execute(sql.statement("migrations/one_at_a_time"))  # type: ignore[arg-type]
            connection.execute(sql.statement("migrations/version_table"))  # type: ignore[arg-type]


def _applied(connection: psycopg.Connection, migrations: Sequence[Migration]) -> list[Applied]:
    """Return what was applied and is still there: a view that somebody has dropped since is not."""
    views = {m.number: m.view for m in migrations if m.view}
    dropped = connection.execute("SELECT view FROM unnest(%s::text[]) AS view WHERE to_regclass(view) IS NULL", [list(views.values())])
    gone = {view for (view,) in dropped}
    rows = (Applied(*row) for row in connection.execute(sql.statement("migrations/applied")))  # type: ignore[arg-type]
    return [row for row in rows if views.get(row.number) not in gone]


def _apply(connection: psycopg.Connection, migration: Migration) -> None:
    try:
        connection.execute(migration.text)  # type: ignore[arg-type]
    except _BUSY:
        raise
    except psycopg.Error as error:
        raise MigrationFailed(name=migration.name, database=connection.info.dbname, cause=str(error).strip()) from error
    row = {"number": migration.number, "name": migration.name, "checksum": migration.checksum, "repeatable": migration.repeatable}
    connection.execute(sql.statement("migrations/record"), row)  # type: ignore[arg-type]


def _while_busy(connection: psycopg.Connection, apply_next: Callable[[], bool], patience_seconds: float) -> bool:
    """Try until nobody holds a lock that is needed; between two tries everybody else gets on with their work."""
    began, pause = time.monotonic(), threading.Event()
    while True:
        try:
            return apply_next()
        except _BUSY as error:
            if time.monotonic() - began > patience_seconds:
                others = connection.execute(sql.statement("migrations/open_transactions")).fetchall()  # type: ignore[arg-type]
                named = ", ".join(f"{who}, for {age}" for who, age in others) or "none that this role may see"
                raise MigrationBlocked(database=connection.info.dbname, seconds=int(patience_seconds), cause=error, others=named) from error
            log.info("%s is busy (%s); trying again", connection.info.dbname, error)
            pause.wait(0.5)
