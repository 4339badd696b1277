"""All connections that no thread is busy with: one thread looks after them, and waits for no single one of them."""

from __future__ import annotations

import errno
import logging
import selectors
import socket
import threading
import time
from typing import Any

from common.deadline import Deadline
from common.web_connection import Connection, Next

logger = logging.getLogger(__name__)

MOST_CONNECTIONS = 512
"""For one more, the one that has been waited for longest is closed."""
EXPIRE_EVERY_SECONDS = 0.5
_EVENTS = {Next.READ: selectors.EVENT_READ, Next.WRITE: selectors.EVENT_WRITE}
_ACCEPTED_AT_ONCE = 64
_WITHOUT_DESCRIPTORS = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_WITHOUT_DESCRIPTORS_SECONDS = 0.05


class Connections:
    """Stands in for cheroot's `ConnectionManager`.

    Args:
        server: cheroot's server, listening.
    """

    can_add_keepalive_connection = True

    def __init__(self, server: Any) -> None:
        self._server = server
        self._selector = selectors.DefaultSelector()
        self._waiting: dict[Connection, int] = {}
        self._changing = threading.Lock()
        self._running = threading.Lock()
        self._stopping = False
        server.socket.setblocking(False)
        self._selector.register(server.socket, selectors.EVENT_READ)

    def run(self, expiration_interval: float) -> None:  # noqa: ARG002 (cheroot's own name and value)
        """Look after all connections until `stop`."""
        with self._running:
            expire = Deadline(EXPIRE_EVERY_SECONDS)
            while not self._stopping:
                for key, _ in self._selector.select(EXPIRE_EVERY_SECONDS):
                    if key.data is None:
                        self._accept()
                    elif key.data in self._waiting:
                        self.put(key.data)
                if expire.remaining() <= 0:
                    self._expire()
                    expire = Deadline(EXPIRE_EVERY_SECONDS)

    def put(self, conn: Connection) -> None:
        """Let a connection go on, also one that a thread hands back after its answer."""
        try:
            needs = conn.advance()
        except Exception:
            # Whatever it is about, it is about this client alone.
            logger.exception("connection of %s", conn.remote_addr)
            needs = Next.CLOSE
        if needs in _EVENTS and not self._stopping:
            self._wait(conn, _EVENTS[needs])
            return
        self._wait(conn, 0)
        if needs is Next.THREAD:
            self._server.process_conn(conn)
        else:
            conn.close()

    def stop(self) -> None:
        """End `run`, within half a second."""
        self._stopping = True
        with self._running:
            pass

    def close(self) -> None:
        """Close all connections that no thread is busy with."""
        for conn in list(self._waiting):
            conn.close()
        self._selector.close()

    def _wait(self, conn: Connection, events: int) -> None:
        """Wait for these events, or with 0 for none any more."""
        with self._changing:
            before = self._waiting.pop(conn, 0)
            if events:
                self._waiting[conn] = events
            if before == events:
                return
            if not before:
                self._selector.register(conn.socket, events, conn)
            elif events:
                self._selector.modify(conn.socket, events, conn)
            else:
                self._selector.unregister(conn.socket)

    def _accept(self) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                sock, address = self._server.socket.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _WITHOUT_DESCRIPTORS and not self._evict():
                    time.sleep(_WITHOUT_DESCRIPTORS_SECONDS)
                return
            if len(self._waiting) + self._server.requests.qsize >= MOST_CONNECTIONS and not self._evict():
                sock.close()
                continue
            self._begin(sock, address)

    def _begin(self, sock: socket.socket, address: tuple[Any, ...]) -> None:
        try:
            if self._server.tls is not None:
                sock = self._server.tls().wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
            conn = Connection(self._server, sock, address)
        except OSError as error:
            logger.debug("connection of %s: %s", address[0], error)
            sock.close()
            return
        self.put(conn)

    def _evict(self) -> bool:
        """Close the connection that has been waited for longest, if there is one: rather one with a slow request."""
        with self._changing:
            conn = min(self._waiting, key=lambda one: (one.is_idle, one.since), default=None)
        if conn is None:
            return False
        self._wait(conn, 0)
        conn.close()
        return True

    def _expire(self) -> None:
        for conn in list(self._waiting):
            if conn.deadline.remaining() <= 0:
                self._wait(conn, 0)
                conn.give_up()
