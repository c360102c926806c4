"""What bench makes of its figures."""

from __future__ import annotations

import platform
from dataclasses import replace

import pytest

from instashop.local.bench import backlog, report, run, running
from instashop.local.bench.latency import Delay
from instashop.local.bench.meter import Spread
from instashop.local.bench.running import Step
from instashop.local.chromium import NoBrowser, path


def test_a_delay_is_the_median_of_its_spans_in_milliseconds():
    spans = [[step * n for n in range(1, 101)] for step in (0.01, 0.02, 0.03)]
    delay = Delay.of(spans, [1.5, 1.91, 1.62], [15.2, 12.5, 21.0])
    assert delay.events == 300
    assert delay.p50.text() == "1,020 (510–1,530)"
    assert delay.p99.text() == "2,000 (1,000–3,000)"
    assert delay.cores.text(2) == "1.62 (1.50–1.91)"
    assert delay.loop_ms.text() == "15 (12–21)"
    page = report.text(report.Figures(latency={"Kafka": delay}))
    assert "| Kafka | 300 | 1,020 (510–1,530) | 1,820 (910–2,730) | 2,000 (1,000–3,000) | 1.62 (1.50–1.91) | 15 (12–21) |" in page


def test_a_browser_that_is_missing_is_said_with_its_cure(tmp_path, monkeypatch):
    monkeypatch.setenv("CHROMIUM", str(tmp_path / "chromium"))
    with pytest.raises(NoBrowser, match="apt-get install chromium"):
        path()
    (tmp_path / "chromium").touch()
    assert path() == str(tmp_path / "chromium")


def test_the_page_tells_what_was_measured_and_leaves_out_what_was_not():
    figures = report.Figures(spark_events=Spread.of([48_000.4]), versions={"Kafka": "4.3.1"}, balanced=True)
    figures.steps = [Step(5000, 600, "", 5012.3, {"producer": 0, "consumer": 12}, 1.94, Spread.of([15.2, 33.6]))]
    figures.steps.append(replace(figures.steps[0], trouble="the rate was not reached"))
    page = report.text(figures)
    assert "Kafka 4.3.1, apache-airflow" in page
    assert platform.release() not in page, "The build of a machine's kernel is nobody's business."
    assert "| 1.94 | no: the rate was not reached |" in page
    assert "| 5,000 | 600 | 5,012 | 1.94 | yes | producer 0, consumer 12 | 34 (15–34) |" in page
    assert "The books balance after it." in page
    assert "From the row in the shop" not in page
    assert "Start and rest" not in page


@pytest.mark.parametrize(
    ("reached", "growth", "trouble"),
    [
        (4990, {"producer": 3.0, "consumer": -8.0}, ""),
        (4497, {"producer": 3.0, "consumer": 0.0}, "the rate was not reached"),
        (4990, {"producer": 3.0, "consumer": 400.0}, "the lag of consumer grew"),
        (4497, {"producer": 90.0, "consumer": 400.0}, "the rate was not reached; the lag of producer, consumer grew"),
    ],
)
def test_a_rate_that_was_too_much_says_why(reached, growth, trouble):
    assert running.trouble_of(5000, reached, growth) == trouble


@pytest.mark.parametrize(
    ("parts", "beside", "asked"),
    [
        (run.PARTS, False, "./instashop bench --runs 3 --minutes 0.5 --rate 2000 --rate 3500"),
        (("backlog",), True, "./instashop bench --only backlog --runs 3 --beside"),
    ],
)
def test_the_page_names_the_command_that_measured(parts, beside, asked):
    assert run._asked(parts, 3, 0.5, [2000.0, 3500.0], beside) == asked
    assert f"Made by `{asked}`; every figure" in report.text(report.Figures(asked=asked))


def test_a_generator_that_fails_is_heard(monkeypatch, tmp_path):
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho 'no shop here' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(backlog, "prepare", lambda _settings: None)
    monkeypatch.setattr(backlog.sys, "executable", str(program))
    with pytest.raises(backlog.DidNotFinish, match="the generator did not come to its end within 60 s; its last words: no shop here"):
        backlog.make(None, 60)
