"""An administrator's account, locked at once and never unlocked."""

from __future__ import annotations

from uuid import uuid5

from common.yaml_files import Strict
from responder.actions.base import Action, Task
from responder.errors import RefusedError
from responder.ledger.claims import State


class Parameters(Strict, frozen=True, kw_only=True):
    """What the playbook gives; texts may have placeholders.

    Attributes:
        account: account to lock.
        reason: text that is kept with the lock.
        again: whether the account is locked again with the next repetition of the alert, if somebody unlocked it
            during the attack.
    """

    account: str
    reason: str
    again: bool = True


class LockAccount(Action[Parameters]):
    """Only a person unlocks. Once the attack is over, an unlocked account stays so until another incident."""

    parameters = Parameters

    def apply(self, task: Task, parameters: Parameters) -> State:
        """See `Action`."""
        account, reason = task.fill(parameters.account), task.fill(parameters.reason)
        lock = task.services.contract.lock_admin_account
        state = task.claim.after or {"account": account, "locked": True}
        # The platform locks an account once for an ID: that is how it knows that somebody has unlocked it.
        if lock(account, reason, state.get("locked_again_as", task.correlation_id)):
            return state
        if parameters.again and not task.incident.closed:
            another = str(uuid5(task.incident.correlation_id, f"lock {task.claim.fence}"))
            if lock(account, f"{reason}: again, the attack {task.correlation_id} goes on", another):
                return {**state, "locked_again_as": another}
        raise RefusedError(f"no account {account!r}, or a person has unlocked it since this incident locked it")

    def is_done_again(self, parameters: Parameters) -> bool:
        """See `Action`."""
        return parameters.again

    def effect(self, before: State | None, after: State) -> str:  # noqa: ARG002
        """See `Declaration`."""
        again = " again: somebody had unlocked it while the attack goes on" if "locked_again_as" in after else ""
        return f"{after['account']} is locked{again}"

    def preview(self, task: Task, parameters: Parameters) -> str:
        """See `Action`."""
        return f"would lock {task.fill(parameters.account)!r}: {task.fill(parameters.reason)}"
