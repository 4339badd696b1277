"""The HTTP server: cheroot's parser, threads and WSGI, with connections for which nobody waits."""

from __future__ import annotations

import logging
import re
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any

from cheroot.wsgi import Server

from common.web_connection import IDLE_SECONDS, LARGEST_HEAD
from common.web_loop import Connections
from common.yaml_files import ConfigError

logger = logging.getLogger(__name__)

BACKLOG = 256
"""Connections that wait to be accepted: those of a whole fleet come at once after a restart."""
STOP_SECONDS = 2


class WebServer:
    """Serves a WSGI application on threads of its own.

    Args:
        name: told to clients.
        address: `host:port`, or `:port` for all addresses.
        application: the WSGI application. What a request says of its body may be more than there is of it, see below.
        threads: requests that are answered at once.
        largest_body: bytes; a larger body is not read, and the application answers without it.
        admits: whether a body of so many bytes may follow a path and an Authorization header; if not, it is not waited
            for. It must not wait itself.
        tls: gives the settings for the next connection, when TLS is to be spoken.

    Raises:
        ConfigError: the address is not valid.
    """

    def __init__(
        self,
        name: str,
        address: str,
        application: Any,
        *,
        threads: int,
        largest_body: int = 0,
        admits: Callable[[str, str, int], bool] = lambda *_: True,
        tls: Callable[[], ssl.SSLContext] | None = None,
    ) -> None:
        host, _, port = address.rpartition(":")
        if not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535:
            raise ConfigError(f"--web.listen-address: {address!r} is not host:port")
        host = host.strip("[]") or ("::" if socket.has_dualstack_ipv6() else "0.0.0.0")  # noqa: S104
        self._server = _Server(
            (host, int(port)),
            application,
            numthreads=threads,
            server_name=name,
            request_queue_size=BACKLOG,
            timeout=IDLE_SECONDS,
            shutdown_timeout=1,
        )
        self._server.largest_body, self._server.admits, self._server.tls = largest_body, admits, tls

    def start(self) -> int:
        """Listen, and serve from threads.

        Returns:
            The port.

        Raises:
            OSError: the address cannot be listened on.
        """
        self._server.prepare()
        threading.Thread(target=self._server.serve, name="web", daemon=True).start()
        return int(self._server.bind_addr[1])

    def stop(self) -> None:
        """Finish what is under way, for a second at most, and close."""
        # On its own it waits for the last request, which may be a scrape with minutes to go.
        stopping = threading.Thread(target=self._server.stop, name="stop", daemon=True)
        stopping.start()
        stopping.join(STOP_SECONDS)


class _Server(Server):
    max_request_header_size = LARGEST_HEAD
    nodelay = True
    largest_body: int
    admits: Callable[[str, str, int], bool]
    tls: Callable[[], ssl.SSLContext] | None

    def prepare(self) -> None:
        super().prepare()
        self._connections.close()
        self._connections: Any = Connections(self)

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        logger.log(level, "%s", msg, exc_info=traceback)
