"""The SIEM's incident workflow, opened once."""

from __future__ import annotations

from typing import Any

from common.yaml_files import Strict
from contract.definition import Severity
from responder.actions.base import Action, Task
from responder.config import Endpoint, Field
from responder.endpoints import EndpointError, Reply
from responder.ledger.claims import State

INCIDENTS = Field[Endpoint]("siem.incidents", Endpoint)
"""Opens an incident workflow for each `Idempotency-Key`."""


class Parameters(Strict, frozen=True, kw_only=True):
    """What the playbook gives; texts may have placeholders.

    Attributes:
        severity: severity of the incident.
        title: title that people read.
    """

    severity: Severity
    title: str


class OpenSiemIncident(Action[Parameters]):
    """The SIEM opens one incident for an `Idempotency-Key`, however often it is asked."""

    parameters = Parameters
    needs = (INCIDENTS,)
    records = True

    def apply(self, task: Task, parameters: Parameters) -> State:
        """See `Action`."""
        body: dict[str, Any] = {
            "severity": parameters.severity,
            "title": task.fill(parameters.title),
            "correlation_id": task.correlation_id,
            "alertname": task.incident.alertname,
            "labels": task.incident.labels,
            "runbook_url": task.incident.annotations.get("runbook_url"),
        }
        reply = task.services.http.request(
            "POST", task.configured(INCIDENTS), body=body, headers={"Idempotency-Key": task.key}
        )
        return {"incident": _id(reply)}

    def preview(self, task: Task, parameters: Parameters) -> str:
        """See `Action`."""
        return f"would open a {parameters.severity} incident: {task.fill(parameters.title)}"


def _id(reply: Reply) -> Any:
    """The incident's name in the SIEM, None when the answer has none: it is open by the status alone."""
    try:
        answer = reply.json()
    except EndpointError:
        return None
    return answer.get("id") if isinstance(answer, dict) else None
