"""Break one thing on purpose, under load, and judge: lost, doubled, wrong, seconds until facts flow again.

Start it by hand and choose the drill. It acts on this machine's servers and services as `./instashop drill` does, with the books
compared before and after. A drill that breaks Airflow itself (`kill-scheduler`, `kill-api-server`) would end this task, too, and one
that must not be killed (`disk-full`) or takes many minutes (`random-kills`) is none for a task: all are refused, and
`./instashop drill` runs them. One that breaks a server of somebody else is refused, too, and all of them are in containers.

When red:
- The error has the outcome: what was lost or doubled, which window is wrong, or that facts did not flow again in time.
- `The books do not balance before the drill`: look at `balance_books` first.
"""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, Param, task

with DAG(
    dag_id="run_drill",
    doc_md=__doc__,
    schedule=None,
    start_date=pendulum.datetime(2025, 1, 1),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    dagrun_timeout=timedelta(hours=1),
    params={
        "drill": Param(
            type="string",
            enum=[
                "kill-producer",
                "kill-consumer",
                "kill-enricher",
                "kill-spark-driver",
                "kill-spark-worker",
                "kill-broker",
                "kill-controller",
                "pause-broker",
                "hang-producer",
                "hang-spark",
                "hang-executor",
                "restart-shop-db",
                "restart-warehouse",
                "flush-redis",
                "kill-redis",
                "stop-redis",
                "late-commit",
                "rollbacks",
                "long-outage",
                "two-producers",
                "poison",
                "clock-skew",
                "slow-network",
            ],
            description="What is broken; `./instashop drill` says what each does.",
        ),
        "rate": Param(None, type=["null", "number"], minimum=1, maximum=5000, description="Events a second while it lasts; empty: as now."),
    },
    tags=["by hand"],
) as dag:

    @task
    def drill(params: dict) -> str:
        """Break it and return the outcome."""
        import instashop_by_hand

        return instashop_by_hand.drill(params["drill"], params["rate"])

    drill()
