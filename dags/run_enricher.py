"""Run the enricher: each line of a paid or refunded transaction becomes an event of `transaction_items`.

The task starts `enricher` as a process of its own, or adopts the one that runs, and says its rate and lag every few
seconds. The process ends by itself after its lifetime; the next run starts it afresh and it goes on at its cursor.

When red:
- The task's error names the cause and shows the service's last lines; all of them are in `.local/logs/enricher.log`.
- `OffsetsMissing`: Kafka forgot its offsets, but has items; docs/running.md says how to set them.
- `OffsetsAhead`: Kafka lost the newest orders, which it had read; docs/running.md says how to set its offsets.
- A server that is down does not make it red: the service waits, says for whom, and goes on; `watch_platform` is red meanwhile.
- To stop it for a while use `control_service` (action: stop); pausing this DAG only keeps it from being started again.
"""

from airflow.sdk import DAG

from instashop_services import CONTINUOUS, FIRST, LIFETIME, ServiceOperator

with DAG(dag_id="run_enricher", doc_md=__doc__, default_args=FIRST, params=LIFETIME, **CONTINUOUS) as dag:
    ServiceOperator(task_id="enricher", service="enricher", lifetime_seconds="{{ params.lifetime_seconds }}")
