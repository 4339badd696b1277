"""What all of them share: a request, a reply, and a server that can be made to fail."""

import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, Self

from cheroot.wsgi import Server

LARGEST_BODY = 1 << 20
_STATUSES = {
    200: "OK",
    201: "Created",
    202: "Accepted",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    409: "Conflict",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
StartResponse = Callable[[str, list[tuple[str, str]]], Any]


@dataclass(frozen=True)
class Request:
    """A request, as far as anyone looks at it; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    query: str = ""

    def json(self) -> Any:
        """The body, None when it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@dataclass(frozen=True)
class Reply:
    """An answer; `retry_after` in seconds is a header when it is not 0."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    retry_after: int = 0

    @classmethod
    def of_json(cls, status: int, content: Any, content_type: str = "application/json") -> "Reply":
        """Answer with JSON."""
        return cls(status, json.dumps(content).encode(), content_type)


class Counterpart(Protocol):
    """Something that answers under a path of its own."""

    def answer(self, request: Request) -> Reply | None:
        """The answer; None when the path is not its."""


def read(environ: Mapping[str, Any]) -> Request:
    """The request of a WSGI environment."""
    length = min(int(environ.get("CONTENT_LENGTH") or 0), LARGEST_BODY)
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_") or name == "CONTENT_TYPE"
    }
    body = environ["wsgi.input"].read(length) if length else b""
    return Request(environ["REQUEST_METHOD"], environ["PATH_INFO"], headers, body, environ.get("QUERY_STRING", ""))


def send(reply: Reply, start_response: StartResponse) -> Iterable[bytes]:
    """Answer a WSGI request."""
    headers = [("Content-Type", reply.content_type), ("Content-Length", str(len(reply.body)))]
    headers += [("Retry-After", str(reply.retry_after))] if reply.retry_after else []
    start_response(f"{reply.status} {_STATUSES.get(reply.status, 'Unknown')}", headers)
    return [reply.body]


@dataclass
class Trouble:
    """How a server misbehaves.

    Attributes:
        status: answered instead, without the counterpart; 0 for none.
        after: the counterpart does its work before that answer is given: half done.
        delay: seconds before every request is looked at.
        late: seconds between the work and its answer.
        retry_after: seconds that an answer with `status` asks to wait.
    """

    status: int = 0
    after: bool = False
    delay: float = 0.0
    late: float = 0.0
    retry_after: int = 0

    def reply(self) -> Reply:
        """What is answered instead."""
        return Reply(self.status, b"in trouble", "text/plain", self.retry_after)


@dataclass
class CounterpartServer:
    """Serves counterparts on a free port of 127.0.0.1; used with `with`.

    Attributes:
        counterparts: asked in turn.
        trouble: may be changed at any time.
        requests: everything that arrived.
    """

    counterparts: list[Counterpart]
    trouble: Trouble = field(default_factory=Trouble)
    requests: list[Request] = field(default_factory=list)

    def __call__(self, environ: Mapping[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        request = read(environ)
        self.requests.append(request)
        trouble = self.trouble
        if trouble.delay:
            time.sleep(trouble.delay)
        if trouble.status and not trouble.after:
            return send(trouble.reply(), start_response)
        replies = (counterpart.answer(request) for counterpart in self.counterparts)
        reply = next((one for one in replies if one is not None), Reply(404))
        if trouble.late:
            time.sleep(trouble.late)
        if trouble.status:
            reply = trouble.reply()
        return send(reply, start_response)

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return f"http://127.0.0.1:{self._server.bind_addr[1]}"

    def __enter__(self) -> Self:
        self._server = Server(("127.0.0.1", 0), self, numthreads=8, shutdown_timeout=0)
        self._server.nodelay = True
        self._server.prepare()
        threading.Thread(target=self._server.serve, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop()
