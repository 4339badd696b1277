"""Retraining, in the platform and by a trigger where there is one."""

from __future__ import annotations

from tests.responder.actions.single import Receiver, crash_before_it_is_written_down, one, outcome, tried
from tests.responder.conftest import Start, World
from tests.responder.messages import DRIFT, firing, message, resolved
from tests.responder.process import wait_until

RETRAIN = one("schedule_retraining", DRIFT, within="24h", reason="${labels.feature}")
REQUESTS = "SELECT reason, correlation_id::text FROM platform.retraining_requests"


def test_drift_schedules_retraining_within_a_day_and_switches_the_model(world: World, start: Start) -> None:
    world.sql("INSERT INTO platform.model_versions (model_version, trained_at, is_active) VALUES ('m1', now(), true)")
    responder = start()
    responder.post(message(firing(DRIFT), firing({**DRIFT, "feature": "hour"})))
    wait_until(lambda: len(world.sql("SELECT 1 FROM platform.retraining_requests")) == 2)
    wait_until(lambda: world.redis.get("config:fraud_model") == "ensemble")
    due = world.sql(
        "SELECT next_retraining_at - now() BETWEEN interval '23 hours 59 minutes' AND interval '24 hours'"
        " FROM platform.model_versions"
    )
    assert due == [(True,)]
    reasons = {reason for (reason,) in world.sql("SELECT reason FROM platform.retraining_requests")}
    assert "hour has drifted from its distribution at training" in reasons


def triggered(world: World) -> tuple[Receiver, dict[str, object]]:
    """A trigger, and the configuration that names it."""
    trigger = Receiver("/train")
    world.outside.counterparts.append(trigger)
    return trigger, {"retraining": {"url": f"{world.outside.url}/train"}}


def test_what_trains_is_told_when_why_and_for_which_incident(world: World, start: Start) -> None:
    trigger, config = triggered(world)
    responder = start(config, playbooks=RETRAIN)
    responder.post(message(firing(DRIFT)))
    after = outcome(responder, "schedule_retraining")["after"]
    correlation_id = responder.incident()["correlation_id"]
    assert after["triggered"] is True
    assert trigger.received == [
        {"reason": "wallet_age_days", "due_by": after["due_by"], "correlation_id": correlation_id}
    ]
    assert trigger.keys == [f"{correlation_id}:firing:1"]
    assert world.sql(REQUESTS) == [("wallet_age_days", correlation_id)]


def test_a_trigger_that_refuses_has_failed_and_the_platform_has_the_request(world: World, start: Start) -> None:
    _, config = triggered(world)
    world.outside.trouble.status = 422
    responder = start(config, playbooks=RETRAIN)
    responder.post(message(firing(DRIFT)))
    failed = outcome(responder, "schedule_retraining")
    assert (failed["state"], failed["attempts"]) == ("failed", 1)
    assert failed["reason"].endswith("answered 422; it said: in trouble")
    assert len(world.sql(REQUESTS)) == 1


def test_a_trigger_whose_answer_is_lost_is_told_the_same_again(world: World, start: Start) -> None:
    trigger, config = triggered(world)
    world.outside.trouble.status, world.outside.trouble.after = 503, True
    responder = start(config, playbooks=RETRAIN)
    responder.post(message(firing(DRIFT)))
    tried(responder, "schedule_retraining", "answered 503")
    world.outside.trouble.status = 0
    assert outcome(responder, "schedule_retraining")["state"] == "done"
    # The same key and the same moment, by which it knows that they are one.
    assert len(trigger.keys) > 1
    assert len(set(trigger.keys)) == len({str(one) for one in trigger.received}) == 1
    assert len(world.sql(REQUESTS)) == 1


def test_for_drift_that_is_over_by_now_nothing_is_asked_for(world: World, start: Start) -> None:
    """Its moment may have passed, too."""
    trigger, config = triggered(world)
    world.redis.set("responder:stop", "because")
    responder = start(config, playbooks=RETRAIN)
    responder.post(message(firing(DRIFT)))
    responder.post(message(resolved(DRIFT)))
    wait_until(lambda: responder.incident()["state"] == "closed")
    world.redis.delete("responder:stop")
    skipped = outcome(responder, "schedule_retraining")
    assert (skipped["state"], skipped["reason"]) == ("skipped", "the incident is over: nothing more is asked for")
    assert (trigger.received, world.sql(REQUESTS)) == ([], [])


def test_a_crash_after_it_was_asked_for_asks_for_the_same_moment(world: World, start: Start) -> None:
    trigger, config = triggered(world)
    responder = start(config, playbooks=RETRAIN)
    responder.post(message(firing(DRIFT)))
    before = outcome(responder, "schedule_retraining")["after"]
    crash_before_it_is_written_down(world, responder)
    responder.start()
    assert outcome(responder, "schedule_retraining")["after"] == before
    assert len(set(trigger.keys)) == len({str(one) for one in trigger.received}) == 1
    assert len(world.sql(REQUESTS)) == 1
