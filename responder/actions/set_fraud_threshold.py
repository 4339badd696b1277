"""A stricter review threshold, `config:fraud_threshold`, while fraud is certainly high."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Annotated

import msgspec

from common.yaml_files import Strict
from contract.definition import FRAUD_THRESHOLD
from responder.actions.base import RevertingAction, Task
from responder.actions.redis_setting import change_setting, read_setting
from responder.errors import RefusedError, SkipError
from responder.figures import shown
from responder.ledger.claims import State
from responder.placeholders import promql
from responder.prometheus import PrometheusError
from responder.reviews import more_reviews_per_hour

logger = logging.getLogger(__name__)

KEY = FRAUD_THRESHOLD


class Parameters(Strict, frozen=True, kw_only=True):
    """What the playbook gives.

    Attributes:
        value: threshold during the incident.
        only_while: PromQL that must return a series. Without one, which means false or unknown, nothing is changed yet.
    """

    value: Annotated[float, msgspec.Meta(ge=0, le=1)]
    only_while: str | None = None


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
        found = _number(before["value"])
        if found is None:
            raise RefusedError(f"{KEY} is not a number; left alone")
        if found <= parameters.value:
            raise SkipError(f"{KEY} is {before['value']} already, at least as strict")
        if parameters.only_while is not None:
            filled = task.fill(parameters.only_while, promql)
            if not task.services.prometheus.query(filled):
                figures = "".join(f", {name} {figure}" for name, figure in task.figures().items())
                raise SkipError(f"only_while is false or unknown{figures}", wait=True)
        text = f"{parameters.value:.2f}"
        return {"value": text if float(text) == parameters.value else str(parameters.value)}

    def strictest(self, states: Sequence[State]) -> State:
        """See `RevertingAction`."""
        return min(states, key=lambda state: float(state["value"]))

    def cost(self, task: Task, from_: State, to: State) -> str | None:
        """See `RevertingAction`."""
        was, threshold = _number(from_["value"]), _number(to["value"])
        if was is None or threshold is None:
            return None
        services = task.services
        try:
            more = more_reviews_per_hour(services.prometheus, services.config.platform, was, threshold)
        except PrometheusError as error:
            logger.warning("incident %s: how many more go to review: %s", task.correlation_id, error)
            return None
        if more is None:
            return None
        return f"by the scores of the last hour, about {shown(round(more))} more buyers an hour go to review"

    def change(self, task: Task, parameters: Parameters, from_: State, to: State) -> bool:  # noqa: ARG002
        """See `RevertingAction`."""
        return change_setting(task, KEY, from_, to)

    def effect(self, before: State | None, after: State) -> str:
        """See `Declaration`."""
        return f"{KEY} is {after['value']}" + (f", was {before['value']}" if before else "")


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
