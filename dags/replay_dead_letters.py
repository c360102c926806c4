"""Publish dead letters again that the judge finds valid now, after a person has approved it.

Start it by hand; `reason` and `topic` narrow the choice. The task `look` says what there is, `approve` waits for a person (page
"Required Actions"), `replay` publishes. Message and note of the replay are one Kafka transaction: a second run changes nothing.

When red:
- `look`: the reason or topic is not known, or the warehouse does not answer; the error says which.
- `approve`: nobody approved it within a day, or the answer came in its first seconds, before Airflow had noted that it waits; start it again when it is wanted.
- `replay`: Kafka did not take it, or another replay was at work (`ReplayBusy`); run it again, it goes on where it was.
"""

from datetime import timedelta

import pendulum
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG, Param, task

with DAG(
    dag_id="replay_dead_letters",
    doc_md=__doc__,
    schedule=None,
    start_date=pendulum.datetime(2025, 1, 1),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    dagrun_timeout=timedelta(days=1, hours=1),  # An hour more than `approve` waits; what a replay has left, the next one takes.
    params={
        "reason": Param(
            None,
            type=["null", "string"],
            examples=[
                "not_json",
                "wrong_schema",
                "unknown_version",
                "unknown_kind",
                "null_character",
                "not_uuid7",
                "impossible_time",
                "clock_ahead",
                "money_identity",
                "unknown_product",
                "same_id_other_body",
            ],
            description="Only letters refused for this reason; empty: all.",
        ),
        "topic": Param(
            None,
            type=["null", "string"],
            examples=["products", "transactions", "user_behavior", "searches", "cart_events", "crm_interactions", "transaction_items"],
            description="Only letters of this topic; empty: all.",
        ),
    },
    tags=["by hand"],
) as dag:

    @task
    def look(params: dict) -> str:
        """Return how many dead letters there are for each reason."""
        import instashop_by_hand

        return instashop_by_hand.dead_letters(params["reason"], params["topic"])

    approve = ApprovalOperator(
        task_id="approve",
        subject="Replay dead letters?",
        body="{{ ti.xcom_pull(task_ids='look') }}",
        response_timeout=timedelta(days=1),
    )

    @task
    def replay(params: dict) -> str:
        """Publish what is good by now."""
        import instashop_by_hand

        return instashop_by_hand.replay(params["reason"], params["topic"])

    look() >> approve >> replay()
