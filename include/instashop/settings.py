"""All settings, read once: environment variables `INSTASHOP_*`, then `.env`, then the passwords made at the first start."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from instashop.errors import WrongSetting

ROOT = Path(__file__).resolve().parents[2]

PORTS = (
    "shop_port",
    "warehouse_port",
    "airflow_db_port",
    "redis_port",
    "spark_master_port",
    "spark_ui_port",
    "spark_worker_ui_port",
    "spark_app_ui_port",
    "airflow_port",
    "airflow_log_port",
    "airflow_trigger_log_port",
    "dashboard_port",
    "kafka_port",
    "kafka_controller_port",
)


class Settings(BaseSettings):
    """Where everything is, and how fast, how long and how much; each field is one environment variable."""

    model_config = SettingsConfigDict(env_prefix="INSTASHOP_", extra="ignore", frozen=False)

    home: Path = Field(ROOT / ".local", description="Data, logs, passwords and process files of this platform.")
    servers: Literal["here", "elsewhere"] = Field("here", description="Whether supervisord runs the servers here, or others do: containers, other machines.")
    host: str = Field("127.0.0.1", description="The address every server listens on.")
    browser_host: str = Field("", description="Where a browser finds the pages; empty: where the servers listen.")
    spark_pages: bool = Field(True, description="Whether a browser reaches Spark's pages; without, no link leads there.")
    port_offset: int = Field(0, ge=0, le=40000, description="Added to every port that is not set by itself.")

    shop_port: int = Field(5432, description="Postgres with `instashop` and `crm_db`.")
    warehouse_port: int = Field(5436, description="Postgres with `dwh_db`.")
    airflow_db_port: int = Field(5437, description="Airflow's own Postgres.")
    kafka_port: int = Field(9092, description="First broker; the others follow.")
    kafka_controller_port: int = Field(19092, description="First controller; the others follow.")
    kafka_brokers: int = Field(3, ge=1, le=3, description="How many brokers this machine runs.")
    redis_port: int = Field(6379, description="Redis.")
    spark_master_port: int = Field(7077, description="Spark's master.")
    spark_ui_port: int = Field(8080, description="Page of Spark's master.")
    spark_worker_ui_port: int = Field(8081, description="Page of Spark's worker.")
    spark_app_ui_port: int = Field(4040, description="Page of the running Spark job.")
    airflow_port: int = Field(8090, description="Airflow's page.")
    airflow_log_port: int = Field(8793, description="Airflow's log server.")
    airflow_trigger_log_port: int = Field(8794, description="Log server of Airflow's triggerer.")
    dashboard_port: int = Field(8501, description="The dashboard.")

    postgres_password: str = Field("", description="Password of the role that owns the databases.")
    feed_password: str = Field("", description="Password of the role that may only read the feed views.")
    redis_password: str = Field("", description="Password of Redis.")
    airflow_password: str = Field("", description="Password of Airflow's user `admin`.")
    airflow_jwt_secret: str = Field("", description="Signs the tokens of Airflow's tasks.")
    airflow_fernet_key: str = Field("", description="Encrypts the connections kept by Airflow.")

    shop_dsn: str = Field("", description="Postgres `instashop`, as its owner.")
    shop_feed_dsn: str = Field("", description="Postgres `instashop`, as the role of the producer.")
    crm_dsn: str = Field("", description="Postgres `crm_db`, as its owner.")
    crm_feed_dsn: str = Field("", description="Postgres `crm_db`, as the role of the producer.")
    warehouse_dsn: str = Field("", description="Postgres `dwh_db`.")
    airflow_dsn: str = Field("", description="Airflow's own database.")
    kafka_bootstrap: str = Field("", description="Brokers, as host:port,host:port.")
    redis_url: str = Field("", description="Redis, as redis://:password@host:port/0.")
    spark_master: str = Field("", description="Spark's master, as spark://host:port.")
    spark_ui_url: str = Field("", description="Page of Spark's master, as programs reach it.")
    airflow_url: str = Field("", description="Airflow's API server, as programs reach it.")
    dashboard_url: str = Field("", description="The dashboard, as programs reach it.")

    rate: float = Field(10.0, gt=0, le=5000, description="Events a second that the generator makes.")
    orders_share: float = Field(0.7, ge=0, le=1, description="Share of the generator's events that are steps of orders.")
    seed: int = Field(7, description="Seed of the generator's randomness.")
    feed_pause_ms: int = Field(40, ge=1, le=2000, description="Pause between two looks of the producer.")
    feed_limit: int = Field(5000, ge=1, description="Rows of one stream in one Kafka transaction, at most.")
    batch_limit: int = Field(3000, ge=1, description="Messages in one batch of consumer or enricher, at most.")
    kafka_replication: int = Field(0, ge=0, description="Copies of each topic; 0 means one a broker.")
    live_trigger_ms: int = Field(1000, ge=100, description="Pause between two batches of the live metrics.")
    live_offsets_limit: int = Field(100_000, ge=1, description="Messages in one batch of the live metrics, at most.")
    live_expiry_seconds: int = Field(3600, ge=120, description="How long a window stays in Redis.")
    service_lifetime_seconds: int = Field(21_600, ge=60, description="A service ends by itself after this, to be started afresh.")
    beat_seconds: float = Field(1.0, gt=0, description="How often a service says that it is alive.")
    beat_stale_seconds: float = Field(120, gt=0, description="A service whose beat is older hangs, and is ended.")

    @model_validator(mode="after")
    def _fill_in(self) -> Self:
        for name in PORTS:
            if name not in self.model_fields_set:
                setattr(self, name, getattr(self, name) + self.port_offset)
        pg = f"postgresql://instashop:{self.postgres_password}@{self.host}"
        feed = f"postgresql://feed:{self.feed_password}@{self.host}"
        self.shop_dsn = self.shop_dsn or f"{pg}:{self.shop_port}/instashop"
        self.crm_dsn = self.crm_dsn or f"{pg}:{self.shop_port}/crm_db"
        self.shop_feed_dsn = self.shop_feed_dsn or f"{feed}:{self.shop_port}/instashop"
        self.crm_feed_dsn = self.crm_feed_dsn or f"{feed}:{self.shop_port}/crm_db"
        self.warehouse_dsn = self.warehouse_dsn or f"{pg}:{self.warehouse_port}/dwh_db"
        self.airflow_dsn = self.airflow_dsn or f"{pg}:{self.airflow_db_port}/airflow"
        self.kafka_bootstrap = self.kafka_bootstrap or ",".join(f"{self.host}:{self.kafka_port + i}" for i in range(self.kafka_brokers))
        self.redis_url = self.redis_url or f"redis://:{self.redis_password}@{self.host}:{self.redis_port}/0"
        self.spark_master = self.spark_master or f"spark://{self.host}:{self.spark_master_port}"
        self.spark_ui_url = self.spark_ui_url or f"http://{self.host}:{self.spark_ui_port}"
        self.airflow_url = self.airflow_url or f"http://{self.host}:{self.airflow_port}"
        self.dashboard_url = self.dashboard_url or f"http://{self.host}:{self.dashboard_port}"
        self.browser_host = self.browser_host or self.host
        self.kafka_replication = self.kafka_replication or self.kafka_brokers
        return self

    @property
    def run_dir(self) -> Path:
        """Leases, beats and handles of running processes."""
        return self.home / "run"

    @property
    def log_dir(self) -> Path:
        """What every process writes."""
        return self.home / "logs"

    def page(self, port: int) -> str:
        """Return the address of a page as a browser finds it."""
        return f"http://{self.browser_host}:{port}"

    @property
    def secrets_file(self) -> Path:
        """Passwords made at the first start; only its owner can read it."""
        return self.home / "secrets.env"


@cache
def load() -> Settings:
    """Return the settings of this process.

    Raises:
        WrongSetting: a value is not of its kind or out of its range; the message names each.
    """
    home = Path(os.environ.get("INSTASHOP_HOME", ROOT / ".local"))
    try:
        return Settings(_env_file=(home / "secrets.env", ROOT / ".env"))  # type: ignore[call-arg]
    except ValidationError as error:
        problems = "; ".join(f"INSTASHOP_{'_'.join(map(str, e['loc'])).upper()}={e.get('input')!r}: {e['msg']}" for e in error.errors())
        raise WrongSetting(problems=problems) from None
