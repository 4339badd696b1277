"""Addresses of an attack, in the platform's feed and a TAXII collection."""

from __future__ import annotations

import pytest

from testbed.counterparts.server import Reply, Request
from tests.responder.actions.single import one, outcome
from tests.responder.conftest import Start, World
from tests.responder.messages import ADMIN, firing, message
from tests.responder.process import wait_until

INDICATE = one("add_threat_indicator", ADMIN, account="${labels.account}", reason="r")


def test_networks_that_are_never_indicated(world: World, start: Start) -> None:
    world.fail_sign_ins("alice.ops", "10.1.2.3", "203.0.113.5")
    responder = start({"never_indicate": ["10.0.0.0/8"]}, playbooks=INDICATE)
    responder.post(message(firing(ADMIN)))
    after = outcome(responder, "add_threat_indicator")["after"]
    assert (after["addresses"], after["left_out"]) == (["203.0.113.5"], ["10.1.2.3"])
    assert world.sql("SELECT host(source_ip) FROM platform.threat_indicators") == [("203.0.113.5",)]
    assert [one["pattern"] for one in world.taxii.objects.values()] == ["[ipv4-addr:value = '203.0.113.5']"]


def test_an_address_of_ipv4_in_the_form_of_ipv6_is_that_address(world: World, start: Start) -> None:
    """So does a server name its clients that listens on IPv6 for both."""
    world.fail_sign_ins("alice.ops", "::ffff:10.1.2.3", "203.0.113.5", "::ffff:203.0.113.5", "::ffff:198.51.100.7")
    responder = start({"never_indicate": ["10.0.0.0/8"]}, playbooks=INDICATE)
    responder.post(message(firing(ADMIN)))
    after = outcome(responder, "add_threat_indicator")["after"]
    assert sorted(after["addresses"]) == ["198.51.100.7", "203.0.113.5"]
    assert after["left_out"] == ["::ffff:10.1.2.3"]
    assert world.sql("SELECT host(source_ip) FROM platform.threat_indicators ORDER BY source_ip") == [
        ("198.51.100.7",),
        ("203.0.113.5",),
    ]
    assert {one["pattern"] for one in world.taxii.objects.values()} == {
        "[ipv4-addr:value = '198.51.100.7']",
        "[ipv4-addr:value = '203.0.113.5']",
    }


def test_without_any_address_there_is_nothing_to_indicate(world: World, start: Start) -> None:
    parameters = {"account": "${labels.account}", "reason": "r", "within": "1m"}
    world.sql(
        "INSERT INTO platform.security_events (occurred_at, severity, event_type, message, account, source_ip)"
        " VALUES (now() - interval '1 hour', 'HIGH', 'mfa_failed', 'm', 'alice.ops', '203.0.113.1')"
    )
    responder = start(playbooks=one("add_threat_indicator", ADMIN, **parameters))
    responder.post(message(firing(ADMIN)))
    assert outcome(responder, "add_threat_indicator")["reason"] == "no address to indicate"


def test_a_taxii_collection_that_fails_gets_the_same_indicator_again(world: World, start: Start) -> None:
    world.fail_sign_ins("alice.ops", "203.0.113.5")
    responder = start(playbooks=INDICATE)
    world.outside.trouble.status, world.outside.trouble.after = 500, True
    responder.post(message(firing(ADMIN)))
    wait_until(lambda: responder.actions()["add_threat_indicator"]["attempts"] >= 2)
    world.outside.trouble.status = 0
    assert outcome(responder, "add_threat_indicator")["state"] == "done"
    assert (len(world.taxii.objects), len(world.sql("SELECT 1 FROM platform.threat_indicators"))) == (1, 1)


def test_what_is_no_address_is_left_out(world: World, start: Start) -> None:
    """Another platform may keep any text there, even one that would end a STIX pattern."""
    hostile = "fe80::1%' OR [x"
    world.sql(
        "CREATE OR REPLACE FUNCTION monitoring.failed_sign_in_sources(account text, since timestamptz)"
        " RETURNS SETOF text LANGUAGE sql AS $$ VALUES ('203.0.113.5'), ('unknown'), ('fe80::1%'' OR [x') $$"
    )
    responder = start(playbooks=INDICATE)
    responder.post(message(firing(ADMIN)))
    after = outcome(responder, "add_threat_indicator")["after"]
    assert (after["addresses"], after["left_out"]) == (["203.0.113.5"], ["unknown", hostile])
    assert [one["pattern"] for one in world.taxii.objects.values()] == ["[ipv4-addr:value = '203.0.113.5']"]


class Choosy:
    """A collection that takes the envelope and refuses what is in it."""

    def answer(self, request: Request) -> Reply | None:
        if request.method != "POST" or not request.path.startswith("/taxii2/"):
            return None
        failures = [{"id": one["id"], "message": "not wanted"} for one in request.json()["objects"]]
        return Reply.of_json(202, {"status": "complete", "failures": failures}, "application/taxii+json;version=2.1")


@pytest.mark.parametrize(
    ("status", "reason"),
    [(0, "the TAXII collection refuses 1 of 1 indicators"), (403, "answered 403; it said: in trouble")],
    ids=["the indicator", "the request"],
)
def test_a_refusal_has_failed_and_the_platform_has_the_address(
    world: World, start: Start, status: int, reason: str
) -> None:
    world.fail_sign_ins("alice.ops", "203.0.113.5")
    world.outside.counterparts.insert(0, Choosy())
    world.outside.trouble.status = status
    responder = start(playbooks=INDICATE)
    responder.post(message(firing(ADMIN)))
    failed = outcome(responder, "add_threat_indicator")
    assert (failed["state"], failed["attempts"]) == ("failed", 1)
    assert failed["reason"].endswith(reason)
    assert world.sql("SELECT host(source_ip) FROM platform.threat_indicators") == [("203.0.113.5",)]
