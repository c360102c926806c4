"""Stop, start or restart a service, or change the generator's rate: fill in the form and trigger.

What is asked for is written down as the service's intent, which its own run follows within a second; the task waits until
it has come true. A stopped service stays stopped, also over `down` and `up`, until somebody starts it.

When red:
- The form was not filled in well: the error says how.
- It did not come true within 90 s: look whether the DAG `run_...` of that service is unpaused and what its task's log says.
"""

import pendulum
from airflow.sdk import DAG, Param, task

with DAG(
    dag_id="control_service",
    doc_md=__doc__,
    schedule=None,
    start_date=pendulum.datetime(2025, 1, 1),
    catchup=False,
    max_active_runs=4,
    is_paused_upon_creation=False,
    default_args={"priority_weight": 100, "weight_rule": "absolute"},  # Somebody waits for it.
    params={
        "service": Param("generator", enum=["generator", "producer", "consumer", "enricher", "live_metrics"], description="Which one."),
        "action": Param("restart", enum=["stop", "start", "restart", "rate"], description="What is to happen."),
        "rate": Param(
            None,
            type=["null", "number"],
            maximum=5000,
            description="Events a second, for the action `rate` of the generator; empty: INSTASHOP_RATE counts again.",
        ),
    },
    tags=["by hand"],
) as dag:

    @task
    def control(params: dict | None = None) -> str:
        """Write the intent and wait until it has come true."""
        from instashop.control import supervision
        from instashop.settings import load

        assert params is not None
        return supervision.carry_out(load().run_dir, params["service"], params["action"], params["rate"])

    control()
