"""Another fraud model, which stays until retraining decides."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from testbed.servers.redis import Redis
from tests.responder.actions.single import crash_before_it_is_written_down, one, outcome, tried
from tests.responder.conftest import Start, World
from tests.responder.messages import DRIFT, firing, message, resolved
from tests.responder.process import wait_until

KEY = "config:fraud_model"
NO_KEY = f"the platform has no such key: {KEY}"
ENSEMBLE = one("set_fraud_model", DRIFT, model="ensemble")


def test_the_model_is_set_and_stays_after_the_end(world: World, start: Start) -> None:
    responder = start(playbooks=ENSEMBLE)
    responder.post(message(firing(DRIFT)))
    assert outcome(responder, "set_fraud_model")["after"] == {"value": "ensemble", "found": "xgboost"}
    responder.post(message(resolved(DRIFT)))
    wait_until(lambda: responder.incident()["state"] == "closed")
    assert (outcome(responder, "set_fraud_model")["state"], world.redis.get(KEY)) == ("done", "ensemble")


def test_a_model_for_drift_that_is_over_by_now_is_not_set(world: World, start: Start) -> None:
    """Nothing would ever put it back."""
    world.redis.set("responder:stop", "because")
    responder = start(playbooks=ENSEMBLE)
    responder.post(message(firing(DRIFT)))
    responder.post(message(resolved(DRIFT)))
    wait_until(lambda: responder.incident()["state"] == "closed")
    world.redis.delete("responder:stop")
    skipped = outcome(responder, "set_fraud_model")
    assert (skipped["state"], skipped["reason"]) == ("skipped", "the incident is over: the model stays as it is")
    assert world.redis.get(KEY) == "xgboost"


def test_a_model_may_be_set_at_the_end(world: World, start: Start) -> None:
    playbooks = one("notify", DRIFT, text="t")
    playbooks["ModelDrift"]["on_end"] = [{"action": "set_fraud_model", "model": "ensemble"}]
    responder = start(playbooks=playbooks)
    responder.post(message(firing(DRIFT)))
    responder.post(message(resolved(DRIFT)))
    wait_until(lambda: world.redis.get(KEY) == "ensemble")


def test_a_redis_that_hangs_or_is_gone_is_tried_again(
    world: World, start: Start, own_redis: Callable[[], Redis]
) -> None:
    redis = own_redis()
    world.redis_url = redis.url()
    responder = start(playbooks=ENSEMBLE)
    redis.suspend()
    responder.post(message(firing(DRIFT)))
    tried(responder, "set_fraud_model", "Redis: ")
    redis.kill9()
    tried(responder, "set_fraud_model", "refused")
    redis.start()
    # It comes back empty: what nobody has written is not written.
    assert outcome(responder, "set_fraud_model")["reason"] == NO_KEY
    with redis.client() as client:
        assert client.get(KEY) is None
        client.set(KEY, "xgboost")
        responder.post(message(firing(DRIFT)))
        wait_until(lambda: outcome(responder, "set_fraud_model")["state"] == "done")
        assert client.get(KEY) == "ensemble"


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_platform_without_the_key_is_not_given_one(world: World, start: Start, *, dry_run: bool) -> None:
    world.redis.delete(KEY)
    responder = start(playbooks=one("set_fraud_model", DRIFT, model="ensemble", dry_run=dry_run))
    responder.post(message(firing(DRIFT)))
    skipped = outcome(responder, "set_fraud_model")
    assert (skipped["state"], skipped["reason"], world.redis.get(KEY)) == ("skipped", NO_KEY, None)


def test_a_redis_that_refuses_is_given_up(world: World, start: Start) -> None:
    world.redis.delete(KEY)
    world.redis.lpush(KEY, "xgboost")  # not a text
    responder = start(playbooks=ENSEMBLE, pace={"give_up": "1s"})
    responder.post(message(firing(DRIFT)))
    failed = outcome(responder, "set_fraud_model")
    assert (failed["state"], world.redis.lrange(KEY, 0, -1)) == ("failed", ["xgboost"])
    assert "WRONGTYPE" in failed["reason"]


def test_a_crash_after_it_was_set_sets_the_same(world: World, start: Start) -> None:
    responder = start(playbooks=ENSEMBLE)
    responder.post(message(firing(DRIFT)))
    outcome(responder, "set_fraud_model")
    crash_before_it_is_written_down(world, responder)
    responder.start()
    assert outcome(responder, "set_fraud_model")["state"] == "done"
    assert world.redis.get(KEY) == "ensemble"


def test_a_dry_run_says_what_it_would_do(world: World, start: Start) -> None:
    responder = start(playbooks=one("set_fraud_model", DRIFT, model="ensemble", dry_run=True))
    responder.post(message(firing(DRIFT)))
    assert outcome(responder, "set_fraud_model")["reason"] == (
        "dry run: would set config:fraud_model from xgboost to ensemble"
    )
    assert world.redis.get(KEY) == "xgboost"
