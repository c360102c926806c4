"""Run the consumer: every event of every topic goes to the warehouse once, what is none to `dead_letters`.

The task starts `consumer` as a process of its own, or adopts the one that runs, and says its rate and lag every few
seconds. The process ends by itself after its lifetime; the next run starts it afresh and it goes on at its cursor.

When red:
- The task's error names the cause and shows the service's last lines; all of them are in `.local/logs/consumer.log`.
- A server that is down does not make it red: the service waits, says for whom, and goes on; `watch_platform` is red meanwhile.
- To stop it for a while use `control_service` (action: stop); pausing this DAG only keeps it from being started again.
"""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, Param

from instashop_services import ServiceOperator

with DAG(
    dag_id="run_consumer",
    doc_md=__doc__,
    schedule="@continuous",
    start_date=pendulum.datetime(2025, 1, 1),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    # Before all others that wait for one of Airflow's slots: the facts of the shop wait for it.
    default_args={"retries": 20, "retry_delay": timedelta(seconds=5), "priority_weight": 100, "weight_rule": "absolute"},
    params={
        "lifetime_seconds": Param(None, type=["null", "integer"], minimum=60, description="Ends by itself after this; empty: the setting."),
    },
    tags=["service"],
) as dag:
    ServiceOperator(task_id="consumer", service="consumer", lifetime_seconds="{{ params.lifetime_seconds }}")
