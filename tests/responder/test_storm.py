"""Messages in any order, twice, late and broken off, and people who decide, while responders die and databases restart.

`pytest -m slow -n 4 tests/responder/test_storm.py` is the long form: 10,000 messages, in other storms every time.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from testbed.servers.postgres import Postgres
from testbed.servers.redis import Redis
from tests.contract.applying import small_database
from tests.responder.storm import ALERTS, Storm
from tests.responder.storm_audit import check

# Messages taken in one storm, after which everything settles and is checked.
STORM = 150

# By how often: most steps are messages, one in ten is a disaster.
WEIGHTS = {
    "fire": 30,
    "resolve": 24,
    "repeat": 16,
    "hold": 12,
    "partial": 6,
    "operate": 8,
    "kill": 8,
    "decide": 8,
    "restart_postgres": 2,
    "restart_redis": 2,
}


@pytest.fixture(scope="module")
def storm() -> Iterator[Storm]:
    with ExitStack() as stack:
        postgres = stack.enter_context(Postgres())
        redis = stack.enter_context(Redis(save="3600 1"))
        storm = Storm(postgres, redis, small_database(postgres, "storm"))
        stack.enter_context(storm.monitoring)
        stack.enter_context(storm.outside)
        yield storm
        for responder in storm.responders:
            responder.close()


def test_every_effect_once_nothing_lost_and_the_final_state_right(storm: Storm) -> None:
    _storms(storm, 300, derandomize=True)


# Four parts, to be run side by side: a storm waits more than it works.
@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(4))
def test_the_same_for_a_night(storm: Storm, part: int, record_property: Callable[[str, object], None]) -> None:
    happened = _storms(storm, 2500, derandomize=False)
    for what, count in happened.items():
        record_property(f"part {part}: {what}", count)


def _storms(storm: Storm, deliveries: int, *, derandomize: bool) -> Counter[str]:
    """Storms until so many messages have been taken; what happened in them."""

    @settings(
        max_examples=-(-deliveries // STORM),
        deadline=None,
        derandomize=derandomize,
        database=None,
        # Time is part of what is tried, so a smaller example tells nothing.
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(seed=st.integers(0, 2**63))
    def one(seed: int) -> None:
        rng = random.Random(seed)
        storm.begin()
        while storm.deliveries < STORM:
            (step,) = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))
            alert = rng.randrange(len(ALERTS))
            note(f"{storm.deliveries}: {step} {alert}")
            storm.take(step, alert, rng)
        storm.settle()
        check(storm)

    before = storm.happened.copy()
    one()
    happened = storm.happened - before
    assert happened["delivery"] >= deliveries
    return happened
