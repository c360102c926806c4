"""The Spark job as an Airflow task: the driver is a process of its own, followed like a service."""

from __future__ import annotations

from typing import Any

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk import BaseOperator, BaseOperatorLink

from instashop import live
from instashop.control import intents, supervision
from instashop.settings import Settings, load, read
from instashop_services import DashboardLink, FollowsService


class SparkLink(BaseOperatorLink):
    """From the task to the page of the running Spark job."""

    name = "Spark job"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        """Return the address of the application's own page."""
        settings = load()
        return f"{settings.page(settings.spark_app_ui_port)}/"


class LiveMetricsOperator(FollowsService, SparkSubmitOperator):
    """Submits spark_jobs/live_metrics.py in client mode, so that the driver outlives the task.

    The provider's operator waits for spark-submit as its child, and the driver dies with it. Here the driver has a session
    and a log of its own; the next try adopts it; it is stopped by SIGTERM to the Python child, which holds the lease.
    """

    # Not `load`: Airflow's tasks are forks of what imports this, and would keep its settings.
    operator_extra_links = (SparkLink(), DashboardLink()) if read().spark_pages else (DashboardLink(),)

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("application", "spark_jobs/live_metrics.py")
        super().__init__(**kwargs)
        self.service = "live_metrics"

    def command(self, settings: Settings) -> list[str]:
        """Return the one line that submits the job, which the README shows, too."""
        return live.submit_command(settings)

    def environment(self, settings: Settings, intent: intents.Intent) -> dict[str, str]:
        """Return this process's environment without Airflow's part, with what Spark needs."""
        return supervision.child_environment(live.submit_environment(settings), home=settings.home)
