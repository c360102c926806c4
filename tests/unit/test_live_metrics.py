"""What the Spark job asks of Kafka; no server is needed."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import MagicMock

import pytest

from instashop.settings import Settings
from spark_jobs.live_metrics import messages


@pytest.mark.parametrize(
    ("settings", "least", "most", "delay"),
    [
        ({}, "200", "100000", "1500ms"),
        ({"live_trigger_ms": 3000}, "200", "100000", "500ms"),
        ({"live_trigger_ms": 3000, "live_quiet_ms": 100}, "200", "100000", "0ms"),
        ({"live_offsets_limit": 50}, "50", "50", "1500ms"),
    ],
)
def test_a_batch_waits_for_messages_but_not_for_more_than_it_may_take(tmp_path: Path, settings: dict[str, int], least: str, most: str, delay: str) -> None:
    spark = MagicMock()
    messages(spark, Settings(home=tmp_path, **settings))
    options = spark.readStream.format.return_value.options.call_args.kwargs
    assert (options["minOffsetsPerTrigger"], options["maxOffsetsPerTrigger"], options["maxTriggerDelay"]) == (least, most, delay)
