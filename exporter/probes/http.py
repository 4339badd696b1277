"""HTTP requests with a time limit on the whole of them.

The time limits of sockets, and so of requests, are about silence: a server that sends a byte now and then holds a
request for as long as it likes, and with it the probe, even when the service has long recovered.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from exporter.deadline import Deadline


@contextmanager
def limited_session(seconds: float) -> Iterator[requests.Session]:
    """A session whose connections are cut after so many seconds, and closed at the end."""
    connections = _Connections(seconds)
    with requests.Session() as session:
        for scheme in ("http://", "https://"):
            session.mount(scheme, _Adapter(connections))
        try:
            yield session
        finally:
            connections.close()


class _Connections:
    def __init__(self, seconds: float) -> None:
        self._deadline = Deadline(seconds)
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self._timer.start()

    def add(self, connection: socket.socket) -> None:
        # A second handle: TLS takes the first one over.
        self._sockets.append(connection.dup())
        self._deadline.check("HTTP")

    def close(self) -> None:
        self._timer.cancel()
        for each in self._sockets:
            each.close()

    def _cut(self) -> None:
        for each in self._sockets:
            # It may be closed already, by either side.
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


class _Adapter(HTTPAdapter):
    def __init__(self, connections: _Connections) -> None:
        super().__init__()
        self._connections = connections

    def get_connection_with_tls_context(self, *arguments: Any, **options: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*arguments, **options)
        connections, connection_class = self._connections, pool.ConnectionCls

        class Limited(connection_class):  # type: ignore[misc, valid-type]
            def _new_conn(self) -> socket.socket:
                connection: socket.socket = super()._new_conn()
                connections.add(connection)
                return connection

        pool.ConnectionCls = Limited
        return pool
