"""A record in the SIEM feed that carries the correlation ID."""

from __future__ import annotations

from common.yaml_files import Strict
from contract.definition import Severity
from responder.actions.base import Action, Task
from responder.config import Endpoint, Field
from responder.ledger.claims import State

EVENTS = Field[Endpoint]("siem.events", Endpoint)
"""A collector that takes one JSON object a POST."""


class Parameters(Strict, frozen=True, kw_only=True):
    """What the playbook gives; texts may have placeholders.

    Attributes:
        severity: severity of the event.
        event_type: type of the event; each type is recorded once for an incident.
        message: text that people read.
        account: account that the event is about.
    """

    severity: Severity
    event_type: str
    message: str
    account: str | None = None


class RecordSiem(Action[Parameters]):
    """Through the contract's function and, where one is configured, to the collector over HTTP."""

    parameters = Parameters
    uses = (EVENTS,)
    records = True

    def apply(self, task: Task, parameters: Parameters) -> State:
        """See `Action`."""
        message = task.fill(parameters.message)
        account = None if parameters.account is None else task.fill(parameters.account)
        event_type = task.fill(parameters.event_type)
        task.services.contract.record_security_event(
            parameters.severity, event_type, message, account, None, task.correlation_id
        )
        collector = task.services.config.get(EVENTS)
        if collector is None:
            return {"recorded": event_type}
        event = {
            "severity": parameters.severity,
            "event_type": event_type,
            "message": message,
            "account": account,
            "correlation_id": task.correlation_id,
            "alertname": task.incident.alertname,
            "labels": task.incident.labels,
        }
        task.services.http.request("POST", collector, body=event, headers={"Idempotency-Key": task.key})
        return {"recorded": event_type, "collected": True}

    def preview(self, task: Task, parameters: Parameters) -> str:
        """See `Action`."""
        return f"would record {parameters.severity} {task.fill(parameters.event_type)}: {task.fill(parameters.message)}"
