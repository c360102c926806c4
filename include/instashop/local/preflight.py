"""Looks whether this machine can run the platform, before anything is started."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import psutil

from instashop import java, live
from instashop.control import supervision
from instashop.local import health, postgres, programs, servers
from instashop.local.failures import NotReady
from instashop.local.progress import at_once
from instashop.settings import ROOT, Settings, variable

OLDEST_PYTHON, NEWEST_PYTHON = (3, 11), (3, 13)
OLDEST_JAVA = 17
MEMORY_MB, LIGHT_MEMORY_MB = 5000, 3500
"""All of the platform takes a little less, with three brokers and as a light one."""
DISK_MB, RESTART_MB = 2000, 200
"""What a new platform needs, and what one with data needs to be started."""


def python_problem(version: tuple[int, ...]) -> str | None:
    """Return what is wrong with a Python version, or None."""
    if OLDEST_PYTHON <= version[:2] <= NEWEST_PYTHON:
        return None
    return f"Python {'.'.join(map(str, version[:3]))} does not fit; install Python 3.11, 3.12 or 3.13 and set INSTASHOP_PYTHON to it, then remove .venv."


def java_version(text: str) -> int | None:
    """Return the major version in what `java -version` prints, or None."""
    found = re.search(r'version "(\d+)(?:\.(\d+))?', text)
    if not found:
        return None
    return int(found[2]) if found[1] == "1" and found[2] else int(found[1])


def java_problem(java: str) -> str | None:
    """Return what is wrong with a Java, or None."""
    cure = "install openjdk-17-jre-headless, or set JAVA_HOME to a Java 17 or later."
    try:
        text = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=False).stderr
    except OSError as error:
        return f"Java does not start ({error}); {cure}"
    version = java_version(text)
    if version is None:
        return f"{java} does not tell its version; {cure}"
    return None if version >= OLDEST_JAVA else f"{java} is Java {version}; {cure}"


def memory_needed(starting: int, light: bool) -> float:
    """Return how many MB so many servers take: their share of a whole platform, which has two brokers and the triggerer fewer when it is light."""
    return LIGHT_MEMORY_MB * starting / (len(health.CHECKS) - 3) if light else MEMORY_MB * starting / len(health.CHECKS)


def memory_problem(available_mb: float, needed_mb: float = MEMORY_MB) -> str | None:
    """Return what is wrong with the free memory, or None."""
    if available_mb >= needed_mb:
        return None
    return f"only {available_mb:.0f} MB of memory are available, {needed_mb:.0f} MB are needed; end other programs, try `up --light`, or use a larger machine."


def disk_problem(free_mb: float, folder: Path, needed_mb: float = DISK_MB) -> str | None:
    """Return what is wrong with the free space, or None."""
    if free_mb >= needed_mb:
        return None
    elsewhere = ", or set INSTASHOP_HOME to another disk" if needed_mb >= DISK_MB else ""
    return f"only {free_mb:.0f} MB are free below {folder}, {needed_mb:.0f} MB are needed; make room{elsewhere}."


def holder_of(port: int) -> str:
    """Return who listens on a port, as far as this user may know."""
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port and connection.pid:
                process = psutil.Process(connection.pid)
                return f"`{process.name()}` (process {process.pid}, {' '.join(process.cmdline())[:80]})"
    except (psutil.AccessDenied, psutil.NoSuchProcess):
        return "a process that this user may not see"
    return "a process of another user"


def taken(host: str, port: int) -> bool:
    """Return whether a port cannot be bound now; one that only waits for its last connections to fade can."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False


def port_problems(settings: Settings, names: set[str]) -> list[str]:
    """Return each port that one of the named servers, or the Spark job, needs and a stranger holds, with its holder and the setting that moves it."""
    problems = []
    seen: dict[int, str] = {}
    ports = {name: server.ports for name, server in servers.table(settings).items()}
    ports[live.SERVICE] = {"spark_app_ui_port": settings.spark_app_ui_port}  # Spark takes the next one without a word; links lead to the stranger.
    for name, wanted in ports.items():
        for setting, port in wanted.items():
            if port in seen:
                problems.append(f"port {port} is wanted by {seen[port]} and by {name}; change INSTASHOP_{setting.upper()}.")
            elif name in names and taken(settings.host, port):
                why = "is below 1024, which only root may use;" if port < 1024 and os.geteuid() else f"is held by {holder_of(port)}; end it, or"
                problems.append(f"port {port} of {name} {why} set INSTASHOP_{setting.upper()} (or INSTASHOP_PORT_OFFSET, which moves all).")
            seen[port] = name
    return problems


def host_problem(host: str) -> str | None:
    """Return what is wrong with the address that every server is to listen on, or None."""
    if not taken(host, 0):
        return None
    return f"{host} is no address of this machine; set INSTASHOP_HOST to one of those that `ip addr` shows, or to 127.0.0.1."


def space_problem(folder: Path, cure: str) -> str | None:
    """Return what is wrong with a path with a space in it, or None: the start lines of supervisord, Java and Redis end there."""
    return f"{folder} has a space in it, which the servers' start lines do not take; {cure}." if re.search(r"\s", str(folder)) else None


def letters_problem(home: Path) -> str | None:
    """Return what is wrong with a home whose path Kafka would read as another one, or None: Java takes such a file for Latin-1."""
    return (
        None if str(home).isascii() else f"{home} has letters beyond ASCII, which Kafka's configuration does not take; set INSTASHOP_HOME to a folder without."
    )


def folder_problem(settings: Settings) -> str | None:
    """Return what is wrong with the folder of the data, or None."""
    try:
        (settings.home / "data").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return f"{settings.home} cannot be made ({error.strerror}); set INSTASHOP_HOME to a folder of yours."
    closed = postgres.unreachable_folder(settings.home)
    if closed is None:
        return None
    return (
        f"Postgres refuses to run as root, so it runs as user `{postgres.ACCOUNT}`, who may not pass through {closed} to {settings.home}; "
        f"`chmod o+x {closed}`, or set INSTASHOP_HOME to a folder such as /var/lib/instashop."
    )


def binary_problems(names: set[str]) -> list[str]:
    """Return each program that is missing and that one of the named servers needs."""
    needed = ("initdb", "postgres") if any(name.startswith("postgres") for name in names) else ()
    missing = ["postgresql"] if not all(Path(postgres.binary(name)).exists() for name in needed) else []
    missing += ["redis-server"] if servers.REDIS in names and not shutil.which("redis-server") else []
    return [f"{package} is not installed; `apt-get install {package}`." for package in missing]


def elsewhere_problems(settings: Settings) -> list[str]:
    """Return each server of somebody else that does not answer, with the setting that leads to it."""
    reasons = at_once(health.elsewhere(settings), settings)
    return [
        f"{variable(name)} leads to {settings.where(name)}, which does not answer ({reason}); start it there, or correct the setting."
        for name, reason in reasons.items()
        if reason
    ]


def check(settings: Settings, names: set[str]) -> None:
    """Return when this machine can run the named servers; those that run already are not asked again.

    Raises:
        NotReady: it cannot; every problem found is in the message, with its cure.
    """
    running = {name for name, info in programs.states(settings).items() if info["statename"] in programs.HAS_PROCESS}
    left = {name for name, pids in programs.orphans(settings).items() if pids and not running}  # Ended before the new start.
    starting = names - running - left
    missing = binary_problems(names)
    problems = [python_problem(sys.version_info[:3]), *missing, java_problem(java.command())]
    problems += [space_problem(settings.home, "set INSTASHOP_HOME to a folder without one"), space_problem(ROOT, "clone the project into a folder without one")]
    problems.append(letters_problem(settings.home))
    problems.append(folder_problem(settings) if not missing and postgres.clusters(settings) else None)
    if settings.home.exists():
        is_new = not any((settings.home / "data").glob("*"))
        problems.append(disk_problem(shutil.disk_usage(settings.home).free / 1e6, settings.home, DISK_MB if is_new else RESTART_MB))
    problems.append(memory_problem(psutil.virtual_memory().available / 1e6, memory_needed(len(starting), settings.light)))
    wrong_host = host_problem(settings.host)
    with_services = names == set(servers.table(settings))
    service = {live.SERVICE} if with_services and not supervision.find(settings.run_dir, live.SERVICE) else set()
    problems += [wrong_host] if wrong_host else port_problems(settings, starting | service)
    problems += elsewhere_problems(settings) if with_services else []
    found = [problem for problem in problems if problem]
    if found:
        raise NotReady(problems="\n    ".join(f"- {problem}" for problem in found))
    postgres.check_version(settings)
