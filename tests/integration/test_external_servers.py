"""Servers of the organisation's own: a second Postgres and a single broker, with its own names, that we only use."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from confluent_kafka.admin import NewTopic

import instashop_watch
from instashop import connect
from instashop.control import doctor
from instashop.errors import InstaShopError, KafkaUnreachable, OtherPartitions
from instashop.local import health, passwords, postgres, preflight, programs, servers, status
from instashop.local.down import down
from instashop.local.failures import HomeTaken
from instashop.local.up import start_servers
from instashop.settings import ADDRESSES, PORTS, Settings, load, variable
from instashop.streams import CURSORS, STREAMS
from instashop.transport.prepare import prepare
from instashop.transport.topics import consumer, require
from tests import bodies
from tests.integration.conftest import drain, publish
from tests.waiting import wait_until

SERVERS = ("postgres-shop", "kafka-1")
OFFSET = 1000
"""Above the test stack's own ports."""


@contextmanager
def settings_of(**given: object) -> Iterator[Settings]:
    """The settings of somebody with these variables and no others, for this process and all it starts."""
    with pytest.MonkeyPatch.context() as patch:
        for field in Settings.model_fields:
            patch.delenv(variable(field), raising=False)
        plain = dict.fromkeys(ADDRESSES, "")
        for name, value in (plain | given).items():
            patch.setenv(variable(name), str(value))
        load.cache_clear()
        yield load()
    load.cache_clear()


@pytest.fixture(scope="module")
def organisation(stack) -> Iterator[Settings]:
    """The organisation's servers, run by itself; they are on this machine, but not ours."""
    home = stack.home / "organisation"
    ports = {name: getattr(stack, name) + OFFSET for name in PORTS}
    with settings_of(home=home, kafka_brokers=1, **ports) as settings:
        if home.exists():
            down(settings)
            shutil.rmtree(home)
        home.mkdir()
        settings = start_servers(settings, SERVERS)
    try:
        yield settings
    finally:
        with settings_of(home=home, kafka_brokers=1, **ports):
            down(settings)
        shutil.rmtree(home)


@pytest.fixture(scope="module")
def addresses(organisation) -> dict[str, str]:
    """What the organisation has made for us, with names of its own, as docs/running.md asks for."""
    place, password = f"127.0.0.1:{organisation.shop_port}", passwords.read(organisation)[passwords.SUPERUSER]
    statements = ["CREATE ROLE acme_owner LOGIN PASSWORD 'a@b'", "CREATE ROLE acme_feed LOGIN PASSWORD 'x'", "GRANT pg_monitor TO acme_owner"]
    with connect.postgres(f"postgresql://postgres:{password}@{place}/postgres", seconds=5) as connection:
        connection.autocommit = True
        for statement in (*statements, *(f"CREATE DATABASE acme_{name} OWNER acme_owner" for name in ("shop", "crm", "dwh"))):
            connection.execute(statement)
    owner, feed = f"postgresql://acme_owner:a%40b@{place}", f"postgresql://acme_feed:x@{place}"
    dsns = {"shop_dsn": f"{owner}/acme_shop", "shop_feed_dsn": f"{feed}/acme_shop", "crm_dsn": f"{owner}/acme_crm", "crm_feed_dsn": f"{feed}/acme_crm"}
    return {**dsns, "warehouse_dsn": f"{owner}/acme_dwh", "kafka_bootstrap": organisation.kafka_bootstrap}


@pytest.fixture(scope="module")
def ours(stack, addresses) -> Iterator[Settings]:
    """Our platform, all of whose Postgres and Kafka is the organisation's."""
    with settings_of(home=stack.home / "guest", **addresses) as settings:
        settings.run_dir.mkdir(parents=True)
        yield settings
        shutil.rmtree(settings.home)


def test_they_are_not_started_but_they_answer(ours, addresses):
    assert not set(servers.table(ours)) & {"postgres-shop", "postgres-warehouse", "kafka-1", "kafka-2", "kafka-3"}
    assert [cluster.name for cluster in postgres.clusters(ours)] == ["postgres-airflow"]
    assert set(health.elsewhere(ours)) == set(addresses)
    assert preflight.elsewhere_problems(ours) == []
    rows = status.elsewhere_rows(ours)
    assert {row.name for row in rows} == {variable(name) for name in addresses}
    assert all(row.well and "a@b" not in row.address for row in rows)


@pytest.mark.parametrize("name", ["shop", "crm", "warehouse"])
def test_they_are_spoken_to_over_tcp_and_ours_over_a_socket(ours, stack, name):
    where, password = getattr(connect, name), stack.postgres_password
    with where(ours, "test") as theirs, where(stack, "test") as own:
        assert theirs.execute("SELECT host(inet_server_addr())").fetchone() == ("127.0.0.1",)
        assert own.execute("SELECT inet_server_addr()").fetchone() == (None,)
    dsn = getattr(stack, f"{name}_dsn")
    assert password in dsn
    with pytest.raises(InstaShopError, match="password authentication failed"):
        where(stack.model_copy(update={f"{name}_dsn": dsn.replace(password, "wrong")}), "test")


def test_tables_and_topics_that_are_not_there_yet_are_named_by_doctor_and_watch(ours):
    (tables,), (topics,) = doctor._tables(ours), doctor._topics(ours)
    assert tables.text.startswith("missing: shop: feed.products")
    assert topics.text.startswith("missing: cursors, products")
    assert any("transaction_items" in fault and "run prepare_platform" in fault for fault in instashop_watch._broker_faults(ours))


def test_a_topic_of_another_shape_is_refused_by_name(ours):
    admin = connect.kafka_admin(ours)
    admin.create_topics([NewTopic("searches", 1, 1)])["searches"].result()
    with pytest.raises(OtherPartitions, match=r"searches \(1, not 3\)"):
        prepare(ours)
    with consumer(ours, "test") as client, pytest.raises(OtherPartitions, match=r"searches \(1, not 3\)"):
        require(client, ours, ["searches"])
    admin.delete_topics(["searches"])["searches"].result()
    wait_until(lambda: "searches" not in admin.list_topics(timeout=10).topics, 30, "the end of that topic")


def test_facts_go_all_the_way_through_them(ours):
    prepare(ours)
    prepare(ours)
    written = []
    with connect.shop(ours, "test", autocommit=True) as shop, connect.crm(ours, "test", autocommit=True) as crm:
        for _ in range(5):
            body = bodies.search()
            text = "INSERT INTO searches (event_id, occurred_at, session_id, query, term, results) VALUES (%s, %s, %s, 'typed', 'kettle', 1)"
            shop.execute(text, [body["event_id"], body["occurred_at"], body["session_id"]])
            written.append(body["event_id"])
        talk = bodies.envelope("crm_interactions")
        text = "INSERT INTO crm_interactions (event_id, occurred_at, interaction_id, customer_id, channel, reason) VALUES (%s, %s, %s, 1, 'chat', 'praise')"
        crm.execute(text, [talk["event_id"], talk["occurred_at"], talk["event_id"]])
        written.append(talk["event_id"])
    publish(ours)
    drain(ours)
    with connect.warehouse(ours, "test") as dwh:
        assert {row[0] for row in dwh.execute("SELECT event_id::text FROM realtime_events")} == set(written)
        assert dwh.execute("SELECT count(*) FROM dead_letters").fetchone() == (0,)
    found = connect.kafka_admin(ours).list_topics(timeout=10).topics
    assert {CURSORS, *(stream.name for stream in STREAMS)} <= set(found)
    assert all(len(part.replicas) == 1 for name in found for part in found[name].partitions.values())


def test_the_feeds_role_reads_its_views_and_nothing_else(ours):
    with connect.feed(ours, "instashop", "test") as feed:
        assert feed.info.user == "acme_feed"
        assert feed.execute("SELECT count(*) FROM feed.searches").fetchone() == (5,)
        with pytest.raises(connect.psycopg.errors.InsufficientPrivilege):
            feed.execute("SELECT * FROM searches")


def test_the_doctor_looks_at_their_tables_and_topics(ours):
    found = [*doctor._tables(ours), *doctor._topics(ours)]
    assert [finding.level for finding in found] == ["well", "well"], found
    assert instashop_watch._broker_faults(ours) == []


def test_our_down_leaves_them_alone(ours, organisation):
    down(ours)
    assert preflight.elsewhere_problems(ours) == []
    assert set(SERVERS) == {name for name, info in programs.states(organisation).items() if info["statename"] == "RUNNING"}


def test_a_second_start_in_their_home_with_other_ports_changes_nothing(organisation):
    with (
        settings_of(home=organisation.home, kafka_brokers=1, port_offset=2 * OFFSET) as other,
        pytest.raises(HomeTaken, match=f"INSTASHOP_SHOP_PORT is {organisation.shop_port}"),
    ):
        start_servers(other, SERVERS)
    assert set(SERVERS) == {name for name, info in programs.states(organisation).items() if info["statename"] == "RUNNING"}


def test_one_that_does_not_answer_is_named_with_its_setting_until_it_does(ours, organisation):
    programs.stop(organisation, ["kafka-1"])
    with ThreadPoolExecutor() as looks:  # Each waits for an answer.
        faults, problems, rows = (looks.submit(look, ours) for look in (instashop_watch._broker_faults, preflight.elsewhere_problems, status.elsewhere_rows))
    with pytest.raises(KafkaUnreachable):
        faults.result()
    (problem,) = problems.result()
    assert problem.startswith(f"INSTASHOP_KAFKA_BOOTSTRAP leads to {organisation.where('kafka_bootstrap')}, which does not answer")
    (row,) = (row for row in rows.result() if not row.well)
    assert row.name == "INSTASHOP_KAFKA_BOOTSTRAP"
    programs.start(organisation, "kafka-1")
    wait_until(lambda: not preflight.elsewhere_problems(ours), 60, "their broker answering again")
    assert instashop_watch._broker_faults(ours) == []
