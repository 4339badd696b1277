"""The inbox over HTTP: the services, the page, and the JSON behind it."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from testbed.inbox.services import SERVICES, Answer, Request
from testbed.inbox.store import CHANNELS, Store

LARGEST_BODY = 4 << 20
THREADS = 8
_PAGE = Path(__file__).with_name("page.html")

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class Web:
    """WSGI application.

    ``GET /`` (the page), ``GET /api/notifications?channel=&since=`` (newest first; `since` is the id after
    which they begin), ``DELETE /api/notifications``, ``GET /-/healthy``, and ``POST`` to the services.
    ``GET /admin/monitoring/…``, where links in notifications lead, goes on to `board`.

    Args:
        store: What arrived.
        board: Address of what stands in for the dashboard; None without one.
    """

    def __init__(self, store: Store, board: str | None = None) -> None:
        self._store = store
        self._board = board

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        answer = self._answer(environ)
        headers = [("Content-Type", answer.content_type), ("Content-Length", str(len(answer.body)))]
        if answer.location is not None:
            headers.append(("Location", answer.location))
        start_response(answer.status, [*headers, ("Cache-Control", "no-store")])
        return [answer.body]

    def _answer(self, environ: Environ) -> Answer:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if method == "POST":
            return self._service(path, environ)
        match method, path:
            case "GET", "/":
                return Answer("200 OK", "text/html; charset=utf-8", _PAGE.read_bytes())
            case "GET", "/-/healthy":
                return Answer("200 OK", "text/plain", b"OK\n")
            case "GET", "/api/notifications":
                return self._notifications(parse_qs(environ.get("QUERY_STRING", "")))
            case "DELETE", "/api/notifications":
                self._store.clear()
                return Answer("204 No Content", "text/plain", b"")
        if method == "GET" and path.startswith("/admin/monitoring/") and self._board is not None:
            return Answer("302 Found", "text/plain", b"", self._board)
        return Answer.of_json("404 Not Found", {"error": f"no {method} {path}"})

    def _service(self, path: str, environ: Environ) -> Answer:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if length > LARGEST_BODY:
            return Answer.of_json("413 Content Too Large", {"error": f"at most {LARGEST_BODY} bytes"})
        request = Request(environ["wsgi.input"].read(length), environ.get("HTTP_AUTHORIZATION", ""))
        for prefix, service in SERVICES.items():
            if path == prefix or path.startswith(prefix + "/"):
                return service(request, self._store)
        return Answer.of_json("404 Not Found", {"error": f"no service at {path}"})

    def _notifications(self, query: dict[str, list[str]]) -> Answer:
        channel, since = query.get("channel", [None])[0], query.get("since", ["0"])[0]
        if channel is not None and channel not in CHANNELS:
            return Answer.of_json("400 Bad Request", {"error": f"channel is one of {', '.join(CHANNELS)}"})
        if not since.isdecimal():
            return Answer.of_json("400 Bad Request", {"error": "since is the id of a notification"})
        kept = self._store.newest_first(channel, int(since))
        return Answer.of_json("200 OK", {"arrived": self._store.arrived(), "notifications": kept})
