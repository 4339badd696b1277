"""A stricter review threshold, `config:fraud_threshold`, while fraud is certainly high."""

from __future__ import annotations

import math
from typing import Annotated

import msgspec

from common.yaml_files import Strict
from contract.definition import FRAUD_THRESHOLD
from responder.actions.base import RevertingAction, Task
from responder.actions.redis_setting import change_setting, read_setting
from responder.errors import RefusedError, SkipError
from responder.ledger.claims import State
from responder.placeholders import promql
from responder.wilson import lower_bound

KEY = FRAUD_THRESHOLD


class OnlyWhile(Strict, frozen=True, kw_only=True):
    """Counts in Prometheus that must leave no doubt.

    Attributes:
        blocked: PromQL, one series: blocked predictions.
        total: PromQL, one series: all predictions of the same window.
        above: what the lower bound of the true share must be above, 0 to 1.
    """

    blocked: str
    total: str
    above: Annotated[float, msgspec.Meta(ge=0, le=1)]


class Parameters(Strict, frozen=True, kw_only=True):
    """What the playbook gives.

    Attributes:
        value: the threshold while the incident lasts, 0 to 1.
        only_while: the evidence it takes; none by default.
    """

    value: Annotated[float, msgspec.Meta(ge=0, le=1)]
    only_while: OnlyWhile | None = None


class SetFraudThreshold(RevertingAction[Parameters]):
    """Never loosens: a threshold that is as strict already stays as it is."""

    parameters = Parameters

    def target(self, task: Task, parameters: Parameters) -> str:  # noqa: ARG002
        """See `RevertingAction`."""
        return f"redis {KEY}"

    def observe(self, task: Task, parameters: Parameters) -> State:  # noqa: ARG002
        """See `RevertingAction`."""
        return read_setting(task, KEY)

    def plan(self, task: Task, parameters: Parameters, before: State) -> State:
        """See `RevertingAction`."""
        if before["value"] is not None:
            found = _number(before["value"])
            if found is None:
                raise RefusedError(f"{KEY} is not a number; left alone")
            if found <= parameters.value:
                raise SkipError(f"{KEY} is {before['value']} already, at least as strict")
        if parameters.only_while is not None:
            _require(task, parameters.only_while)
        text = f"{parameters.value:.2f}"
        return {"value": text if float(text) == parameters.value else str(parameters.value)}

    def change(self, task: Task, parameters: Parameters, from_: State, to: State) -> bool:  # noqa: ARG002
        """See `RevertingAction`."""
        return change_setting(task, KEY, from_, to)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _require(task: Task, evidence: OnlyWhile) -> None:
    blocked = task.services.prometheus.number(task.fill(evidence.blocked, promql))
    total = task.services.prometheus.number(task.fill(evidence.total, promql))
    if blocked is None or total is None:
        raise SkipError("Prometheus does not know the counts of blocked and all predictions", wait=True)
    bound = lower_bound(blocked, total)
    if bound is None or bound <= evidence.above:
        share = "unknown" if bound is None else f"at least {100 * bound:.2f} % with 95 % confidence"
        raise SkipError(
            f"{blocked:.0f} of {total:.0f} predictions are blocked: {share}, which is not above"
            f" {100 * evidence.above:g} %",
            wait=True,
        )
