"""Changes for a while: several incidents may hold one target, the strictest is in force, an operator always wins."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from responder.actions.base import RevertingAction, Task
from responder.errors import LostError, RefusedError, RetryError, SkipError
from responder.ledger import claims, targets
from responder.ledger.claims import State
from responder.ledger.targets import Target
from responder.postgres import Cursor, LockedError, Postgres

logger = logging.getLogger(__name__)

CHANGED_MEANWHILE = "{} was changed by somebody else meanwhile; left alone"
CHANGED_SINCE = "changed by somebody else since; left alone"
STILL_NEEDED = "another incident still needs it; the last one puts it back"


class Holding:
    """One try to hold a target, or to let it go.

    Args:
        postgres: with the ledger.
        action: what is changed, and how.
        task: the try.
        parameters: of the playbook.
    """

    def __init__(self, postgres: Postgres, action: RevertingAction[Any], task: Task, parameters: Any) -> None:
        self._postgres = postgres
        self._action = action
        self._task = task
        self._claim = task.claim
        self._parameters = parameters

    def carry_out(self, lease: float, *, undone: bool) -> str:
        """Hold the target, or let it go when its time is over, and write that down.

        Args:
            lease: seconds after which the try is somebody else's.
            undone: whether a person wants it put back.

        Returns:
            done, skipped or reverted.

        Raises:
            LostError: it is somebody else's by now.
            RefusedError, RetryError, SkipError: as by the action itself.
        """
        claim = self._claim
        if claim.before is None and claim.incident.closed:
            raise SkipError("the incident was over before it could be done")
        name = self._action.target(self._task, self._parameters)
        if claim.target not in (None, name):
            raise RefusedError(f"{claim.target} was to be changed, and {name} is configured now")
        try:
            # Whoever changes the target, in whatever incident, does so alone.
            with self._postgres.lock(name, lease):
                return self._carry_out_alone(name, undone=undone)
        except LockedError:
            raise RetryError("another incident is changing it") from None

    def _carry_out_alone(self, name: str, *, undone: bool) -> str:
        claim = self._claim
        target = self._postgres.run(lambda cursor: targets.load(cursor, claim, name))
        if claim.before is None or claim.after is None:
            return self._begin(name, target)
        if target is None:
            raise RefusedError(f"the ledger has nothing about {name}")
        # With a state from before, what is left of an incident that is over or undone is to be put back.
        over = claim.reverting or claim.incident.closed or undone
        return self._let_go(target) if over else self._go_on(target, claim.after)

    def _begin(self, name: str, target: Target | None) -> str:
        if self._claim.reverting:
            raise RefusedError("the ledger has nothing to put back")
        found = self._action.observe(self._task, self._parameters)
        if target is None or found not in target.ours:
            # Nobody holds it, or an operator has changed it since: it is to return to what is there now.
            target = Target(name, found, fence=0 if target is None else target.fence)
        want = self._action.plan(self._task, self._parameters, target.base)
        if self._claim.dry_run:
            cost = self._action.cost(self._task, found, want)
            raise SkipError(f"dry run: would change {name} from {target.base} to {want}{f': {cost}' if cost else ''}")
        return self._make_strictest(target, found, want)

    def _go_on(self, target: Target, want: State) -> str:
        """It was tried before, and may be changed already."""
        found = self._found()
        if found is None or self._is_an_operators(target, found):
            reason = CHANGED_MEANWHILE.format(target.name)
            self._leave(target, found, lambda cursor: claims.skipped(cursor, self._claim, reason, wait=False))
            return "skipped"
        return self._make_strictest(target, found, want)

    def _let_go(self, target: Target) -> str:
        found = self._found()
        if found is None or self._is_an_operators(target, found):
            self._leave(target, found, lambda cursor: claims.reverted(cursor, self._claim, CHANGED_SINCE))
            return "reverted"
        note = STILL_NEEDED if target.wants else None
        strictest = self._action.strictest([target.base, *target.wants])
        fence = self._change(target, found, strictest, None)
        self._made(target, fence, strictest, lambda cursor: claims.reverted(cursor, self._claim, note))
        return "reverted"

    def _found(self) -> State | None:
        """What is there now; None for nothing, and nothing but an operator, or a loss, makes that of it."""
        try:
            return self._action.observe(self._task, self._parameters)
        except SkipError:
            return None

    def _is_an_operators(self, target: Target, found: State) -> bool:
        return found not in target.ours or self._claim.generation != target.generation

    def _leave(self, target: Target, found: State | None, settle: Callable[[Cursor], bool]) -> None:
        """Let it be as an operator has made it: nobody who held it until now holds it any more."""

        def write(cursor: Cursor) -> bool:
            theirs = replace(target, ours=(), generation=None)
            if found not in target.ours and targets.write(cursor, self._claim, theirs) is None:
                return False
            return settle(cursor)

        self._settle(write)

    def _make_strictest(self, target: Target, found: State, want: State) -> str:
        strictest = self._action.strictest([target.base, *target.wants, want])
        fence = self._change(target, found, strictest, want)
        note = None
        if strictest != want:
            note = f"{_shown(strictest)} is in force, which another incident wants; {_shown(want)} once that is over"
        # Asked after the change, which does not wait for an answer.
        elif found != want and (cost := self._action.cost(self._task, found, want)) is not None:
            note = f"{self._action.effect(target.base, want)}: {cost}"
            logger.info("incident %s: %s is %s: %s", self._task.correlation_id, target.name, _shown(want), cost)
        self._made(target, fence, strictest, lambda cursor: claims.done(cursor, self._claim, want, note=note))
        return "done"

    def _change(self, target: Target, found: State, to: State, want: State | None) -> int:
        """Write down what is about to be changed, and change it.

        It is changed even if it is so already: with that, older writes that are still under way find a newer fence.

        Args:
            target: as it is.
            found: the state in which it is.
            to: the state in which it is to be.
            want: what this action wants, when it holds it from now on.

        Returns:
            The fence of the change.
        """
        ours = (*target.ours, *(state for state in (found, to) if state not in target.ours))

        def prepare(cursor: Cursor) -> int:
            written = targets.write(cursor, self._claim, replace(target, ours=ours))
            if written is None:
                raise LostError
            generation, fence = written
            if want is not None:
                claims.prepare(cursor, self._claim, target.name, target.base, want, generation)
            return fence

        fence = self._postgres.run(prepare)

        def is_mine(cursor: Cursor) -> bool:
            return claims.confirm(cursor, self._claim) and targets.is_last(cursor, target.name, fence)

        confirm = partial(self._settle, is_mine)
        if not self._action.change(replace(self._task, fence=fence, confirm=confirm), self._parameters, found, to):
            raise RetryError(f"{target.name} was changed by somebody else at this moment")
        return fence

    def _made(self, target: Target, fence: int, to: State, settle: Callable[[Cursor], bool]) -> None:
        """Write down that it is changed."""
        self._settle(lambda cursor: targets.made(cursor, target.name, fence, to) and settle(cursor))

    def _settle(self, write: Callable[[Cursor], bool]) -> None:
        self._postgres.run(partial(settled, write))


def settled(write: Callable[[Cursor], bool], cursor: Cursor) -> None:
    """Write, or nothing of it.

    Raises:
        LostError: the claim, or the target, is somebody else's by now.
    """
    if not write(cursor):
        raise LostError


def _shown(state: State) -> str:
    return " ".join(str(value) for value in state.values())
