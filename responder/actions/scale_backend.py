"""More replicas of the backend while it is slow: the baseline that was found and a few more, capped."""

from __future__ import annotations

from collections.abc import Sequence

from common.yaml_files import Strict
from responder.actions.base import RevertingAction, Task
from responder.config import Field, Positive
from responder.errors import SkipError
from responder.ledger.claims import State
from responder.scalers import Scaler
from responder.scalers.ecs import Ecs, EcsScaler
from responder.scalers.kubernetes import Kubernetes, KubernetesScaler

BACKEND = Field[Kubernetes | Ecs]("backend", Kubernetes | Ecs)


class Parameters(Strict, frozen=True, kw_only=True):
    """What the playbook gives.

    Attributes:
        add: number of replicas to add to the baseline.
        most: largest number of replicas, whatever the baseline is.
    """

    add: Positive
    most: Positive


class ScaleBackend(RevertingAction[Parameters]):
    """Sets a number that was written down before, so two tries, or two incidents, do not add up."""

    needs = (BACKEND,)

    parameters = Parameters

    def target(self, task: Task, parameters: Parameters) -> str:  # noqa: ARG002
        """See `RevertingAction`."""
        return _scaler(task).name

    def observe(self, task: Task, parameters: Parameters) -> State:  # noqa: ARG002
        """See `RevertingAction`."""
        return {"replicas": _scaler(task).read()}

    def plan(self, task: Task, parameters: Parameters, before: State) -> State:  # noqa: ARG002
        """See `RevertingAction`."""
        baseline = before["replicas"]
        if baseline == 0:
            raise SkipError("the backend is scaled to 0, on purpose; left alone")
        if baseline >= parameters.most:
            raise SkipError(f"{baseline} replicas already; at most {parameters.most}")
        return {"replicas": min(baseline + parameters.add, parameters.most)}

    def strictest(self, states: Sequence[State]) -> State:
        """See `RevertingAction`."""
        return max(states, key=lambda state: int(state["replicas"]))

    def change(self, task: Task, parameters: Parameters, from_: State, to: State) -> bool:  # noqa: ARG002
        """See `RevertingAction`."""
        return _scaler(task).change(from_["replicas"], to["replicas"], task.confirm)

    def effect(self, before: State | None, after: State) -> str:
        """See `Declaration`."""
        return f"{after['replicas']} replicas" + (f", were {before['replicas']}" if before else "")


def _scaler(task: Task) -> Scaler:
    backend = task.configured(BACKEND)
    if isinstance(backend, Ecs):
        return EcsScaler(backend)
    return KubernetesScaler(task.services.http, backend)
