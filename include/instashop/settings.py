"""All settings, read once: environment variables `INSTASHOP_*`, then `.env` of the home and of the project, then the passwords made at the first start."""

from __future__ import annotations

import os
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import quote, urlsplit

from dotenv import dotenv_values
from pydantic import Field, PrivateAttr, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from instashop.errors import WrongSetting

ROOT = Path(__file__).resolve().parents[2]

DSNS = ("shop_dsn", "shop_feed_dsn", "crm_dsn", "crm_feed_dsn", "warehouse_dsn", "airflow_dsn")
ADDRESSES = {
    **dict.fromkeys(DSNS, ("postgresql://user:password@host:port/database", ("postgresql", "postgres"), 5432)),
    "kafka_bootstrap": ("host:port,host:port", ("",), 9092),
    "redis_url": ("redis://:password@host:port/0", ("redis", "rediss"), 6379),
    "spark_master": ("spark://host:port", ("spark",), 7077),
}
"""Each setting that says where a server is: its form, its schemes, and the port when none is said."""

_CLUSTERS = {**dict.fromkeys(DSNS, "pg_shop"), "warehouse_dsn": "pg_warehouse", "airflow_dsn": "pg_airflow"}
"""Name of the data folder that each DSN leads to, when this machine runs the server."""

_MADE = ("postgres_password", "feed_password", "redis_password", "airflow_password", "airflow_jwt_secret", "airflow_fernet_key")
"""Those that the first start makes."""

LIGHT = {"postgres_buffers_mb": 64, "kafka_brokers": 1, "kafka_heap_mb": 192, "spark_cores": 1, "live_trigger_ms": 3000}
"""What a light platform has instead of the defaults."""

Port = Annotated[int, Field(ge=1, le=65535)]
FirstPort = Annotated[int, Field(ge=1, le=65533)]
"""Those of two more brokers follow it."""


def variable(name: str) -> str:
    """Return the environment variable of a setting."""
    return f"INSTASHOP_{name.upper()}"


def socket_file(data: Path, port: int) -> Path:
    """Return the Unix socket of a Postgres that listens in its data folder."""
    return data / f".s.PGSQL.{port}"


def places(name: str, address: str) -> list[tuple[str, int]]:
    """Return host and port of each server that an address names.

    Raises:
        ValueError: the address is not of the setting's form.
    """
    form, schemes, port = ADDRESSES[name]
    found = []
    for part in address.split(",") if name == "kafka_bootstrap" else [address]:
        try:
            url = urlsplit(part if "://" in part else f"//{part.strip()}")
            host, said = url.hostname, url.port
        except ValueError:  # Its words would show a part of the password.
            host = said = None
        if not host or url.scheme not in schemes or (name == "kafka_bootstrap" and not said):
            raise ValueError(f"{variable(name)} is not of the form {form}")
        found.append(("127.0.0.1" if host == "localhost" else host, said or port))
    return found


class Settings(BaseSettings):
    """Where everything is, and how fast, how long and how much; each field is one environment variable."""

    model_config = SettingsConfigDict(env_prefix="INSTASHOP_", extra="ignore", frozen=False)

    home: Path = Field(ROOT / ".local", description="Data, logs, passwords and process files of this platform.")
    servers: Literal["here", "elsewhere"] = Field("here", description="Whether supervisord runs the servers here, or others do: containers, other machines.")
    host: str = Field("127.0.0.1", description="The address every server listens on.")
    browser_host: str = Field("", description="Where a browser finds the pages; empty: where the servers listen.")
    spark_pages: bool = Field(True, description="Whether a browser reaches Spark's pages; without, no link leads there.")
    port_offset: int = Field(0, ge=0, le=40000, description="Added to every port that is not set by itself.")

    light: bool = Field(False, description="One broker, smaller heaps, a longer trigger; `up --light` sets it for an empty home.")

    shop_port: Port = Field(5432, description="Postgres with `instashop` and `crm_db`.")
    warehouse_port: Port = Field(5436, description="Postgres with `dwh_db`.")
    airflow_db_port: Port = Field(5437, description="Airflow's own Postgres.")
    postgres_buffers_mb: int = Field(
        256, ge=16, description="Shared buffers of the warehouse's Postgres, in MB; the shop's has half of it, Airflow's a quarter."
    )
    kafka_port: FirstPort = Field(9092, description="First broker; the others follow.")
    kafka_controller_port: FirstPort = Field(19092, description="First controller; the others follow.")
    kafka_brokers: int = Field(3, ge=1, le=3, description="How many brokers this machine runs.")
    kafka_heap_mb: int = Field(256, ge=128, description="Heap of each broker, in MB.")
    spark_cores: int = Field(2, ge=1, description="Tasks that the Spark job runs at once, each with a Python of its own.")
    spark_memory_mb: int = Field(512, ge=512, description="Heap of Spark's executor, in MB; it keeps 24 hours of windows.")
    redis_port: Port = Field(6379, description="Redis.")
    spark_master_port: Port = Field(7077, description="Spark's master.")
    spark_ui_port: Port = Field(8080, description="Page of Spark's master.")
    spark_worker_ui_port: Port = Field(8081, description="Page of Spark's worker.")
    spark_app_ui_port: Port = Field(4040, description="Page of the running Spark job.")
    airflow_port: Port = Field(8090, description="Airflow's page.")
    airflow_log_port: Port = Field(8793, description="Airflow's log server.")
    airflow_trigger_log_port: Port = Field(8794, description="Log server of Airflow's triggerer.")
    dashboard_port: Port = Field(8501, description="The dashboard.")

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
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field("PLAINTEXT", description="How to speak with the brokers.")
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field("SCRAM-SHA-512", description="How to log in, with SASL.")
    kafka_user: str = Field("", description="Who logs in, with SASL.")
    kafka_password: str = Field("", description="The password, with SASL.")
    kafka_ca_file: str = Field("", description="PEM file of who signed the brokers' certificates, with SSL; empty: whom this machine trusts.")
    redis_url: str = Field("", description="Redis, as redis://:password@host:port/0.")
    spark_master: str = Field("", description="Spark's master, as spark://host:port.")
    spark_driver_host: str = Field("", description="This machine's address as Spark's workers see it; empty: the host.")
    spark_ui_url: str = Field("", description="Page of Spark's master, as programs reach it.")
    airflow_url: str = Field("", description="Airflow's API server, as programs reach it.")
    dashboard_url: str = Field("", description="The dashboard, as programs reach it.")

    rate: float = Field(10.0, gt=0, le=5000, description="Events a second that the generator makes.")
    orders_share: float = Field(0.7, ge=0, le=1, description="Share of the generator's events that are steps of orders.")
    seed: int = Field(7, description="Seed of customers and catalogue, made once.")
    feed_pause_ms: int = Field(20, ge=1, le=2000, description="Pause between two looks of the producer.")
    feed_limit: int = Field(5000, ge=1, description="Rows of one stream in one Kafka transaction, at most.")
    batch_limit: int = Field(3000, ge=1, description="Messages in one batch of consumer or enricher, at most.")
    kafka_replication: int = Field(0, ge=0, description="Copies of each topic; 0 means one a broker, three at most.")
    live_trigger_ms: int = Field(1000, ge=100, description="Pause between two batches of the live metrics.")
    live_quiet_ms: int = Field(2000, ge=100, description="Pause between two batches of the live metrics while little comes.")
    live_offsets_limit: int = Field(100_000, ge=1, description="Messages in one batch of the live metrics, at most.")
    live_expiry_seconds: int = Field(3600, ge=1860, description="How long a window stays in Redis; the pages compare the last 15 minutes with those before.")
    warehouse_retention_days: int = Field(0, ge=0, description="Days that the warehouse keeps events; 0 keeps all, 8 is the least.")
    airflow_history_days: int = Field(30, ge=1, description="Days that Airflow keeps its runs and their logs.")
    service_lifetime_seconds: int = Field(21_600, ge=60, description="A service ends by itself after this, to be started afresh.")
    beat_seconds: float = Field(1.0, gt=0, description="How often a service says that it is alive.")
    beat_stale_seconds: float = Field(60, gt=0, description="A service whose beat is older hangs, and is ended.")

    _elsewhere: frozenset[str] = PrivateAttr(default=frozenset())

    @field_validator("home")
    @classmethod
    def _whole_path(cls, home: Path) -> Path:
        whole = home_of(str(home))
        there = next(path for path in (whole, *whole.parents) if path.exists())
        if not there.is_dir():
            raise ValueError(f"{there} is no folder")
        return whole

    @field_validator("host")
    @classmethod
    def _one_address(cls, host: str) -> str:
        if host in ("", "0.0.0.0", "::"):
            raise ValueError("name one address of this machine, since clients are told it; 127.0.0.1 keeps the platform to this machine")
        return host

    @field_validator("warehouse_retention_days")
    @classmethod
    def _longer_than_kafka(cls, days: int) -> int:
        if 0 < days < 8:
            raise ValueError("Kafka brings events again for 7 days, and the warehouse must still know them; 0 (all) or at least 8")
        return days

    @model_validator(mode="after")
    def _fill_in(self) -> Self:
        for name, value in LIGHT.items() if self.light else ():
            if name not in self.model_fields_set:
                setattr(self, name, value)
        for name in PORTS:
            if name not in self.model_fields_set:
                setattr(self, name, getattr(self, name) + self.port_offset)
        elsewhere = set()
        for name, own in self._own_addresses().items():
            given = getattr(self, name)
            if given and not set(places(name, given)) <= set(places(name, own)):
                elsewhere.add(name)
            setattr(self, name, given or own)
        self._elsewhere = frozenset(elsewhere) if self.servers == "here" else frozenset()  # Containers are ours, whatever their names.
        self.spark_driver_host = self.spark_driver_host or self.host
        self._check_together(other_brokers="kafka_bootstrap" in elsewhere)
        self.spark_ui_url = self.spark_ui_url or f"http://{self.host}:{self.spark_ui_port}"
        self.airflow_url = self.airflow_url or f"http://{self.host}:{self.airflow_port}"
        self.dashboard_url = self.dashboard_url or f"http://{self.host}:{self.dashboard_port}"
        self.browser_host = self.browser_host or self.host
        return self

    def _own_addresses(self) -> dict[str, str]:
        """Return where each server is when this machine runs it."""
        pg = f"postgresql://instashop:{quote(self.postgres_password, safe='')}@{self.host}"
        feed = f"postgresql://feed:{quote(self.feed_password, safe='')}@{self.host}"
        return {
            "shop_dsn": f"{pg}:{self.shop_port}/instashop",
            "crm_dsn": f"{pg}:{self.shop_port}/crm_db",
            "shop_feed_dsn": f"{feed}:{self.shop_port}/instashop",
            "crm_feed_dsn": f"{feed}:{self.shop_port}/crm_db",
            "warehouse_dsn": f"{pg}:{self.warehouse_port}/dwh_db",
            "airflow_dsn": f"{pg}:{self.airflow_db_port}/airflow",
            "kafka_bootstrap": ",".join(f"{self.host}:{self.kafka_port + i}" for i in range(self.kafka_brokers)),
            "redis_url": f"redis://:{quote(self.redis_password, safe='')}@{self.host}:{self.redis_port}/0",
            "spark_master": f"spark://{self.host}:{self.spark_master_port}",
        }

    def _check_together(self, other_brokers: bool) -> None:
        empty = [variable(name) for name in _MADE if name in self.model_fields_set and not getattr(self, name)]
        if empty:
            raise ValueError(f"empty: {', '.join(empty)}; an empty password opens nothing, and without these lines each is made at the first start")
        for name in ("shop_feed_dsn", "crm_dsn", "crm_feed_dsn"):  # Producer and books count by the transaction ids of one server.
            if places(name, getattr(self, name)) != places("shop_dsn", self.shop_dsn):
                raise ValueError(f"INSTASHOP_SHOP_DSN and {variable(name)} name two servers; shop, CRM and their feeds are on one, so set all four")
        if self.kafka_security_protocol != "PLAINTEXT" and not other_brokers:
            raise ValueError("INSTASHOP_KAFKA_SECURITY_PROTOCOL is for brokers of others; set INSTASHOP_KAFKA_BOOTSTRAP, too: our own speak PLAINTEXT")
        if self.kafka_security_protocol.startswith("SASL") and not (self.kafka_user and self.kafka_password):
            raise ValueError(f"INSTASHOP_KAFKA_SECURITY_PROTOCOL={self.kafka_security_protocol} needs INSTASHOP_KAFKA_USER and INSTASHOP_KAFKA_PASSWORD")

    @property
    def elsewhere(self) -> frozenset[str]:
        """The address settings that lead to a server of somebody else, which we only use and never start or stop."""
        return self._elsewhere

    def runs_here(self, *names: str) -> bool:
        """Return whether this machine runs the server of these address settings: one of them at least leads to it."""
        return not self._elsewhere.issuperset(names)

    def where(self, name: str) -> str:
        """Return host and port of an address setting, without any password."""
        return ",".join(f"{host}:{port}" for host, port in places(name, getattr(self, name)))

    def postgres_data(self, name: str) -> Path:
        """Return the data folder of the server of a DSN setting, when this machine runs it."""
        return self.home / "data" / _CLUSTERS[name]

    def postgres_socket(self, name: str) -> str | None:
        """Return the folder where the server of a DSN setting listens on a Unix socket, or None: there is TCP alone."""
        host, port = places(name, getattr(self, name))[0]
        folder = self.postgres_data(name)
        return str(folder) if host == self.host and os.path.exists(socket_file(folder, port)) else None

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


PORTS = tuple(name for name in Settings.model_fields if name.endswith("_port"))
"""Every port; INSTASHOP_PORT_OFFSET moves those that are not set."""


def read() -> Settings:
    """Return the settings as environment and files have them now.

    Raises:
        WrongSetting: a value is not of its kind or out of its range, or a line of `.env` sets what is no setting; the message names each.
    """
    home = home_of(os.environ.get("INSTASHOP_HOME") or _lines(ROOT / ".env").get("INSTASHOP_HOME") or ".local")
    files = (ROOT / ".env", home / ".env")
    problems = [problem for file in files for problem in _unknown(file)]
    try:
        settings = Settings(home=home, _env_file=(home / "secrets.env", *files))  # type: ignore[call-arg]
    except ValidationError as error:
        problems += [_said(problem) for problem in error.errors()]
    if problems:
        raise WrongSetting(problems="; ".join(problems))
    return settings


@cache
def load() -> Settings:
    """Return the settings of this process, read when they are first asked for; raises what `read` does."""
    return read()


def home_of(given: str) -> Path:
    """Return the home as a whole path; a relative one begins at the project's folder, wherever the command is given."""
    return ROOT / Path(given).expanduser()


def _lines(file: Path) -> dict[str, str | None]:
    """Return what a `.env` sets; nothing when there is no such file."""
    try:
        return dotenv_values(file)
    except UnicodeDecodeError:
        raise WrongSetting(problems=f"{file} is no UTF-8 text; save it as such.") from None


def _unknown(file: Path) -> list[str]:
    """Return what is wrong with each line of a `.env` that sets what is no setting, and so would change nothing without a word."""
    given = {name: name.upper().removeprefix("INSTASHOP_").lower() for name in _lines(file) if name.upper().startswith("INSTASHOP_")}
    near = {name: get_close_matches(field, Settings.model_fields, 1) for name, field in given.items() if field not in Settings.model_fields}
    return [f"{name} in {file} is no setting" + (f"; perhaps {variable(match[0])}?" if match else "") for name, match in near.items()]


def _said(problem: ErrorDetails) -> str:
    """Return what is wrong with one setting, or with several together; never a password."""
    message = problem["msg"].removeprefix("Value error, ")
    name = "_".join(map(str, problem["loc"]))
    if not name:
        return message
    return f"{variable(name)}={'…' if 'password' in name else repr(str(problem['input']))}: {message}"
