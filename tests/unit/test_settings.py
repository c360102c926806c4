import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from instashop import connect
from instashop import settings as words
from instashop.errors import WrongSetting
from instashop.local import airflow_server, brokers, health, launch, owner, postgres, preflight, servers, suite, supervisord, up
from instashop.local.failures import HomeTaken, NoHome
from instashop.settings import ADDRESSES, PORTS, Settings, load
from instashop.transport.prepare import copies

_OWNER, _FEED = "postgresql://acme:x@db.acme:5432", "postgresql://reader:x@db.acme"
SHOP = {"shop_dsn": f"{_OWNER}/shop", "shop_feed_dsn": f"{_FEED}/shop", "crm_dsn": f"{_OWNER}/crm", "crm_feed_dsn": f"{_FEED}/crm"}
SASL = {"kafka_security_protocol": "SASL_SSL", "kafka_user": "acme", "kafka_password": 'a"b', "kafka_ca_file": "/etc/acme.pem"}
ACME = {"kafka_bootstrap": "k1.acme:9093,k2.acme:9093"}


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project's folder of its own, and no setting in the environment."""
    for field in Settings.model_fields:
        monkeypatch.delenv(words.variable(field), raising=False)
    monkeypatch.setattr(words, "ROOT", tmp_path)
    load.cache_clear()
    yield tmp_path
    load.cache_clear()


@pytest.fixture
def make(checkout: Path) -> Callable[..., Settings]:
    return lambda **given: Settings(_env_file=None, home=checkout, **given)


def test_a_home_that_only_env_names_is_where_the_passwords_are_read(checkout: Path) -> None:
    (checkout / ".env").write_text("INSTASHOP_HOME=elsewhere\n")
    (checkout / "elsewhere").mkdir()
    (checkout / "elsewhere" / "secrets.env").write_text("INSTASHOP_FEED_PASSWORD=known\n")
    assert load().home == checkout / "elsewhere"
    assert load().feed_password == "known"


def test_the_environment_comes_before_env_and_env_of_the_home_before_the_projects(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (checkout / ".env").write_text("INSTASHOP_RATE=1\nINSTASHOP_SEED=1\nINSTASHOP_FEED_LIMIT=1\n")
    (checkout / "second").mkdir()
    (checkout / "second" / ".env").write_text("INSTASHOP_SEED=2\nINSTASHOP_FEED_LIMIT=2\nINSTASHOP_HOME=ignored\n")
    monkeypatch.setenv("INSTASHOP_HOME", "second")
    monkeypatch.setenv("INSTASHOP_FEED_LIMIT", "3")
    settings = load()
    assert (settings.home, settings.rate, settings.seed, settings.feed_limit) == (checkout / "second", 1, 2, 3)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"INSTASHOP_RATE": "fast"}, "INSTASHOP_RATE='fast'"),
        ({"INSTASHOP_REDIS_PORT": "70000"}, "INSTASHOP_REDIS_PORT"),
        ({"INSTASHOP_FEED_PASSWORD": ""}, "empty: INSTASHOP_FEED_PASSWORD; an empty password opens nothing"),
        ({"INSTASHOP_KAFKA_PORT": "65534"}, "INSTASHOP_KAFKA_PORT='65534': Input should be less than or equal to 65533"),
        ({"INSTASHOP_HOST": "0.0.0.0"}, "INSTASHOP_HOST='0.0.0.0': name one address"),
        ({"INSTASHOP_WAREHOUSE_DSN": "db.acme"}, "INSTASHOP_WAREHOUSE_DSN is not of the form postgresql://"),
        ({"INSTASHOP_KAFKA_BOOTSTRAP": "k1,k2"}, "INSTASHOP_KAFKA_BOOTSTRAP is not of the form host:port,host:port"),
        ({"INSTASHOP_REDIS_URL": "http://cache:6379"}, "INSTASHOP_REDIS_URL is not of the form redis://"),
        ({"INSTASHOP_SHOP_DSN": SHOP["shop_dsn"]}, "INSTASHOP_SHOP_DSN and INSTASHOP_SHOP_FEED_DSN name two servers"),
        ({words.variable(name): SHOP[name] for name in list(SHOP)[:2]}, "INSTASHOP_SHOP_DSN and INSTASHOP_CRM_DSN name two servers"),
        ({"INSTASHOP_KAFKA_SECURITY_PROTOCOL": "SSL"}, "set INSTASHOP_KAFKA_BOOTSTRAP, too"),
        ({"INSTASHOP_KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "INSTASHOP_KAFKA_BOOTSTRAP": "k1.acme:9093"}, "needs INSTASHOP_KAFKA_USER"),
    ],
)
def test_a_wrong_setting_is_named(checkout: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], said: str) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(WrongSetting) as wrong:
        load()
    assert said in str(wrong.value)


@pytest.mark.parametrize("home", ["", ".local/"], ids=["of the project", "of the home"])
def test_a_line_of_env_that_is_no_setting_is_named_with_the_nearest(checkout: Path, home: str) -> None:
    (checkout / ".local").mkdir()
    (checkout / home / ".env").write_text("INSTASHOP_DASHBORD_PORT=8502\nINSTASHOP_SEED=ten\nCOMPOSE_PROFILES=light\n")
    with pytest.raises(
        WrongSetting, match=r"INSTASHOP_DASHBORD_PORT in \S+/\.env is no setting; perhaps INSTASHOP_DASHBOARD_PORT\?; INSTASHOP_SEED='ten'"
    ) as wrong:
        load()
    assert "COMPOSE" not in str(wrong.value)


@pytest.mark.parametrize("text", [b"\xef\xbb\xbfINSTASHOP_SEED=8", b"INSTASHOP_SEED=8\r\n", b'export INSTASHOP_SEED="8" # Eight.', b"instashop_seed = 8 "])
def test_env_is_read_as_any_editor_writes_it(checkout: Path, text: bytes) -> None:
    (checkout / ".env").write_bytes(text)
    assert load().seed == 8


def test_an_env_that_is_no_text_is_named(checkout: Path) -> None:
    (checkout / ".env").write_bytes("INSTASHOP_SEED=8".encode("utf-16"))
    with pytest.raises(WrongSetting, match=r"/\.env is no UTF-8 text"):
        load()


@pytest.mark.parametrize("home", ["file", "file/below"])
def test_a_home_that_cannot_be_a_folder_is_named(checkout: Path, monkeypatch: pytest.MonkeyPatch, home: str) -> None:
    (checkout / "file").touch()
    monkeypatch.setenv("INSTASHOP_HOME", home)
    with pytest.raises(WrongSetting, match=rf"INSTASHOP_HOME='{checkout}/{home}': {checkout}/file is no folder"):
        load()


def test_a_wrong_address_never_shows_its_password(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSTASHOP_WAREHOUSE_DSN", "postgresql://acme:se:cret@db.acme:54x32/dwh")
    with pytest.raises(WrongSetting) as wrong:
        load()
    assert "cret" not in str(wrong.value)


def test_a_password_may_hold_any_character(make: Callable[..., Settings]) -> None:
    settings = make(postgres_password="a@b/c:d#e", redis_password="p@ss")
    assert settings.where("warehouse_dsn") == "127.0.0.1:5436"
    assert unquote(urlsplit(airflow_server.connections(settings)["postgres_dwh"]).password or "") == "a@b/c:d#e"
    assert connect.redis(settings).connection_pool.connection_kwargs["password"] == "p@ss"


def test_without_addresses_everything_runs_here(make: Callable[..., Settings]) -> None:
    assert make().elsewhere == frozenset()
    assert make(redis_url="redis://:x@localhost:6379/3", kafka_bootstrap="127.0.0.1:9092").elsewhere == frozenset()


@pytest.mark.parametrize(
    ("given", "gone"),
    [
        ({"warehouse_dsn": "postgresql://a:b@127.0.0.1:6000/dwh"}, {"postgres-warehouse"}),
        ({"airflow_dsn": "postgres://a:b@db.acme/airflow"}, {"postgres-airflow"}),
        (SHOP, {"postgres-shop"}),
        (ACME, {"kafka-1", "kafka-2", "kafka-3"}),
        ({"redis_url": "rediss://:x@cache.acme:6380/0"}, {"redis"}),
        ({"spark_master": "spark://spark.acme:7077"}, {"spark-master", "spark-worker"}),
    ],
)
def test_a_server_of_others_is_not_started_but_asked(make: Callable[..., Settings], given: dict[str, str], gone: set[str]) -> None:
    settings = make(**given)
    assert set(servers.table(make())) - set(servers.table(settings)) == gone
    assert set(health.elsewhere(settings)) == set(given)


def test_a_server_of_others_that_does_not_answer_is_named_with_its_setting(make: Callable[..., Settings]) -> None:
    settings = make(redis_url="redis://:secret@127.0.0.1:1/0", spark_master="spark://127.0.0.1:1")
    problems = preflight.elsewhere_problems(settings)
    assert len(problems) == 2
    assert all("leads to 127.0.0.1:1, which does not answer" in problem and "secret" not in problem for problem in problems)
    assert {problem.split()[0] for problem in problems} == {"INSTASHOP_REDIS_URL", "INSTASHOP_SPARK_MASTER"}


def test_a_start_waits_for_nothing_that_others_run(make: Callable[..., Settings]) -> None:
    dwh = {"warehouse_dsn": "postgresql://a:b@db.acme/dwh", "airflow_dsn": "postgresql://a:b@db.acme/airflow"}
    settings = make(**SHOP, **dwh, **ACME, redis_url="redis://cache.acme", spark_master="spark://spark.acme:7077")
    steps = {step.name: step for step in up._steps(settings, set(servers.table(settings)), True, set())}
    assert set(steps) == {"supervisord", "redis", "tables and topics", "airflow's tables", "airflow", "dashboard", "live numbers"}
    assert all(need in steps for step in steps.values() for need in step.needs)
    assert steps["live numbers"].needs == ("airflow", "dashboard", "tables and topics")


def test_a_host_that_is_not_this_machines_is_named() -> None:
    assert preflight.host_problem("127.0.0.1") is None
    assert "198.51.100.77 is no address of this machine" in (preflight.host_problem("198.51.100.77") or "")


def test_what_is_not_started_need_not_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight.shutil, "which", lambda _name: None)
    assert preflight.binary_problems({"kafka-1", "postgres-shop"}) == []
    assert "redis-server" in preflight.binary_problems({"redis"})[0]


def test_the_login_at_kafka_is_said_to_each_client_in_its_own_words(make: Callable[..., Settings]) -> None:
    settings = make(**ACME, **SASL)
    assert connect.kafka_options(settings) == {
        "bootstrap.servers": "k1.acme:9093,k2.acme:9093",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "acme",
        "sasl.password": 'a"b',
        "ssl.ca.location": "/etc/acme.pem",
    }
    assert connect.kafka_python_options(settings) == {
        "bootstrap_servers": ["k1.acme:9093", "k2.acme:9093"],
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "acme",
        "sasl_plain_password": 'a"b',
        "ssl_cafile": "/etc/acme.pem",
    }
    assert connect.kafka_spark_options(settings) == {
        "kafka.bootstrap.servers": "k1.acme:9093,k2.acme:9093",
        "kafka.security.protocol": "SASL_SSL",
        "kafka.sasl.mechanism": "SCRAM-SHA-512",
        "kafka.sasl.jaas.config": r'org.apache.kafka.common.security.scram.ScramLoginModule required username="acme" password="a\"b";',
        "kafka.ssl.truststore.type": "PEM",
        "kafka.ssl.truststore.location": "/etc/acme.pem",
    }
    extra = json.loads(airflow_server.connections(settings)["kafka_default"])["extra"]
    assert extra.items() >= connect.kafka_options(settings).items()


def test_servers_elsewhere_may_ask_for_a_login_too(make: Callable[..., Settings]) -> None:
    assert make(servers="elsewhere", **ACME, **SASL).kafka_user == "acme"
    with pytest.raises(ValueError, match="our own speak PLAINTEXT"):
        make(servers="elsewhere", **SASL)


def test_kafkas_clients_take_these_words(make: Callable[..., Settings]) -> None:
    settings = make(**ACME, **SASL | {"kafka_ca_file": ""})
    connect.kafka_admin(settings)
    connect.kafka_consumer(settings, "test").close()
    from kafka import KafkaConsumer

    assert set(connect.kafka_python_options(settings)) <= set(KafkaConsumer.DEFAULT_CONFIG)


def test_our_own_brokers_are_asked_in_plain_words(make: Callable[..., Settings]) -> None:
    assert list(connect.kafka_options(make())) == ["bootstrap.servers"]
    assert list(connect.kafka_spark_options(make())) == ["kafka.bootstrap.servers"]


def test_topics_of_others_get_as_many_copies_as_there_are_brokers(make: Callable[..., Settings]) -> None:
    assert [copies(make(**ACME), brokers) for brokers in (1, 2, 3, 12)] == [1, 2, 3, 3]
    assert copies(make(**ACME, kafka_replication=2), 12) == 2
    assert copies(make(), 2) == 3  # One of ours is only down for a moment.
    assert copies(make(kafka_brokers=1), 1) == 1


def test_the_host_reaches_every_server(make: Callable[..., Settings]) -> None:
    settings = make(host="10.1.2.3")
    for cluster in postgres.clusters(settings):
        assert "listen_addresses=10.1.2.3" in cluster.argv()
    assert postgres.who_may_connect("127.0.0.1") != postgres.who_may_connect("10.1.2.3")
    assert all("127.0.0.1" not in server.address for server in servers.table(settings).values())
    settings.run_dir.mkdir(parents=True)
    brokers.write_config(settings)
    assert "listeners=PLAINTEXT://10.1.2.3:9092" in (settings.run_dir / "kafka-1.properties").read_text()


def test_a_second_platform_has_its_own_ports_folders_and_socket(make: Callable[..., Settings], checkout: Path) -> None:
    first, second = make(), Settings(_env_file=None, home=checkout / "second", port_offset=100)

    def ports(of: Settings) -> list[int]:
        several = [port + i for port in (of.kafka_port, of.kafka_controller_port) for i in range(of.kafka_brokers)]
        return [*several, *(getattr(of, name) for name in PORTS if not name.startswith("kafka"))]

    assert len({*ports(first), *ports(second)}) == 2 * len(ports(first))
    assert supervisord.socket_path(first) != supervisord.socket_path(second)
    assert not any(first.where(name) == second.where(name) for name in ADDRESSES)
    one, other = airflow_server.environment(first), airflow_server.environment(second)
    same = {name for name in one if one[name] == other[name] and ("PORT" in name or "HOME" in name or "CONN" in name or "URL" in name)}
    assert same == set()


def test_a_stack_of_the_tests_has_none_of_ones_own_settings(make: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch, checkout: Path) -> None:
    lines = {**ACME, **SASL, "warehouse_dsn": "postgresql://a:b@db.acme/dwh", "dashboard_port": 9000, "light": True, "rate": 100, "seed": 3}
    (checkout / ".env").write_text("".join(f"{words.variable(name)}={value}\n" for name, value in lines.items()))
    for name, value in owner.alone(checkout / "home", suite.TEST_PORT_OFFSET).items():
        monkeypatch.setenv(name, value)
    settings = load()
    assert settings.elsewhere == frozenset()
    assert settings.dashboard_port == 8501 + suite.TEST_PORT_OFFSET
    assert (settings.light, settings.rate, settings.seed, settings.kafka_brokers, settings.postgres_buffers_mb) == (False, 10.0, 7, 3, 256)


def test_a_start_in_a_folder_with_somebody_elses_data_is_refused(make: Callable[..., Settings]) -> None:
    settings = make()
    settings.run_dir.mkdir()
    (settings.home / "data").mkdir()
    with pytest.raises(NoHome, match=r"\(data\), which a reset would delete; set INSTASHOP_HOME"):
        owner.claim(settings)
    settings.secrets_file.touch()  # Whoever removed what is in `run` has his platform still.
    owner.claim(settings)


def test_a_start_with_other_ports_in_the_home_of_a_running_platform_is_refused(make: Callable[..., Settings]) -> None:
    first, second = make(), make(port_offset=200)
    first.run_dir.mkdir(parents=True)
    owner.claim(first)
    owner.claim(second)  # Nothing runs: the folder may have other ports from now on.
    owner.claim(first)
    running = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], start_new_session=True)
    found = launch.stat(running.pid)
    assert found is not None
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    record = {"boot": boot, "group": found.group, "session": found.session, "began": found.began}
    (first.run_dir / "postgres-shop.group").write_text(json.dumps(record))
    try:
        owner.claim(first)
        with pytest.raises(HomeTaken, match=r"(?s)INSTASHOP_SHOP_PORT is 5432, not 5632.*INSTASHOP_HOME=/another/folder") as refused:
            owner.claim(second)
        assert str(first.home) in str(refused.value)
    finally:
        running.send_signal(signal.SIGKILL)
        running.wait()


def test_a_client_that_finds_no_broker_fills_no_log(make: Callable[..., Settings], capfd: pytest.CaptureFixture[str]) -> None:
    client, until = connect.kafka_consumer(make(kafka_bootstrap="127.0.0.1:1,127.0.0.1:2,127.0.0.1:3"), "test"), time.monotonic() + 3
    while time.monotonic() < until:
        client.consume(10, timeout=0.2)
    client.close()
    assert 0 < capfd.readouterr().err.count("|FAIL|") < 30
