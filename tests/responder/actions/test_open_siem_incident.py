"""The SIEM's incident workflow, opened once whatever happens on the way."""

from __future__ import annotations

from tests.responder.actions.single import Receiver, one, outcome
from tests.responder.conftest import Start, World
from tests.responder.messages import ADMIN, firing, message
from tests.responder.process import wait_until


def test_the_siem_opens_one_incident_although_its_first_answer_is_lost(world: World, start: Start) -> None:
    responder = start(playbooks=one("open_siem_incident", ADMIN, severity="HIGH", title="${labels.account}"))
    world.outside.trouble.status, world.outside.trouble.after = 500, True
    responder.post(message(firing(ADMIN)))
    wait_until(lambda: responder.actions()["open_siem_incident"]["attempts"] >= 2)
    world.outside.trouble.status = 0
    assert outcome(responder, "open_siem_incident")["after"] == {"incident": "INC-0001"}
    assert [one["title"] for one in world.siem.incidents.values()] == ["alice.ops"]
    assert len(world.outside.requests) > 2


def test_an_incident_that_the_siem_does_not_name_is_open_all_the_same(world: World, start: Start) -> None:
    siem = Receiver("/siem/incidents")  # answers 200 with a text
    world.outside.counterparts.insert(0, siem)
    responder = start(playbooks=one("open_siem_incident", ADMIN, severity="HIGH", title="t"))
    responder.post(message(firing(ADMIN)))
    opened = outcome(responder, "open_siem_incident")
    assert (opened["state"], opened["after"], len(siem.received)) == ("done", {"incident": None}, 1)


def test_a_refusal_is_final(world: World, start: Start) -> None:
    responder = start(playbooks=one("open_siem_incident", ADMIN, severity="HIGH", title="t"))
    world.outside.trouble.status = 403
    responder.post(message(firing(ADMIN)))
    failed = outcome(responder, "open_siem_incident")
    assert (failed["state"], failed["attempts"]) == ("failed", 1)
    assert failed["reason"].endswith("answered 403; it said: in trouble")


def test_a_service_that_asks_for_more_time_than_a_try_has_gets_it(world: World, start: Start) -> None:
    responder = start(playbooks=one("open_siem_incident", ADMIN, severity="HIGH", title="t"))
    world.outside.trouble.status, world.outside.trouble.retry_after = 503, 60
    responder.post(message(firing(ADMIN)))
    wait_until(lambda: responder.actions()["open_siem_incident"]["attempts"] == 1)
    wait_until(lambda: "answered 503" in str(responder.actions()["open_siem_incident"]["reason"]))
    ((wait,),) = world.sql("SELECT extract(epoch FROM due_at - now()) FROM monitoring.responder_actions")
    # Without the header it would be half a second at most.
    assert 40 < wait <= 60
    assert len(world.outside.requests) == 1


def test_a_service_that_hangs_is_given_up_in_time(world: World, start: Start) -> None:
    responder = start(
        playbooks=one("open_siem_incident", ADMIN, severity="HIGH", title="t"), pace={"lease": "30s", "give_up": "9s"}
    )
    world.outside.trouble.delay = 12
    responder.post(message(firing(ADMIN)))
    wait_until(lambda: "no answer within" in str(responder.actions()["open_siem_incident"]["reason"]), 20)
    # No answer is hardly a try; after nine seconds of refusals it is tried no more.
    world.outside.trouble.delay, world.outside.trouble.status = 0, 503
    wait_until(lambda: responder.actions()["open_siem_incident"]["state"] == "failed", 20)
    assert "given up after" in responder.actions()["open_siem_incident"]["reason"]
