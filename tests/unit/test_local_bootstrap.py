import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from instashop.settings import ROOT


@pytest.fixture
def bootstrap() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bootstrap", ROOT / "deploy" / "local" / "bootstrap.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_browser_is_needed_for_the_tests_only(bootstrap: ModuleType) -> None:
    text = (ROOT / "deploy" / "local" / "packages.txt").read_text()
    assert "chromium" not in bootstrap.listed(text, "up")
    assert all("chromium" in bootstrap.listed(text, command) for command in ("test", "bench"))
    assert set(bootstrap.listed(text, "verify")) == set(bootstrap.listed(text, "no command")) == {"python3-venv"}
    assert set(bootstrap.listed(text, "up")) == {"postgresql", "redis-server", "openjdk-17-jre-headless", "python3-venv"}


def test_who_is_not_root_gets_the_exact_command(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: f"/usr/bin/{name}")
    with pytest.raises(SystemExit) as ended:
        bootstrap.install_packages(["postgresql", "redis-server"])
    assert ended.value.code == 1
    wanted = "sudo apt-get install --no-install-recommends -y postgresql redis-server && sudo systemctl disable --now postgresql redis-server\n"
    assert wanted in capsys.readouterr().err


def test_the_command_ends_only_servers_that_it_brings_and_only_where_systemd_runs_them(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert "systemctl" not in bootstrap.install_command(["openjdk-17-jre-headless"])
    monkeypatch.setattr(bootstrap.shutil, "which", lambda _name: None)
    assert "systemctl" not in bootstrap.install_command(["postgresql"])


@pytest.mark.parametrize(("command", "renewed"), [("down", False), ("status", False), ("doctor", False), ("up", True), ("test", True)])
def test_who_ends_or_looks_takes_the_environment_that_is_there(
    bootstrap: ModuleType, command: str, renewed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Renewed(Exception):
        pass

    def step(_name: str, _work: object) -> None:
        raise Renewed

    (tmp_path / "stamp").write_text("of the code before")
    monkeypatch.setattr(bootstrap, "VENV", Path(sys.prefix))
    monkeypatch.setattr(bootstrap, "STAMP", tmp_path / "stamp")
    monkeypatch.setattr(bootstrap, "LOCK", tmp_path / "run" / "lock")
    monkeypatch.setattr(bootstrap, "FREE_MB", 10**9)  # More than there is; only a first installation asks.
    monkeypatch.setattr(bootstrap, "is_there", lambda _brings: True)
    monkeypatch.setattr(bootstrap, "step", step)
    if renewed:
        with pytest.raises(Renewed):
            bootstrap.main(command)
    else:
        bootstrap.main(command)
        monkeypatch.setattr(bootstrap, "VENV", tmp_path)  # Nothing is there: it has to be made, even for these.
        (tmp_path / "stamp").unlink()
        with pytest.raises(SystemExit):
            bootstrap.main(command)


def test_what_keeps_debians_servers_from_starting_is_removed_again(bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy, cluster = tmp_path / "policy-rc.d", tmp_path / "createcluster.d" / "instashop.conf"
    monkeypatch.setattr(bootstrap, "POLICY", policy)
    monkeypatch.setattr(bootstrap, "CREATE_CLUSTER", cluster)
    with bootstrap.no_servers_started():
        assert "exit 101" in policy.read_text()
        assert "create_main_cluster = false\n" in cluster.read_text()
    assert not policy.exists()
    assert not cluster.exists()


@pytest.mark.usefixtures("hangup_heard")
def test_a_kill_undoes_what_keeps_servers_from_starting_and_what_a_worse_one_left_goes_with_the_next(
    bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy, cluster = tmp_path / "policy-rc.d", tmp_path / "instashop.conf"
    monkeypatch.setattr(bootstrap, "POLICY", policy)
    monkeypatch.setattr(bootstrap, "CREATE_CLUSTER", cluster)
    before = signal.getsignal(signal.SIGHUP)
    left = []

    def install() -> None:
        with bootstrap.no_servers_started():
            left.append(policy.read_text())
            os.kill(os.getpid(), signal.SIGHUP)

    with pytest.raises(KeyboardInterrupt):
        install()
    assert not policy.exists()
    assert signal.getsignal(signal.SIGHUP) is before
    policy.write_text(left[0])
    with bootstrap.no_servers_started():
        pass
    assert not policy.exists()


def test_a_policy_that_was_there_before_is_left_alone(bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = tmp_path / "policy-rc.d"
    policy.write_text("somebody's own")
    policy.chmod(0o600)
    monkeypatch.setattr(bootstrap, "POLICY", policy)
    monkeypatch.setattr(bootstrap, "CREATE_CLUSTER", tmp_path / "instashop.conf")
    with bootstrap.no_servers_started():
        pass
    assert policy.read_text() == "somebody's own"
    assert policy.stat().st_mode & 0o777 == 0o600


def test_the_environment_with_the_tools_serves_every_command_and_an_unfinished_one_none(
    bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stamp = tmp_path / "stamp"
    monkeypatch.setattr(bootstrap, "STAMP", stamp)
    assert not bootstrap.is_current(dev=False)
    stamp.write_text(bootstrap.fingerprint(bootstrap.requirements(False), False))
    assert bootstrap.is_current(dev=False)
    assert not bootstrap.is_current(dev=True)
    stamp.write_text("\n".join(bootstrap.fingerprint(bootstrap.requirements(dev), dev) for dev in (True, False)))
    assert bootstrap.is_current(dev=True)


def test_the_bytecode_is_kept_even_where_the_shell_wants_none(bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages = tmp_path / "venv" / "lib" / "python" / "site-packages"
    for folder in (packages, *(tmp_path / name for name in ("include", "dags", "dashboard", "plugins"))):
        folder.mkdir(parents=True)
        (folder / "module.py").write_text("x = 1\n")
    (packages / "template.py").write_text("{{ no Python }}\n")
    (tmp_path / "venv" / "bin").mkdir()
    (tmp_path / "venv" / "bin" / "python").symlink_to(sys.executable)
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    monkeypatch.setattr(bootstrap, "VENV", tmp_path / "venv")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    bootstrap.compile_python()
    assert len(list(tmp_path.rglob("module.*.pyc"))) == 5


@pytest.fixture
def door(tmp_path: Path) -> Path:
    """The door of a checkout that has no environment."""
    return Path(shutil.copy(ROOT / "instashop", tmp_path / "instashop"))


def test_the_door_keeps_the_python_of_the_environment_unless_another_is_asked_for(door: Path) -> None:
    for folder in (door.parent / ".venv" / "bin", door.parent / "other"):
        folder.mkdir(parents=True)
        python = folder / "python"
        python.write_text('#!/bin/sh\ncase "$1" in -c) ;; *) echo "$0 $*";; esac\n')
        python.chmod(0o755)
    for given, name in (({}, ".venv/bin/python"), ({"INSTASHOP_PYTHON": f"{door.parent}/other/python"}, "other/python")):
        run = subprocess.run([str(door), "status"], env={"PATH": os.defpath, **given}, capture_output=True, text=True, check=True)
        first, second = run.stdout.splitlines()
        assert first == f"{door.parent}/{name} {door.parent}/deploy/local/bootstrap.py status"
        assert second == f"{door.parent}/.venv/bin/python -m instashop status"


@pytest.mark.parametrize(
    ("line", "installs_for"), [("up", "up"), ("up --light", "up"), ("up --help", "--help"), ("bench --only backlog -h", "--help"), ("", "")]
)
def test_who_only_asks_for_help_needs_no_server(door: Path, line: str, installs_for: str) -> None:
    python = door.parent / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\ncase "$1" in -c) ;; *) echo "$*";; esac\n')
    python.chmod(0o755)
    run = subprocess.run([str(door), *line.split()], env={"PATH": os.defpath}, capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == [f"{door.parent}/deploy/local/bootstrap.py {installs_for}", f"-m instashop {line}".rstrip()]


def test_the_door_refuses_a_python_that_is_too_old_with_its_cure(door: Path, tmp_path: Path) -> None:
    for name in ("python3", "python3.11", "python3.12", "python3.13"):
        old = tmp_path / name
        old.write_text('#!/bin/sh\ncase "$1" in --version) echo "Python 3.9.2";; *) exit 1;; esac\n')
        old.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    result = subprocess.run([str(door), "status"], env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "needs Python 3.11, 3.12 or 3.13, but here is Python 3.9.2" in result.stderr


@pytest.fixture
def bare_door(door: Path) -> Path:
    """The door of a whole checkout that has no environment, in a folder with a space."""
    folder = door.parent / "a shop"
    shutil.copytree(ROOT / "deploy" / "local", folder / "deploy" / "local")
    for name in ("instashop", "requirements.txt", "requirements-dev.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, folder / name)
    return folder / "instashop"


def test_nothing_is_installed_into_a_folder_with_a_space(bare_door: Path) -> None:
    run = subprocess.run([str(bare_door), "status"], env={"PATH": os.defpath}, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stderr.startswith(f"error: {bare_door.parent} has a space in it")
    assert not (bare_door.parent / ".venv").exists()


def test_an_installation_that_may_not_write_says_where(bare_door: Path) -> None:
    (bare_door.parent / ".local").touch()  # As a folder that may not be made.
    run = subprocess.run([str(bare_door), "status"], env={"PATH": os.defpath}, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stderr.startswith(f"error: {bare_door.parent}/.local: File exists. The installation writes into {bare_door.parent};")
