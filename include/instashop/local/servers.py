"""The one table of the programs that supervisord runs."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from instashop import java, live
from instashop.local import airflow_server, brokers, postgres
from instashop.settings import ROOT, Settings

_LEFT_OUT = ("INSTASHOP_", "AIRFLOW", "SPARK_", "KAFKA_", "PG", "PYTHON", "VIRTUAL_ENV", "COVERAGE")
"""Variables of the caller's shell that must not change how a server runs."""


POSTGRES_STOP_SECONDS = 30
"""Until its checkpoint is written, as in containers; one that is killed has to repair itself at its next start."""

WORK_SECONDS = 3600
"""How long the folder of a Spark application that has ended stays, for its log: each start copies 10 MB of jars, and Spark itself would keep it for a week."""


@dataclass(frozen=True)
class Server:
    """One program: how it starts, how it ends, where it listens."""

    name: str
    argv: tuple[str, ...]
    ports: dict[str, int]  # By the setting that moves it.
    environment: dict[str, str] = field(default_factory=dict)
    user: str | None = None
    stop_signal: str = "TERM"
    stop_seconds: int = 10
    page: str | None = None
    config: Path | None = None  # A file that the program reads at its start.
    host: str = "127.0.0.1"
    after_kill: brokers.AfterKill | None = None
    is_ours: bool = False  # It imports our code, and is started anew when that changes.

    @property
    def address(self) -> str:
        """Return where a person finds it."""
        return self.page or ", ".join(f"{self.host}:{port}" for port in self.ports.values())


SHOP, WAREHOUSE, AIRFLOW_DB, REDIS = "postgres-shop", "postgres-warehouse", "postgres-airflow", "redis"
SPARK_MASTER, SPARK_WORKER = "spark-master", "spark-worker"
API, SCHEDULER, DAG_PROCESSOR, TRIGGERER = "airflow-api-server", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer"
AIRFLOW = (API, SCHEDULER, DAG_PROCESSOR, TRIGGERER)
DASHBOARD = "dashboard"


def broker(number: int) -> str:
    """Return the name of a broker, counted from 1."""
    return f"kafka-{number}"


DATA = (SHOP, WAREHOUSE, *(broker(number) for number in (1, 2, 3)), REDIS, SPARK_MASTER, SPARK_WORKER)
"""What the data meets on its way: enough for the services, without Airflow and dashboard."""


def shell_environment() -> dict[str, str]:
    """Return the caller's environment without what would change how a server runs; `.venv` comes first on the PATH.

    Two arenas of malloc are enough for a process on few cores; glibc's default of eight a core keeps memory that nobody uses.
    """
    kept = {k: v for k, v in os.environ.items() if not k.startswith(_LEFT_OUT)}
    path = f"{Path(sys.executable).parent}:{kept.get('PATH', '/usr/bin:/bin')}"
    return kept | {"PATH": path, "TZ": "UTC", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "MALLOC_ARENA_MAX": "2"}


def our_environment(settings: Settings) -> dict[str, str]:
    """Return what makes another process of ours read the same settings as this one."""
    given = {k: v for k, v in os.environ.items() if k.startswith("INSTASHOP_")}
    return given | {"INSTASHOP_HOME": str(settings.home), "PYTHONPATH": str(ROOT / "include"), "PYTHONUNBUFFERED": "1"}


def airflow_environment(settings: Settings) -> dict[str, str]:
    """Return the whole environment of a command of Airflow that ends by itself."""
    return shell_environment() | our_environment(settings) | airflow_server.environment(settings)


def spark_environment(settings: Settings) -> dict[str, str]:
    """Return what Spark's daemons, and whoever submits to them, have to know."""
    return live.spark_environment(settings.host) | {"SPARK_PUBLIC_DNS": settings.browser_host}


def _spark(settings: Settings) -> list[Server]:
    spark_class, work = str(java.spark_home() / "bin" / "spark-class"), str(settings.home / "spark" / "work")
    daemon = [
        *java.QUICK,
        *java.class_data("spark"),
        "-Dspark.worker.cleanup.enabled=true",
        f"-Dspark.worker.cleanup.appDataTtl={WORK_SECONDS}",  # Looked at every half hour.
        "-Dspark.master.rest.enabled=false",
        "-Dspark.ui.killEnabled=false",
    ]
    environment = spark_environment(settings) | {
        "SPARK_DAEMON_MEMORY": "128m",
        "SPARK_DAEMON_JAVA_OPTS": " ".join(daemon),
        "SPARK_LAUNCHER_OPTS": " ".join(java.QUICK),
        "JAVA_HOME": str(java.home()),
    }
    deploy = "org.apache.spark.deploy"
    master = (spark_class, f"{deploy}.master.Master", "--host", settings.host, "--port", str(settings.spark_master_port))
    limits = ("--cores", str(settings.spark_cores), "--memory", f"{max(1024, settings.spark_memory_mb)}m")
    worker = (spark_class, f"{deploy}.worker.Worker", "--host", settings.host, *limits, "--work-dir", work)
    return [
        Server(
            SPARK_MASTER,
            (*master, "--webui-port", str(settings.spark_ui_port)),
            {"spark_master_port": settings.spark_master_port, "spark_ui_port": settings.spark_ui_port},
            environment,
            page=settings.page(settings.spark_ui_port),
        ),
        Server(
            SPARK_WORKER,
            (*worker, "--webui-port", str(settings.spark_worker_ui_port), settings.spark_master),
            {"spark_worker_ui_port": settings.spark_worker_ui_port},
            environment,
            page=settings.page(settings.spark_worker_ui_port),
        ),
    ]


def _airflow(settings: Settings) -> list[Server]:
    environment = our_environment(settings) | spark_environment(settings) | airflow_server.environment(settings)
    environment["JAVA_HOME"] = str(java.home())
    airflow = (sys.executable, "-m", "airflow")
    # The log servers would listen on every address of the machine; on one machine the API server reads the files themselves.
    triggerer = Server(TRIGGERER, (*airflow, "triggerer", "--skip-serve-logs"), {}, environment, stop_seconds=4)
    rows = [
        Server(API, (*airflow, "api-server"), {"airflow_port": settings.airflow_port}, environment, page=airflow_server.page(settings)),
        Server(SCHEDULER, (*airflow, "scheduler", "--skip-serve-logs"), {}, environment, stop_seconds=15),
        Server(DAG_PROCESSOR, (*airflow, "dag-processor"), {}, environment),
        *([] if settings.light else [triggerer]),  # No task of ours defers.
    ]
    return [replace(server, is_ours=True) for server in rows]


@cache
def our_code() -> str:
    """Return a fingerprint of the packages and of our code, as far as it is not read anew by itself, like the DAGs."""
    files = [ROOT / "requirements.txt", *(path for name in ("include", "plugins", "dashboard") for path in sorted((ROOT / name).rglob("*")))]
    text = hashlib.sha256()
    for path in files:
        if path.suffix in (".py", ".sql", ".txt", ".js", ".css"):
            text.update(f"{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    return text.hexdigest()[:12]


def table(settings: Settings) -> dict[str, Server]:
    """Return every program that this machine runs by its name, in the order in which the data meets them."""
    dashboard = Server(
        DASHBOARD,
        (sys.executable, "-m", "dashboard"),
        {"dashboard_port": settings.dashboard_port},
        our_environment(settings),
        page=settings.page(settings.dashboard_port),
        is_ours=True,
    )
    redis = Server(
        REDIS,
        (shutil.which("redis-server") or "/usr/bin/redis-server", str(settings.run_dir / "redis.conf")),
        {"redis_port": settings.redis_port},
        config=settings.run_dir / "redis.conf",
    )
    rows = [
        *(
            Server(
                cluster.name,
                cluster.argv(),
                {cluster.port_setting: cluster.port},
                user=postgres.account(),
                stop_signal="INT",
                stop_seconds=POSTGRES_STOP_SECONDS,
            )
            for cluster in postgres.clusters(settings)
        ),
        *([redis] if settings.runs_here("redis_url") else []),
        *(
            Server(
                broker(b.number),
                b.argv(),
                {"kafka_port": b.port, "kafka_controller_port": b.controller_port},
                config=b.config,
                after_kill=b.after_kill if settings.kafka_brokers > 1 else None,
            )
            for b in brokers.brokers(settings)
        ),
        *(_spark(settings) if settings.runs_here("spark_master") else []),
        *_airflow(settings),
        dashboard,
    ]
    return {server.name: replace(server, host=settings.host) for server in rows}
