"""Chromium, in which bench, screenshots and tests look at the pages."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from instashop.errors import InstaShopError

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright


class NoBrowser(InstaShopError):
    """There is no {path}, and pages are looked at with Chromium: `apt-get install chromium`, set CHROMIUM, or `bench --only backlog`."""


def path() -> str:
    """Return the path of Chromium: CHROMIUM's, else Debian's.

    Raises:
        NoBrowser: it is not there.
    """
    found = os.environ.get("CHROMIUM", "/usr/bin/chromium")
    if not Path(found).exists():
        raise NoBrowser(path=found)
    return found


def launch(playwright: Playwright) -> Browser:
    """Start Chromium without a window.

    Raises:
        NoBrowser: it is not there.
    """
    return playwright.chromium.launch(executable_path=path(), args=["--no-sandbox"])
