"""Retraining of the fraud model, within a day."""

from __future__ import annotations

from datetime import datetime, timedelta

from common.yaml_files import Duration, Strict
from responder.actions.base import Action, Task
from responder.config import Endpoint, Field
from responder.errors import SkipError
from responder.ledger.claims import State

RETRAINING = Field[Endpoint]("retraining", Endpoint)
"""What trains; it is told of each request."""


class Parameters(Strict, frozen=True, kw_only=True):
    """What the playbook gives; texts may have placeholders.

    Attributes:
        within: latest start of the retraining after the incident's start.
        reason: text that is kept with the request.
    """

    within: Duration
    reason: str


class ScheduleRetraining(Action[Parameters]):
    """Through the contract's function and, where one is configured, by a POST to what trains."""

    parameters = Parameters
    uses = (RETRAINING,)

    def apply(self, task: Task, parameters: Parameters) -> State:
        """See `Action`."""
        if task.too_late:
            # An earlier try may have asked one of the two.
            raise SkipError("the incident is over: nothing more is asked for")
        reason, due_by = task.fill(parameters.reason), _due_by(task, parameters)
        task.services.contract.schedule_retraining(reason, due_by, task.correlation_id)
        state: State = {"due_by": due_by.isoformat()}
        trigger = task.services.config.get(RETRAINING)
        if trigger is not None:
            body = {"reason": reason, "due_by": due_by.isoformat(), "correlation_id": task.correlation_id}
            task.services.http.request("POST", trigger, body=body, headers={"Idempotency-Key": task.key})
            state["triggered"] = True
        return state

    def preview(self, task: Task, parameters: Parameters) -> str:
        """See `Action`."""
        return f"would schedule retraining by {_due_by(task, parameters).isoformat()}: {task.fill(parameters.reason)}"


def _due_by(task: Task, parameters: Parameters) -> datetime:
    # From the ledger, not from now: a second try means the same moment.
    return task.incident.opened_at + timedelta(seconds=parameters.within)
