"""Make typed tables, dimensions and roll-ups of the events that are new in the warehouse, every five minutes; then check them.

`build` is one transaction with its cursor: run again, killed or run twice at a time, it adds each event once. It takes three million events at most, about;
of more, the next runs build the rest. The checks change nothing.

When red:
- `build`: the statement that failed is in the log; nothing of it was kept, and the next run builds the same events and more.
- A check: the error names the rows that break the rule in the task's name; the statement is `include/sql/checks/NAME.sql`.
- The live numbers and the events themselves do not depend on this DAG. docs/running.md says what each check means.
"""

from datetime import timedelta
from pathlib import Path

import pendulum
from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
from airflow.sdk import DAG

from instashop_checks import NoRowsCheckOperator

with DAG(
    dag_id="build_warehouse",
    doc_md=__doc__,
    schedule="*/5 * * * *",
    start_date=pendulum.datetime(2025, 1, 1),
    catchup=False,
    max_active_runs=1,
    max_active_tasks=1,  # One check after another, so that they cost little.
    is_paused_upon_creation=False,
    dagrun_timeout=timedelta(minutes=30),
    template_searchpath=[str(Path(__file__).parents[1] / "include" / "sql")],
    tags=["warehouse"],
) as dag:
    build = SQLExecuteQueryOperator(
        task_id="build",
        conn_id="postgres_dwh",
        sql=[
            "build/01_move_cursor.sql",
            "build/02_transactions.sql",
            "build/03_transaction_items.sql",
            "build/04_user_behavior.sql",
            "build/05_searches.sql",
            "build/06_cart_events.sql",
            "build/07_crm_interactions.sql",
            "build/08_products.sql",
            "build/09_customers.sql",
            "build/10_hours_and_days.sql",
            "build/11_count_events.sql",
        ],
        autocommit=False,  # All of them are one transaction: the page is built and the cursor moved, or neither.
        split_statements=False,
        show_return_value_in_logs=True,
        retries=2,
        retry_delay=timedelta(seconds=20),
    )

    for rule in (
        "cursor_is_of_this_server",
        "tomorrow_has_its_partition",
        "every_built_event_is_in_its_table",
        "transactions_are_of_their_newest_version",
        "every_item_has_its_transaction",
        "items_add_up_to_their_transaction",
        "rollups_equal_events_of_the_last_hours",
        "days_equal_the_sum_of_their_hours",
    ):
        build >> NoRowsCheckOperator(task_id=rule, conn_id="postgres_dwh", sql=f"checks/{rule}.sql")
