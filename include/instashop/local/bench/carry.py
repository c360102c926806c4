"""Carries a service's backlog in this process and prints, as JSON, how many records it was and what it cost.

Run as `python -m instashop.local.bench.carry SERVICE RECORDS`; it is the service's own source, sink and loop.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import sys
import threading
import time
from collections.abc import Callable

from instashop.settings import Settings, load
from instashop.transport import consumer, enricher, producer
from instashop.transport.loop import Batch, Work, move

WORK: dict[str, Callable[[Settings, threading.Event], Work]] = {"producer": producer.work, "consumer": consumer.work, "enricher": enricher.work}


def main(service: str, records: int) -> None:
    """Carry so many records and stop; the clock runs from the opened session to the last stored batch."""
    stop, done = threading.Event(), 0

    def carried(batch: Batch) -> None:
        nonlocal done
        done += len(batch.records)
        if done >= records:
            stop.set()

    gc.freeze()  # As `run_service` does.
    with WORK[service](load(), stop)() as (source, sink):
        began, cpu = time.monotonic(), sum(os.times()[:2])
        move(source, sink, stop, carried)
        seconds, used = time.monotonic() - began, sum(os.times()[:2]) - cpu
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(json.dumps({"records": done, "seconds": seconds, "cpu_seconds": used, "memory_mb": memory}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
