"""Make what everything needs: tables and views in the shop and the warehouse by their migrations, topics in Kafka.

Runs once by itself and may be run again at any time: what is there stays as it is.

When red:
- The error names the server that does not answer; `./instashop up` starts what is missing. Then clear the red task.
- A migration fails, is blocked, or has changed: the log names it; they are the files of `include/sql/shop`, `crm` and `warehouse`.
"""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

with DAG(
    dag_id="prepare_platform",
    doc_md=__doc__,
    schedule="@once",
    start_date=pendulum.datetime(2025, 1, 1),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    default_args={"retries": 10, "retry_delay": timedelta(seconds=5)},
    tags=["platform"],
) as dag:

    @task
    def shop() -> None:
        """Make the tables and feed views of instashop and crm_db."""
        from instashop import settings
        from instashop.transport import prepare

        prepare.prepare_shop(settings.load())

    @task
    def warehouse() -> None:
        """Make the tables and views of dwh_db."""
        from instashop import settings
        from instashop.transport import prepare

        prepare.prepare_warehouse(settings.load())

    @task
    def topics() -> None:
        """Create the topics."""
        from instashop import settings
        from instashop.transport import prepare

        prepare.prepare_topics(settings.load())

    shop()
    warehouse()
    topics()
