"""Make the events' daily partitions ahead, sum up the index of those that have ended, and let go of days before the retention, once a day.

Days are kept for ever unless INSTASHOP_WAREHOUSE_RETENTION_DAYS says how many. Transactions, items, dimensions and roll-ups always stay.

When red:
- `make_partitions`: a migration held the table for 20 s; who reads or writes does not. The next try comes by itself. The consumer makes a missing day, too, so nothing is lost.
- `let_go`: somebody read or wrote the table in one transaction for 20 s; a day that was to go goes tomorrow.
- `retention`: the setting is wrong; the error says how.
"""

from datetime import timedelta
from pathlib import Path

import pendulum
from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
from airflow.sdk import DAG, task

with DAG(
    dag_id="tidy_warehouse",
    doc_md=__doc__,
    schedule="17 3 * * *",  # Not in a minute in which a build begins.
    start_date=pendulum.datetime(2025, 1, 1),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    dagrun_timeout=timedelta(hours=2),
    default_args={"retries": 5, "retry_delay": timedelta(minutes=1)},
    template_searchpath=[str(Path(__file__).parents[1] / "include" / "sql")],
    tags=["warehouse"],
) as dag:

    @task
    def retention() -> dict[str, int]:
        """Return how many days are kept; 0 means all."""
        from instashop import settings

        return {"retention_days": settings.load().warehouse_retention_days}

    SQLExecuteQueryOperator(task_id="make_partitions", conn_id="postgres_dwh", sql="tidy/make_partitions.sql")

    SQLExecuteQueryOperator(
        task_id="let_go",
        conn_id="postgres_dwh",
        sql=[
            "tidy/summarise_ended_days.sql",
            "tidy/drop_partitions.sql",
            "tidy/delete_old_user_behavior.sql",
            "tidy/delete_old_searches.sql",
            "tidy/delete_old_cart_events.sql",
            "tidy/delete_old_crm_interactions.sql",
            "tidy/delete_old_dead_letters.sql",
            "tidy/delete_old_verdicts.sql",
        ],
        parameters=retention(),
        autocommit=True,  # Each by itself, so that no lock is held while the next works.
        split_statements=False,
    )
