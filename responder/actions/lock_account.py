"""An administrator's account, locked at once and never unlocked."""

from __future__ import annotations

from common.yaml_files import Strict
from responder.actions.base import Action, Task
from responder.errors import RefusedError
from responder.ledger.claims import State


class Parameters(Strict, frozen=True, kw_only=True):
    """What the playbook gives; texts may have placeholders.

    Attributes:
        account: whom.
        reason: kept with the lock.
    """

    account: str
    reason: str


class LockAccount(Action[Parameters]):
    """Only a person unlocks. An account that somebody unlocked is locked again by another incident only."""

    parameters = Parameters

    def apply(self, task: Task, parameters: Parameters) -> State:
        """See `Action`."""
        account = task.fill(parameters.account)
        if not task.services.contract.lock_admin_account(account, task.fill(parameters.reason), task.correlation_id):
            raise RefusedError(f"no account {account!r}, or a person has unlocked it since this incident locked it")
        return {"account": account, "locked": True}

    def preview(self, task: Task, parameters: Parameters) -> str:
        """See `Action`."""
        return f"would lock {task.fill(parameters.account)!r}: {task.fill(parameters.reason)}"
