"""A record in the SIEM feed, and at the collector where there is one."""

from __future__ import annotations

from tests.responder.actions.single import crash_before_it_is_written_down, one, outcome
from tests.responder.conftest import Start, World
from tests.responder.messages import ADMIN, firing, message
from tests.responder.process import wait_until

RECORD = one("record_siem", ADMIN, severity="HIGH", event_type="t", message="${alertname}")
EVENTS = "SELECT event_type, message FROM monitoring.security_events"


def test_a_record_whose_collector_fails_is_written_once(world: World, start: Start) -> None:
    responder = start(playbooks=RECORD)
    world.outside.trouble.status, world.outside.trouble.after = 503, True
    responder.post(message(firing(ADMIN)))
    wait_until(lambda: responder.actions()["record_siem"]["attempts"] >= 2)
    world.outside.trouble.status = 0
    outcome(responder, "record_siem")
    assert world.sql(EVENTS) == [("t", "UnauthorizedAdminAccess")]
    assert [event["message"] for event in world.siem.events] == ["UnauthorizedAdminAccess"]


def test_a_record_that_the_collector_refuses_has_failed_and_is_in_the_feed(world: World, start: Start) -> None:
    responder = start(playbooks=RECORD)
    world.outside.trouble.status = 400
    responder.post(message(firing(ADMIN)))
    failed = outcome(responder, "record_siem")
    assert (failed["state"], failed["attempts"]) == ("failed", 1)
    assert failed["reason"].endswith("answered 400; it said: in trouble")
    assert world.sql(EVENTS) == [("t", "UnauthorizedAdminAccess")]


def test_a_crash_after_it_was_recorded_records_nothing_twice(world: World, start: Start) -> None:
    responder = start(playbooks=RECORD)
    responder.post(message(firing(ADMIN)))
    outcome(responder, "record_siem")
    crash_before_it_is_written_down(world, responder)
    responder.start()
    assert outcome(responder, "record_siem")["attempts"] == 2
    assert (len(world.sql(EVENTS)), len(world.siem.events)) == (1, 1)
