"""Another fraud model, `config:fraud_model`, until retraining decides."""

from __future__ import annotations

from typing import Literal

from common.yaml_files import Strict
from contract.definition import FRAUD_MODEL
from responder.actions.base import Action, Task
from responder.actions.redis_setting import change_setting, read_setting
from responder.errors import RefusedError, SkipError
from responder.ledger.claims import State

KEY = FRAUD_MODEL


class Parameters(Strict, frozen=True, kw_only=True):
    """What the playbook gives.

    Attributes:
        model: the model to score with.
    """

    model: Literal["xgboost", "ensemble"]


class SetFraudModel(Action[Parameters]):
    """Does not switch back: who retrains the model does."""

    parameters = Parameters

    def apply(self, task: Task, parameters: Parameters) -> State:
        """See `Action`."""
        found = read_setting(task, KEY)
        wanted = {"value": parameters.model}
        # What an earlier try has set already is done.
        if task.too_late and found != wanted:
            raise SkipError("the incident is over: the model stays as it is")
        if not change_setting(task, KEY, found, wanted):
            raise RefusedError(f"{KEY} was changed by somebody else meanwhile; left alone")
        return {**wanted, "found": found["value"]}

    def effect(self, before: State | None, after: State) -> str:  # noqa: ARG002
        """See `Declaration`."""
        return f"{KEY} is {after['value']}, was {after['found']}"

    def preview(self, task: Task, parameters: Parameters) -> str:
        """See `Action`."""
        return f"would set {KEY} from {read_setting(task, KEY)['value']} to {parameters.model}"
