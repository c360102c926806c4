"""Run the generator: it makes the shop's facts in Postgres.

The task starts `generator` as a process of its own, or adopts the one that runs, and says its rate and lag every few
seconds. The process ends by itself after its lifetime; the next run starts it afresh and it goes on at its cursor.

When red:
- The task's error names the cause and shows the service's last lines; all of them are in `.local/logs/generator.log`.
- A server that is down does not make it red: the service waits, says for whom, and goes on; `watch_platform` is red meanwhile.
- To stop it for a while use `control_service` (action: stop); pausing this DAG only keeps it from being started again.
"""

from airflow.sdk import DAG, Param

from instashop_services import CONTINUOUS, FIRST, LIFETIME, ServiceOperator

with DAG(
    dag_id="run_generator",
    doc_md=__doc__,
    default_args=FIRST,
    params={
        "seed": Param(None, type=["null", "integer"], description="Seed of customers and catalogue, which an empty shop gets; empty: the setting."),
        **LIFETIME,
    },
    **CONTINUOUS,
) as dag:
    ServiceOperator(task_id="generator", service="generator", lifetime_seconds="{{ params.lifetime_seconds }}", options={"seed": "{{ params.seed }}"})
