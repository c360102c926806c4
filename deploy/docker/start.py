"""Becomes one container of the project's image: `start.py NAME`, NAME a server of `servers.table` or one of STEPS.

Commands, environments, tables, roles and templates are the ones of `./instashop up`; here is only what containers do otherwise.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from string import Template
from urllib.parse import quote

from instashop import connect
from instashop.control import beats, lease
from instashop.errors import InstaShopError
from instashop.local import airflow_server, brokers, health, passwords, postgres, servers
from instashop.local.progress import wait
from instashop.metrics import PLATFORM_KEY
from instashop.settings import ROOT, Settings, load

SHARED = Path("/run/instashop")
"""A volume that Postgres and Redis read: their containers know nothing of our files."""

PATIENCE_SECONDS = 90


def first_start(settings: Settings) -> int:
    """Make the passwords that are missing, and write what the servers of others need to know of them."""
    for folder in ("run", "logs", "airflow", "spark/work", "spark/local"):
        (settings.home / folder).mkdir(parents=True, exist_ok=True)
    settings = passwords.ensure(settings)
    airflow_server.write_login(settings)
    _write_addresses(settings)
    known = passwords.read(settings)
    _share("superuser", known[passwords.SUPERUSER])
    for cluster in postgres.clusters(settings):
        databases = [f"CREATE DATABASE {name} OWNER instashop;" for name in cluster.databases]
        _share(f"{cluster.name}.sql", "\n".join([*postgres.statements(cluster, settings), *databases, ""]))
    template = Template((brokers.TEMPLATES / "redis.conf").read_text(encoding="utf-8"))
    _share("redis.conf", template.substitute(host="0.0.0.0", port=settings.redis_port, password=settings.redis_password, data="/data"))
    return 0


def _write_addresses(settings: Settings) -> None:
    """Add where each server with a password is reached to the passwords' file, which every process of ours reads."""
    owner, feed = quote(settings.postgres_password), quote(settings.feed_password)
    shop, warehouse, own = (f"{name}:5432" for name in (servers.SHOP, servers.WAREHOUSE, servers.AIRFLOW_DB))
    wanted = {
        "INSTASHOP_SHOP_DSN": f"postgresql://instashop:{owner}@{shop}/instashop",
        "INSTASHOP_CRM_DSN": f"postgresql://instashop:{owner}@{shop}/crm_db",
        "INSTASHOP_SHOP_FEED_DSN": f"postgresql://feed:{feed}@{shop}/instashop",
        "INSTASHOP_CRM_FEED_DSN": f"postgresql://feed:{feed}@{shop}/crm_db",
        "INSTASHOP_WAREHOUSE_DSN": f"postgresql://instashop:{owner}@{warehouse}/dwh_db",
        "INSTASHOP_AIRFLOW_DSN": f"postgresql://instashop:{owner}@{own}/airflow",
        "INSTASHOP_REDIS_URL": f"redis://:{quote(settings.redis_password)}@{servers.REDIS}:{settings.redis_port}/0",
    }
    known = passwords.read(settings)
    missing = [f"{name}={value}\n" for name, value in wanted.items() if name not in known]
    if missing:
        with settings.secrets_file.open("a", encoding="utf-8") as file:
            file.writelines(missing)


def _share(name: str, text: str) -> None:
    """Write a file that the servers' own users, whose numbers differ from image to image, can read."""
    draft = SHARED / f"{name}.draft"
    draft.write_text(text, encoding="utf-8")
    draft.chmod(0o644)
    draft.replace(SHARED / name)


def prepare(settings: Settings) -> int:
    """Make tables and topics once every broker has joined, and say since when the platform runs if nothing of it does."""
    from instashop.transport.prepare import prepare as make

    reason = wait(lambda: health.kafka(settings), threading.Event(), PATIENCE_SECONDS)
    if reason:
        print(f"Kafka is not whole after {PATIENCE_SECONDS} s: {reason}", file=sys.stderr)
        return 1
    make(settings)
    if not any(lease.holder(settings.run_dir, service) for service in beats.SERVICES):
        redis = connect.redis(settings)
        redis.hset(PLATFORM_KEY, "started_at", datetime.now(UTC).isoformat())
        redis.save()  # One that is killed within the hour would come back with the start before.
    return 0


def migrate(settings: Settings) -> int:
    """Bring Airflow's database to the version in the image."""
    return subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], env=servers.airflow_environment(settings), check=False).returncode


def become(settings: Settings, name: str) -> None:
    """Turn this process into a server, which runs as it does without containers."""
    server = servers.table(settings)[name]
    os.chdir(ROOT)
    os.execve(server.argv[0], server.argv, servers.shell_environment() | server.environment)


STEPS: dict[str, Callable[[Settings], int]] = {"first-start": first_start, "prepare": prepare, "migrate": migrate}


def main(name: str) -> int:
    """Run a step, or become a server; return a step's exit status."""
    try:
        settings = load()
        if name in STEPS:
            return STEPS[name](settings)
        become(settings, name)
    except InstaShopError as error:
        print(f"error: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
