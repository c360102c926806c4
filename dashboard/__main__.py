"""Runs the dashboard in the foreground until SIGTERM or Ctrl-C; `python -m dashboard`."""

import logging
import signal
import sys

import uvicorn

from dashboard.app import build
from dashboard.readings import Reader
from instashop.errors import InstaShopError
from instashop.settings import load


def main() -> int:
    """Serve until a signal asks to stop; return 0 then."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stdout)
    settings = load()
    reader = Reader(settings)
    reader.start()
    config = uvicorn.Config(
        build(reader),
        host=settings.host,
        port=settings.dashboard_port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # uvicorn handles both, then raises them again: that must not make a clean stop look like a crash.
    logging.getLogger("dashboard").info("the dashboard is at http://%s:%d", settings.host, settings.dashboard_port)
    try:
        server.run()
    finally:
        reader.stop()
    return 0 if server.started else 1


if __name__ == "__main__":
    try:
        code = main()
    except InstaShopError as error:
        print(error, file=sys.stderr)
        code = 1
    sys.exit(code)
