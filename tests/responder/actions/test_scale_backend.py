"""Replicas of the backend: absolute, capped, and put back only where nobody else has changed them."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import pytest

from tests.responder.conftest import Start, World
from tests.responder.messages import LATENCY, firing, message, resolved
from tests.responder.process import ResponderProcess, wait_until


def playbooks(**fields: Any) -> dict[str, Any]:
    step = {"action": "scale_backend", "add": 2, "most": 10, "expires": "1h", **fields}
    return {"ApiLatencyDegradation": {"max_per_hour": 9, "ends_when": {"for": "300ms"}, "on_firing": [step]}}


def scaled(responder: ResponderProcess) -> dict[str, Any]:
    return responder.settled()["scale_backend"]


def end(responder: ResponderProcess) -> None:
    responder.post(message(resolved(LATENCY)))
    wait_until(lambda: responder.incident()["state"] == "closed")
    wait_until(lambda: scaled(responder)["state"] in ("reverted", "failed"), what=lambda: str(scaled(responder)))


def test_scaled_to_baseline_and_two_and_back_after_the_cool_down(world: World, start: Start) -> None:
    world.kubernetes.token = "cluster-token"
    token = world.database.server.directory / "token"
    token.write_text("cluster-token\n")
    backend = {**world.config()["backend"], "token_file": str(token)}
    responder = start({"backend": backend}, playbooks=playbooks(cool_down="1s"))
    responder.post(message(firing(LATENCY)))
    assert (scaled(responder)["before"], scaled(responder)["after"]) == ({"replicas": 2}, {"replicas": 4})
    responder.post(message(firing(LATENCY)))  # once more
    responder.post(message(resolved(LATENCY)))
    wait_until(lambda: responder.incident()["state"] == "closed")
    time.sleep(0.3)
    assert world.kubernetes.replicas == 4
    wait_until(lambda: world.kubernetes.replicas == 2)
    assert world.kubernetes.changes == [4, 2]
    puts = [one for one in world.outside.requests if one.method == "PUT"]
    assert [one.json()["metadata"]["resourceVersion"] for one in puts] == ["1", "2"]


@pytest.mark.parametrize(
    ("found", "wanted", "reason"),
    [
        (9, 10, None),
        (10, 10, "10 replicas already; at most 10"),
        (0, 0, "the backend is scaled to 0, on purpose; left alone"),
    ],
)
def test_the_cap_and_an_intended_zero(world: World, start: Start, found: int, wanted: int, reason: str | None) -> None:
    world.kubernetes.replicas = found
    responder = start(playbooks=playbooks())
    responder.post(message(firing(LATENCY)))
    assert (scaled(responder)["reason"], world.kubernetes.replicas) == (reason, wanted)


def test_what_an_autoscaler_has_changed_is_left_alone(world: World, start: Start) -> None:
    responder = start(playbooks=playbooks())
    responder.post(message(firing(LATENCY)))
    assert scaled(responder)["state"] == "done"
    world.kubernetes.scale(7)
    end(responder)
    assert (world.kubernetes.replicas, scaled(responder)["reason"]) == (7, "changed by somebody else since; left alone")


def test_another_backend_that_is_configured_meanwhile_is_left_alone(world: World, start: Start) -> None:
    books = playbooks()
    responder = start(playbooks=books)
    responder.post(message(firing(LATENCY)))
    assert scaled(responder)["state"] == "done"
    world.kubernetes.name = "another"  # with as many replicas
    responder.configure(world.config(backend={**world.config()["backend"], "deployment": "another"}), books)
    assert responder.post(b"", path="/-/reload").status_code == 200
    end(responder)
    assert (scaled(responder)["state"], world.kubernetes.replicas) == ("failed", 4)
    assert scaled(responder)["reason"].startswith("not put back: kubernetes 127.0.0.1:")
    assert scaled(responder)["reason"].endswith("ticketing/another is configured now")


def test_a_refusal_is_final(world: World, start: Start) -> None:
    world.kubernetes.name = "another"
    responder = start(playbooks=playbooks())
    responder.post(message(firing(LATENCY)))
    failed = scaled(responder)
    assert (failed["state"], failed["attempts"]) == ("failed", 1)
    assert 'deployments.apps \\"backend\\" not found' in failed["reason"]


def test_an_api_that_fails_or_hangs_is_tried_again(world: World, start: Start) -> None:
    world.outside.trouble.status = 503
    responder = start(playbooks=playbooks())
    responder.post(message(firing(LATENCY)))
    wait_until(lambda: responder.actions()["scale_backend"]["attempts"] >= 2)
    assert "answered 503; it said: in trouble" in responder.actions()["scale_backend"]["reason"]
    world.outside.trouble.status = 0
    assert scaled(responder)["state"] == "done"
    assert world.kubernetes.changes == [4]


def test_half_done_at_a_crash_is_finished_and_put_back_as_it_was(world: World, start: Start) -> None:
    """The number is changed, and the responder is killed before it hears so."""
    responder = start(playbooks=playbooks())
    world.outside.trouble.late = 0.5
    responder.post(message(firing(LATENCY)))
    wait_until(lambda: world.kubernetes.changes == [4])
    responder.kill9()
    assert world.sql("SELECT state, before_state FROM monitoring.responder_actions") == [("running", {"replicas": 2})]
    world.outside.trouble.late = 0
    responder.start()
    assert scaled(responder)["state"] == "done"
    end(responder)
    assert world.kubernetes.changes == [4, 2]


def test_half_done_when_the_incident_is_over_is_put_back(world: World, start: Start) -> None:
    responder = start(playbooks=playbooks())
    world.outside.trouble.late = 0.5
    responder.post(message(firing(LATENCY)))
    wait_until(lambda: world.kubernetes.changes == [4])
    responder.kill9()
    world.outside.trouble.late = 0
    world.sql("UPDATE monitoring.responder_incidents SET state = 'closed', closed_at = now()")
    responder.start()
    wait_until(lambda: scaled(responder)["state"] == "reverted")
    assert world.kubernetes.changes == [4, 2]


def test_somebody_else_at_the_same_moment_is_not_overwritten(world: World, start: Start) -> None:
    responder = start(playbooks=playbooks())
    world.outside.trouble.delay = 0.3
    responder.post(message(firing(LATENCY)))
    # Between reading and writing.
    wait_until(lambda: bool(world.outside.requests))
    wait_until(lambda: world.sql("SELECT before_state FROM monitoring.responder_actions") != [(None,)])
    world.kubernetes.scale(5)
    assert scaled(responder)["state"] == "skipped"
    assert world.kubernetes.changes == [5]


def test_a_worker_that_hangs_past_its_lease_changes_nothing_any_more(world: World, start: Start) -> None:
    """It is stopped between reading and writing, with the lock of the Deployment; all is over when it wakes up."""
    first = start(playbooks=playbooks(), pace={"lease": "1s"})
    world.outside.trouble.delay = 0.5
    first.post(message(firing(LATENCY)))
    wait_until(lambda: world.sql("SELECT before_state FROM monitoring.responder_actions") == [({"replicas": 2},)])
    os.kill(first.process.pid, signal.SIGSTOP)
    try:
        world.outside.trouble.delay = 0
        second = start(playbooks=playbooks(), pace={"lease": "1s"})
        wait_until(lambda: world.kubernetes.changes == [4], 20)
        wait_until(lambda: scaled(second)["state"] == "done")
        end(second)
    finally:
        os.kill(first.process.pid, signal.SIGCONT)
    wait_until(lambda: "scale_backend, attempt 1: lost" in first.log() or "PostgreSQL" in first.log(), what=first.log)
    assert world.kubernetes.changes == [4, 2]


def test_of_two_that_add_the_larger_one_is_in_force_until_its_end(world: World, start: Start) -> None:
    (two,), (four,) = playbooks().values(), playbooks(add=4).values()
    responder = start(playbooks={"ApiLatencyDegradation": two, "ModelDrift": four})
    more = {**LATENCY, "playbook": "ModelDrift"}
    for alert in (LATENCY, more):
        responder.post(message(firing(alert)))
        wait_until(lambda: all(one["actions"][0]["state"] == "done" for one in responder.incidents()))
    assert world.kubernetes.changes == [4, 6]
    responder.post(message(resolved(more)))
    wait_until(lambda: world.kubernetes.changes == [4, 6, 4])
    responder.post(message(resolved(LATENCY)))
    wait_until(lambda: world.kubernetes.changes == [4, 6, 4, 2])
