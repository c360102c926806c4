"""Forget Airflow's own past, every four hours: runs and log files older than 30 days (INSTASHOP_AIRFLOW_HISTORY_DAYS).

Ten thousand tasks a day leave their traces; nothing of the shop is in them.

When red:
- `runs`: the log has Airflow's own words; its Postgres was away or busy, and what is left goes with the next run.
- `logs`: a file could not be removed; the log names it.
"""

from datetime import timedelta

from airflow.sdk import DAG, task

with DAG(
    dag_id="tidy_airflow",
    doc_md=__doc__,
    # Without a start_date, so that no first start waits for it; but then a first run that is missed is not made up for, and a platform may be off every night.
    schedule="45 */4 * * *",
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    dagrun_timeout=timedelta(hours=1),
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},
    tags=["platform"],
) as dag:

    @task
    def runs() -> None:
        """Let Airflow clean its tables."""
        import instashop_tidy

        instashop_tidy.runs()

    @task
    def logs() -> int:
        """Remove old log files and return how many they were."""
        import instashop_tidy

        return instashop_tidy.logs()

    runs(), logs()  # No arrow: one does not wait for the other.
