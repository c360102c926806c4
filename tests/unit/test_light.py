import pytest

from instashop.local import down, lock, servers
from instashop.local.failures import DownInterrupted, NoHome, NotConfirmed
from instashop.local.light import OtherBrokers, settings_of
from instashop.local.postgres import clusters
from instashop.local.reset import reset
from instashop.settings import load


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("INSTASHOP_HOME", str(tmp_path / "home"))
    load.cache_clear()
    yield tmp_path / "home"
    load.cache_clear()


def test_an_empty_home_becomes_light_and_stays_it_for_every_command(home):
    assert not load().light
    assert settings_of(light=True).kafka_brokers == 1
    load.cache_clear()
    assert (load().kafka_brokers, load().spark_cores, load().live_trigger_ms) == (1, 1, 3000)
    assert set(servers.AIRFLOW) - set(servers.table(load())) == {servers.TRIGGERER}
    assert [cluster.buffers_mb for cluster in clusters(load())] == [32, 64, 16]


def test_after_a_reset_a_light_home_is_light_still_and_says_so(home, capsys, monkeypatch):
    monkeypatch.setattr(down, "stop_some", lambda *_, **__: None)
    settings = settings_of(light=True)
    (home / "data" / "kafka-1").mkdir(parents=True)
    settings.secrets_file.touch()
    reset(settings, yes=True)
    load.cache_clear()
    assert load().light
    assert not (home / "data").exists()
    said = " ".join(capsys.readouterr().out.split())
    assert ".env stays, so it stays light" in said


def test_a_reset_leaves_nothing_but_the_lock_that_it_holds_to_its_end(home, monkeypatch):
    monkeypatch.setattr(down, "stop_some", lambda *_, **__: None)
    settings = load()
    for folder in ("data/redis", "airflow", "spark/work", "logs", "run/some"):
        (home / folder).mkdir(parents=True)
    for file in (settings.secrets_file, home / "run" / "owner.json", lock.path(settings)):
        file.touch()
    held = lock.path(settings).stat().st_ino
    reset(settings, yes=True)
    assert [path for path in home.rglob("*") if path.is_file() or path.parent == home] == [home / "run", lock.path(settings)]
    assert lock.path(settings).stat().st_ino == held


def test_a_reset_leaves_a_folder_alone_that_never_was_a_platforms(home):
    (home / "data").mkdir(parents=True)
    with pytest.raises(NoHome, match="data"):
        reset(load(), yes=True)
    assert list(home.rglob("*")) == [home / "data"]


def test_a_reset_that_nobody_can_answer_says_how_to_go_on_in_one_line(home):
    with pytest.raises(NotConfirmed, match=rf"^This deletes all data in {home}; say so with `./instashop reset --yes`\.$"):
        reset(load(), yes=False)


def test_a_down_in_a_folder_that_is_not_there_makes_none(home, capsys):
    down.down(load())
    assert capsys.readouterr().out == f"There is no {home}, so nothing is stopped; INSTASHOP_HOME says where a platform is.\n"
    assert not home.exists()


def test_a_down_that_is_interrupted_says_what_is_left(home, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(down, "stop_some", interrupted)
    home.mkdir()
    with pytest.raises(DownInterrupted, match=r"`\./instashop down` ends the rest"):
        down.down(load())


@pytest.mark.parametrize("asked", ["by the option", "in .env"])
def test_a_home_with_the_data_of_three_brokers_is_refused(home, asked):
    for number in (1, 2, 3):
        (home / "data" / f"kafka-{number}").mkdir(parents=True)
    assert settings_of(light=False).kafka_brokers == 3
    if asked == "in .env":
        (home / ".env").write_text("INSTASHOP_LIGHT=true\n")
        load.cache_clear()
    with pytest.raises(OtherBrokers, match="3 brokers, and the settings want 1"):
        settings_of(light=asked == "by the option")


def test_a_start_that_was_refused_leaves_a_home_that_may_become_light(home):
    (home / "data").mkdir(parents=True)
    assert settings_of(light=True).light


def test_a_home_whose_settings_end_without_a_line_break_becomes_light_and_keeps_them(home):
    home.mkdir()
    (home / ".env").write_text("INSTASHOP_PORT_OFFSET=100")
    assert settings_of(light=True).light
    assert load().port_offset == 100


def test_what_is_set_by_hand_comes_before_what_light_means(home, monkeypatch):
    monkeypatch.setenv("INSTASHOP_LIVE_TRIGGER_MS", "500")
    assert settings_of(light=True).live_trigger_ms == 500
