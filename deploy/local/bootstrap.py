"""Makes `.venv` and whatever it needs from the system, when that is missing or outdated; only the standard library.

Run by the door before each command: `bootstrap.py COMMAND`. It returns at once when the stamp in `.venv` matches the
requirements; an install that was cut off left no stamp, so it is repeated.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
STAMP = VENV / "instashop.stamp"
LOCK = ROOT / ".local" / "bootstrap.lock"
PACKAGES = Path(__file__).with_name("packages.txt")
DEV_COMMANDS = ("test", "check", "bench")
ANY_ENVIRONMENT_COMMANDS = ("", "--help", "down", "status", "doctor", "verify", "reset")
"""They look, or end; whatever environment is there does for them, also while no network or no room lets it be renewed."""
POLICY = Path("/usr/sbin/policy-rc.d")
CREATE_CLUSTER = Path("/etc/postgresql-common/createcluster.d/instashop.conf")
FREE_MB = 6000
"""Python packages and jars take about this much while they are installed."""


def fingerprint(requirements: Path, dev: bool) -> str:
    """Return what the stamp has to say: Python, the requirements' text, and our own pyproject."""
    text = requirements.read_bytes() + (ROOT / "pyproject.toml").read_bytes() + repr((sys.version_info[:2], dev, str(ROOT))).encode()
    return hashlib.sha256(text).hexdigest()


def is_current(dev: bool) -> bool:
    """Return whether `.venv` holds what is wanted; the environment with the dev tools serves everybody."""
    known = STAMP.read_text().split() if STAMP.exists() else []
    kinds = (True,) if dev else (True, False)
    return any(fingerprint(requirements(kind), kind) in known for kind in kinds)


def is_usable() -> bool:
    """Return whether `.venv` can run a command, of whatever requirements it is."""
    python = VENV / "bin" / "python"
    return python.exists() and subprocess.run([str(python), "-c", "import instashop.cli"], capture_output=True, check=False).returncode == 0


def requirements(dev: bool) -> Path:
    """Return the lock to install from."""
    return ROOT / ("requirements-dev.txt" if dev else "requirements.txt")


def listed(text: str, command: str) -> dict[str, str]:
    """Return the packages of packages.txt that a command needs, each with what it brings."""
    rows = [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return {row[0]: row[1] for row in rows if len(row) == 2 or command in row[2].split(",")}


def is_there(brings: str) -> bool:
    """Return whether the system has a program or module already, from wherever it came."""
    if brings == "ensurepip":
        return subprocess.run([sys.executable, "-c", "import ensurepip, venv"], capture_output=True, check=False).returncode == 0
    if brings == "initdb" and any(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        return True
    if brings == "java" and "JAVA_HOME" in os.environ and (Path(os.environ["JAVA_HOME"]) / "bin" / "java").exists():
        return True
    return shutil.which(brings) is not None


def install_command(packages: list[str]) -> str:
    """Return the line that installs the packages, for a person; Debian's own servers of them, which would take the ports, are ended and stay so."""
    line = f"sudo apt-get update && sudo apt-get install --no-install-recommends -y {' '.join(packages)}"
    servers = [package for package in ("postgresql", "redis-server") if package in packages]
    return f"{line} && sudo systemctl disable --now {' '.join(servers)}" if servers and shutil.which("systemctl") else line


def fail(message: str) -> None:
    """End with one clear message."""
    sys.stderr.write(f"error: {message}\n")
    raise SystemExit(1)


@contextlib.contextmanager
def no_servers_started() -> Iterator[None]:
    """While it lasts, Debian's packages neither start servers nor make a cluster; what was there before is not touched."""
    texts = {
        POLICY: "#!/bin/sh\n# InstaShop installs packages; their own servers must not start.\nexit 101\n",
        CREATE_CLUSTER: "# InstaShop installs packages, and makes clusters of its own.\ncreate_main_cluster = false\n",
    }
    ours = [path for path, text in texts.items() if not path.exists() or path.read_text() == text]  # One that is killed leaves them.
    heard = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, signal.default_int_handler) for number in heard}  # As Ctrl-C: undone on the way out.
    try:
        for path in ours:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(texts[path])
            path.chmod(0o755)
        yield
    finally:
        for path in ours:
            path.unlink(missing_ok=True)
        for number, handler in before.items():
            signal.signal(number, handler)


def install_packages(packages: list[str]) -> None:
    """Install Debian packages, as root; anybody else gets the exact command."""
    if not shutil.which("apt-get"):
        fail(f"These are missing: {', '.join(packages)}, and this system has no apt-get; install them with this system's own tool.")
    if os.geteuid() != 0:
        fail(f"These Debian packages are missing and only root may install them. Run:\n    {install_command(packages)}\nThen run this command again.")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "UCF_FORCE_CONFFOLD": "1"}
    had_redis = shutil.which("redis-server") is not None
    with no_servers_started():
        for line in (["apt-get", "update", "-q"], ["apt-get", "install", "-q", "-y", "--no-install-recommends", *packages]):
            run(line, f"apt-get could not install {' '.join(packages)}; run `{install_command(packages)}` and look at its lines.", environment)
    if not had_redis and shutil.which("systemctl"):  # Else Debian's own Redis would take port 6379 at the next boot.
        subprocess.run(["systemctl", "disable", "redis-server.service"], capture_output=True, check=False)


def run(argv: list[str], cure: str, environment: dict[str, str] | None = None) -> None:
    """Run a command quietly; when it fails, show its last lines and the cure."""
    result = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, cwd=ROOT, check=False)
    if result.returncode:
        lines = "\n".join(f"    {line}" for line in result.stdout.strip().splitlines()[-12:])
        fail(f"`{' '.join(argv[:4])} …` ended with {result.returncode}:\n{lines}\n{cure}")


def make_venv() -> None:
    """Make `.venv` anew, unless one made by this Python is there."""
    STAMP.unlink(missing_ok=True)
    python = VENV / "bin" / "python"
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if python.exists():
        # That of a newer system answers, too, but has lost the packages of its predecessor.
        told = subprocess.run([str(python), "-c", "import pip, sys; print('%d.%d' % sys.version_info[:2])"], capture_output=True, text=True, check=False)
        if told.stdout.strip() == version:
            return
    venv.EnvBuilder(with_pip=True, clear=True, symlinks=True).create(VENV)


def install_uv() -> None:
    """Install uv into `.venv` by pip."""
    python = str(VENV / "bin" / "python")
    if subprocess.run([python, "-m", "uv", "--version"], capture_output=True, check=False).returncode:
        run(
            [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "uv"],
            "Check that this machine reaches its Python package index, then run it again.",
        )


def install_requirements(dev: bool) -> None:
    """Install the lock and ourselves into `.venv` by uv; what is there already is kept."""
    python = str(VENV / "bin" / "python")
    line = [python, "-m", "uv", "pip", "install", "-q", "--python", python, "-r", str(requirements(dev)), "-e", str(ROOT)]
    run(line, "Check network and disk, then run it again; what was downloaded is kept.")


def compile_python() -> None:
    """Keep the bytecode of all that was installed and of ourselves, so that no process compiles it at its start, whatever PYTHONDONTWRITEBYTECODE says.

    uv's own --compile-bytecode leaves packages alone that were there before.
    """
    python = str(VENV / "bin" / "python")
    ours = [str(ROOT / name) for name in ("include", "dags", "dashboard", "plugins")]
    line = [python, "-m", "compileall", "-qq", "-j", "0", *map(str, VENV.glob("lib/*/site-packages")), *ours]
    subprocess.run(line, capture_output=True, check=False)  # It fails for files that are no Python of this version, which nobody imports.


def fetch_jars() -> None:
    """Fetch the jars of Kafka and of Spark's connector."""
    run([str(VENV / "bin" / "python"), "-m", "instashop.local.jars"], "Check network and disk, then run it again; what was downloaded is kept.")


def check_place() -> None:
    """Refuse to begin an install that cannot end, or in a folder where no server starts."""
    if " " in str(ROOT):
        fail(f"{ROOT} has a space in it, which the servers' start lines do not take; clone the project into a folder without one.")
    free = shutil.disk_usage(ROOT).free / 1e6
    if free < FREE_MB:
        fail(f"Only {free:.0f} MB are free below {ROOT}, the installation needs {FREE_MB} MB; make room, then run it again.")


def step(name: str, work: Callable[[], None]) -> None:
    """Do one thing and say how long it took."""
    began = time.monotonic()
    sys.stderr.write(f"… {name}\n")
    work()
    sys.stderr.write(f"✓ {name}  {time.monotonic() - began:.1f} s\n")


def main(command: str) -> None:
    """Have everything that a command needs."""
    dev = command in DEV_COMMANDS
    needed = listed(PACKAGES.read_text(encoding="utf-8"), command)
    missing = [package for package, brings in needed.items() if not (brings == "ensurepip" and is_current(dev)) and not is_there(brings)]
    if not missing and is_current(dev):
        return
    if command in ANY_ENVIRONMENT_COMMANDS and is_usable():
        return
    LOCK.parent.mkdir(exist_ok=True)
    with LOCK.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fail("Another command installs InstaShop here at this moment; wait until it has ended, then run this one again.")
        if not STAMP.exists():
            check_place()
        if missing:
            step(f"Debian packages: {' '.join(missing)}", lambda: install_packages(missing))
        if not is_current(dev):
            step(".venv", make_venv)
            step("uv", install_uv)
            step("Python packages (some minutes the first time)", lambda: install_requirements(dev))
            step("bytecode of Python", compile_python)
            if is_there("java"):
                step("jars of Kafka and Spark", fetch_jars)
            own = [fingerprint(requirements(kind), kind) for kind in ((True, False) if dev else (False,))]
            STAMP.write_text("\n".join(own))


if __name__ == "__main__":
    try:
        main(sys.argv[1] if len(sys.argv) > 1 else "")
    except KeyboardInterrupt:
        sys.stderr.write("\nerror: interrupted; run it again, it goes on where it was.\n")
        raise SystemExit(130) from None
    except OSError as error:
        fail(f"{error.filename or 'A file'}: {error.strerror}. The installation writes into {ROOT}; give it room there, or run this as the user whose it is.")
