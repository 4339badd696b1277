"""Messages in any order, twice, late and broken off, while responders are killed and databases restart.

RESPONDER_DELIVERIES=10000 pytest tests/responder/test_storm.py is the long, random form.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from simulator.local.postgres import Postgres
from simulator.local.redis import Redis
from tests.contract.applying import small_database
from tests.responder.storm import ALERTS, Storm

DELIVERIES = int(os.environ.get("RESPONDER_DELIVERIES", "300"))
STORM = 50

# By how often: most steps are messages, one in ten is a disaster.
WEIGHTS = {
    "fire": 30,
    "resolve": 24,
    "repeat": 16,
    "hold": 12,
    "partial": 6,
    "kill": 8,
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


@pytest.mark.timeout(300 + DELIVERIES)
@settings(
    max_examples=max(1, DELIVERIES // STORM),
    deadline=None,
    # The same storms every time in `make test`; others every night.
    derandomize="RESPONDER_DELIVERIES" not in os.environ,
    database=None,
    # Time is part of what is tried, so a smaller example tells nothing.
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
@given(seed=st.integers(0, 2**63))
def test_every_effect_once_nothing_lost_and_the_final_state_right(storm: Storm, seed: int) -> None:
    rng = random.Random(seed)
    storm.begin()
    while storm.deliveries < STORM:
        (step,) = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))
        alert = rng.randrange(len(ALERTS))
        note(f"{storm.deliveries}: {step} {ALERTS[alert]}")
        getattr(storm, step)(alert, rng)
    storm.settle()
    storm.check()
