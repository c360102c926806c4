"""Airflow's settings and connections, derived from ours; every one is an environment variable."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlsplit

from instashop import connect
from instashop.settings import ROOT, Settings

TOKEN_SPARE_SECONDS = 3600
"""A task's token outlives its service by this, so that the last report still counts."""


def folder(settings: Settings) -> Path:
    """Return AIRFLOW_HOME."""
    return settings.home / "airflow"


def page(settings: Settings) -> str:
    """Return the address of Airflow's page, as a browser finds it."""
    return settings.page(settings.airflow_port)


def connections(settings: Settings) -> dict[str, str]:
    """Return the named connections, each as Airflow reads it: the warehouse's, which our DAGs use, and those of the other servers for a person's own DAGs."""
    master = urlsplit(settings.spark_master)
    kafka = {**connect.kafka_options(settings), "group.id": "airflow", "socket.timeout.ms": 5000}
    spark = {"conn_type": "spark", "host": f"{master.scheme}://{master.hostname}", "port": master.port, "extra": {"deploy-mode": "client"}}
    return {
        "kafka_default": json.dumps({"conn_type": "kafka", "extra": kafka}),
        "postgres_shop": settings.shop_dsn,
        "postgres_crm": settings.crm_dsn,
        "postgres_dwh": settings.warehouse_dsn,
        "spark_default": json.dumps(spark),
    }


def _options(settings: Settings) -> dict[tuple[str, str], object]:
    home, dsn = folder(settings), settings.airflow_dsn.replace("postgres://", "postgresql://")
    return {
        ("core", "executor"): "LocalExecutor",
        # Five services and, at a time, build, books and watch. No more: LocalExecutor forks all its workers at its start, and an idle one keeps 24 MB of its own.
        ("core", "parallelism"): 8,
        ("core", "load_examples"): False,
        ("core", "dags_folder"): ROOT / "dags",
        ("core", "plugins_folder"): ROOT / "plugins",
        ("core", "dags_are_paused_at_creation"): False,
        ("core", "fernet_key"): settings.airflow_fernet_key,
        ("core", "hostname_callable"): "socket.gethostname",
        ("core", "auth_manager"): "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
        ("core", "simple_auth_manager_users"): "admin:admin",
        ("core", "simple_auth_manager_passwords_file"): home / "passwords.json",
        ("core", "execution_api_server_url"): f"{settings.airflow_url}/execution/",
        ("core", "min_serialized_dag_update_interval"): 5,
        ("operators", "default_owner"): "instashop",
        ("database", "sql_alchemy_conn"): dsn.replace("postgresql://", "postgresql+psycopg2://"),
        ("database", "sql_alchemy_conn_async"): dsn.replace("postgresql://", "postgresql+asyncpg://").replace("sslmode=", "ssl="),
        ("logging", "base_log_folder"): settings.log_dir / "airflow",
        ("logging", "worker_log_server_port"): settings.airflow_log_port,
        ("logging", "trigger_log_server_port"): settings.airflow_trigger_log_port,
        ("api", "host"): settings.host,
        ("api", "port"): settings.airflow_port,
        ("api", "base_url"): page(settings),
        ("api", "workers"): 1,
        ("api", "secret_key"): settings.airflow_jwt_secret,
        ("api_auth", "jwt_secret"): settings.airflow_jwt_secret,
        ("execution_api", "jwt_expiration_time"): settings.service_lifetime_seconds + TOKEN_SPARE_SECONDS,
        # A task that begins while the API server still starts, or was killed, asks again every few seconds instead of failing after five tries.
        ("workers", "execution_api_retries"): 20,
        ("workers", "execution_api_retry_wait_max"): 4,
        ("workers", "execution_api_timeout"): 20,
        ("workers", "max_failed_heartbeats"): 30,  # Three would kill a task in less than a minute without the API.
        ("scheduler", "task_instance_heartbeat_timeout"): 120,
        ("scheduler", "orphaned_tasks_check_interval"): 15,  # A scheduler that was killed counts as dead after 30 s; its tasks are followed again then.
        ("dag_processor", "refresh_interval"): 10,
        ("dag_processor", "min_file_process_interval"): 120,  # Of a file that nobody changes; one that is new or changed is read at the next refresh.
        ("dag_processor", "dag_bundle_storage_path"): home / "bundles",
        ("usage_data_collection", "enabled"): False,
    }


def environment(settings: Settings) -> dict[str, str]:
    """Return the environment of Airflow's programs and of its command line."""
    options = {f"AIRFLOW__{section.upper()}__{option.upper()}": str(value) for (section, option), value in _options(settings).items()}
    named = {f"AIRFLOW_CONN_{name.upper()}": value for name, value in connections(settings).items()}
    return {"AIRFLOW_HOME": str(folder(settings)), "TZ": "UTC", **options, **named}


def write_login(settings: Settings) -> None:
    """Write the password of `admin` where Airflow's SimpleAuthManager looks for it."""
    home = folder(settings)
    home.mkdir(parents=True, exist_ok=True)
    file = home / "passwords.json"
    file.touch(mode=0o600)
    file.write_text(json.dumps({"admin": settings.airflow_password}), encoding="utf-8")
