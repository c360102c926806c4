"""Runs a short command that gives up as soon as another step has failed."""

from __future__ import annotations

import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence

from instashop.local.progress import wait

END_SECONDS = 30


def run(argv: Sequence[str], stop: threading.Event, seconds: float, environment: Mapping[str, str] | None = None) -> tuple[int | None, str]:
    """Return exit status (None: it took too long and was ended) and output of a command.

    One that is given up may stop what it has started.

    Raises:
        Stopped: another step has failed; the command is ended.
    """
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=environment, start_new_session=True)
        try:
            wait(lambda: "still at it" if process.poll() is None else None, stop, seconds, every=0.05)
        finally:
            late = process.poll() is None
            if late:
                _end(process)
        output.seek(0)
        return None if late else process.returncode, output.read().decode("utf-8", errors="replace").strip()


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
