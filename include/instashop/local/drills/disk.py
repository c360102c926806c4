"""A full disk under the warehouse: today's partition moves to a small file system of its own, which fills up and is enlarged."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from psycopg import sql as text

from instashop import connect
from instashop.control import beats
from instashop.errors import InstaShopError
from instashop.local import passwords, postgres
from instashop.local.drills.stage import Platform
from instashop.settings import Settings

TABLESPACE = "drill_disk"
ROOM_BYTES = 128 * 1024
"""What is left on the small disk when the platform begins to fill it."""


class NoSmallDisk(InstaShopError):
    """A small disk could not be made ({cause}); this drill mounts one, so run it as root on a machine that lets it."""


def fill(platform: Platform) -> datetime:
    """Let the warehouse's disk fill up until the consumer says so, and return when the partition is back where it was.

    To move it takes as long as it is large, and nobody reads or writes it meanwhile: that is the repair, not the recovery.
    """
    folder = platform.settings.home / "drill-disk"
    with connect.postgres(_as_superuser(platform.settings), 10) as dwh:
        dwh.autocommit = True
        table = f"realtime_events_{datetime.now(UTC):%Y%m%d}"
        (size,) = dwh.execute("SELECT pg_total_relation_size(%s::regclass)", [table]).fetchone() or (0,)
        folder.mkdir(exist_ok=True)
        _mount("-t", "tmpfs", "-o", f"size={2 * size + 64 * 2**20}", "tmpfs", str(folder))
        try:
            shutil.chown(folder, postgres.ACCOUNT, postgres.ACCOUNT)
            dwh.execute(text.SQL("CREATE TABLESPACE {} LOCATION {}").format(text.Identifier(TABLESPACE), text.Literal(str(folder))))
            _move(dwh, table, TABLESPACE)
            _mount("-o", f"remount,size={_used(folder) + ROOM_BYTES}", str(folder))
            platform.say(f"today's partition is on a disk with {ROOM_BYTES // 1024} KiB of room")
            platform.wait(_says(platform, "No space left"), 180, "the consumer's word that the disk is full")
            platform.say("the disk is full, and the consumer says so")
            platform.rest(10)
        finally:
            _mount("-o", f"remount,size={2 * size + 256 * 2**20}", str(folder))
            _move(dwh, table, "pg_default")
            dwh.execute(text.SQL("DROP TABLESPACE IF EXISTS {}").format(text.Identifier(TABLESPACE)))
            subprocess.run(["umount", str(folder)], check=True)
            folder.rmdir()
    platform.say("the warehouse is on its own disk again")
    return datetime.now(UTC)


def _as_superuser(settings: Settings) -> str:
    password = passwords.read(settings).get(passwords.SUPERUSER)
    if not password:
        raise NoSmallDisk(cause="the warehouse's superuser is not ours")
    return f"postgresql://postgres:{password}@{settings.host}:{settings.warehouse_port}/dwh_db"


def _says(platform: Platform, words: str) -> Callable[[], bool]:
    def said() -> bool:
        beat = beats.read(platform.settings.run_dir, "consumer")
        return beat is not None and beat.state == "waiting" and words in beat.message

    return said


def _move(dwh: psycopg.Connection, table: str, tablespace: str) -> None:
    """Move a partition and its indexes."""
    indexes = [row[0] for row in dwh.execute("SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = %s::regclass", [table])]
    dwh.execute(text.SQL("ALTER TABLE {} SET TABLESPACE {}").format(text.Identifier(table), text.Identifier(tablespace)))
    for index in indexes:
        dwh.execute(text.SQL("ALTER INDEX {} SET TABLESPACE {}").format(text.Identifier(index), text.Identifier(tablespace)))


def _used(folder: Path) -> int:
    disk = os.statvfs(folder)
    return (disk.f_blocks - disk.f_bfree) * disk.f_frsize


def _mount(*arguments: str) -> None:
    ended = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if ended.returncode:
        raise NoSmallDisk(cause=ended.stderr.strip())
