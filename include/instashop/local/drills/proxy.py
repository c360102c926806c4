"""A small TCP proxy that delays, throttles and cuts."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self


class SlowProxy:
    """Forwards connections to a server, slowly; every connection is cut after some seconds. Its port is chosen when it opens."""

    def __init__(self, host: str, port: int, delay_seconds: float, bytes_per_second: int, cut_seconds: float) -> None:
        self._target, self._delay, self._rate, self._cut = (host, port), delay_seconds, bytes_per_second, cut_seconds
        self._stop = threading.Event()
        self._listener = socket.create_server((host, 0))
        self.port: int = self._listener.getsockname()[1]
        self.cuts = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # The listener is closed at the end.
            while not self._stop.is_set():
                client, _address = self._listener.accept()
                server = socket.create_connection(self._target)
                for source, target in ((client, server), (server, client)):
                    threading.Thread(target=self._forward, args=(source, target), daemon=True).start()
                timer = threading.Timer(self._cut, self._end, (client, server))
                timer.daemon = True
                timer.start()

    def _end(self, *ends: socket.socket) -> None:
        self.cuts += 1
        for end in ends:
            with suppress(OSError):  # One side may have gone already.
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):  # The line is cut.
            while data := source.recv(16_384):
                self._stop.wait(self._delay + len(data) / self._rate)
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
