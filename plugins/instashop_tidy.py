"""What tidy_airflow lets go: Airflow's own past, which nobody asks for after a month."""

from __future__ import annotations

import logging
import subprocess
import sys
from datetime import UTC, datetime, timedelta

from instashop.errors import InstaShopError
from instashop.local import servers
from instashop.settings import Settings, load

log = logging.getLogger(__name__)


class NotCleaned(InstaShopError):
    """`airflow db clean` ended with status {status}; what it had removed stays removed, the next run goes on.
    {said}
    """


def runs() -> None:
    """Remove runs, tasks and what hangs on them that are older than the setting says; the last run of each DAG stays.

    Raises:
        NotCleaned: Airflow's command failed.
    """
    settings = load()
    command = [sys.executable, "-m", "airflow", "db", "clean", "--yes", "--skip-archive", "--clean-before-timestamp", _oldest(settings).isoformat()]
    # A task may not speak to Airflow's tables by itself: the command is given their address.
    done = subprocess.run(command, env=servers.airflow_environment(settings), capture_output=True, text=True, check=False)
    said = (done.stdout + done.stderr).strip()
    if done.returncode != 0:
        raise NotCleaned(status=done.returncode, said="\n".join(said.splitlines()[-20:]))
    log.info("%s", said)


def logs() -> int:
    """Remove log files to which nothing was written since then, and the folders they leave empty; return how many files they were."""
    settings = load()
    folder, oldest = settings.log_dir / "airflow", _oldest(settings).timestamp()
    old = [file for file in folder.rglob("*") if file.is_file() and file.stat().st_mtime < oldest]
    for file in old:
        file.unlink()
        for parent in file.parents:
            if parent == folder or any(parent.iterdir()):
                break
            parent.rmdir()
    log.info("%d log files removed", len(old))
    return len(old)


def _oldest(settings: Settings) -> datetime:
    return datetime.now(UTC) - timedelta(days=settings.airflow_history_days)
