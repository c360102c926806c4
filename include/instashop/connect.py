"""The only place where clients are built."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import psycopg
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from redis import Redis

from instashop.errors import InstaShopError, ShopUnreachable, WarehouseUnreachable, first_line
from instashop.settings import Settings

if TYPE_CHECKING:
    from kafka import KafkaAdminClient, KafkaConsumer  # Imported where it is used: only the books do, and it costs half a second of each start.

OPEN_SECONDS = 10
"""How long Kafka lets a transaction be open; an abandoned one blocks readers no longer than this."""
COMMIT_SECONDS = 8
"""How long a commit may take before a new session finds out what became of it. A broker that has died is replaced within this; after
`OPEN_SECONDS` the transaction could only be rolled back."""
_RECONNECT = {"reconnect.backoff.ms": 500, "reconnect.backoff.max.ms": 500}
"""Between two tries to connect, from the first one on: the client's own ten seconds would outlast the election of another leader, and a client
that has lost all brokers begins anew with its shortest pause, and with a line in the log, again and again."""
AT_ONCE_MS = 20
"""How long a broker waits for more before it answers that there is nothing, to a client that reads to the end of a topic and leaves."""

_UNANSWERED_MS = 30_000
"""How long data may be under way without an answer: Linux looks by keepalives only while there is none."""
_SESSION = " ".join(
    f"-c {setting}"
    for setting in (
        "timezone=UTC",
        "tcp_keepalives_idle=10",
        "tcp_keepalives_interval=5",
        "tcp_keepalives_count=3",
        f"tcp_user_timeout={_UNANSWERED_MS}",
        "client_connection_check_interval=10s",
    )
)
"""What each session asks of Postgres. It ends within half a minute of its client, also when it waits for a lock or the client's machine is gone, and lets its locks go."""


def address(dsn: str) -> str:
    """Return host, port and database of a DSN, without its password."""
    parts = urlsplit(dsn)
    return f"{parts.hostname}:{parts.port or 5432}{parts.path}"


def _postgres(settings: Settings, setting: str, unreachable: type[InstaShopError], name: str, **options: Any) -> psycopg.Connection:
    dsn, folder = getattr(settings, setting), settings.postgres_socket(setting)
    if folder:
        options["host"] = folder  # A page over loopback costs the server a tenth more than over its socket.
    try:
        return psycopg.connect(
            dsn,
            application_name=f"instashop-{name}",
            connect_timeout=5,
            options=_SESSION,
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=3,
            tcp_user_timeout=_UNANSWERED_MS,
            **options,
        )
    except psycopg.OperationalError as error:
        raise unreachable(address=address(dsn), cause=first_line(error)) from error


def shop(settings: Settings, name: str, **options: Any) -> psycopg.Connection:
    """Open `instashop` as its owner."""
    return _postgres(settings, "shop_dsn", ShopUnreachable, name, **options)


def crm(settings: Settings, name: str, **options: Any) -> psycopg.Connection:
    """Open `crm_db` as its owner."""
    return _postgres(settings, "crm_dsn", ShopUnreachable, name, **options)


def feed(settings: Settings, database: str, name: str, **options: Any) -> psycopg.Connection:
    """Open a shop database as the role that may only read the feed views."""
    return _postgres(settings, "shop_feed_dsn" if database == "instashop" else "crm_feed_dsn", ShopUnreachable, name, **options)


def feed_role(settings: Settings, database: str) -> str:
    """Return the role that may only read the feed views of a shop database."""
    return unquote(urlsplit(settings.shop_feed_dsn if database == "instashop" else settings.crm_feed_dsn).username or "feed")


def warehouse(settings: Settings, name: str, **options: Any) -> psycopg.Connection:
    """Open `dwh_db`."""
    return _postgres(settings, "warehouse_dsn", WarehouseUnreachable, name, **options)


def postgres(dsn: str, seconds: int) -> psycopg.Connection:
    """Open any database of the platform for a short look; gives up after some seconds.

    Raises:
        psycopg.OperationalError: it does not answer.
    """
    return psycopg.connect(dsn, application_name="instashop-look", connect_timeout=seconds, options="-c timezone=UTC")


def redis(settings: Settings) -> Redis:
    """Return a client of Redis that gives up after a second; nothing connects before the first command."""
    return Redis.from_url(settings.redis_url, decode_responses=True, socket_timeout=2, socket_connect_timeout=1)


def kafka_options(settings: Settings) -> dict[str, Any]:
    """Return where the brokers are and how to log in, in the words of librdkafka (confluent-kafka, Airflow's connection)."""
    options: dict[str, Any] = {"bootstrap.servers": settings.kafka_bootstrap}
    if settings.kafka_security_protocol == "PLAINTEXT":
        return options
    options["security.protocol"] = settings.kafka_security_protocol
    if settings.kafka_security_protocol.startswith("SASL"):
        options |= {"sasl.mechanism": settings.kafka_sasl_mechanism, "sasl.username": settings.kafka_user, "sasl.password": settings.kafka_password}
    if settings.kafka_security_protocol.endswith("SSL") and settings.kafka_ca_file:
        options["ssl.ca.location"] = settings.kafka_ca_file
    return options


def kafka_python_options(settings: Settings) -> dict[str, Any]:
    """Return the same in the words of kafka-python."""
    words = {"sasl.username": "sasl_plain_username", "sasl.password": "sasl_plain_password", "ssl.ca.location": "ssl_cafile"}
    named = {words.get(name, name.replace(".", "_")): value for name, value in kafka_options(settings).items()}
    return {**named, "bootstrap_servers": settings.kafka_bootstrap.split(",")}


def kafka_spark_options(settings: Settings) -> dict[str, str]:
    """Return the same in the words of Spark's source, which hands them on to Java's client."""
    options = kafka_options(settings)
    named = {f"kafka.{name}": options[name] for name in ("bootstrap.servers", "security.protocol", "sasl.mechanism") if name in options}
    if "sasl.mechanism" in options:
        module = "plain.PlainLoginModule" if settings.kafka_sasl_mechanism == "PLAIN" else "scram.ScramLoginModule"
        user, password = (text.replace("\\", "\\\\").replace('"', '\\"') for text in (settings.kafka_user, settings.kafka_password))
        named["kafka.sasl.jaas.config"] = f'org.apache.kafka.common.security.{module} required username="{user}" password="{password}";'
    if "ssl.ca.location" in options:
        named |= {"kafka.ssl.truststore.type": "PEM", "kafka.ssl.truststore.location": settings.kafka_ca_file}
    return named


def kafka_admin(settings: Settings) -> AdminClient:
    """Return a client that creates and describes topics."""
    return AdminClient({**kafka_options(settings), "socket.timeout.ms": 5000, "log_level": 0})


def kafka_producer(settings: Settings, transactional_id: str, **options: Any) -> Producer:
    """Return a transactional producer; the same id in two processes fences the older one.

    A service lets it go without `close`, which would wait without end to abort a transaction whose brokers are away; whoever comes next
    with its id aborts it.
    """
    return Producer(
        {
            **kafka_options(settings),
            "transactional.id": transactional_id,
            "transaction.timeout.ms": OPEN_SECONDS * 1000,
            **_RECONNECT,
            "linger.ms": 2,
            "compression.type": "lz4",
            "queue.buffering.max.messages": 200_000,
            "queue.buffering.max.kbytes": 65_536,
            "log_level": 3,
            **options,
        }
    )


def kafka_consumer(settings: Settings, group: str, **options: Any) -> Consumer:
    """Return a read-committed consumer that never commits by itself."""
    return Consumer(
        {
            **kafka_options(settings),
            "group.id": group,
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
            "session.timeout.ms": 10_000,
            **_RECONNECT,
            "fetch.wait.max.ms": AT_ONCE_MS,
            "queued.max.messages.kbytes": 8_192,
            "fetch.message.max.bytes": 1_048_576,
            "log_level": 3,
            **options,
        }
    )


def independent_reader(settings: Settings, isolation: str = "read_committed") -> KafkaConsumer:
    """Return kafka-python's reader: another client than the one that wrote."""
    from kafka import KafkaConsumer

    return KafkaConsumer(
        **kafka_python_options(settings),
        isolation_level=isolation,
        enable_auto_commit=False,
        group_id=None,
        auto_offset_reset="earliest",
        request_timeout_ms=10_000,
        fetch_max_wait_ms=AT_ONCE_MS,
    )


def independent_admin(settings: Settings) -> KafkaAdminClient:
    """Return kafka-python's administrator, which can tell the state of a transaction."""
    from kafka import KafkaAdminClient

    return KafkaAdminClient(**kafka_python_options(settings))
