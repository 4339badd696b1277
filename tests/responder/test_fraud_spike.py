"""The playbook FraudRateSpike: evidence first, then a threshold that is put back to what was found."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from testbed.servers.redis import Redis
from tests.responder.actions.single import crash_before_it_is_written_down
from tests.responder.conftest import Start, World
from tests.responder.messages import FRAUD, firing, message, resolved
from tests.responder.process import ResponderProcess, wait_until

KEY = "config:fraud_threshold"
EVIDENCE = "lower_bound > limit"
FIGURES = {"blocked": "blocked", "limit_percent": "100 * limit"}


def playbooks(**of_the_threshold: Any) -> dict[str, Any]:
    """The shipped playbook with a short end; `of_the_threshold` replaces fields of its first action."""
    step = {
        "action": "set_fraud_threshold",
        "value": 0.5,
        "expires": "1h",
        "only_while": EVIDENCE,
        **of_the_threshold,
    }
    book = {"max_per_hour": 6, "figures": FIGURES, "ends_when": {"for": "500ms"}, "on_firing": [step]}
    return {"FraudRateSpike": book}


def spike(world: World) -> None:
    world.prometheus.values |= {EVIDENCE: 0.08, "blocked": 60, "100 * limit": 3.0000001}


def threshold(responder: ResponderProcess) -> dict[str, Any]:
    return responder.settled()["set_fraud_threshold"]


def tighten(world: World, responder: ResponderProcess) -> None:
    responder.post(message(firing(FRAUD)))
    assert threshold(responder)["state"] == "done"
    assert world.redis.get(KEY) == "0.50"


def end(responder: ResponderProcess) -> None:
    responder.post(message(resolved(FRAUD)))
    wait_until(lambda: responder.incident()["state"] == "closed", what=lambda: str(responder.incident()))
    wait_until(lambda: threshold(responder)["state"] == "reverted", what=lambda: str(threshold(responder)))


def test_tightened_and_put_back_to_what_was_found(world: World, start: Start) -> None:
    world.redis.set(KEY, "0.62")
    spike(world)
    responder = start(playbooks=playbooks())
    tighten(world, responder)
    assert threshold(responder)["before"] == {"value": "0.62"}
    end(responder)
    assert world.redis.get(KEY) == "0.62"


def test_the_threshold_is_not_rounded(world: World, start: Start) -> None:
    spike(world)
    responder = start(playbooks=playbooks(value=0.525))
    responder.post(message(firing(FRAUD)))
    assert threshold(responder)["state"] == "done"
    assert world.redis.get(KEY) == "0.525"


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_platform_without_the_threshold_is_not_given_one(world: World, start: Start, *, dry_run: bool) -> None:
    world.redis.delete(KEY)
    spike(world)
    responder = start(playbooks=playbooks(dry_run=dry_run))
    responder.post(message(firing(FRAUD)))
    skipped = threshold(responder)
    assert (skipped["state"], skipped["reason"]) == ("skipped", f"the platform has no such key: {KEY}")
    assert world.redis.get(KEY) is None


def test_a_threshold_that_is_written_during_the_incident_is_tightened(world: World, start: Start) -> None:
    """A Redis that lost everything has no key until the platform writes it again."""
    world.redis.delete(KEY)
    spike(world)
    responder = start(playbooks=playbooks())
    responder.post(message(firing(FRAUD)))
    assert threshold(responder)["state"] == "skipped"
    world.redis.set(KEY, "0.60")
    responder.post(message(firing(FRAUD)))
    wait_until(lambda: threshold(responder)["state"] == "done")
    assert world.redis.get(KEY) == "0.50"


def test_what_somebody_else_has_changed_meanwhile_is_left_alone(world: World, start: Start) -> None:
    spike(world)
    responder = start(playbooks=playbooks())
    tighten(world, responder)
    world.redis.set(KEY, "0.45")
    end(responder)
    assert world.redis.get(KEY) == "0.45"
    assert threshold(responder)["reason"] == "changed by somebody else since; left alone"


def test_a_redis_that_lost_everything_is_left_as_it_came_back(world: World, start: Start) -> None:
    spike(world)
    responder = start(playbooks=playbooks())
    tighten(world, responder)
    world.redis.flushall()
    world.redis.set(KEY, "0.60")
    end(responder)
    assert world.redis.get(KEY) == "0.60"


@pytest.mark.parametrize("strict", ["0.50", "0.41"])
def test_a_threshold_that_is_as_strict_is_not_touched(world: World, start: Start, strict: str) -> None:
    world.redis.set(KEY, strict)
    spike(world)
    responder = start(playbooks=playbooks())
    responder.post(message(firing(FRAUD)))
    assert threshold(responder)["state"] == "skipped"
    assert world.redis.get(KEY) == strict


@pytest.mark.parametrize("found", ["strict; DROP", "nan"])
def test_a_threshold_that_is_no_number_is_not_touched(world: World, start: Start, found: str) -> None:
    world.redis.set(KEY, found)
    spike(world)
    responder = start(playbooks=playbooks())
    responder.post(message(firing(FRAUD)))
    assert (threshold(responder)["state"], world.redis.get(KEY)) == ("failed", found)


@pytest.mark.parametrize(("limit", "shown"), [(3, "3"), (None, "unknown"), (math.nan, "unknown")])
def test_without_certainty_it_is_skipped_and_looked_at_again_when_the_alert_repeats(
    world: World, start: Start, limit: float | None, shown: str
) -> None:
    world.prometheus.values |= {EVIDENCE: None, "blocked": 4, "100 * limit": limit}
    responder = start(playbooks=playbooks())
    responder.post(message(firing(FRAUD)))
    skipped = threshold(responder)
    reason = f"only_while is false or unknown, blocked 4, limit_percent {shown}"
    assert (skipped["state"], skipped["reason"]) == ("skipped", reason)
    assert world.redis.get(KEY) == "0.60"
    spike(world)
    assert responder.post(message(firing(FRAUD))).json()["alerts"] == ["kept"]
    wait_until(lambda: world.redis.get(KEY) == "0.50")


def test_the_evidence_may_be_asked_for_by_label(world: World, start: Start) -> None:
    world.prometheus.sources_up = False
    world.prometheus.values |= {'b{region="e\\"u",platform="main"} > 1': 2}
    responder = start(playbooks=playbooks(only_while='b{region="${labels.region}",platform="${platform}"} > 1'))
    responder.post(message(firing({**FRAUD, "region": 'e"u'})))
    assert threshold(responder)["state"] == "done"


def test_without_prometheus_nothing_is_tightened_until_it_is_back(world: World, start: Start) -> None:
    spike(world)
    world.monitoring.trouble.status = 503
    responder = start(playbooks=playbooks())
    responder.post(message(firing(FRAUD)))
    wait_until(lambda: responder.actions()["set_fraud_threshold"]["attempts"] >= 2)
    assert world.redis.get(KEY) == "0.60"
    assert "503" in responder.actions()["set_fraud_threshold"]["reason"]
    world.monitoring.trouble.status = 0
    assert threshold(responder)["state"] == "done"


def test_half_done_at_a_crash_is_finished_and_put_back(world: World, start: Start) -> None:
    spike(world)
    responder = start(playbooks=playbooks())
    tighten(world, responder)
    crash_before_it_is_written_down(world, responder)
    responder.start()
    assert (threshold(responder)["state"], threshold(responder)["attempts"]) == ("done", 2)
    end(responder)
    assert world.redis.get(KEY) == "0.60"


def test_half_done_at_a_crash_that_outlasts_the_incident_is_put_back(world: World, start: Start) -> None:
    spike(world)
    responder = start(playbooks=playbooks())
    tighten(world, responder)
    crash_before_it_is_written_down(world, responder)
    world.sql("UPDATE monitoring.responder_incidents SET state = 'closed', closed_at = now()")
    responder.start()
    wait_until(lambda: threshold(responder)["state"] == "reverted")
    assert world.redis.get(KEY) == "0.60"


def test_a_redis_that_is_away_when_it_is_to_be_put_back_is_tried_again(
    world: World, start: Start, own_redis: Callable[[], Redis]
) -> None:
    redis = own_redis()
    world.redis_url = redis.url()
    spike(world)
    responder = start(playbooks=playbooks())
    with redis.client() as client:
        client.set(KEY, "0.60")
        responder.post(message(firing(FRAUD)))
        assert threshold(responder)["state"] == "done"
        assert client.get(KEY) == "0.50"
        redis.suspend()
        responder.post(message(resolved(FRAUD)))
        wait_until(lambda: "Redis: " in str(threshold(responder)["reason"]))
        assert threshold(responder)["state"] == "reverting"
        redis.resume()
        wait_until(lambda: threshold(responder)["state"] == "reverted")
        assert client.get(KEY) == "0.60"


def test_it_expires_without_any_message(world: World, start: Start) -> None:
    spike(world)
    responder = start(playbooks=playbooks(expires="1s"))
    responder.post(message(firing(FRAUD)))
    wait_until(lambda: threshold(responder)["state"] == "reverted")
    assert world.redis.get(KEY) == "0.60"
    assert responder.incident()["state"] == "open"


def test_a_dry_run_says_what_it_would_do(world: World, start: Start) -> None:
    spike(world)
    responder = start(playbooks=playbooks(dry_run=True))
    responder.post(message(firing(FRAUD)))
    dry = threshold(responder)
    assert (dry["state"], dry["reason"]) == (
        "skipped",
        "dry run: would change redis config:fraud_threshold from {'value': '0.60'} to {'value': '0.50'}",
    )
    assert world.redis.get(KEY) == "0.60"


def test_two_incidents_hold_it_together_and_the_last_one_puts_it_back(world: World, start: Start) -> None:
    spike(world)
    responder = start(playbooks=playbooks())
    other = {**FRAUD, "region": "eu"}
    responder.post(message(firing(FRAUD), firing(other)))

    def states() -> list[str]:
        return sorted(one["actions"][0]["state"] for one in responder.incidents())

    wait_until(lambda: states() == ["done", "done"], what=lambda: str(responder.incidents()))
    assert [one["actions"][0]["before"] for one in responder.incidents()] == [{"value": "0.60"}] * 2
    responder.post(message(resolved(other)))
    wait_until(lambda: states() == ["done", "reverted"])
    assert world.redis.get(KEY) == "0.50"
    responder.post(message(resolved(FRAUD)))
    wait_until(lambda: states() == ["reverted", "reverted"])
    assert world.redis.get(KEY) == "0.60"


def two_books() -> dict[str, Any]:
    """The ordinary playbook, and a stricter one."""
    (spike,) = playbooks().values()
    (strict,) = playbooks(value=0.4).values()
    return {"FraudRateSpike": spike, "ModelDrift": strict}


STRICT = {**FRAUD, "playbook": "ModelDrift"}


def fire(responder: ResponderProcess, alert: dict[str, str]) -> None:
    responder.post(message(firing(alert)))
    wait_until(lambda: state_of(responder, alert) == ("open", "done"), what=lambda: str(responder.incidents()))


def resolve(responder: ResponderProcess, alert: dict[str, str]) -> None:
    responder.post(message(resolved(alert)))
    wait_until(lambda: state_of(responder, alert) == ("closed", "reverted"), what=lambda: str(responder.incidents()))


def state_of(responder: ResponderProcess, alert: dict[str, str]) -> tuple[str, str]:
    (incident,) = [one for one in responder.incidents() if one["labels"] == alert]
    return incident["state"], incident["actions"][0]["state"]


def test_while_two_hold_it_the_stricter_one_is_in_force(world: World, start: Start) -> None:
    spike(world)
    world.redis.set(KEY, "0.75")
    responder = start(playbooks=two_books())
    fire(responder, FRAUD)
    assert world.redis.get(KEY) == "0.50"
    fire(responder, STRICT)
    assert world.redis.get(KEY) == "0.40"
    another = {**FRAUD, "region": "eu"}
    fire(responder, another)
    assert world.redis.get(KEY) == "0.40"
    (held,) = [one["actions"][0] for one in responder.incidents() if one["labels"] == another]
    assert held["reason"] == "0.40 is in force, which another incident wants; 0.50 once that is over"
    resolve(responder, STRICT)
    assert world.redis.get(KEY) == "0.50"
    resolve(responder, FRAUD)
    assert world.redis.get(KEY) == "0.50"
    resolve(responder, another)
    assert world.redis.get(KEY) == "0.75"


@pytest.mark.parametrize("first", [FRAUD, STRICT])
def test_what_an_operator_sets_meanwhile_is_what_all_return_to(
    world: World, start: Start, first: dict[str, str]
) -> None:
    spike(world)
    world.redis.set(KEY, "0.75")
    responder = start(playbooks=two_books())
    fire(responder, FRAUD)
    world.redis.set(KEY, "0.60")
    fire(responder, STRICT)
    assert world.redis.get(KEY) == "0.40"
    resolve(responder, first)
    assert world.redis.get(KEY) == ("0.40" if first == FRAUD else "0.60")
    resolve(responder, STRICT if first == FRAUD else FRAUD)
    assert world.redis.get(KEY) == "0.60"


def test_what_a_release_before_had_changed_is_put_back(world: World, start: Start) -> None:
    """It wrote down neither generations nor targets."""
    spike(world)
    responder = start(playbooks=two_books())
    fire(responder, FRAUD)
    responder.kill9()
    world.sql("TRUNCATE monitoring.responder_targets")
    world.sql("UPDATE monitoring.responder_actions SET generation = 0")
    responder.start()
    fire(responder, STRICT)
    assert world.redis.get(KEY) == "0.40"
    resolve(responder, STRICT)
    assert world.redis.get(KEY) == "0.50"
    resolve(responder, FRAUD)
    assert world.redis.get(KEY) == "0.60"
