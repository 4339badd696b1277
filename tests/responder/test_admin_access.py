"""The playbook UnauthorizedAdminAccess from the message to what it leaves."""

from __future__ import annotations

from tests.responder.conftest import Start, World
from tests.responder.messages import ADMIN, firing, message


def test_an_attacked_account_is_locked_and_its_sources_are_indicated(world: World, start: Start) -> None:
    world.fail_sign_ins("alice.ops", "203.0.113.99", "203.0.113.99", "2001:db8::7")
    world.fail_sign_ins("bob.ops", "198.51.100.1")
    responder = start()
    answer = responder.post(message(firing(ADMIN)))
    assert (answer.status_code, answer.json()["alerts"]) == (202, ["opened"])
    actions = responder.settled()
    states = {name: one["state"] for name, one in actions.items()}
    assert states == {
        "lock_account": "done",
        "record_siem": "done",
        "add_threat_indicator": "done",
        "open_siem_incident": "done",
        "notify": "skipped",
    }
    correlation_id = responder.incident()["correlation_id"]
    assert world.sql(
        "SELECT account, correlation_id::text FROM platform.admin_accounts WHERE locked_at IS NOT NULL"
    ) == [("alice.ops", correlation_id)]
    assert world.sql("SELECT host(source_ip) FROM platform.threat_indicators ORDER BY source_ip") == [
        ("203.0.113.99",),
        ("2001:db8::7",),
    ]
    assert world.sql("SELECT event_type FROM monitoring.security_events WHERE correlation_id = %s", correlation_id) == [
        ("admin_account_lock",)
    ]
    assert {one["correlation_id"] for one in world.siem.incidents.values()} == {correlation_id}
    assert {one["pattern"] for one in world.taxii.objects.values()} == {
        "[ipv4-addr:value = '203.0.113.99']",
        "[ipv6-addr:value = '2001:db8::7']",
    }
