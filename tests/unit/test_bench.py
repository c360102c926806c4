"""What bench makes of its figures."""

from __future__ import annotations

import platform
from dataclasses import replace
from datetime import UTC, datetime
from math import inf

import pytest

from instashop.local.bench import backlog, report, run, running
from instashop.local.bench.latency import Delay, NothingToSee, Seen, delays_of
from instashop.local.bench.meter import Spread
from instashop.local.bench.running import Step
from instashop.local.chromium import NoBrowser, path


def test_a_delay_is_the_median_of_its_spans_in_milliseconds():
    spans = [[step * n for n in range(1, 101)] for step in (0.01, 0.02, 0.03)]
    delay = Delay.of(spans, 20.0, [1.5, 1.91, 1.62], [15.2, 12.5, 21.0])
    assert (delay.events, delay.missed, delay.rate.text()) == (300, 0, "5")
    assert delay.p50.text() == "1,020 (510–1,530)"
    assert delay.p99.text() == "2,000 (1,000–3,000)"
    assert delay.cores.text(2) == "1.62 (1.50–1.91)"
    assert delay.loop_ms.text() == "15 (12–21)"
    page = report.text(report.Figures(latency={"Kafka": delay}))
    assert "| Kafka | 300 | 0 | 5 | 1,020 (510–1,530) | 1,820 (910–2,730) | 2,000 (1,000–3,000) | 1.62 (1.50–1.91) | 15 (12–21) |" in page


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


def test_what_was_not_seen_is_the_slowest():
    delay = Delay.of([[0.1] * 98 + [inf] * 2, [0.1] * 99 + [inf]], 10.0, [1.0, 1.0], [10.0, 10.0])
    assert delay.missed == 3
    assert (delay.p90.text(), delay.p99.text()) == ("100", "inf")
    assert "| Kafka | 200 | 3 | 10 | 100 | 100 | inf | 1.00 | 10 |" in report.text(report.Figures(latency={"Kafka": delay}))
    with pytest.raises(NothingToSee):
        Delay.of([[0.1], []], 10.0, [1.0], [10.0])


def test_each_event_of_a_span_takes_as_long_as_until_it_was_seen():
    first, second = (datetime(2026, 3, 1, 12, 0, second, tzinfo=UTC) for second in (1, 2))
    rows = [
        ("searches", 0, 10, 100.0, first),
        ("searches", 0, 11, 100.5, first),
        ("searches", 0, 12, 101.0, second),  # Of a batch that nobody saw the warehouse have.
        ("searches", 1, 5, 101.5, second),  # Spark's batch with it was not seen, only a later one.
        ("crm_interactions", 0, 1, 101.7, second),  # No live metric reads it.
    ]
    seen = Seen(
        kafka=[(99.9, 99.95), (100.0, 100.25), (100.5, 100.75), (101.0, 101.5), (101.5, 102.0), (102.0, 102.5)],
        warehouse=[(100.5, 7), (101.0, 9), (103.0, 10)],
        batches={8: 102.0, 10: 104.0},
        offsets={7: {"searches": {"0": 10, "1": 5}}, 8: {"searches": {"0": 13, "1": 5}}, 10: {"searches": {"0": 20, "1": 9}}},
        screens=[(102.5, 7), (103.0, 8)],
    )
    assert delays_of(seen, [(first, 9), (second, 3)], rows, 100.0, 102.0) == {
        "Kafka": [0.25, 0.25, 0.5, 0.5, inf],
        "warehouse": [1.0, 0.5, inf, inf, inf],
        "Redis": [2.0, 1.5, 1.0, inf],
        "browser": [3.0, 2.5, 2.0, inf],
    }


@pytest.mark.parametrize(
    ("looks", "grown"),
    [
        ([0, 10, 20, 30, 40, 50], 10.0),  # Ten more with each of six looks in six seconds.
        ([900, 0, 500, 900, 0, 500], 0.0),
        ([0, None, 20, 30, None, 50], 12.5),
        ([None, None, 20, 30, 40, 50], 0.0),
    ],
)
def test_a_lag_grows_by_its_least_values(looks, grown):
    assert running.growth(looks, 6) == pytest.approx(grown)


STEADY, GROWING = [5, 0, 7] * 20, list(range(0, 6000, 100))


@pytest.mark.parametrize(
    ("made", "lags", "trouble"),
    [
        (4990, {"producer": STEADY, "consumer": [*STEADY[:-1], None]}, ""),
        (4497, {"producer": STEADY}, "the rate was not reached"),
        (4990, {"producer": STEADY, "consumer": GROWING}, "the lag of consumer grew"),
        (4497, {"producer": GROWING, "consumer": GROWING}, "the rate was not reached; the lag of producer, consumer grew"),
        (4990, {"producer": STEADY, "consumer": STEADY[:50] + [None] * 10}, "consumer did not say how far behind"),
    ],
)
def test_a_rate_that_was_too_much_says_why(made, lags, trouble):
    assert running.trouble_of(5000, made, lags, 60) == trouble


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
