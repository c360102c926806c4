import io
import threading

import pytest
from rich.console import Console

from instashop.errors import InstaShopError, WrongSetting
from instashop.local.failures import Interrupted, StepFailed
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


def test_a_log_has_a_line_for_each_step_however_long(console: Console) -> None:
    run([Step("class data", lambda _: "left out; /a/long" + "/folder" * 20 + "/class-data.log says why")], console)
    assert console.file.getvalue().count("\n") == 1  # type: ignore[attr-defined]


class _Terminal(io.StringIO):
    """Where writing ends with an error, as on a lost terminal."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def write(self, _: str) -> int:
        raise self.error


@pytest.mark.parametrize(
    ("written", "raised"),
    [(OSError("the terminal is lost"), OSError), (SystemExit(1), SystemExit), (KeyboardInterrupt(), Interrupted)],
    ids=["lost terminal", "closed pipe", "Ctrl-C"],
)
def test_whatever_ends_a_run_no_step_runs_on_and_none_begins(written: BaseException, raised: type[BaseException]) -> None:
    begun, slow, said = threading.Event(), threading.Event(), []

    def work_on(stop: threading.Event) -> None:
        begun.set()
        stop.wait(5)
        threading.Event().wait(0.1)
        slow.set()

    steps = [Step("slow", work_on), Step("quick", lambda _: begun.wait(5) and None), Step("after", lambda _: said.append("after"), ("quick",))]
    with pytest.raises(raised, match="slow" if raised is Interrupted else None):
        run(steps, Console(file=_Terminal(written)))
    assert slow.is_set()
    assert said == []


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
