"""A silence in a real Alertmanager, made when an incident is acknowledged and ended with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from testbed.servers.alertmanager import Alertmanager
from tests.responder.actions.single import Forward, crash_before_it_is_written_down, one
from tests.responder.conftest import Start, World
from tests.responder.messages import ADMIN, firing, message, resolved
from tests.responder.process import ResponderProcess, wait_until

ALERT = {**ADMIN, "account": 'al"ice\\ ü'}
PLAYBOOKS = one("record_siem", ADMIN, severity="LOW", event_type="t", message="m")


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[Alertmanager]:
    config = tmp_path / "alertmanager.yml"
    config.write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    with Alertmanager(config, tmp_path / "data") as alertmanager:
        yield alertmanager


def silences(alertmanager: Alertmanager) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = requests.get(f"{alertmanager.url}/api/v2/silences", timeout=10).json()
    return found


def states(alertmanager: Alertmanager) -> list[str]:
    return [one["status"]["state"] for one in silences(alertmanager)]


def silence(responder: ResponderProcess) -> dict[str, Any]:
    return next((one for one in responder.incident()["actions"] if one["phase"] == "ack"), {"state": "none"})


def ack(responder: ResponderProcess) -> requests.Response:
    content = {"correlation_id": responder.incident()["correlation_id"], "decision": "ack", "by": "alice"}
    return responder.post(content, path="/decisions")


def test_acknowledged_is_silenced_until_the_end(alertmanager: Alertmanager, start: Start) -> None:
    alertmanager.post([{"labels": ALERT}, {"labels": ADMIN}])
    responder = start({"alertmanagers": [{"url": alertmanager.url}]}, playbooks=PLAYBOOKS)
    responder.post(message(firing(ALERT)))
    assert ack(responder).json() == {"decided": "acknowledged by alice (api)"}
    wait_until(lambda: silence(responder)["state"] == "done", what=responder.log)
    (made,) = silences(alertmanager)
    assert {one["name"]: one["value"] for one in made["matchers"]} == ALERT
    alerts = requests.get(f"{alertmanager.url}/api/v2/alerts", timeout=10).json()
    assert {one["labels"]["account"]: one["status"]["state"] for one in alerts} == {
        ALERT["account"]: "suppressed",
        ADMIN["account"]: "active",
    }
    assert ack(responder).json() == {"error": "already acknowledged by alice (api)"}
    # Alertmanager tells no end of what is silenced: Prometheus is asked.
    wait_until(lambda: responder.incident()["state"] == "closed")
    wait_until(lambda: states(alertmanager) == ["expired"])
    assert ack(responder).status_code == 409


def test_there_is_one_silence_although_nothing_was_written_down_of_the_first_try(
    world: World, alertmanager: Alertmanager, start: Start
) -> None:
    world.prometheus.firing = [ADMIN]
    responder = start({"alertmanagers": [{"url": alertmanager.url}]}, playbooks=PLAYBOOKS)
    responder.post(message(firing(ADMIN)))
    ack(responder)
    wait_until(lambda: silence(responder)["state"] == "done")
    crash_before_it_is_written_down(world, responder)
    responder.start()
    wait_until(lambda: silence(responder)["state"] == "done")
    assert states(alertmanager) == ["active"]


def test_it_is_tried_again_while_alertmanager_does_not_answer(
    world: World, alertmanager: Alertmanager, start: Start
) -> None:
    world.prometheus.firing = [ADMIN]
    world.outside.counterparts.append(Forward(alertmanager.url))
    world.outside.trouble.status = 503
    responder = start({"alertmanagers": [{"url": world.outside.url}]}, playbooks=PLAYBOOKS)
    responder.post(message(firing(ADMIN)))
    ack(responder)
    wait_until(lambda: "answered 503" in str(silence(responder).get("reason")))
    world.outside.trouble.status = 0
    wait_until(lambda: silence(responder)["state"] == "done")
    world.prometheus.firing = []
    responder.post(message(resolved(ADMIN)))
    wait_until(lambda: states(alertmanager) == ["expired"])


def test_another_member_of_the_cluster_is_asked_when_one_does_not_answer(
    world: World, alertmanager: Alertmanager, start: Start
) -> None:
    world.prometheus.firing = [ADMIN]
    world.outside.trouble.status = 503
    responder = start(
        {"alertmanagers": [{"url": one.url} for one in (world.outside, alertmanager)]}, playbooks=PLAYBOOKS
    )
    responder.post(message(firing(ADMIN)))
    ack(responder)
    wait_until(lambda: silence(responder)["state"] == "done")
    assert states(alertmanager) == ["active"]


def test_without_an_alertmanager_it_is_recorded_only(world: World, start: Start) -> None:
    world.prometheus.firing = [ADMIN]
    responder = start(playbooks=PLAYBOOKS)
    responder.post(message(firing(ADMIN)))
    assert ack(responder).status_code == 200
    wait_until(lambda: silence(responder)["state"] == "skipped")
    assert silence(responder)["reason"] == "alertmanagers is not configured"
