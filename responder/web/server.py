"""The HTTP server: cheroot, bounded in every direction."""

from __future__ import annotations

import logging
import re
import socket
import threading
from typing import Any

from cheroot.wsgi import Server

from responder.parsing import ConfigError
from responder.web.routes import LARGEST_BODY

logger = logging.getLogger(__name__)

THREADS = 8
BACKLOG = 128
TIMEOUT_SECONDS = 10
STOP_SECONDS = 2
LARGEST_HEADERS = 65536


class WebServer:
    """Serves a WSGI application on threads of its own.

    Args:
        address: `host:port`, or `:port` for all addresses.
        application: the WSGI application.

    Raises:
        ConfigError: the address is not valid.
    """

    def __init__(self, address: str, application: Any) -> None:
        host, _, port = address.rpartition(":")
        if not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535:
            raise ConfigError(f"--web.listen-address: {address!r} is not host:port")
        host = host.strip("[]") or ("::" if socket.has_dualstack_ipv6() else "0.0.0.0")  # noqa: S104
        self._server = Server(
            (host, int(port)),
            application,
            numthreads=THREADS,
            server_name="ticketing-responder",
            request_queue_size=BACKLOG,
            timeout=TIMEOUT_SECONDS,
            shutdown_timeout=1,
        )
        self._server.nodelay = True
        self._server.max_request_header_size = LARGEST_HEADERS
        # The application itself answers what is a little larger, and counts it.
        self._server.max_request_body_size = 16 * LARGEST_BODY
        self._server.error_log = _log  # type: ignore[method-assign, assignment]

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
        """Finish what is under way, for a moment, and close."""
        stopping = threading.Thread(target=self._server.stop, name="stop", daemon=True)
        stopping.start()
        stopping.join(STOP_SECONDS)


def _log(message: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
    logger.log(level, "%s", message, exc_info=traceback)
