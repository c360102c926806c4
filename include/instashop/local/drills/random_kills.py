"""Kills at random, one after the other, without waiting for recovery."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from contextlib import suppress

import psutil
from kafka.errors import KafkaError

from instashop import connect
from instashop.local.drills.stage import NotRunning, Platform

VICTIMS = ("producer", "consumer", "enricher", "live_metrics")
TRANSACTIONAL = {"producer": "instashop-producer", "enricher": "instashop-enricher"}
AIM_SECONDS = 1.5
"""How long a kill waits for a transaction of its victim; without one it strikes all the same."""


class RandomKills:
    """Kills a service every few seconds; each victim is frozen first, so that what it was in the middle of can be seen."""

    def __init__(self, platform: Platform, seed: int) -> None:
        self._platform, self._random = platform, random.Random(seed)
        self._admin = connect.independent_admin(platform.settings)
        self.struck: Counter[str] = Counter()
        self.in_transaction: Counter[str] = Counter()
        self.missed = 0
        """Kills that found their victim not running yet after the one before."""

    def run(self, kills: int, every_seconds: float) -> None:
        """Kill so many times."""
        for number in range(1, kills + 1):
            due = time.monotonic() + every_seconds
            victim = self._random.choice(VICTIMS)
            try:
                found = self._strike(victim)
                self._platform.say(f"{number}/{kills} {victim}{' in an open transaction' if found else ''}")
            except (NotRunning, psutil.Error, ProcessLookupError):
                self.missed += 1
                self._platform.say(f"{number}/{kills} {victim} is down already")
            self._platform.rest(max(0.0, due - time.monotonic()))

    def _strike(self, victim: str) -> bool:
        pid = self._platform.service(victim).pid
        until, found = time.monotonic() + AIM_SECONDS, False
        while victim != "live_metrics":
            os.kill(pid, signal.SIGSTOP)
            found = self._in_transaction(victim)
            if found or time.monotonic() > until:
                break
            os.kill(pid, signal.SIGCONT)
            self._platform.rest(self._random.uniform(0.001, 0.03))
        os.kill(pid, signal.SIGKILL)
        self.struck[victim] += 1
        self.in_transaction[victim] += found
        return found

    def _in_transaction(self, victim: str) -> bool:
        if victim == "consumer":
            with connect.warehouse(self._platform.settings, "drill") as dwh:
                row = dwh.execute("SELECT 1 FROM pg_stat_activity WHERE application_name = 'instashop-consumer' AND xact_start IS NOT NULL").fetchone()
            return row is not None
        with suppress(KafkaError):  # A coordinator that moves answers later; the kill strikes all the same.
            found = self._admin.describe_transactions([TRANSACTIONAL[victim]])
            return "ongoing" in str(found).lower()
        return False

    @property
    def share(self) -> float:
        """Share of the kills that struck an open transaction."""
        return sum(self.in_transaction.values()) / max(1, sum(self.struck.values()))

    def describe(self) -> str:
        """Return what the kills struck."""
        kills, inside = sum(self.struck.values()), sum(self.in_transaction.values())
        each = ", ".join(f"{name} {count} ({self.in_transaction[name]} in a transaction)" for name, count in sorted(self.struck.items()))
        return f"{kills} kills: {each}; {inside} ({self.share:.0%}) struck an open Kafka or database transaction; {self.missed} found nobody"

    def close(self) -> None:
        """Close the client."""
        self._admin.close()
