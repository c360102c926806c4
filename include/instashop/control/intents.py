"""What people want of a service, its *intent*: a file beside its lease, which Airflow's task reads every second."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Literal

import msgspec
from msgspec.structs import replace

from instashop.control import beats
from instashop.control.beats import Beat
from instashop.control.files import write_whole
from instashop.control.lease import Clock, Holder, boot_id
from instashop.errors import InstaShopError

log = logging.getLogger(__name__)

PLATFORM = "platform"
"""The name under which the intent of the whole platform is kept: stopped means that it is going down."""

Action = Literal["stop", "start", "restart", "rate"]


class NotARate(InstaShopError):
    """The action `rate` needs a service that has one (generator) and a number above 0 and up to 5000, or none for that of INSTASHOP_RATE; not service {service} and rate {rate}."""


class NotCarriedOut(InstaShopError):
    """{action} of {service} is written down, but after {seconds:.0f} s it is: {state}. Look whether run_{service} is unpaused and what its task's log says."""


class UnknownService(InstaShopError):
    """There is no service {service}; choose one of {services}."""


class Intent(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is wanted of a service; a process that began before `since` (seconds since the boot `boot`) is to be replaced by a new one.

    The generator's `rate` comes before INSTASHOP_RATE; without one the setting counts.
    """

    state: Literal["running", "stopped"] = "running"
    rate: float | None = None
    since: float = 0.0
    boot: str = ""

    def replaces(self, process: Holder) -> bool:
        """Return whether another process than this one is wanted; after a boot every process is a new one."""
        return self.boot == boot_id() and process.started < self.since


def path_of(run_dir: Path, service: str) -> Path:
    """Return the file that keeps the intent for a service."""
    return run_dir / f"{service}.intent"


def read(run_dir: Path, service: str) -> Intent:
    """Return what is wanted of a service: that it runs, unless somebody said otherwise."""
    try:
        return msgspec.json.decode(path_of(run_dir, service).read_bytes(), type=Intent)
    except FileNotFoundError:
        return Intent()
    except msgspec.MsgspecError as error:
        log.warning("The intent in %s cannot be read (%s); the service is to run.", path_of(run_dir, service), error)
        return Intent()


def write(run_dir: Path, service: str, intent: Intent) -> None:
    """Keep what is wanted of a service, whole or not at all."""
    write_whole(path_of(run_dir, service), msgspec.json.encode(intent))


def after(action: Action, before: Intent, rate: float | None) -> Intent:
    """Return the intent once a person has asked for an action, now."""
    if action in ("stop", "start"):
        return replace(before, state="stopped" if action == "stop" else "running")
    return anew(Intent("running", rate if action == "rate" else before.rate))


def anew(intent: Intent) -> Intent:
    """Return the same intent, of a process that begins from now on."""
    return replace(intent, since=Clock.read().since_boot, boot=boot_id())


def ask(run_dir: Path, service: str, action: Action, rate: float | None = None) -> Intent:
    """Write down what a person asks for now, and return it; whether it has come true tells `carried_out`."""
    intent = after(action, read(run_dir, service), rate)
    write(run_dir, service, intent)
    return intent


def check_request(service: str, action: Action, rate: float | None) -> None:
    """Return if the request makes sense.

    Raises:
        UnknownService: there is no such service.
        NotARate: the action is `rate`, but the service has none, or the number is not one it can do.
    """
    if service not in beats.SERVICES:
        raise UnknownService(service=service, services=", ".join(beats.SERVICES))
    if action == "rate" and (service != "generator" or (rate is not None and not 0 < rate <= 5000)):
        raise NotARate(service=service, rate=rate)


def carried_out(intent: Intent, process: Holder | None, beat: Beat | None) -> bool:
    """Say whether what is wanted has come true: stopped, or running and past its start."""
    if intent.state == "stopped":
        return process is None
    if process is None or intent.replaces(process) or beat is None:
        return False
    return beat.is_of(process) and beat.state in ("running", "waiting")


def next_step(intent: Intent, platform: Intent, process: Holder | None) -> Literal["follow", "start", "stop", "wait", "leave"]:
    """Return what a task does with its service now.

    follow: it runs as wanted. start: it is to run, and does not. stop: it runs, and is not to (or not that process).
    wait: it is not to run, and does not. leave: the platform is going down; the task ends.
    """
    if platform.state == "stopped":
        return "leave" if process is None else "stop"
    if intent.state == "stopped":
        return "wait" if process is None else "stop"
    if process is None:
        return "start"
    return "stop" if intent.replaces(process) else "follow"


def announce_down(run_dir: Path) -> None:
    """Tell every task that the platform goes down: each stops its service and ends, and starts none."""
    write(run_dir, PLATFORM, Intent("stopped"))


def announce_up(run_dir: Path) -> None:
    """Tell every task that the platform is up: services are to run again, as far as each one's own intent says so."""
    write(run_dir, PLATFORM, Intent())
