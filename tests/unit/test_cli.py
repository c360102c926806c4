"""An error that no person can use is ours to mend; everything else is a message."""

import errno
import os
import subprocess
import sys

import psycopg
import pytest
from confluent_kafka import KafkaError, KafkaException
from redis import ConnectionError as NoRedis
from typer.testing import CliRunner

from instashop import cli
from instashop.errors import InstaShopError
from instashop.settings import load


class Known(InstaShopError):
    """Nothing is at {place}."""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Known(place="home"), "error: Nothing is at home."),
        (psycopg.OperationalError("the connection is lost\nDETAIL: more"), "error: the connection is lost; `./instashop doctor` names"),
        (psycopg.OperationalError(), "error: OperationalError; `./instashop doctor`"),
        (psycopg.errors.UndefinedTable('relation "verdicts" does not exist'), "`./instashop prepare`"),
        (KafkaException(KafkaError(KafkaError._ALL_BROKERS_DOWN)), "`./instashop doctor`"),
        (NoRedis("refused"), "error: refused; `./instashop doctor`"),
    ],
)
def test_a_server_that_goes_away_meanwhile_is_a_message(error, said, monkeypatch, capsys):
    def app(prog_name):
        raise error

    monkeypatch.setattr(cli, "app", app)
    with pytest.raises(SystemExit, match="1"):
        cli.main()
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1


@pytest.mark.parametrize("there", ["secrets.env", "folder/secrets.env", ""], ids=["a file", "in a closed folder", "a file to be made"])
def test_a_home_of_another_user_is_a_message(there, tmp_path, monkeypatch, capsys):
    path = tmp_path / (there or "run.lock")
    if there == path.name:
        path.touch()

    def app(prog_name):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(cli, "app", app)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(SystemExit, match="1"):
        cli.main()
    assert capsys.readouterr().err == f"error: {path} belongs to another user; run this as that user, or set INSTASHOP_HOME to a folder of yours.\n"


@pytest.mark.parametrize("number", [errno.EROFS, errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_takes_nothing_is_a_message(number, monkeypatch, capsys):
    def app(prog_name):
        raise OSError(number, os.strerror(number), "/home/run")

    monkeypatch.setattr(cli, "app", app)
    with pytest.raises(SystemExit, match="1"):
        cli.main()
    assert capsys.readouterr().err.startswith(f"error: /home/run cannot be written ({os.strerror(number)}); make room, or set INSTASHOP_HOME")


def test_a_terminal_that_knows_few_characters_ends_no_command(tmp_path):
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1", "INSTASHOP_HOME": str(tmp_path)}
    run = subprocess.run([sys.executable, "-m", "instashop", "down"], env=environment, capture_output=True, check=False)
    assert run.stdout.startswith(b"? supervisord\nInstaShop is down"), run.stderr


def test_a_ctrl_c_while_python_still_reads_is_no_traceback(tmp_path):
    (tmp_path / "typer.py").write_text("raise KeyboardInterrupt")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    run = subprocess.run([sys.executable, "-m", "instashop", "status"], env=environment, capture_output=True, check=False)
    assert (run.returncode, run.stderr) == (130, b"")


@pytest.fixture
def empty(tmp_path, monkeypatch):
    monkeypatch.setenv("INSTASHOP_HOME", str(tmp_path))
    load.cache_clear()
    yield tmp_path
    load.cache_clear()


def test_a_control_of_no_platform_says_so_at_once(empty, capsys):
    result = CliRunner().invoke(cli.app, ["control", "generator", "rate", "20"])
    assert str(result.exception).startswith(f"No platform has been started in {empty}; start it with `./instashop up`, or set INSTASHOP_HOME")
    assert not list(empty.iterdir())


@pytest.mark.parametrize("options", ["--rate 2000 --rate 6000", "--rate 0", "--page /"])
def test_a_bench_that_could_not_end_does_not_begin(options):
    result = CliRunner().invoke(cli.app, ["bench", *options.split()])
    assert (result.exit_code, options.split()[0] in result.output) == (2, True)


@pytest.mark.parametrize("error", [KeyError("a mistake"), PermissionError(errno.EPERM, "Operation not permitted"), PermissionError(1, "of ours", __file__)])
def test_an_error_of_our_own_code_is_no_message(error, monkeypatch):
    def app(prog_name):
        raise error

    monkeypatch.setattr(cli, "app", app)
    with pytest.raises(type(error)):
        cli.main()
