"""The HTTP server: cheroot, bounded in every direction."""

from __future__ import annotations

import logging
import re
import socket
import ssl
import threading
from typing import Any

from cheroot.makefile import StreamReader, StreamWriter
from cheroot.server import HTTPConnection
from cheroot.ssl import Adapter
from cheroot.wsgi import Server

from common.deadline import Deadline
from common.yaml_files import ConfigError

logger = logging.getLogger(__name__)

# All of a fleet may be restarted at once, and all their clients come at once then.
BACKLOG = 256
KEPT_CONNECTIONS = 64
IDLE_SECONDS = 75
STOP_SECONDS = 2
REQUEST_SECONDS = 10
"""For a client that has begun to send, until its request is there; and then for each piece of the answer to go."""
LARGEST_HEADERS = 65536


class WebServer:
    """Serves a WSGI application on threads of its own.

    Args:
        name: told to clients.
        address: `host:port`, or `:port` for all addresses.
        application: the WSGI application.
        threads: requests that are answered at once.
        largest_body: bytes of a request's body, above which it does not reach the application.
        tls: with certificates, when TLS is to be spoken.

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
        largest_body: int = 65536,
        tls: ssl.SSLContext | None = None,
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
        self._server.ConnectionClass = _Connection
        self._server.nodelay = True
        self._server.keep_alive_conn_limit = KEPT_CONNECTIONS
        self._server.max_request_header_size = LARGEST_HEADERS
        self._server.max_request_body_size = largest_body
        self._server.error_log = _log  # type: ignore[method-assign, assignment]
        if tls is not None:
            self._server.ssl_adapter = _TlsAdapter(tls)

    def use_certificates(self, tls: ssl.SSLContext) -> None:
        """Use these for connections from now on."""
        self._server.ssl_adapter.context = tls

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
    """Hands a new connection to a thread once the client has sent something, so that silent ones cost none."""

    def process_conn(self, conn: _Connection) -> None:
        if conn.silent:
            conn.silent = False
            self.put_conn(conn)
        else:
            super().process_conn(conn)


class _Connection(HTTPConnection):
    silent = True
    shaken_hands = False

    def __init__(self, server: Any, sock: socket.socket, makefile: Any = None) -> None:  # noqa: ARG002
        super().__init__(server, sock, _file)

    def communicate(self) -> bool:
        self.socket.settimeout(REQUEST_SECONDS)
        if isinstance(self.socket, ssl.SSLSocket) and not self.shaken_hands:
            try:
                self.socket.do_handshake()
            except OSError as error:
                logger.debug("TLS handshake with %s failed: %s", self.remote_addr, error)
                return False
            self.shaken_hands = True
        self.rfile.raw.deadline = Deadline(REQUEST_SECONDS)
        return bool(super().communicate())  # type: ignore[no-untyped-call]


class _Incoming(socket.SocketIO):
    """Has one deadline for a whole request: a client that drips it in would hold its thread for days otherwise."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock, "rb")
        self.deadline = Deadline(REQUEST_SECONDS)
        self._socket = sock

    def readinto(self, buffer: Any) -> int | None:
        left = self.deadline.remaining()
        if left <= 0:
            raise TimeoutError("timed out")
        self._socket.settimeout(left)
        try:
            return super().readinto(buffer)
        finally:
            self._socket.settimeout(REQUEST_SECONDS)


class _Reader(StreamReader):
    def __init__(self, sock: socket.socket, size: int) -> None:
        # cheroot's own would make a reader without a deadline.
        super(StreamReader, self).__init__(_Incoming(sock), size)
        self.bytes_read = 0


def _file(sock: socket.socket, mode: str, size: int) -> StreamReader | StreamWriter:
    return _Reader(sock, size) if "r" in mode else StreamWriter(sock, mode, size)


class _TlsAdapter(Adapter):
    """Leaves the handshake to the thread of the connection: here it would keep all others from being accepted."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.context = context

    def bind(self, sock: socket.socket) -> socket.socket:
        return sock

    def wrap(self, sock: socket.socket) -> tuple[socket.socket, dict[str, str]]:
        wrapped = self.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        return wrapped, self.get_environ()

    def get_environ(self) -> dict[str, str]:
        return {"wsgi.url_scheme": "https", "HTTPS": "on"}

    def makefile(self, sock: socket.socket, mode: str = "r", bufsize: int = -1) -> StreamReader | StreamWriter:
        return _file(sock, mode, bufsize)


def _log(message: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
    logger.log(level, "%s", message, exc_info=traceback)
