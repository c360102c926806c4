"""Compare shop, Kafka, warehouse, items and windows, to the event and to the cent, every five minutes.

When red:
- The error names each stage and stream that differs, and by how much; the warehouse's table `verdicts` keeps all of it.
- A stage that did not come so far in three minutes is no difference: look at the lag of its service first.
- `./instashop verify` does the same by hand.
"""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

with DAG(
    dag_id="balance_books",
    doc_md=__doc__,
    schedule="2-59/5 * * * *",  # Between two builds of the warehouse: at a high rate each takes half a core for half a minute.
    start_date=pendulum.datetime(2025, 1, 1),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    dagrun_timeout=timedelta(hours=1),  # One transaction of the shop is one page, and may have millions of rows.
    tags=["platform"],
) as dag:

    @task
    def balance() -> str:
        """Return the verdict in words."""
        import instashop_watch

        return instashop_watch.books()

    balance()
