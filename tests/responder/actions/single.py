"""A playbook of one action, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import requests

from testbed.counterparts.server import Reply, Request
from tests.responder.conftest import World
from tests.responder.process import ResponderProcess, wait_until


def one(name: str, alert: dict[str, str], **parameters: Any) -> dict[str, Any]:
    """The playbook of an alert with one action, and with an end that is verified soon."""
    steps = [{"action": name, **parameters}]
    return {alert["playbook"]: {"max_per_hour": 9, "ends_when": {"for": "300ms"}, "on_firing": steps}}


def outcome(responder: ResponderProcess, name: str) -> dict[str, Any]:
    return responder.settled()[name]


def tried(responder: ResponderProcess, name: str, reason: str, seconds: float = 15) -> None:
    """Wait until it has been tried, in vain for this reason."""
    wait_until(lambda: reason in str(responder.actions()[name]["reason"]), seconds, lambda: str(responder.actions()))


def crash_before_it_is_written_down(world: World, responder: ResponderProcess) -> None:
    """Kill the responder, and leave the ledger as a kill between the effect and its record does."""
    responder.kill9()
    world.sql(
        "UPDATE monitoring.responder_actions SET state = 'running', due_at = now(), finished_at = NULL,"
        " after_state = CASE WHEN target IS NOT NULL THEN after_state END WHERE state = 'done'"
    )


@dataclass
class Receiver:
    """Takes every POST under its path, and knows no idempotency.

    Attributes:
        path: of its own.
        received: bodies.
        keys: what each bore as `Idempotency-Key`.
    """

    path: str
    received: list[Any] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)

    def answer(self, request: Request) -> Reply | None:
        if (request.method, request.path) != ("POST", self.path):
            return None
        self.received.append(request.json())
        self.keys.append(request.headers.get("idempotency-key"))
        return Reply(200, b"ok", "text/plain")


@dataclass(frozen=True)
class Forward:
    """Hands everything on to another server, so that its troubles can be made.

    Attributes:
        url: of the server.
    """

    url: str

    def answer(self, request: Request) -> Reply:
        headers = {name: value for name, value in request.headers.items() if name != "host"}
        query = f"?{request.query}" if request.query else ""
        reply = requests.request(
            request.method, f"{self.url}{request.path}{query}", data=request.body, headers=headers, timeout=10
        )
        return Reply(reply.status_code, reply.content, reply.headers.get("Content-Type", ""))
