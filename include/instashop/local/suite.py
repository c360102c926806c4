"""Runs the checks and the tests; the tests have two stacks of their own, one after the other, which never touch a running platform."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from instashop.local import servers
from instashop.local.own_stack import own_stack
from instashop.local.up import ensure_class_data, start_servers, up
from instashop.settings import ROOT, Settings

TEST_PORT_OFFSET = 5000


def check() -> int:
    """Lint, check types and run what needs no server; return the first exit status that is not 0."""
    for tool in (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"], ["pytest", "-q", "tests/unit"]):
        status = _run(tool)
        if status:
            return status
    return 0


def test() -> int:
    """Run everything; return 0 only if all of it passed. Stops its stacks also after a failure or Ctrl-C."""
    statuses = [
        _run(["pytest", "-q", "tests/compose"]),  # Skipped, saying why, where no container engine is reachable.
        _run(["pytest", "-q", "tests/unit"]),
        _on_a_stack("test-servers", _data_servers, "tests/integration"),
        _on_a_stack("test-platform", up, "tests/platform"),
    ]
    return int(any(statuses))


def _data_servers(settings: Settings) -> None:
    ensure_class_data(Console(stderr=True))
    start_servers(settings, servers.DATA)


def _on_a_stack(name: str, start: Callable[[Settings], object], tests: str) -> int:
    """Run tests on a stack with a home of its own and stop it; its data and logs stay only when a test failed."""
    home = Path(os.environ.get("INSTASHOP_TEST_HOME", ROOT / ".local")) / name
    with own_stack(home, TEST_PORT_OFFSET) as settings:
        start(settings)
        status = _run(["pytest", "-q", tests])
    if status == 0:
        shutil.rmtree(home, ignore_errors=True)
    else:
        print(f"The data and logs of {tests} are kept in {home}.", flush=True)
    return status


def _run(command: list[str]) -> int:
    print(f"\n$ {' '.join(command)}", flush=True)
    return subprocess.run([sys.executable, "-m", *command], cwd=ROOT, check=False).returncode
