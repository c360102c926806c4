"""Run the Spark job: the live metrics of each window go to Redis.

The task starts `live_metrics` as a process of its own, or adopts the one that runs, and says its rate and lag every few
seconds. The process ends by itself after its lifetime; the next run starts it afresh and it goes on at its cursor.

When red:
- The task's error names the cause and shows the service's last lines; all of them are in `.local/logs/live_metrics.log`.
- No master: look at Spark's page (port 8080) and at `./instashop status`; the job waits for neither forever.
- A missing offset (`failOnDataLoss`): Kafka no longer has what the checkpoint wants; docs/running.md says how to begin a new one.
- To stop it for a while use `control_service` (action: stop); pausing this DAG only keeps it from being started again.
"""

from datetime import timedelta

from airflow.sdk import DAG

from instashop_services import CONTINUOUS, FIRST
from instashop_spark import LiveMetricsOperator

# Sooner than the others, since it is the slowest to start.
with DAG(dag_id="run_live_metrics", doc_md=__doc__, default_args=FIRST | {"retry_delay": timedelta(seconds=2)}, **CONTINUOUS) as dag:
    LiveMetricsOperator(task_id="live_metrics")
