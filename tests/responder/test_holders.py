"""Several incidents hold one target: the strictest is in force, and everything returns to what an operator set last."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from threading import Event
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from responder import config
from responder.actions import fields
from tests.responder.conftest import World
from tests.responder.held_targets import Replicas, Target, Threshold
from tests.responder.holders import CrashError, Holders, Worker
from tests.responder.process import wait_until

MOMENTS = 22
"""More than a try has."""
MOST_OPEN = 4
TARGETS = ("threshold", "replicas")


@pytest.fixture
def worker(world: World, tmp_path: Any) -> Iterator[Callable[[str], Worker]]:
    """A responder whose tries have so long."""
    with ExitStack() as stack:

        def worker(lease: str = "30s") -> Worker:
            file = tmp_path / "responder.yml"
            backend = world.config()["backend"]
            content = {"backend": backend, "allowed_hosts": ["127.0.0.1"], "pace": {"lease": lease}}
            file.write_text(yaml.safe_dump(content))
            made = Worker(world.database, world.redis_url, config.load(file, fields()))
            stack.callback(made.close)
            return made

        yield worker


Make = Callable[..., Holders]


@pytest.fixture
def make(world: World, worker: Callable[[], Worker]) -> Make:
    """A responder from scratch with one target, by its name; always the same responder by default."""
    targets: dict[str, Target] = {"threshold": Threshold(world.redis), "replicas": Replicas(world.kubernetes)}
    by_default = worker()
    return lambda name, by=by_default: Holders(by, targets[name])


Plan = dict[int, Callable[[], None]]
KILLS = st.one_of(st.none(), st.integers(0, MOMENTS))
OPERATES = st.one_of(st.none(), st.tuples(st.integers(0, MOMENTS), st.integers(0, 99)))


def interleave(make: Callable[[], Holders], examples: int, *, derandomize: bool) -> None:
    """Incidents, operators, expiries and crashes in any order, each also in the middle of another."""

    class Machine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.holders = make()

        def any_open(self, choice: int) -> int:
            return sorted(self.holders.open)[choice % len(self.holders.open)]

        def work(self, kill: int | None, operate: tuple[int, int] | None) -> None:
            plan: Plan = {} if operate is None else {operate[0]: partial(self.holders.operate, operate[1])}
            self.holders.work(plan if kill is None else plan | {kill: die})

        @precondition(lambda self: len(self.holders.open) < MOST_OPEN)
        @rule(choice=st.integers(0, 99), kill=KILLS, operate=OPERATES)
        def begin(self, choice: int, kill: int | None, operate: tuple[int, int] | None) -> None:
            self.holders.begin(choice)
            self.work(kill, operate)

        @precondition(lambda self: self.holders.open)
        @rule(choice=st.integers(0, 99), kill=KILLS, operate=OPERATES)
        def end(self, choice: int, kill: int | None, operate: tuple[int, int] | None) -> None:
            self.holders.end(self.any_open(choice))
            self.work(kill, operate)

        @precondition(lambda self: self.holders.open)
        @rule(choice=st.integers(0, 99), kill=KILLS, operate=OPERATES)
        def expire(self, choice: int, kill: int | None, operate: tuple[int, int] | None) -> None:
            self.holders.expire(self.any_open(choice))
            self.work(kill, operate)

        @precondition(lambda self: self.holders.open)
        @rule(choice=st.integers(0, 99), another=st.integers(0, 99))
        def end_and_begin_before_anybody_works(self, choice: int, another: int) -> None:
            self.holders.end(self.any_open(choice))
            self.holders.begin(another)

        @rule(choice=st.integers(0, 99))
        def operate(self, choice: int) -> None:
            self.holders.operate(choice)

        @rule(kill=KILLS, operate=OPERATES)
        def go_on(self, kill: int | None, operate: tuple[int, int] | None) -> None:
            self.holders.time_passes()
            self.work(kill, operate)

        def teardown(self) -> None:
            self.holders.check_rest()

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=20,
            deadline=None,
            derandomize=derandomize,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def die() -> None:
    raise CrashError


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("changed_by_an_operator", [False, True])
def test_a_kill_at_any_moment_while_another_incident_comes_and_goes(
    make: Make, target: str, *, changed_by_an_operator: bool
) -> None:
    for moment in range(MOMENTS):
        for ends_first in (True, False):
            holders = make(target)
            strict = holders.begin(0)
            killed = holders.work({moment: die}) == "crash"
            if changed_by_an_operator:
                holders.operate(4)
            loose = holders.begin(2)
            while holders.work({}) is not None:
                pass
            holders.time_passes()
            while holders.work({}) is not None:
                holders.time_passes()
            holders.end(strict if ends_first else loose)
            killed = holders.work({moment: die}) == "crash" or killed
            if changed_by_an_operator:
                holders.operate(3)
            holders.time_passes()
            holders.work({})
            holders.check_rest()
            if not killed:
                return
    pytest.fail("a try has more moments than that")


def test_what_one_end_has_seen_of_an_operator_the_next_one_knows(make: Make) -> None:
    holders = make("threshold")
    loose, strict = holders.begin(2), holders.begin(1)
    while holders.work({}) is not None:
        pass
    assert holders.read() == {"value": "0.40"}
    holders.operate(3)
    holders.end(loose)
    holders.work({})
    # By now that is the operator's, although it is what the other incident had made of it.
    holders.operate(6)
    assert holders.read() == {"value": "0.40"}
    holders.end(strict)
    holders.check_rest()
    assert holders.read() == {"value": "0.40"}


def test_an_operator_who_undoes_it_by_hand_is_an_operator(make: Make) -> None:
    holders = make("threshold")
    holders.operate(4)
    strict = holders.begin(2)
    holders.work({})
    holders.operate(4)
    assert holders.read() == {"value": "0.75"}
    loose = holders.begin(3)
    holders.work({})
    assert holders.read() == {"value": "0.55"}
    for number in (strict, loose):
        holders.end(number)
        holders.work({})
    assert holders.read() == {"value": "0.75"}


def test_what_is_being_put_back_is_wanted_no_more(make: Make) -> None:
    for moment in range(MOMENTS):
        holders = make("threshold")
        strict, loose = holders.begin(0), holders.begin(2)
        while holders.work({}) is not None:
            pass
        holders.end(strict)
        killed = holders.work({moment: die}) == "crash"
        holders.end(loose)
        holders.work({})
        assert holders.read() == holders.base
        holders.check_rest()
        if not killed:
            return
    pytest.fail("a try has more moments than that")


@pytest.mark.parametrize("lets_go", [False, True])
@pytest.mark.parametrize("target", ["threshold", pytest.param("replicas", marks=pytest.mark.slow)])
def test_a_worker_that_hangs_longer_than_it_has_the_lock_changes_nothing_any_more(
    make: Make, worker: Callable[[str], Worker], target: str, *, lets_go: bool
) -> None:
    """Its claim is still its own when it wakes up; another incident has come meanwhile, and has been held."""
    slow, other = worker("300ms"), worker("30s")
    for moment in range(MOMENTS):
        holders = make(target, slow)
        first = holders.begin(2)
        if lets_go:
            holders.work({})
            holders.end(first)
        hangs, wakes = Event(), Event()
        with ThreadPoolExecutor(1) as thread:
            tried = thread.submit(attempt, slow, {moment: partial(hang, hangs, wakes)})
            wait_until(lambda: hangs.is_set() or tried.done())  # noqa: B023
            holders.begin(1)
            assert attempt(other, {}) == "done"
            wakes.set()
            tried.exception()
        holders.time_passes()
        while attempt(other, {}) is not None:
            holders.time_passes()
        in_force = holders.read()
        for number in holders.open.copy():
            holders.end(number)
        while attempt(other, {}) is not None:
            pass
        assert (in_force, holders.read()) == (holders.would_be(1, *(() if lets_go else (2,))), holders.base), moment
        if not hangs.is_set():
            return
    pytest.fail("a try has more moments than that")


def hang(hangs: Event, wakes: Event) -> None:
    hangs.set()
    wakes.wait(20)


def attempt(worker: Worker, plan: Plan) -> str | None:
    """Whatever is due first is tried; None when nothing is due."""
    claim = worker.claim()
    if claim is None:
        return None
    worker.moments.plan, worker.moments.passed = plan, 0
    return worker.runner.run(claim)


@pytest.mark.parametrize("target", TARGETS)
def test_the_strictest_is_in_force_and_everything_returns_to_the_operators(make: Make, target: str) -> None:
    interleave(partial(make, target), 25, derandomize=True)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("target", TARGETS)
def test_the_same_for_a_night(make: Make, target: str) -> None:
    interleave(partial(make, target), 2000, derandomize=False)
