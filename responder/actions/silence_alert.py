"""A silence in Alertmanager for one alert, while its incident lasts: what a person who has acknowledged it asks for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec

from common.yaml_files import Duration, Strict
from responder.actions.base import RevertingAction, Task
from responder.config import Config, Endpoint, Field
from responder.endpoints import EndpointError, Reply
from responder.ledger.claims import State
from responder.placeholders import promql
from responder.playbooks import Step

ALERTMANAGERS = Field[tuple[Endpoint, ...]](
    "alertmanagers",
    Annotated[tuple[Endpoint, ...], msgspec.Meta(min_length=1)],
    meaning="All members of the cluster, which share silences, but not alerts. Alerts are kept firing in each of them"
    " while Prometheus is away.",
)
LONGEST_SECONDS = 24 * 3600


class Parameters(Strict, frozen=True, kw_only=True):
    """What the playbook gives, or a decision.

    Attributes:
        by: name of whoever wants the silence.
        longest: longest duration of the silence; it then ends by itself, even without the responder.
    """

    by: str = "the playbook"
    longest: Duration = Duration(LONGEST_SECONDS)


class SilenceAlert(RevertingAction[Parameters]):
    """The silence is known by the incident's ID in its comment, so there is one however often it is tried."""

    parameters = Parameters
    needs = (ALERTMANAGERS,)

    def target(self, task: Task, parameters: Parameters) -> str:  # noqa: ARG002
        """See `RevertingAction`."""
        return f"silence of {task.correlation_id}"

    def observe(self, task: Task, parameters: Parameters) -> State:
        """See `RevertingAction`."""
        return {"by": parameters.by if _silences(task) else None}

    def plan(self, task: Task, parameters: Parameters, before: State) -> State:  # noqa: ARG002
        """See `RevertingAction`."""
        return {"by": parameters.by}

    def strictest(self, states: Sequence[State]) -> State:
        """See `RevertingAction`."""
        return max(states, key=lambda state: state["by"] is not None)

    def change(self, task: Task, parameters: Parameters, from_: State, to: State) -> bool:  # noqa: ARG002
        """See `RevertingAction`."""
        there = _silences(task)
        if to["by"] is None:
            for silence in there:
                _ask(task, "DELETE", f"/api/v2/silence/{silence}")
        elif not there:
            now = datetime.now(UTC)
            body = {
                "matchers": [
                    {"name": name, "value": value, "isRegex": False, "isEqual": True}
                    for name, value in task.incident.labels.items()
                ],
                "startsAt": now.isoformat(),
                "endsAt": (now + timedelta(seconds=parameters.longest)).isoformat(),
                "createdBy": f"ticketing-responder for {parameters.by}",
                "comment": _comment(task),
            }
            _ask(task, "POST", "/api/v2/silences", body=body)
        return True

    def effect(self, before: State | None, after: State) -> str:  # noqa: ARG002
        """See `Declaration`."""
        return "the alert is silenced for every receiver until the end; close it in PagerDuty yourself"


def can_ack(config: Config) -> bool:
    """Whether anything comes of acknowledging an incident."""
    return config.get(ALERTMANAGERS) is not None


ON_ACK = Step(action="silence_alert", parameters={}, expires=Duration(LONGEST_SECONDS))
"""What is done when an incident is acknowledged."""


def _comment(task: Task) -> str:
    return f"Incident {task.correlation_id} is acknowledged; the silence ends with it"


def _silences(task: Task) -> list[str]:
    """The identifiers of the incident's silences that are in force."""
    alertname = promql(task.incident.alertname)
    reply = _ask(task, "GET", "/api/v2/silences", params={"filter": f'alertname="{alertname}"'})
    found: Any = reply.json()
    try:
        return [
            str(silence["id"])
            for silence in found
            if silence["comment"] == _comment(task) and silence["status"]["state"] != "expired"
        ]
    except (KeyError, TypeError):
        raise EndpointError("Alertmanager: the answer is not a list of silences", reply.status, passing=False) from None


def _ask(
    task: Task, method: str, path: str, *, params: dict[str, str] | None = None, body: dict[str, Any] | None = None
) -> Reply:
    """The answer of the first one of the cluster that gives one.

    Raises:
        EndpointError: what the last one was asked in vain for.
    """
    *others, last = task.configured(ALERTMANAGERS)
    for endpoint in others:
        try:
            return task.services.http.request(method, endpoint, path, params=params, body=body, attempts=1)
        except EndpointError as error:
            if not error.passing:
                raise
    return task.services.http.request(method, last, path, params=params, body=body, attempts=1)
