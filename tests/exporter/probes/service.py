"""A small web service that probes ask, and the sources of none."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from exporter.probes.kinds import Sources
from tests.exporter.web.serving import secret

NONE = Sources(secret("POSTGRES_DSN", "host=127.0.0.1 port=1"), secret("REDIS_URL", "redis://127.0.0.1:1/0"))


class Handler(BaseHTTPRequestHandler):
    """Answers `/status/N` with that status, `/body` with the server's, and `/hang` when released."""

    server: Service

    def do_GET(self) -> None:
        self.server.seen.append((self.command, self.path, dict(self.headers), b""))
        if self.path == "/hang":
            self.server.released.wait(30)
        status = int(self.path.partition("?")[0].rpartition("/")[2]) if self.path.startswith("/status/") else 200
        self._answer(status)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.command, self.path, dict(self.headers), body))
        self._answer(self.server.status)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Location", "/status/200")
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: Any) -> None:
        pass


class Service(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.body, self.status = b"ok", 200
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: Any) -> None:
        pass
