"""Open a ticket in a tracker that takes JSON, once for each incident."""

from __future__ import annotations

from common.yaml_files import Strict
from responder.actions.base import Action, Task
from responder.config import Endpoint, Field
from responder.ledger.claims import State

TICKETS = Field[Endpoint]("tickets", Endpoint)
"""Creates one ticket for each `Idempotency-Key`."""


class Parameters(Strict, frozen=True, kw_only=True):
    """What the playbook gives; texts may have placeholders.

    Attributes:
        queue: of the tracker.
        title: for people.
    """

    queue: str
    title: str


class OpenTicket(Action[Parameters]):
    """The tracker opens one ticket for an `Idempotency-Key`, however often it is asked."""

    parameters = Parameters
    needs = (TICKETS,)

    def apply(self, task: Task, parameters: Parameters) -> State:
        """See `Action`."""
        ticket = {
            "queue": parameters.queue,
            "title": task.fill(parameters.title),
            "correlation_id": task.correlation_id,
            "runbook": task.incident.annotations.get("runbook_url"),
        }
        reply = task.services.http.request(
            "POST", task.configured(TICKETS), body=ticket, headers={"Idempotency-Key": task.key}
        )
        return {"answer": reply.body[:200].decode("utf-8", "replace")}

    def preview(self, task: Task, parameters: Parameters) -> str:
        """See `Action`."""
        return f"would open a ticket in {parameters.queue}: {task.fill(parameters.title)}"
