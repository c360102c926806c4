"""Brings tables and views up to this code by its migrations, and makes the topics; safe to repeat, also while the platform runs."""

from __future__ import annotations

import logging

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic, ResourceType

from instashop import connect, sql
from instashop.errors import KafkaUnreachable, TopicNotMade
from instashop.settings import Settings
from instashop.streams import CURSORS, PARTITIONS_OF, RETENTION_MS, SEGMENT_MS, STREAMS
from instashop.transport.migrations import Migration, migrate, of_folder
from instashop.transport.topics import require_partitions

log = logging.getLogger(__name__)


def migrations_of(settings: Settings, folder: str) -> list[Migration]:
    """Return the migrations of a database's folder, with the role of the settings for `{feed}`."""
    return of_folder(folder, {"feed": connect.feed_role(settings, "instashop" if folder == "shop" else "crm_db")})


def prepare_shop(settings: Settings) -> None:
    """Bring the tables and feed views of `instashop` and `crm_db` up to this code.

    Raises:
        DatabaseIsNewer, MigrationChanged, MigrationBlocked, MigrationFailed: see `migrations.migrate`.
    """
    for folder, open_database in (("shop", connect.shop), ("crm", connect.crm)):
        with open_database(settings, "prepare", autocommit=True) as connection:
            migrate(connection, migrations_of(settings, folder))


def prepare_warehouse(settings: Settings) -> None:
    """Bring the tables and views of `dwh_db` up to this code, and make the partitions of the next days.

    Raises:
        DatabaseIsNewer, MigrationChanged, MigrationBlocked, MigrationFailed: see `migrations.migrate`.
    """
    with connect.warehouse(settings, "prepare", autocommit=True) as connection:
        migrate(connection, migrations_of(settings, "warehouse"))
        connection.execute(sql.statement("tidy/make_partitions"))  # type: ignore[arg-type]


def topics(replication: int) -> list[NewTopic]:
    """Return every topic of the platform, as it is to be with so many copies."""
    common = {"min.insync.replicas": str(min(2, replication)), "message.timestamp.type": "LogAppendTime"}
    kept = {**common, "retention.ms": str(RETENTION_MS), "segment.ms": str(SEGMENT_MS)}
    compacted = {**common, "cleanup.policy": "compact", "min.compaction.lag.ms": str(RETENTION_MS)}
    wanted = [NewTopic(s.name, PARTITIONS_OF[s.name], replication, config=compacted if s.compacted else kept) for s in STREAMS]
    cursors = NewTopic(CURSORS, PARTITIONS_OF[CURSORS], replication, config={**common, "cleanup.policy": "compact", "segment.ms": "3600000"})
    return [*wanted, cursors]


def copies(settings: Settings, brokers: int) -> int:
    """Return how many copies a topic gets: what is set, else one a broker, three at most; of others' brokers those are counted that are there."""
    ours = settings.kafka_brokers if settings.runs_here("kafka_bootstrap") else brokers
    return settings.kafka_replication or max(1, min(3, ours))


def prepare_topics(settings: Settings) -> None:
    """Create the topics that are missing.

    Raises:
        KafkaUnreachable: no broker answers.
        OtherPartitions: one is there with more or fewer partitions.
        TopicNotMade: the brokers refuse one, for example since they are too few for its copies.
    """
    admin = connect.kafka_admin(settings)
    try:
        there = admin.list_topics(timeout=10)
    except KafkaException as error:
        raise KafkaUnreachable(address=settings.kafka_bootstrap, cause=error.args[0].str()) from error
    require_partitions(there.topics, settings)
    wanted = topics(copies(settings, len(there.brokers)))
    _set_segments(admin, [stream.name for stream in STREAMS if stream.name in there.topics and not stream.compacted])
    missing = [topic for topic in wanted if topic.topic not in there.topics]
    for topic, future in (admin.create_topics(missing, operation_timeout=20) if missing else {}).items():
        try:
            future.result()
            log.info("created topic %s", topic)
        except KafkaException as error:
            if error.args[0].name() != "TOPIC_ALREADY_EXISTS":  # Somebody else was as quick as we.
                raise TopicNotMade(topic=topic, address=settings.kafka_bootstrap, cause=error.args[0].str()) from error


def _set_segments(admin: AdminClient, names: list[str]) -> None:
    """Give topics that were made by older code the present length of a segment; brokers of others may not let us."""
    entry = ConfigEntry("segment.ms", str(SEGMENT_MS), incremental_operation=AlterConfigOpType.SET)
    resources = [ConfigResource(ResourceType.TOPIC, name, incremental_configs=[entry]) for name in names]
    for resource, future in (admin.incremental_alter_configs(resources, request_timeout=20) if resources else {}).items():
        try:
            future.result()
        except KafkaException as error:
            log.warning("segment.ms of topic %s stays as it is (%s)", resource.name, error.args[0].str())


def prepare(settings: Settings) -> None:
    """Make everything that is missing: tables, views, topics."""
    prepare_shop(settings)
    prepare_warehouse(settings)
    prepare_topics(settings)
