"""Actions that tell somebody over HTTP: refusal, half done, and again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.responder.conftest import Start, World
from tests.responder.messages import ADMIN, DRIFT, LATENCY, firing, message
from tests.responder.process import ResponderProcess, wait_until


def one(name: str, alert: dict[str, str], **parameters: Any) -> dict[str, Any]:
    """A playbook of one action."""
    return {alert["playbook"]: {"max_per_hour": 9, "on_firing": [{"action": name, **parameters}]}}


def outcome(responder: ResponderProcess, name: str) -> dict[str, Any]:
    return responder.settled()[name]


def test_the_siem_opens_one_incident_although_its_first_answer_is_lost(world: World, start: Start) -> None:
    responder = start(playbooks=one("open_siem_incident", ADMIN, severity="HIGH", title="${labels.account}"))
    world.outside.trouble.status, world.outside.trouble.after = 500, True
    responder.post(message(firing(ADMIN)))
    wait_until(lambda: responder.actions()["open_siem_incident"]["attempts"] >= 2)
    world.outside.trouble.status = 0
    assert outcome(responder, "open_siem_incident")["after"] == {"incident": "INC-0001"}
    assert [one["title"] for one in world.siem.incidents.values()] == ["alice.ops"]
    assert len(world.outside.requests) > 2


def test_a_record_whose_collector_fails_is_written_once(world: World, start: Start) -> None:
    responder = start(playbooks=one("record_siem", ADMIN, severity="HIGH", event_type="t", message="${alertname}"))
    world.outside.trouble.status, world.outside.trouble.after = 503, True
    responder.post(message(firing(ADMIN)))
    wait_until(lambda: responder.actions()["record_siem"]["attempts"] >= 2)
    world.outside.trouble.status = 0
    outcome(responder, "record_siem")
    assert world.sql("SELECT event_type, message FROM monitoring.security_events") == [("t", "UnauthorizedAdminAccess")]
    assert [event["message"] for event in world.siem.events] == ["UnauthorizedAdminAccess"]


def test_a_refusal_is_final(world: World, start: Start) -> None:
    responder = start(playbooks=one("open_siem_incident", ADMIN, severity="HIGH", title="t"))
    world.outside.trouble.status = 403
    responder.post(message(firing(ADMIN)))
    failed = outcome(responder, "open_siem_incident")
    assert (failed["state"], failed["attempts"]) == ("failed", 1)
    assert failed["reason"].endswith("answered 403 in trouble")


def test_a_service_that_hangs_is_given_up_in_time(world: World, start: Start) -> None:
    responder = start(
        playbooks=one("open_siem_incident", ADMIN, severity="HIGH", title="t"), pace={"lease": "30s", "give_up": "9s"}
    )
    world.outside.trouble.delay = 12
    responder.post(message(firing(ADMIN)))
    wait_until(lambda: "no answer in time" in str(responder.actions()["open_siem_incident"]["reason"]), 20)
    # Nine seconds after it was begun it is tried no more.
    world.outside.trouble.delay, world.outside.trouble.status = 0, 503
    wait_until(lambda: responder.actions()["open_siem_incident"]["state"] == "failed", 20)
    assert "given up after" in responder.actions()["open_siem_incident"]["reason"]


def test_networks_that_are_never_indicated(world: World, start: Start) -> None:
    world.fail_sign_ins("alice.ops", "10.1.2.3", "203.0.113.5")
    parameters = {"account": "${labels.account}", "reason": "r"}
    responder = start({"never_indicate": ["10.0.0.0/8"]}, playbooks=one("add_threat_indicator", ADMIN, **parameters))
    responder.post(message(firing(ADMIN)))
    after = outcome(responder, "add_threat_indicator")["after"]
    assert (after["addresses"], after["left_out"]) == (["203.0.113.5"], ["10.1.2.3"])
    assert world.sql("SELECT host(source_ip) FROM platform.threat_indicators") == [("203.0.113.5",)]
    assert [one["pattern"] for one in world.taxii.objects.values()] == ["[ipv4-addr:value = '203.0.113.5']"]


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
    parameters = {"account": "${labels.account}", "reason": "r"}
    responder = start(playbooks=one("add_threat_indicator", ADMIN, **parameters))
    world.outside.trouble.status, world.outside.trouble.after = 500, True
    responder.post(message(firing(ADMIN)))
    wait_until(lambda: responder.actions()["add_threat_indicator"]["attempts"] >= 2)
    world.outside.trouble.status = 0
    assert outcome(responder, "add_threat_indicator")["state"] == "done"
    assert (len(world.taxii.objects), len(world.sql("SELECT 1 FROM platform.threat_indicators"))) == (1, 1)


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


def test_a_profile_is_kept_once_and_the_oldest_go(world: World, start: Start) -> None:
    world.directory.mkdir()
    for year in range(2001, 2007):
        (world.directory / f"{year}0101T000000Z-x.pprof").write_text("old")
    profiles = {**world.config()["profiles"], "keep": 3}
    responder = start({"profiles": profiles}, playbooks=one("capture_profile", LATENCY))
    responder.post(message(firing(LATENCY)))
    kept = Path(outcome(responder, "capture_profile")["after"]["profile"])
    assert responder.incident()["correlation_id"] in kept.name
    assert kept.read_text().startswith("main;serve")
    assert sorted(path.name for path in world.directory.iterdir()) == [
        "20050101T000000Z-x.pprof",
        "20060101T000000Z-x.pprof",
        kept.name,
    ]


def test_a_profile_that_is_too_large_is_refused(world: World, start: Start) -> None:
    profiles = {**world.config()["profiles"], "largest_bytes": 10}
    responder = start({"profiles": profiles}, playbooks=one("capture_profile", LATENCY))
    responder.post(message(firing(LATENCY)))
    failed = outcome(responder, "capture_profile")
    assert (failed["state"], "larger than 10 bytes" in failed["reason"]) == ("failed", True)
    assert not world.directory.exists()


def test_a_profile_goes_to_s3(world: World, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}
    for name, value in credentials.items():
        monkeypatch.setenv(name, value)
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        s3 = boto3.client("s3", region_name="us-east-1", endpoint_url=endpoint)
        profiles = {
            "source": world.config()["profiles"]["source"],
            "bucket": "profiles",
            "region": "us-east-1",
            "endpoint_url": endpoint,
            "timeout": "900ms",
        }
        responder = start({"profiles": profiles}, playbooks=one("capture_profile", LATENCY), environment=credentials)
        responder.post(message(firing(LATENCY)))
        wait_until(lambda: "NoSuchBucket" in str(responder.actions()["capture_profile"]["reason"]), 20)
        s3.create_bucket(Bucket="profiles")
        place = outcome(responder, "capture_profile")["after"]["profile"]
        body = s3.get_object(Bucket="profiles", Key=place.removeprefix("s3://profiles/"))["Body"].read()
        assert body.startswith(b"main;serve")
    finally:
        server.stop()


def test_a_host_that_is_not_allowed_is_not_called(world: World, start: Start) -> None:
    """The chat's address is in a file, so that it is not known when the configuration is read."""
    chat = world.database.server.directory / "chat"
    chat.write_text("http://localhost:1/services/x")
    responder = start({"chat": {"url_file": str(chat)}}, playbooks=one("notify", ADMIN, text="t"))
    responder.post(message(firing(ADMIN)))
    assert outcome(responder, "notify")["reason"] == "localhost:1 is not in allowed_hosts"


def test_what_is_not_configured_is_skipped_and_says_so(world: World, start: Start) -> None:
    responder = start({"siem": None, "threat_feed": None, "profiles": None, "backend": None})
    responder.post(message(firing(ADMIN), firing(LATENCY)))
    wait_until(lambda: world.locked())

    def reasons() -> dict[str, Any]:
        return {
            a["action"]: a["reason"] for i in responder.incidents() for a in i["actions"] if a["state"] == "skipped"
        }

    expected = {
        "add_threat_indicator": "no address to indicate",
        "open_siem_incident": "siem.incidents is not configured",
        "notify": "chat is not configured",
        "scale_backend": "backend is not configured",
        "capture_profile": "profiles is not configured",
    }
    wait_until(lambda: reasons() == expected, what=lambda: str(reasons()))
    assert "scale_backend will be skipped: backend is not configured" in responder.log()
