"""Look at every part each minute: services and the disk, brokers, Spark's progress, dead letters. Red means a real fault.

A service that has not beaten for a minute hangs; the task that follows it ends it, or else this look does, and its next try starts it again.
A service stopped with `control_service` is no fault.

When red:
- `services`: the error names the service and what to do; the log of its DAG `run_...` has the cause. Or the disk has less than 2 GB left: make room.
- `brokers`: `./instashop up` starts a broker that is down; copies catch up by themselves.
- `spark_progress`: the log of `run_live_metrics`, then Spark's page.
- `dead_letters`: many messages are refused; `./instashop dead-letters list` shows each with its reason.
"""

from datetime import timedelta

import pendulum
from airflow.providers.common.sql.operators.sql import SQLTableCheckOperator
from airflow.sdk import DAG, task

with DAG(
    dag_id="watch_platform",
    doc_md=__doc__,
    schedule="* * * * *",
    start_date=pendulum.datetime(2025, 1, 1),
    catchup=False,
    max_active_runs=1,
    max_active_tasks=1,  # One after another, so that the look costs little.
    is_paused_upon_creation=False,
    dagrun_timeout=timedelta(minutes=5),
    tags=["platform"],
) as dag:

    @task
    def services() -> None:
        """Look at the disk and at each service's process, beat and lag; end one that hangs."""
        import instashop_watch

        instashop_watch.services()

    @task
    def brokers() -> None:
        """Look at brokers, topics and their copies."""
        import instashop_watch

        instashop_watch.brokers()

    @task
    def spark_progress() -> None:
        """Look at the age of the last batch and at the watermark."""
        import instashop_watch

        instashop_watch.spark_progress()

    dead_letters = SQLTableCheckOperator(
        task_id="dead_letters",
        conn_id="postgres_dwh",
        table="dead_letters",
        partition_clause="arrived_at > now() - interval '5 minutes'",
        checks={"fewer_than_100_in_5_minutes": {"check_statement": "COUNT(*) < 100"}},
        retries=2,  # The warehouse may be starting at this moment.
        retry_delay=timedelta(seconds=10),
    )

    services(), brokers(), spark_progress(), dead_letters  # No arrows: each is looked at, whatever the others say.
