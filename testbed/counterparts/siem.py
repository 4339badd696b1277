"""A SIEM's collector, and its incident workflow that takes an `Idempotency-Key`."""

from collections import deque
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from testbed.counterparts.server import Reply, Request


@dataclass
class Siem:
    """`POST /siem/events`, `POST /siem/incidents`, and GET of both.

    Attributes:
        events: what was collected, one for a key, newest last.
        incidents: by key.
    """

    events: deque[Any] = field(default_factory=lambda: deque(maxlen=1000))
    incidents: dict[str, dict[str, Any]] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)
    lock: Lock = field(default_factory=Lock)

    def answer(self, request: Request) -> Reply | None:
        """See `Counterpart`."""
        with self.lock:
            match request.method, request.path:
                case "GET", "/siem/events":
                    return Reply.of_json(200, list(self.events))
                case "POST", "/siem/events":
                    return self._collect(request)
                case "GET", "/siem/incidents":
                    return Reply.of_json(200, list(self.incidents.values()))
                case "POST", "/siem/incidents":
                    return self._open(request)
        return None

    def _collect(self, request: Request) -> Reply:
        received = request.json()
        if not isinstance(received, dict | list):
            return Reply.of_json(400, {"error": "the body is not JSON"})
        key = request.headers.get("idempotency-key")
        events = received if isinstance(received, list) else [received]
        if key is None or key not in self.keys:
            self.events.extend(events)
            self.keys |= {key} if key else set()
        return Reply.of_json(200, {"accepted": len(events)})

    def _open(self, request: Request) -> Reply:
        body, key = request.json(), request.headers.get("idempotency-key")
        if not key:
            return Reply.of_json(400, {"error": "Idempotency-Key is missing"})
        if not isinstance(body, dict) or not body.get("title") or not body.get("severity"):
            return Reply.of_json(422, {"error": "title and severity are needed"})
        known = self.incidents.get(key)
        if known is not None:
            return Reply.of_json(200, known)
        self.incidents[key] = {"id": f"INC-{len(self.incidents) + 1:04d}", **body}
        return Reply.of_json(201, self.incidents[key])
