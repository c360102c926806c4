"""Airflow as its page uses it: a person starts a run by hand, answers what it asks, and reads what a task returned."""

from __future__ import annotations

from typing import Any

import httpx

from instashop.settings import Settings


class Airflow:
    """The API of a running Airflow, logged in as its admin."""

    def __init__(self, settings: Settings) -> None:
        login = {"username": "admin", "password": settings.airflow_password}
        answer = httpx.post(f"{settings.airflow_url}/auth/token", json=login, timeout=30)
        answer.raise_for_status()
        headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        self._scheduler_log = settings.log_dir / "airflow-scheduler.log"
        self._client = httpx.Client(base_url=f"{settings.airflow_url}/api/v2", headers=headers, timeout=30)

    def start(self, dag: str, **params: Any) -> str:
        """Start a run and return its path."""
        answer = self._client.post(f"/dags/{dag}/dagRuns", json={"logical_date": None, "conf": params})
        answer.raise_for_status()
        return f"/dags/{dag}/dagRuns/{answer.json()['dag_run_id']}"

    def state(self, run: str, task: str = "") -> str | None:
        """Return the state of a run, or of one of its tasks."""
        return self._get(f"{run}/taskInstances/{task}" if task else run)["state"]

    def returned(self, run: str, task: str) -> Any:
        """Return what a task returned."""
        return self._get(f"{run}/taskInstances/{task}/xcomEntries/return_value")["value"]

    def asks(self, run: str, task: str) -> str | None:
        """Return the text of the question that a task waits with, or None when it does not wait (yet).

        Airflow fails a task that is answered before its executor has reported that it waits: about a second, at worst longer than a person
        reads. Only the scheduler's log tells.
        """
        if self.state(run, task) != "awaiting_input" or not self._reported(run, task):
            return None
        return str(self._get(f"{run}/taskInstances/{task}/-1/hitlDetails")["body"])

    def _reported(self, run: str, task: str) -> bool:
        words = ("TaskInstance Finished:", f"task_id={task}, run_id={run.rpartition('/')[2]},", "state=awaiting_input")
        return any(all(word in line for word in words) for line in self._scheduler_log.read_text(encoding="utf-8", errors="replace").splitlines())

    def answer(self, run: str, task: str, choice: str) -> None:
        """Answer the question of a task."""
        self._client.patch(f"{run}/taskInstances/{task}/-1/hitlDetails", json={"chosen_options": [choice]}).raise_for_status()

    def _get(self, path: str) -> dict[str, Any]:
        answer = self._client.get(path)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found


def said(settings: Settings, dag: str, words: str) -> int:
    """Return how often the tasks of a DAG have said some words in their logs."""
    logs = (settings.log_dir / "airflow" / f"dag_id={dag}").rglob("*.log")
    return sum(log.read_text(encoding="utf-8", errors="replace").count(words) for log in logs)
