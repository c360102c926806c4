"""Becomes one supervised program: ends what a killed predecessor left, takes the program's user, and executes it.

Run by supervisord as `python -I launch.py run/NAME.json`; only the standard library, so that it costs nothing.
"""

from __future__ import annotations

import json
import os
import pwd
import signal
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

_BOOT = Path("/proc/sys/kernel/random/boot_id")


class Stat(NamedTuple):
    """What /proc says of a process; `began` is in clock ticks since the boot."""

    pid: int
    state: str
    group: int
    session: int
    began: int


def stat(pid: int) -> Stat | None:
    """Return what /proc knows of a living process, or None."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else Stat(pid, fields[0], int(fields[2]), int(fields[3]), int(fields[19]))


def record(file: Path) -> None:
    """Write down this process as leader of its group, so that whoever starts next can end what is left of it."""
    own = stat(os.getpid())
    assert own is not None
    draft = file.with_suffix(".draft")
    draft.write_text(json.dumps({"boot": _BOOT.read_text().strip(), "group": own.group, "session": own.session, "began": own.began}))
    draft.replace(file)


def members(file: Path) -> list[Stat]:
    """Return the living processes of the recorded group; none when its number has been given to somebody else since."""
    try:
        known = json.loads(file.read_text())
    except (FileNotFoundError, ValueError):
        return []
    if known["boot"] != _BOOT.read_text().strip() or known["group"] == os.getpgrp():
        return []
    leader = stat(known["group"])
    if leader and leader.began != known["began"]:
        return []
    everybody = (stat(int(entry)) for entry in os.listdir("/proc") if entry.isdigit())
    return [s for s in everybody if s and s.group == known["group"] and s.session == known["session"]]


def end_group(file: Path, polite: signal.Signals | None, seconds: float) -> list[int]:
    """End the recorded group: the leader politely when it lives, whatever is left by SIGKILL. Return the pids that were there."""
    found = members(file)
    leader = [s.pid for s in found if s.pid == s.group]
    if leader and polite:
        _signal(leader[0], polite)
        _wait(lambda: not members(file), seconds)
    for left in members(file):
        _signal(left.pid, signal.SIGKILL)
    _wait(lambda: not members(file), 5)
    return [s.pid for s in found]


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _wait(done, seconds: float) -> None:  # type: ignore[no-untyped-def]
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not done() and time.monotonic() < deadline:
        pause.wait(0.05)


def main(path: str) -> None:
    """Execute the program described in a JSON file: argv, environment, directory, user, group_file, after_kill."""
    program = json.loads(Path(path).read_text(encoding="utf-8"))
    group_file = Path(program["group_file"])
    left = end_group(group_file, None, 0)
    if left:
        print(f"ended what a killed predecessor left: {left}", flush=True)
    record(group_file)
    killed = program["after_kill"]
    if killed and Path(killed["ran"]).exists() and not Path(killed["clean"]).exists():
        print(f"its predecessor was killed: the others take over in the next {killed['seconds']} s, then it starts", flush=True)
        threading.Event().wait(killed["seconds"])
    os.chdir(program["directory"])
    if program["user"]:
        account = pwd.getpwnam(program["user"])
        os.initgroups(account.pw_name, account.pw_gid)
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
    os.execve(program["argv"][0], program["argv"], program["environment"])


if __name__ == "__main__":
    main(sys.argv[1])
