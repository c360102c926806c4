"""A second writer started by mistake ends with a clear message, and touches nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from instashop import connect
from instashop.settings import ROOT
from instashop.transport.window_sink import AnotherWriter, OnlyWriter


@pytest.mark.parametrize("service", ["generator", "producer", "consumer", "enricher"])
def test_a_second_service_of_one_home_ends_and_says_why(platform, service):
    command = [sys.executable, "-m", "instashop", service]
    second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert second.returncode == 1
    assert f"Another {service} already runs here" in second.stdout + second.stderr


def test_a_second_spark_job_may_not_write(platform):
    with pytest.raises(AnotherWriter):
        OnlyWriter(connect.redis(platform)).take()
