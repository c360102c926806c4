"""Takes the pictures in docs/screenshots of a running dashboard: `python deploy/screenshots.py --url http://127.0.0.1:8501`.

The pages ask for the font Inter (Debian: `fonts-inter`) and take the system's own where it is not installed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from instashop.local import chromium

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "screenshots"
PAGES = {"live": "/", "products": "/products", "behaviour": "/behaviour", "history": "/history?last=1h", "platform": "/platform"}
WIDTHS = {"wide": (1440, 900), "phone": (390, 844)}
SCHEMES = ("light", "dark")
HIGHEST = {"wide": 1300, "phone": 2700}
"""Of a longer page only so much is in its picture, in pixels."""


def open_page(browser: Browser, url: str, scheme: str, size: tuple[int, int], ready: str) -> Page:
    """Open a page of the dashboard in one look and return it when its values and charts are drawn."""
    width, height = size
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme, device_scale_factor=1)  # type: ignore[arg-type]
    page.goto(url, wait_until="load")
    page.wait_for_selector(ready, timeout=60_000)
    page.wait_for_function("[...document.querySelectorAll('.chart')].every(chart => chart.querySelector('.main-svg'))", timeout=60_000)
    page.wait_for_function("document.fonts.status === 'loaded'")
    return page


def take(url: str, folder: Path, only: str | None = None, suffix: str = "") -> list[Path]:
    """Take every page in every look, and return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    taken = []
    with sync_playwright() as playwright:
        browser = chromium.launch(playwright)
        for name, path in PAGES.items():
            for scheme in SCHEMES:
                for width, size in WIDTHS.items():
                    look = f"{name}-{scheme}-{width}"
                    if only and only not in look:
                        continue
                    page = open_page(browser, url.rstrip("/") + path, scheme, size, f"#{name}")
                    file = folder / f"{look}{suffix}.png"
                    height = min(page.evaluate("document.documentElement.scrollHeight"), HIGHEST[width])
                    page.screenshot(path=file, full_page=True, clip={"x": 0, "y": 0, "width": size[0], "height": height})
                    page.close()
                    taken.append(file)
        browser.close()
    return taken


def main() -> int:
    """Take the pictures that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8501", help="the dashboard's address")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of the pictures")
    parser.add_argument("--only", help="take only looks whose name contains this, such as live-dark or phone")
    parser.add_argument("--suffix", default="", help="added to every file name")
    given = parser.parse_args()
    for file in take(given.url, given.out, given.only, given.suffix):
        print(file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
