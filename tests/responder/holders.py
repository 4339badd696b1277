"""What the responder may make of a target, step by step, beside a model that knows what is to be in force."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import msgspec
import psycopg2

from common.secret_text import SecretText
from common.yaml_files import Duration
from responder.actions.base import Services
from responder.config import Config, Pace
from responder.contract_functions import ContractFunctions
from responder.endpoints import EndpointClient, Reply
from responder.ledger import checks, claims, incidents
from responder.ledger.checks import Verdict
from responder.ledger.claims import Claim
from responder.playbooks import EndsWhen, Playbook, Step
from responder.postgres import Postgres
from responder.prometheus import Prometheus
from responder.runner import Runner
from responder.settings import Settings
from responder.webhook import Alert
from testbed.servers.contract import ContractDatabase
from tests.responder.held_targets import State, Target
from tests.responder.messages import FRAUD, firing, resolved

PACE = Pace(lease=Duration(30))


class CrashError(BaseException):
    """The responder is killed at this moment."""


@dataclass
class Moments:
    """The moments before and after everything that a try asks of others, at which something may happen."""

    plan: dict[int, Callable[[], None]] = field(default_factory=dict)
    passed: int = 0

    def one(self) -> None:
        happens = self.plan.pop(self.passed, None)
        self.passed += 1
        if happens is not None:
            happens()


class _Postgres(Postgres):
    moments: Moments

    def run(self, work: Any, seconds: float = 5) -> Any:
        self.moments.one()
        result = super().run(work, seconds)
        self.moments.one()
        return result


class _Settings(Settings):
    moments: Moments
    observed: Callable[[], None]

    def read(self, key: str) -> str | None:
        self.moments.one()
        value = super().read(key)
        self.observed()
        self.moments.one()
        return value

    def write(self, key: str, value: str | None, **options: Any) -> Any:
        self.moments.one()
        outcome = super().write(key, value, **options)
        self.moments.one()
        return outcome


class _Http(EndpointClient):
    moments: Moments
    observed: Callable[[], None]

    def request(self, method: str, *arguments: Any, **options: Any) -> Reply:
        self.moments.one()
        reply = super().request(method, *arguments, **options)
        if method == "GET":
            self.observed()
        self.moments.one()
        return reply


class Worker:
    """A responder without its threads: it claims what is due, and tries it, at one call.

    Attributes:
        moments: of the try.
        observed: called when the target has been read.
    """

    def __init__(self, database: ContractDatabase, redis_url: str, config: Config) -> None:
        self.moments = Moments()
        self.observed: Callable[[], None] = lambda: None
        self.postgres = _Postgres(SecretText("DSN", {"DSN": database.responder_dsn}), "test")
        settings = _Settings(SecretText("URL", {"URL": redis_url}), "test")
        http = _Http(config)
        for part in (self.postgres, settings, http):
            part.moments = self.moments
        for source in (settings, http):
            source.observed = lambda: self.observed()
        prometheus = Prometheus(http, config.prometheus)
        contract = ContractFunctions(self.postgres)
        self.connection = psycopg2.connect(database.dsn)
        self.connection.autocommit = True
        self.runner = Runner(self.postgres, Services(config, {}, contract, settings, http, prometheus))

    def claim(self, lease: float = 30) -> Claim | None:
        found: Claim | None = Postgres.run(self.postgres, lambda cursor: claims.claim(cursor, "test", lease))
        return found

    def sql(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """As the owner of the ledger."""
        with self.connection.cursor() as cursor:
            cursor.execute(sql, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def close(self) -> None:
        self.connection.close()

    def ledger(self, function: Any, *arguments: Any, **options: Any) -> Any:
        """What a function of the ledger gives."""
        return Postgres.run(self.postgres, lambda cursor: function(cursor, *arguments, **options))


@dataclass
class Held:
    """One incident and its only action.

    Attributes:
        want: what it wants of the target; None while it has not looked at it, or wants nothing.
        looked: whether it has looked at the target in order to hold it.
    """

    number: int
    parameters: dict[str, Any]
    want: State | None = None
    looked: bool = False


class Holders:
    """The responder and the model of what is to be in force.

    Attributes:
        base: what an operator has made of the target last.
        current: what is in force.
        wants: by incident, of those that hold the target.
        happened: how often what.
    """

    def __init__(self, worker: Worker, target: Target) -> None:
        self._worker = worker
        self._target = target
        worker.sql(
            "TRUNCATE monitoring.responder_incidents, monitoring.responder_actions, monitoring.responder_targets"
            " CASCADE"
        )
        target.set(target.started_with)
        self.base = self.current = target.read()
        self.incidents: dict[int, Held] = {}
        self.wants: dict[int, State] = {}
        self.open: set[int] = set()
        self._numbers = count(1)
        self._operations = 0
        self._trying = False

    def begin(self, choice: int) -> int:
        """An incident opens that wants one of what may be wanted."""
        parameters = self._target.parameters[choice % len(self._target.parameters)]
        number = next(self._numbers)
        self.incidents[number] = Held(number, parameters)
        self.open.add(number)
        self._tell(firing(self._labels(number)), parameters)
        return number

    def end(self, number: int) -> None:
        """An incident is over."""
        self._tell(resolved(self._labels(number)), {})
        due = self._worker.ledger(checks.due, 0, 9)
        verdicts = [Verdict(check, None, 0) for check in due if check.labels["number"] == str(number)]
        assert self._worker.ledger(checks.write, verdicts, next_after=60, longest_gap=60)
        self.open.remove(number)

    def expire(self, number: int) -> None:
        """The time of what an incident changed is over."""
        self._sql(f"SET due_at = now() WHERE {self._is(number)} AND state = 'done' AND due_at IS NOT NULL")

    def time_passes(self) -> None:
        """Leases and pauses end."""
        self._sql("SET due_at = now() WHERE state IN ('pending', 'running', 'reverting')")

    def read(self) -> State:
        """What is in force."""
        return self._target.read()

    def would_be(self, *choices: int) -> State:
        """What is in force while these are held."""
        wants = [self._target.want(self.base, self._target.parameters[choice]) for choice in choices]
        return self._target.strictest([self.base, *(want for want in wants if want is not None)])

    def operate(self, choice: int) -> None:
        """An operator changes the target, and everything returns to that.

        What he changes to what the responder has made of it, or may be making of it just now, cannot be told from that.
        """
        states = [*self._target.operators, *([] if self._trying else self._wanted())]
        state = states[choice % len(states)]
        if state == self._target.read():
            return
        if state in self._ours() and (state != self.base or self._is_under_way()):
            return
        self._target.set(state)
        self._operations += 1
        self.base = self.current = state
        self.wants.clear()
        for held in self.incidents.values():
            if held.looked:
                held.want = None

    def work(self, plan: dict[int, Callable[[], None]]) -> str | None:
        """Whatever is due first is tried; None when nothing is due.

        Args:
            plan: what happens at which moment of the try.
        """
        claim = self._worker.claim()
        if claim is None:
            return None
        held = self.incidents[int(claim.incident.labels["number"])]
        before = self.current
        operations = self._operations
        if claim.reverting:
            self.wants.pop(held.number, None)
        begins = claim.before is None
        held.looked = held.looked and not begins

        def observed() -> None:
            if not held.looked:
                held.looked = True
                held.want = self._target.want(self.base, held.parameters)

        self._worker.observed = observed if begins else lambda: None
        moments = self._worker.moments
        moments.plan, moments.passed, self._trying = plan, 0, True
        try:
            outcome = self._worker.runner.run(claim)
        except CrashError:
            outcome = "crash"
        moments.plan, self._trying = {}, False
        self._check(claim, held, before, operated=self._operations > operations)
        return outcome

    def _check(self, claim: Claim, held: Held, before: State, *, operated: bool) -> None:
        ((state, prepared),) = self._worker.sql(
            "SELECT a.state, before_state IS NOT NULL FROM monitoring.responder_actions a WHERE action_id = %s",
            claim.action_id,
        )
        if claim.before is None and prepared and held.want is not None:
            self.wants[held.number] = held.want
        if state in ("reverting", "reverted", "skipped"):
            self.wants.pop(held.number, None)
        found = self._target.read()
        strictest = self._target.strictest([self.base, *self.wants.values()])
        was = self.current if operated else before
        if held.want is None:
            # It wanted nothing, or an operator has changed the target since it looked.
            allowed = [was]
        elif state in ("running", "reverting"):
            # Killed: it may have been changed, or not yet.
            rest = [want for number, want in self.wants.items() if number != held.number]
            allowed = [was, strictest, self._target.strictest([self.base, *rest])]
        else:
            allowed = [strictest]
        assert found in allowed, (found, allowed, state, self.base, self.wants, claim)
        self.current = found

    def check_rest(self) -> None:
        """Once all is over, it is as an operator made it last."""
        self.time_passes()
        for number in sorted(self.open):
            self.end(number)
        while self.work({}) is not None:
            self.time_passes()
        left = self._worker.sql("SELECT state, due_at, error FROM monitoring.responder_actions")
        assert {(state, due) for state, due, _ in left} <= {("reverted", None), ("skipped", None)}, left
        assert self._target.read() == self.base

    def _wanted(self) -> list[State]:
        """What the responder may want of the target one day."""
        wants = (self._target.want(self._target.operators[-1], one) for one in self._target.parameters)
        return [want for want in wants if want is not None]

    def _is_under_way(self) -> bool:
        tried = "state IN ('pending', 'running', 'reverting') AND attempts > 0"
        return bool(self._worker.sql(f"SELECT FROM monitoring.responder_actions WHERE {tried}"))

    def _ours(self) -> list[State]:
        found = self._worker.sql("SELECT ours FROM monitoring.responder_targets")
        return [state for (ours,) in found for state in ours]

    def _tell(self, one: dict[str, Any], parameters: dict[str, Any]) -> None:
        step = Step(action=self._target.action, parameters=parameters, expires=Duration(3600))
        playbook = Playbook(
            name="FraudRateSpike",
            max_per_hour=10**6,
            figures={},
            ends_when=EndsWhen(),
            on_firing=(step,),
            on_end=(),
        )
        told = incidents.Told(msgspec.convert(one, Alert), playbook, "test", dry_run=False)
        self._worker.ledger(incidents.record, [told], PACE)

    def _labels(self, number: int) -> dict[str, str]:
        return {**FRAUD, "number": str(number)}

    def _is(self, number: int) -> str:
        return (
            "correlation_id = (SELECT correlation_id FROM monitoring.responder_incidents"
            f" WHERE labels ->> 'number' = '{number}')"
        )

    def _sql(self, update: str) -> None:
        self._worker.sql(f"UPDATE monitoring.responder_actions {update}")
