"""Of each service that writes to a database one is at work, also when two homes share the servers."""

from __future__ import annotations

import threading

import pytest

from instashop import connect
from instashop.control import beats
from instashop.shop import generator
from instashop.transport import consumer, loop, producer
from tests.waiting import wait_until


@pytest.mark.parametrize(
    ("service", "work", "where"),
    [
        ("generator", generator.work, "shop_dsn"),
        ("producer", producer.work, "shop_feed_dsn"),
        ("consumer 1", consumer.work, "warehouse_dsn"),
    ],
)
def test_a_second_one_of_another_home_waits_and_says_why_until_the_first_has_gone(stack, tmp_path, service, work, where):
    other, stop = stack.model_copy(update={"home": tmp_path}), threading.Event()
    name = service.split()[0]
    waiting = threading.Thread(target=loop.run_service, args=(name, work(other, stop), other, stop))

    def beat():
        return beats.read(other.run_dir, name)

    try:
        with work(stack, stop)():
            waiting.start()
            wait_until(lambda: (found := beat()) and found.state == "waiting", 30, "the second one waiting")
            assert beat().message.startswith(f"Another {service} is already at work on {connect.address(getattr(stack, where))};")
        wait_until(lambda: beat().state == "running", 30, "the second one at work")
    finally:
        stop.set()
        waiting.join()
