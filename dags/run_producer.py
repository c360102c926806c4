"""Run the producer: every committed row of the shop goes to Kafka exactly once.

The task starts `producer` as a process of its own, or adopts the one that runs, and says its rate and lag every few
seconds. The process ends by itself after its lifetime; the next run starts it afresh and it goes on at its cursor.

When red:
- The task's error names the cause and shows the service's last lines; all of them are in `.local/logs/producer.log`.
- `CursorMissing`, `CursorOfAnotherShop`, `CursorAhead`: it does not guess, since that would publish twice; the message says what to do.
- `RowsAhead`: a dump of another server's shop was restored here; docs/running.md has the statement that mends it.
- A server that is down does not make it red: the service waits, says for whom, and goes on; `watch_platform` is red meanwhile.
- A growing lag with rate 0: a writing transaction is open in the shop and holds the horizon, or Kafka lacks in-sync copies.
- To stop it for a while use `control_service` (action: stop); pausing this DAG only keeps it from being started again.
"""

from airflow.sdk import DAG

from instashop_services import CONTINUOUS, FIRST, LIFETIME, ServiceOperator

with DAG(dag_id="run_producer", doc_md=__doc__, default_args=FIRST, params=LIFETIME, **CONTINUOUS) as dag:
    ServiceOperator(task_id="producer", service="producer", lifetime_seconds="{{ params.lifetime_seconds }}")
