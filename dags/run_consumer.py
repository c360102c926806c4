"""Run the consumer: every event of every topic goes to the warehouse once, what is none to `dead_letters`.

The task starts `consumer` as a process of its own, or adopts the one that runs, and says its rate and lag every few
seconds. The process ends by itself after its lifetime; the next run starts it afresh and it goes on at its cursor.

When red:
- The task's error names the cause and shows the service's last lines; all of them are in `.local/logs/consumer.log`.
- A server that is down does not make it red: the service waits, says for whom, and goes on; `watch_platform` is red meanwhile.
- To stop it for a while use `control_service` (action: stop); pausing this DAG only keeps it from being started again.
"""

from airflow.sdk import DAG

from instashop_services import CONTINUOUS, FIRST, LIFETIME, ServiceOperator

with DAG(dag_id="run_consumer", doc_md=__doc__, default_args=FIRST, params=LIFETIME, **CONTINUOUS) as dag:
    ServiceOperator(task_id="consumer", service="consumer", lifetime_seconds="{{ params.lifetime_seconds }}")
