"""The end of an incident: nobody is believed but Prometheus."""

from __future__ import annotations

import time
from typing import Any

from tests.responder.conftest import Start, World
from tests.responder.messages import FRAUD, firing, message, resolved
from tests.responder.process import wait_until

SHORT: dict[str, Any] = {
    "FraudRateSpike": {
        "max_per_hour": 6,
        "ends_when": {"for": "600ms", "all": ['up{region="${labels.region}"} == 1']},
        "on_firing": [{"action": "set_fraud_threshold", "value": 0.5, "expires": "1h"}],
        "on_end": [{"action": "record_siem", "severity": "LOW", "event_type": "fraud_over", "message": "Over"}],
    }
}
HOSTILE = 'eu"} or vector(1) #\\'
LABELS = {**FRAUD, "region": HOSTILE}


def test_resolved_is_not_believed_while_the_alert_fires(world: World, start: Start) -> None:
    responder = start(playbooks=SHORT)
    # Prometheus knows fewer labels than Alertmanager: the external ones are missing.
    world.prometheus.firing = [FRAUD]
    responder.post(message(firing(LABELS)))
    responder.settled()
    responder.post(message(resolved(LABELS)))
    wait_until(lambda: responder.incident()["last_check"] == "the alert is firing")
    # A store for several Prometheus servers knows one label more.
    world.prometheus.firing = [{**FRAUD, "replica": "prometheus-1"}]
    time.sleep(1)
    assert (responder.incident()["state"], world.redis.get("config:fraud_threshold")) == ("ending", "0.50")
    world.prometheus.firing = [{**FRAUD, "region": "somewhere else"}]
    wait_until(lambda: responder.incident()["state"] == "closed")
    wait_until(lambda: world.redis.get("config:fraud_threshold") == "0.60")
    wait_until(lambda: world.sql("SELECT event_type FROM monitoring.security_events") == [("fraud_over",)])


def test_resolved_is_not_believed_while_the_source_is_down_or_nothing_is_known(world: World, start: Start) -> None:
    responder = start(playbooks=SHORT)
    world.prometheus.sources_up = False
    responder.post(message(firing(LABELS)), timeout=5)
    responder.settled()
    responder.post(message(resolved(LABELS)))
    wait_until(lambda: responder.incident()["last_check"] == "its source, job ticketing-live, is not up")
    world.prometheus.values = {'up{job="ticketing-live",platform="main"} == 1': 1.0}
    wait_until(lambda: str(responder.incident()["last_check"]).startswith("false or unknown: up{region="))
    world.monitoring.trouble.status = 503
    wait_until(lambda: "503" in str(responder.incident()["last_check"]))
    assert world.redis.get("config:fraud_threshold") == "0.50"
    world.monitoring.trouble.status = 0
    world.prometheus.sources_up = True
    wait_until(lambda: responder.incident()["state"] == "closed")
    # A label cannot leave its quotes.
    assert 'up{region="eu\\"} or vector(1) #\\\\"} == 1' in world.prometheus.queries


def test_an_end_that_cannot_be_verified_is_told_and_counted(world: World, start: Start) -> None:
    ending = {"playbook": "FraudRateSpike", "state": "ending"}
    responder = start(playbooks=SHORT)
    asked = "ticketing_responder_incidents"
    assert responder.metric(asked, **ending) == 0
    world.prometheus.sources_up = False
    responder.post(message(firing(LABELS)))
    responder.post(message(resolved(LABELS)))
    doubt = f"incident {responder.incident()['correlation_id']}: not over: its source, job ticketing-live, is not up"
    wait_until(lambda: doubt in responder.log())
    assert responder.metric(asked, **ending) == 1
    # Once, however often one asks.
    checked = len(world.prometheus.queries)
    wait_until(lambda: len(world.prometheus.queries) > checked + 6)
    assert responder.log().count(doubt) == 1
    # It goes on, and ends again: that is another doubt.
    responder.post(message(firing(LABELS, started=1)))
    assert responder.incident()["last_check"] is None
    responder.post(message(resolved(LABELS, ended=2)))
    wait_until(lambda: responder.log().count(doubt) == 2)
    world.monitoring.trouble.status = 503
    wait_until(lambda: "not over: Prometheus: GET" in responder.log())
    world.monitoring.trouble.status = 0
    world.prometheus.sources_up = True
    wait_until(lambda: responder.incident()["state"] == "closed")
    assert responder.metric(asked, **ending) == 0


def test_firing_again_while_it_ends_goes_on(start: Start) -> None:
    responder = start(playbooks=SHORT, pace={"check_every": "1s"})
    responder.post(message(firing(LABELS)))
    responder.settled()
    responder.post(message(resolved(LABELS, ended=-10)))
    assert responder.post(message(firing(LABELS, started=-5))).json()["alerts"] == ["kept"]
    assert responder.incident()["state"] == "open"
    time.sleep(1.5)
    assert (responder.incident()["state"], len(responder.incidents())) == ("open", 1)


def test_an_alert_of_which_nothing_is_heard_any_more_ends_too(world: World, start: Start) -> None:
    responder = start(playbooks=SHORT, pace={"stale_after": "1s"})
    responder.post(message(firing(LABELS)))
    wait_until(lambda: responder.incident()["state"] == "closed")
    wait_until(lambda: world.redis.get("config:fraud_threshold") == "0.60")


def test_it_ends_although_work_is_looked_for_more_rarely_than_ends(start: Start) -> None:
    responder = start(playbooks=SHORT, pace={"check_every": "100ms", "poll": "2s"})
    responder.post(message(firing(LABELS)))
    responder.post(message(resolved(LABELS)))
    wait_until(lambda: responder.incident()["state"] == "closed")


def test_a_late_message_of_an_episode_that_is_over_opens_nothing(start: Start) -> None:
    responder = start(playbooks=SHORT)
    late = message(firing(LABELS, started=-60))
    responder.post(late)
    responder.post(message(resolved(LABELS, ended=-1)))
    wait_until(lambda: responder.incident()["state"] == "closed")
    assert responder.post(late).json()["alerts"] == ["late"]
    assert len(responder.incidents()) == 1
    # The next episode is another incident, however soon.
    assert responder.post(message(firing(LABELS, started=-0.5))).json()["alerts"] == ["opened"]
    first, second = responder.incidents()
    assert first["correlation_id"] != second["correlation_id"]


def test_an_end_told_ahead_of_its_time_does_not_make_the_next_attack_late(start: Start) -> None:
    """Prometheus' clock is ahead, or somebody has given an alert an end of its own."""
    responder = start(playbooks=SHORT)
    responder.post(message(firing(LABELS, started=-60)))
    responder.post(message(resolved(LABELS, ended=600)))
    wait_until(lambda: responder.incident()["state"] == "closed")
    late = message(firing(LABELS, started=-60))
    assert responder.post(late).json()["alerts"] == ["late"]
    assert responder.post(message(firing(LABELS, started=0))).json()["alerts"] == ["opened"]


def test_an_attack_that_begins_while_an_end_told_ahead_is_verified_goes_on(start: Start) -> None:
    responder = start(playbooks=SHORT, pace={"check_every": "1s"})
    responder.post(message(firing(LABELS, started=-60)))
    responder.post(message(resolved(LABELS, ended=600)))
    assert responder.post(message(firing(LABELS, started=0))).json()["alerts"] == ["kept"]
    assert responder.incident()["state"] == "open"


def test_what_must_be_true_at_the_end_may_be_told_by_an_annotation(world: World, start: Start) -> None:
    ends_when = {"for": "300ms", "all": ['up{about="${annotations.summary}"} == 1']}
    playbooks = {"FraudRateSpike": {**SHORT["FraudRateSpike"], "ends_when": ends_when}}
    responder = start(playbooks=playbooks)
    responder.post(message(firing(LABELS)))
    responder.post(message(resolved(LABELS)))
    wait_until(lambda: responder.incident()["state"] == "closed", what=lambda: str(responder.incident()))
    assert 'up{about="It is so"} == 1' in world.prometheus.queries


def test_resolved_of_something_that_never_fired_is_nothing(start: Start) -> None:
    responder = start(playbooks=SHORT)
    assert responder.post(message(resolved(LABELS))).json()["alerts"] == ["unknown"]
    assert responder.incidents() == []
