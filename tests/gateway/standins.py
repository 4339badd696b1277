"""Small servers in place of what has no package here: they record what reaches them."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

#: Cookies of the sessions that the gate's stand-in knows, and the methods they were opened with.
SESSIONS = {"with-otp": {"pwd", "otp"}, "password-only": {"pwd"}}
COOKIE = "__Host-gate"
READ_TOKEN = "reads-reports-and-nothing-else"


class Seen(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Reply(NamedTuple):
    status: int
    body: str = ""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass
class StandIn:
    """An HTTP server on the loopback."""

    answer: Callable[[Seen], Reply]
    seen: list[Seen] = field(default_factory=list)
    address: str = ""
    #: Closes every connection without an answer, as a server that dies would.
    hangs_up: bool = False

    @contextmanager
    def serving(self) -> Iterator["StandIn"]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Seen(self.command, self.path, headers, self.rfile.read(length))
                outer.seen.append(request)
                if outer.hangs_up:
                    self.close_connection = True
                    return
                status, body, more = outer.answer(request)
                self.send_response(status)
                for name, value in more:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body.encode())))
                self.end_headers()
                self.wfile.write(body.encode())

            do_GET = do_POST = do_DELETE = handle_any  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self.address = f"127.0.0.1:{server.server_address[1]}"
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()


def gate(request: Seen) -> Reply:
    """What oauth2-proxy answers."""
    parts = urlsplit(request.path)
    if parts.path == "/ready":
        return Reply(200)
    if parts.path != "/oauth2/auth":
        return Reply(302, headers=(("Location", "https://idp.example.com/auth"),))
    cookie = SimpleCookie(request.headers.get("cookie", "")).get(COOKIE)
    methods = SESSIONS.get(cookie.value) if cookie else None
    if methods is None:
        return Reply(401)
    wanted = set(parse_qs(parts.query).get("allowed_groups", []))
    return Reply(202 if not wanted or wanted & methods else 403)


def grafana(request: Seen) -> Reply:
    """Grafana that answers everything, and says so."""
    if request.path.endswith("/metrics"):
        return Reply(200, "grafana_build_info 1\n", (("Content-Type", "text/plain; version=0.0.4"),))
    body = json.dumps({"grafana": request.path})
    return Reply(200, body, (("Content-Type", "application/json"), ("Set-Cookie", "grafana_session=g; Path=/")))


def keycloak(request: Seen) -> Reply:
    """Keycloak that answers everything."""
    return Reply(200, f"keycloak {request.path}")


def prometheus(request: Seen) -> Reply:
    """Prometheus that answers everything."""
    return Reply(200, f"prometheus {request.path}", (("Content-Type", "text/html; charset=utf-8"),))


def responder(request: Seen) -> Reply:
    """A responder that answers everything."""
    return Reply(200, f"responder {request.path}", (("Content-Type", "text/html; charset=utf-8"),))


def broken(_: Seen) -> Reply:
    """Something that fails."""
    return Reply(500)
