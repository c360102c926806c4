"""A gate before a server: while it is open every byte passes, when it closes every connection breaks and none is taken."""

from __future__ import annotations

import contextlib
import socket
import threading
from urllib.parse import urlsplit, urlunsplit


class Gate:
    """Listens on a port of its own for the server at an address; open at first."""

    def __init__(self, host: str, port: int) -> None:
        self._behind = (host, port)
        self._passing: list[socket.socket] = []
        self._listener: socket.socket | None = None
        self.port = 0
        self.open()

    def url(self, url: str, path: str | None = None) -> str:
        """Return the address of a server with this gate in its place."""
        parts = urlsplit(url)
        return urlunsplit(parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{self.port}", path=path or parts.path))

    def open(self) -> None:
        """Take connections again, on the same port."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen()
        self.port, self._listener = listener.getsockname()[1], listener
        threading.Thread(target=self._take, args=(listener,), daemon=True).start()

    def close(self) -> None:
        """Break every connection and take no more."""
        if self._listener is not None:
            for one in (self._listener, *self._passing):
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()
        self._listener, self._passing = None, []

    def _take(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # The listener is closed.
            while True:
                asked, _from = listener.accept()
                behind = socket.create_connection(self._behind, timeout=10)
                behind.settimeout(None)
                self._passing += [asked, behind]
                for source, sink in ((asked, behind), (behind, asked)):
                    threading.Thread(target=_carry, args=(source, sink), daemon=True).start()


def _carry(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
    for one in (source, sink):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
