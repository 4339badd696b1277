"""One try of one action, from its claim to what is written down of it."""

from __future__ import annotations

import logging
import random
import time
from functools import partial
from typing import Any

from common.postgres import PostgresError
from common.yaml_files import ConfigError, decode
from responder.actions import actions
from responder.actions.base import RevertingAction, Services, Task
from responder.actions.silence_alert import can_ack
from responder.choices import choices
from responder.contract_functions import ContractError
from responder.endpoints import EndpointError
from responder.errors import LostError, RefusedError, RetryError, SkipError
from responder.holding import Holding, settled
from responder.ledger import claims, decisions, telling
from responder.ledger.claims import Claim
from responder.ledger.decisions import Word
from responder.ledger.telling import Situation
from responder.placeholders import PlaceholderError
from responder.postgres import Postgres
from responder.prometheus import PrometheusError
from responder.settings import SettingsError
from responder.wording import lines

logger = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 0.5
UNANSWERED_PART = 1 / 24
"""Of the time of a try that nobody answered counts for giving up: an hour of refusals is a day of an outage. Were it
nothing, what is gone for good would be tried for ever."""
LONGEST_RETRY_AFTER_SECONDS = 600.0
"""A service that asks for more time is asked again all the same."""


class Runner:
    """Tries claimed actions.

    Args:
        postgres: with the ledger.
        services: to act through; another configuration comes with another runner.
    """

    def __init__(self, postgres: Postgres, services: Services) -> None:
        self._postgres = postgres
        self._services = services

    def run(self, claim: Claim) -> str:
        """Try it once and write down what came of it.

        Returns:
            done, failed, skipped, reverted, retry, or lost when nothing may be written any more.

        Raises:
            PostgresError: what came of it could not be written; the lease will end, and it is tried again.
        """
        try:
            outcome = self._try(claim)
        except LostError:
            outcome = "lost"
        logger.info(
            "incident %s: %s %s, attempt %d: %s",
            claim.incident.correlation_id,
            "reverting" if claim.reverting else "trying",
            claim.action,
            claim.attempts,
            outcome,
        )
        return outcome

    def _try(self, claim: Claim) -> str:
        action = actions().get(claim.action)
        tells = action is not None and action.tells
        # Whatever comes of the try: what changes meanwhile is none of what it has told, or left untold.
        situation = self._postgres.run(lambda cursor: telling.situation(cursor, claim)) if tells else None
        try:
            return self._carry_out(claim, situation)
        except SkipError as reason:
            if claim.before is not None:
                # Something may be changed already; that is not to be forgotten.
                return self._fail(claim, situation, str(reason))
            if claim.phase == telling.FOLLOW_UP and situation is not None:
                self._settle(telling.left_untold, claim, situation, str(reason), wait=reason.wait)
            else:
                self._settle(claims.skipped, claim, str(reason), wait=reason.wait)
            return "skipped"
        except (RefusedError, PlaceholderError, ConfigError) as error:
            return self._fail(claim, situation, str(error))
        except EndpointError as error:
            if not error.passing:
                return self._fail(claim, situation, str(error))
            return self._retry(claim, situation, str(error), answered=error.answered, not_before=error.retry_after)
        except ContractError as error:
            if not error.passing:
                return self._fail(claim, situation, str(error))
            return self._retry(claim, situation, str(error), answered=error.answered)
        except (RetryError, SettingsError, PrometheusError) as error:
            return self._retry(claim, situation, str(error), answered=error.answered)
        except (PostgresError, LostError):
            raise
        except Exception as error:
            logger.exception("incident %s: %s", claim.incident.correlation_id, claim.action)
            return self._retry(claim, situation, f"{type(error).__name__}; see the log")

    def _carry_out(self, claim: Claim, situation: Situation | None) -> str:
        pace = self._services.config.pace
        if claim.lost and not claim.reverting and claim.spent > pace.give_up:
            raise RefusedError(
                f"given up after {claim.attempts - 1} attempts: of the last one nothing was written down before its"
                f" lease of {pace.lease:g} s ended"
            )
        action = actions().get(claim.action)
        if action is None:
            raise RefusedError(f"there is no action {claim.action}")
        parameters = decode(claim.parameters, action.parameters, claim.action)
        news = () if situation is None else tuple(lines(situation, claim.phase))
        may_ack = can_ack(self._services.config)
        open_choices = () if situation is None else tuple(choices(situation, can_ack=may_ack))
        if claim.phase == telling.FOLLOW_UP and not news:
            raise SkipError("there is no change to report")
        confirm = partial(self._settle, claims.confirm, claim)
        remember = partial(self._settle, claims.remember, claim)
        if situation is not None:
            remember = partial(self._settle, telling.remember, claim, situation)
        task = Task(claim, self._services, news, open_choices, remember, claim.fence, confirm)
        for field in action.needs:
            task.configured(field)
        halt = None
        if claim.phase == "firing" and not claim.reverting and not action.records:
            word = self._postgres.run(lambda cursor: decisions.about(cursor, claim))
            _check_approval(claim, word)
            halt = word.halt
        if isinstance(action, RevertingAction):
            if claim.before is None and halt is not None:
                raise SkipError(str(halt))
            undone = halt is not None and halt.kind == "undo"
            return Holding(self._postgres, action, task, parameters).carry_out(pace.lease, undone=undone)
        if halt is not None:
            if claim.after is None:
                raise SkipError(str(halt))
            # It was to be done again only.
            self._settle(claims.done, claim, claim.after)
            return "done"
        if claim.dry_run:
            raise SkipError(f"dry run: {action.preview(task, parameters)}")
        after = action.apply(task, parameters)
        if situation is None:
            self._settle(claims.done, claim, after, again=action.is_done_again(parameters))
        else:
            self._settle(telling.told, claim, situation, after)
        return "done"

    def _retry(
        self,
        claim: Claim,
        situation: Situation | None,
        error: str,
        *,
        answered: bool = True,
        not_before: float = 0.0,
    ) -> str:
        pace = self._services.config.pace
        part = 1.0 if answered else UNANSWERED_PART
        spent = part * (time.monotonic() - claim.taken_at)
        if not claim.reverting and claim.spent + spent > pace.give_up:
            return self._fail(claim, situation, f"given up after {claim.attempts} attempts: {error}")
        pause = min(pace.retry_longest, FIRST_PAUSE_SECONDS * 2 ** min(claim.attempts - 1, 20))
        pause *= random.uniform(0.5, 1)  # noqa: S311 (jitter)
        pause = max(pause, min(not_before, LONGEST_RETRY_AFTER_SECONDS))
        self._settle(claims.retry, claim, error, pause, spent=spent + part * pause)
        logger.warning("incident %s: %s: %s", claim.incident.correlation_id, claim.action, error)
        return "retry"

    def _fail(self, claim: Claim, situation: Situation | None, error: str) -> str:
        if claim.reverting:
            self._settle(claims.irrevocable, claim, f"not put back: {error}")
        elif situation is not None:
            self._settle(telling.failed, claim, situation, error)
        else:
            self._settle(claims.failed, claim, error)
        logger.error("incident %s: %s failed: %s", claim.incident.correlation_id, claim.action, error)
        return "failed"

    def _settle(self, write: Any, claim: Claim, *arguments: Any, **options: Any) -> None:
        self._postgres.run(partial(settled, lambda cursor: write(cursor, claim, *arguments, **options)))


def _check_approval(claim: Claim, word: Word) -> None:
    if claim.approval is None or claim.before is not None or word.halt is not None:
        return
    if word.answer is None and claim.approval["otherwise"] == "skip":
        raise SkipError("nobody has approved it in time")
    if word.answer is not None and word.answer.kind == "decline":
        raise SkipError(str(word.answer))
