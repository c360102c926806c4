"""A platform in containers of its own: built, started, and removed with its data at the end."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from instashop.settings import ROOT

PORTS = {"INSTASHOP_DASHBOARD_PORT": "28501", "INSTASHOP_AIRFLOW_PORT": "28090"}


class Compose:
    """`docker compose` on a project of the test's own."""

    def __init__(self) -> None:
        given = {name: value for name, value in os.environ.items() if not name.startswith("INSTASHOP_")}
        self.environment = given | PORTS
        self.dashboard = f"http://127.0.0.1:{PORTS['INSTASHOP_DASHBOARD_PORT']}"

    def run(self, *words: str, seconds: float = 120, check: bool = True) -> str:
        command = ["docker", "compose", "-p", "instashop-test", *words]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=seconds, check=False)
        assert not check or done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-6000:]}"
        return done.stdout

    def states(self) -> list[dict[str, Any]]:
        """Return what compose says of each container, those that have ended included."""
        return [json.loads(line) for line in self.run("ps", "--all", "--format", "json").splitlines()]

    def instashop(self, *words: str, seconds: float = 180) -> str:
        """Run a command of ours where the services live; it must succeed."""
        return self.run("exec", "-T", "airflow-scheduler", "instashop", *words, seconds=seconds)


def why_not() -> str | None:
    """Return why nothing can be run in containers here, or None."""
    if shutil.which("docker") is None:
        return "here is no docker command"
    for command in (["docker", "compose", "version"], ["docker", "info"]):
        asked = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if asked.returncode:
            return f"`{' '.join(command)}` says: {(asked.stderr or asked.stdout).strip().splitlines()[-1]}"
    return None


@pytest.fixture(scope="session")
def compose() -> Iterator[Compose]:
    reason = why_not()
    if reason:
        pytest.skip(f"no container engine is reachable: {reason}")
    project = Compose()
    project.run("down", "-v", "--remove-orphans", seconds=300)
    try:
        project.run("up", "--detach", "--build", "--wait", seconds=1800)
        yield project
    finally:
        project.run("down", "-v", seconds=300)
