"""The whole platform as `up` starts it, Airflow and dashboard included."""

from __future__ import annotations

import os

import pytest

from instashop.local import health
from instashop.settings import Settings, load


@pytest.fixture(scope="session")
def platform() -> Settings:
    settings = load()
    try:
        health.live_events(settings)
    except OSError as error:
        message = f"no platform is running ({error}); run the suite by `./instashop test`"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return settings


@pytest.fixture(scope="session")
def dashboard_url(platform: Settings) -> str:
    return f"http://{platform.host}:{platform.dashboard_port}"
