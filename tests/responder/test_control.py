"""What a person can hold the responder back with, and how it goes on after a crash."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from responder.playbook_file import SHIPPED
from testbed.servers.ports import free_port
from testbed.servers.redis import Redis
from tests.responder.actions.single import crash_before_it_is_written_down
from tests.responder.conftest import Start, World
from tests.responder.ledger_session import PLAYBOOKS, Session
from tests.responder.messages import ADMIN, FRAUD, firing, message, resolved
from tests.responder.process import ResponderProcess, wait_until
from tests.responder.sql import rows

LOCK: dict[str, Any] = {
    "UnauthorizedAdminAccess": {
        "max_per_hour": 2,
        "on_firing": [{"action": "lock_account", "account": "${labels.account}", "reason": "r"}],
    }
}
ENDS_SOON = {"ends_when": {"for": "300ms"}}


def test_the_brake_stops_what_comes_too_often_and_says_so(world: World, start: Start) -> None:
    responder = start(playbooks=LOCK)
    for account in ("alice.ops", "carol.ops", "bob.ops"):
        responder.post(message(firing({**ADMIN, "account": account})))
    assert responder.metric("ticketing_responder_alerts_total", outcome="braked") == 1
    (braked,) = [one for one in responder.incidents() if one["labels"]["account"] == "bob.ops"]
    assert (braked["actions"][0]["state"], braked["actions"][0]["reason"]) == (
        "skipped",
        "max_per_hour of the playbook is reached: a person has to look",
    )
    wait_until(world.locked)
    assert not world.locked("bob.ops")


def test_what_was_braked_does_not_brake(sessions: tuple[Session, Session]) -> None:
    """An hour after the incidents that acted, others act again, however many were only recorded meanwhile."""
    one, _ = sessions
    most = PLAYBOOKS["FraudRateSpike"].max_per_hour
    for number in range(most):
        assert one.tell(firing({**FRAUD, "region": str(number)})) == ["opened"]
    for number in range(most):
        assert one.tell(firing({**FRAUD, "region": f"braked {number}"})) == ["braked"]
    rows(
        one.database.dsn,
        "UPDATE monitoring.responder_incidents SET opened_at = now() - interval '61 minutes' WHERE NOT braked",
    )
    assert one.tell(firing({**FRAUD, "region": "new"})) == ["opened"]


def test_the_switch_in_redis_stops_and_releases(world: World, start: Start) -> None:
    responder = start(playbooks=LOCK)
    world.redis.set("responder:stop", "because")
    wait_until(lambda: responder.metric("ticketing_responder_stopped") == 1)
    time.sleep(0.6)  # what a worker remembers
    assert responder.post(message(firing(ADMIN))).status_code == 202
    time.sleep(0.6)
    assert not world.locked()
    assert (responder.metric("ticketing_responder_oldest_pending_seconds") or 0) > 0.5
    world.redis.delete("responder:stop")
    wait_until(world.locked)
    assert responder.metric("ticketing_responder_stopped") == 0


def test_an_attack_that_was_seen_is_answered_although_it_is_over_when_the_switch_is_released(
    world: World, start: Start
) -> None:
    world.redis.set("responder:stop", "because")
    responder = start(playbooks={"UnauthorizedAdminAccess": {**LOCK["UnauthorizedAdminAccess"], **ENDS_SOON}})
    responder.post(message(firing(ADMIN)))
    responder.post(message(resolved(ADMIN)))
    wait_until(lambda: responder.incident()["state"] == "closed")
    assert not world.locked()
    world.redis.delete("responder:stop")
    wait_until(world.locked)


def stopped(world: World, start: Start, own_redis: Callable[[], Redis]) -> tuple[Redis, ResponderProcess]:
    """A responder whose switch is thrown in a Redis of its own."""
    redis = own_redis()
    world.redis_url = redis.url()
    with redis.client() as client:
        client.set("responder:stop", "because")
    responder = start(playbooks=LOCK)
    wait_until(lambda: responder.metric("ticketing_responder_stopped") == 1)
    return redis, responder


def test_the_switch_stays_thrown_when_redis_goes_and_the_configuration_is_reloaded(
    world: World, start: Start, own_redis: Callable[[], Redis]
) -> None:
    redis, responder = stopped(world, start, own_redis)
    redis.stop()
    wait_until(lambda: responder.metric("ticketing_responder_stopped") is None)
    assert responder.post(b"", path="/-/reload").status_code == 200
    responder.post(message(firing(ADMIN)))
    time.sleep(0.6)
    assert responder.actions()["lock_account"]["attempts"] == 0


def test_the_switch_stays_thrown_through_a_restart_while_redis_is_down(
    world: World, start: Start, own_redis: Callable[[], Redis]
) -> None:
    redis, responder = stopped(world, start, own_redis)
    redis.stop()
    responder.kill9()
    responder.start()
    responder.post(message(firing(ADMIN)))
    # It knows no more by itself, and says so.
    assert responder.metric("ticketing_responder_stopped") is None
    time.sleep(1)
    assert responder.actions()["lock_account"]["attempts"] == 0
    # Redis has lost it, so it is released.
    redis.start()
    wait_until(world.locked, 20)


def test_a_switch_that_was_released_is_so_after_a_restart_while_redis_is_down(
    world: World, start: Start, own_redis: Callable[[], Redis]
) -> None:
    redis, responder = stopped(world, start, own_redis)
    with redis.client() as client:
        wait_until(lambda: world.sql("SELECT thrown FROM monitoring.responder_switch") == [(True,)])
        client.delete("responder:stop")
        wait_until(lambda: world.sql("SELECT thrown FROM monitoring.responder_switch") == [(False,)])
    redis.stop()
    responder.kill9()
    responder.start()
    responder.post(message(firing(ADMIN)))
    wait_until(world.locked)


def test_the_switch_as_a_file(world: World, start: Start, tmp_path: Path) -> None:
    switch = tmp_path / "stop"
    switch.touch()
    responder = start({"stop": {"file": str(switch)}}, playbooks=LOCK)
    responder.post(message(firing(ADMIN)))
    time.sleep(0.5)
    assert not world.locked()
    switch.unlink()
    wait_until(world.locked)


def test_an_account_is_locked_although_redis_is_gone(world: World, start: Start) -> None:
    world.redis_url = "redis://127.0.0.1:1/0"
    responder = start(playbooks=LOCK)
    responder.post(message(firing(ADMIN)))
    wait_until(world.locked)
    assert responder.metric("ticketing_responder_ledger_up") == 1
    assert responder.metric("ticketing_responder_stopped") is None


def test_a_dry_run_of_everything_changes_nothing(world: World, start: Start) -> None:
    world.fail_sign_ins("alice.ops", "203.0.113.5")
    responder = start({"dry_run": True})
    responder.post(message(firing(ADMIN)))
    actions = responder.settled()
    assert {one["state"] for one in actions.values()} == {"skipped"}
    assert actions["lock_account"]["reason"] == "dry run: would lock 'alice.ops': UnauthorizedAdminAccess"
    assert actions["add_threat_indicator"]["reason"] == "dry run: would add 203.0.113.5 to the threat feed"
    assert not world.locked()
    assert not world.siem.incidents
    assert responder.metric("ticketing_responder_dry_run") == 1


def test_an_action_that_cannot_succeed_now_holds_up_nothing(world: World, start: Start) -> None:
    steps = [
        {"action": "open_siem_incident", "severity": "HIGH", "title": "t"},
        *LOCK["UnauthorizedAdminAccess"]["on_firing"],
    ]
    world.outside.trouble.status = 503
    responder = start(playbooks={"UnauthorizedAdminAccess": {"max_per_hour": 2, "on_firing": steps}})
    responder.post(message(firing(ADMIN)))
    wait_until(world.locked)
    assert responder.actions()["open_siem_incident"]["state"] in ("pending", "running")


def test_an_account_that_is_unlocked_while_the_attack_goes_on_is_locked_again(world: World, start: Start) -> None:
    responder = start(playbooks=LOCK)
    responder.post(message(firing(ADMIN)))
    wait_until(lambda: responder.settled()["lock_account"]["state"] == "done")
    first = responder.actions()["lock_account"]
    lock = "SELECT locked_reason, correlation_id::text FROM platform.admin_accounts WHERE account = 'alice.ops'"
    correlation_id = responder.incident()["correlation_id"]
    # What is still locked stays as it was, at its time.
    responder.post(message(firing(ADMIN)))
    wait_until(lambda: responder.settled()["lock_account"]["attempts"] == 2)
    assert responder.actions()["lock_account"]["finished_at"] == first["finished_at"]
    assert world.sql(lock) == [("r", correlation_id)]
    for attempts in (3, 4):
        world.sql("UPDATE platform.admin_accounts SET locked_at = NULL")
        responder.post(message(firing(ADMIN)))
        wait_until(lambda: world.locked() and responder.settled()["lock_account"]["attempts"] == attempts)  # noqa: B023
        assert responder.actions()["lock_account"]["finished_at"] > first["finished_at"]
    ((reason, another),) = world.sql(lock)
    assert reason == f"r: again, the attack {correlation_id} goes on"
    assert another == responder.actions()["lock_account"]["after"]["locked_again_as"]


def test_a_crash_after_an_account_was_locked_again_locks_it_no_third_time(world: World, start: Start) -> None:
    responder = start(playbooks=LOCK)
    responder.post(message(firing(ADMIN)))
    responder.settled()
    world.sql("UPDATE platform.admin_accounts SET locked_at = NULL")
    responder.post(message(firing(ADMIN)))
    wait_until(world.locked)
    wait_until(lambda: responder.settled()["lock_account"]["attempts"] == 2)
    locked = world.sql("SELECT * FROM platform.admin_accounts")
    crash_before_it_is_written_down(world, responder)
    world.sql("UPDATE monitoring.responder_actions SET after_state = after_state - 'locked_again_as'")
    responder.start()
    wait_until(lambda: responder.settled()["lock_account"]["attempts"] == 3)
    assert responder.actions()["lock_account"]["state"] == "done"
    assert world.sql("SELECT * FROM platform.admin_accounts") == locked


def test_an_account_that_is_unlocked_once_the_attack_is_over_stays_so(world: World, start: Start) -> None:
    playbook = {**LOCK["UnauthorizedAdminAccess"], "ends_when": {"for": "1h"}}
    responder = start(playbooks={"UnauthorizedAdminAccess": playbook})
    responder.post(message(firing(ADMIN)))
    responder.settled()
    responder.post(message(resolved(ADMIN)))
    world.sql("UPDATE platform.admin_accounts SET locked_at = NULL")
    # An old message, and nothing else, says that it goes on.
    assert responder.post(message(firing(ADMIN))).json()["alerts"] == ["kept"]
    time.sleep(0.5)
    assert not world.locked()
    assert responder.actions()["lock_account"]["attempts"] == 1


def test_where_a_person_has_the_last_word_an_account_stays_unlocked_until_the_next_attack(
    world: World, start: Start
) -> None:
    (step,) = LOCK["UnauthorizedAdminAccess"]["on_firing"]
    playbook = {**LOCK["UnauthorizedAdminAccess"], "on_firing": [{**step, "again": False}]}
    responder = start(playbooks={"UnauthorizedAdminAccess": playbook})
    responder.post(message(firing(ADMIN)))
    wait_until(world.locked)
    world.sql("UPDATE platform.admin_accounts SET locked_at = NULL")
    responder.post(message(firing(ADMIN)))
    time.sleep(0.3)
    assert not world.locked()
    # Even when the whole action is tried again.
    world.sql("UPDATE monitoring.responder_actions SET state = 'running', due_at = now()")
    wait_until(lambda: responder.actions()["lock_account"]["state"] == "failed")
    assert not world.locked()


def test_a_crash_after_an_account_was_locked_locks_it_once(world: World, start: Start) -> None:
    responder = start(playbooks=LOCK)
    responder.post(message(firing(ADMIN)))
    wait_until(lambda: responder.settled()["lock_account"]["state"] == "done")
    locked_at = world.sql("SELECT account, locked_at FROM platform.admin_accounts")
    crash_before_it_is_written_down(world, responder)
    responder.start()
    wait_until(lambda: responder.settled()["lock_account"]["attempts"] == 2)
    assert responder.settled()["lock_account"]["state"] == "done"
    assert world.sql("SELECT account, locked_at FROM platform.admin_accounts") == locked_at


def test_a_worker_that_hangs_past_its_lease_writes_nothing_any_more(world: World, start: Start) -> None:
    """The other responder takes the action over; the first one wakes up and finds its claim gone."""
    playbooks = {
        "UnauthorizedAdminAccess": {
            "max_per_hour": 9,
            "on_firing": [{"action": "open_siem_incident", "severity": "HIGH", "title": "t"}],
        }
    }
    first = start(playbooks=playbooks, pace={"lease": "1s"})
    world.outside.trouble.delay = 0.5
    first.post(message(firing(ADMIN)))
    wait_until(lambda: bool(world.outside.requests))
    os.kill(first.process.pid, signal.SIGSTOP)
    world.outside.trouble.delay = 0
    second = start(playbooks=playbooks, pace={"lease": "1s"})
    try:
        wait_until(lambda: second.actions()["open_siem_incident"]["state"] == "done")
        finished = second.actions()["open_siem_incident"]
    finally:
        os.kill(first.process.pid, signal.SIGCONT)
    wait_until(lambda: "attempt 1: lost" in first.log(), what=first.log)
    assert second.actions()["open_siem_incident"] == finished
    assert len(world.siem.incidents) == 1


def test_what_takes_longer_than_its_lease_is_given_up(world: World, start: Start) -> None:
    """Each try is another worker's before it has ended, so none of them can be written down."""
    steps = [{"action": "open_siem_incident", "severity": "HIGH", "title": "t"}]
    playbooks = {"UnauthorizedAdminAccess": {"max_per_hour": 9, "on_firing": steps}}
    world.outside.trouble.delay = 4
    responder = start({"profiles": None}, playbooks=playbooks, pace={"lease": "500ms", "give_up": "2s"})
    responder.post(message(firing(ADMIN)))
    wait_until(lambda: responder.actions()["open_siem_incident"]["state"] == "failed", 30)
    given_up = responder.actions()["open_siem_incident"]
    assert given_up["reason"].endswith("nothing was written down before its lease of 0.5 s ended")


def test_what_was_left_by_a_responder_that_died_long_ago_is_tried(world: World, start: Start) -> None:
    """An hour in which nobody tried is not an hour of tries."""
    responder = start(playbooks=LOCK)
    responder.post(message(firing(ADMIN)))
    responder.settled()
    crash_before_it_is_written_down(world, responder)
    world.sql("UPDATE monitoring.responder_actions SET started_at = now() - interval '2 hours', attempts = 20")
    responder.start()
    wait_until(lambda: responder.actions()["lock_account"]["state"] == "done")


OPEN_INCIDENT: dict[str, Any] = {
    "UnauthorizedAdminAccess": {
        "max_per_hour": 9,
        "on_firing": [{"action": "open_siem_incident", "severity": "HIGH", "title": "t"}],
    }
}


def spent(world: World) -> float:
    ((seconds,),) = world.sql("SELECT spent FROM monitoring.responder_actions")
    return float(seconds)


def test_an_outage_that_is_longer_than_refusals_may_last_is_outlasted(world: World, start: Start) -> None:
    elsewhere = {"siem": {"incidents": {"url": f"http://127.0.0.1:{free_port()}"}}}
    responder = start(elsewhere, playbooks=OPEN_INCIDENT, pace={"give_up": "2s"})
    responder.post(message(firing(ADMIN)))
    began = time.monotonic()
    wait_until(lambda: time.monotonic() - began > 4 and responder.actions()["open_siem_incident"]["attempts"] > 5)
    assert spent(world) < 2
    responder.configure(world.config(), OPEN_INCIDENT)
    responder.reload()
    assert responder.settled()["open_siem_incident"]["state"] == "done"


def test_what_is_gone_for_good_is_given_up(start: Start) -> None:
    elsewhere = {"siem": {"incidents": {"url": f"http://127.0.0.1:{free_port()}"}}}
    responder = start(elsewhere, playbooks=OPEN_INCIDENT, pace={"give_up": "100ms"})
    responder.post(message(firing(ADMIN)))
    failed = responder.settled()["open_siem_incident"]
    assert failed["state"] == "failed"
    assert failed["attempts"] > 3
    assert "given up after" in failed["reason"]


def test_time_in_which_nobody_could_try_does_not_count(world: World, start: Start) -> None:
    """The ledger, the responder or the switch: one hour of it is one pause, whichever it was."""
    world.outside.trouble.status = 503
    responder = start(playbooks=OPEN_INCIDENT, pace={"give_up": "1h"})
    responder.post(message(firing(ADMIN)))
    wait_until(lambda: responder.actions()["open_siem_incident"]["attempts"] >= 2)
    world.redis.set("responder:stop", "because")
    wait_until(lambda: responder.metric("ticketing_responder_stopped") == 1)
    wait_until(lambda: responder.actions()["open_siem_incident"]["state"] == "pending")
    world.sql(
        "UPDATE monitoring.responder_actions SET started_at = now() - interval '2 hours',"
        " due_at = now() - interval '2 hours'"
    )
    world.redis.delete("responder:stop")
    attempts = responder.actions()["open_siem_incident"]["attempts"]
    wait_until(lambda: responder.actions()["open_siem_incident"]["attempts"] > attempts)
    world.outside.trouble.status = 0
    assert responder.settled()["open_siem_incident"]["state"] == "done"
    assert spent(world) < 60


def test_a_reload_takes_up_what_is_valid_and_keeps_what_was_otherwise(world: World, start: Start) -> None:
    responder = start(playbooks={"Another": LOCK["UnauthorizedAdminAccess"]})
    assert responder.post(message(firing(ADMIN))).status_code == 422
    responder.configure(world.config(), {"UnauthorizedAdminAccess": {"max_per_hour": 0, "on_firing": []}})
    answer = responder.post(b"", path="/-/reload")
    assert answer.status_code == 500
    assert "UnauthorizedAdminAccess.max_per_hour: Expected `int` >= 1" in answer.json()["error"]
    assert responder.post(message(firing(ADMIN))).status_code == 422
    responder.configure(world.config(), yaml.safe_load(SHIPPED.read_text()))
    responder.reload()
    wait_until(lambda: responder.post(message(firing(ADMIN))).status_code == 202)
    wait_until(world.locked)
