"""Hundreds of incidents that end at once, and a Prometheus that takes its time."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from tests.responder.conftest import Start, World
from tests.responder.messages import ADMIN, DRIFT, FRAUD, firing, message, resolved
from tests.responder.process import ResponderProcess, wait_until

HOLD = 2
SECONDS_A_QUERY = 0.15
PATIENCE = 12 * HOLD
"""A few rounds of a hundred questions, eight at once, on a busy machine."""


def book(*conditions: str) -> dict[str, Any]:
    return {"max_per_hour": 1000, "ends_when": {"all": list(conditions), "for": f"{HOLD}s"}, "on_firing": []}


PLAYBOOKS = {
    "FraudRateSpike": book("vector(1)", 'ratio{region="${labels.region}"} < 1'),
    "ModelDrift": book("vector(1)", 'drift{feature="${labels.feature}"} < 1'),
    "UnauthorizedAdminAccess": book("vector(1)"),
}
ALERTS = [
    *({**FRAUD, "region": f"region-{number}"} for number in range(50)),
    *({**DRIFT, "feature": f"feature-{number}"} for number in range(50)),
    *({**ADMIN, "account": f"account-{number}"} for number in range(200)),
]


def states(*responders: ResponderProcess) -> Counter[str]:
    return Counter(one["state"] for one in responders[0].incidents(limit="500"))


def test_all_end_in_time_and_what_goes_on_stays_open(world: World, start: Start) -> None:
    responder = start(playbooks=PLAYBOOKS)
    assert responder.post(message(*(firing(alert) for alert in ALERTS))).json()["alerts"] == ["opened"] * 300
    world.monitoring.trouble.delay = SECONDS_A_QUERY
    world.prometheus.firing = [ALERTS[7]]
    world.prometheus.values['drift{feature="feature-9"} < 1'] = None
    began = time.monotonic()
    responder.post(message(*(resolved(alert) for alert in ALERTS)))
    wait_until(lambda: states(responder) == {"closed": 298, "ending": 2}, PATIENCE, lambda: str(states(responder)))
    assert time.monotonic() - began >= HOLD
    # Once a round, not once an incident.
    asked = Counter(world.prometheus.queries)
    assert max(asked.values()) < 60
    assert asked['up{job="ticketing-critical",platform="main"} == 1'] >= 2
    # What still goes on is not given up.
    world.prometheus.firing.clear()
    world.prometheus.values.clear()
    wait_until(lambda: states(responder) == {"closed": 300}, PATIENCE)


def test_two_responders_share_them(world: World, start: Start) -> None:
    one, two = start(playbooks=PLAYBOOKS), start(playbooks=PLAYBOOKS)
    one.post(message(*(firing(alert) for alert in ALERTS)))
    world.monitoring.trouble.delay = SECONDS_A_QUERY
    two.post(message(*(resolved(alert) for alert in ALERTS)))
    wait_until(lambda: states(one) == {"closed": 300}, PATIENCE, lambda: str(states(one)))


def test_a_prometheus_that_does_not_answer_holds_up_nothing_but_the_end(world: World, start: Start) -> None:
    lock = {"action": "lock_account", "account": "${labels.account}", "reason": "r"}
    playbooks = {**PLAYBOOKS, "ApiLatencyDegradation": {"max_per_hour": 9, "on_firing": [lock]}}
    responder = start(playbooks=playbooks)
    responder.post(message(*(firing(alert) for alert in ALERTS)))
    world.monitoring.trouble.delay = 6  # longer than a question may take
    responder.post(message(*(resolved(alert) for alert in ALERTS)))
    wait_until(lambda: bool(world.monitoring.requests))
    began = time.monotonic()
    responder.post(message(firing({**ADMIN, "playbook": "ApiLatencyDegradation"})))
    wait_until(world.locked, 5)
    # All have the verdict within one round, however many they are.
    verdicts = "SELECT DISTINCT last_check FROM monitoring.responder_incidents WHERE state = 'ending'"
    wait_until(lambda: "Prometheus: GET " in str(world.sql(verdicts)), 20, lambda: str(world.sql(verdicts)))
    assert time.monotonic() - began < 15
    assert len(world.sql(verdicts)) == 1
    assert states(responder) == {"ending": 300, "open": 1}
