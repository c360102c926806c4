import io
import threading

import pytest
from rich.console import Console

from instashop.errors import InstaShopError, WrongSetting
from instashop.local.failures import StepFailed
from instashop.local.progress import Step, Stopped, at_once, run, wait


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO())


def test_a_step_runs_after_the_steps_it_needs(console: Console) -> None:
    order: list[str] = []
    steps = [
        Step("last", lambda _: order.append("last"), ("middle",)),
        Step("middle", lambda _: order.append("middle"), ("first",)),
        Step("first", lambda _: order.append("first")),
    ]
    run(steps, console)
    assert order == ["first", "middle", "last"]


def test_steps_that_need_nothing_of_each_other_run_together(console: Console) -> None:
    meeting = threading.Barrier(2, timeout=5)
    run([Step("one", lambda _: meeting.wait() and None), Step("other", lambda _: meeting.wait() and None)], console)


def test_a_failure_names_its_step_and_nothing_that_needs_it_runs(console: Console) -> None:
    ran: list[str] = []

    def fail(_: threading.Event) -> None:
        raise WrongSetting(problems="too many")

    with pytest.raises(StepFailed, match="breaks: too many"):
        run([Step("breaks", fail), Step("after", lambda _: ran.append("after"), ("breaks",))], console)
    assert ran == []


def test_a_failure_tells_the_waiting_steps_to_give_up(console: Console) -> None:
    def fail(_: threading.Event) -> None:
        raise ValueError("no")

    with pytest.raises(StepFailed, match="ValueError: no"):
        run([Step("waits", lambda stop: wait(lambda: "never", stop, 60)), Step("breaks", fail)], console)


def test_each_step_is_shown_with_its_time_and_what_it_said(console: Console) -> None:
    run([Step("kafka", lambda _: "set up")], console)
    assert "✓ kafka  0.0 s  set up" in console.file.getvalue()  # type: ignore[attr-defined]


def test_waiting_ends_when_all_is_well_and_tells_the_last_reason_when_time_is_over() -> None:
    answers = iter(["not yet", None])
    assert wait(lambda: next(answers), threading.Event(), 5, every=0.01) is None
    assert wait(lambda: "still not", threading.Event(), 0.05, every=0.01) == "still not"


def test_waiting_gives_up_when_somebody_else_failed() -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        wait(lambda: "not yet", stop, 60)


def test_every_failure_is_an_error_of_ours() -> None:
    assert issubclass(StepFailed, InstaShopError)


def test_questions_are_asked_at_once_and_answered_by_name() -> None:
    assert at_once({"double": lambda n: 2 * n, "square": lambda n: n * n}, 5) == {"double": 10, "square": 25}
