"""Alerts of another platform: refused by name, and no answer to a question about one's own."""

from __future__ import annotations

from typing import Any

from tests.responder.conftest import Start, World
from tests.responder.messages import ADMIN, FRAUD, firing, message, resolved
from tests.responder.process import wait_until

STAGING = {**ADMIN, "platform": "staging"}
REFUSED = "'UnauthorizedAdminAccess': of platform 'staging', and this responder is for 'main'"
BOOK: dict[str, Any] = {
    "FraudRateSpike": {
        "max_per_hour": 6,
        "ends_when": {"for": "300ms", "all": ['ratio{platform="${platform}"} < 1']},
        "on_firing": [{"action": "set_fraud_threshold", "value": 0.5, "expires": "1h"}],
    }
}


def test_another_platform_is_refused_by_name_and_not_delivered_again(world: World, start: Start) -> None:
    responder = start()
    assert responder.metric("ticketing_responder_alerts_total", outcome="other_platform") == 0
    answer = responder.post(message(firing(STAGING)))
    # 4xx would make Alertmanager repeat it for ever.
    assert (answer.status_code, answer.json()) == (202, {"alerts": [], "refused": [REFUSED]})
    assert responder.incidents() == []
    assert not world.locked()
    assert responder.metric("ticketing_responder_alerts_total", outcome="other_platform") == 1
    assert responder.metric("ticketing_responder_webhooks_total", outcome="other_platform") == 1
    assert f"alert refused: {REFUSED}" in responder.log().replace('\\"', '"')


def test_its_own_alerts_of_the_same_message_are_acted_upon(world: World, start: Start) -> None:
    responder = start()
    answer = responder.post(message(firing(STAGING), firing({**ADMIN, "account": "bob.ops", "platform": "main"})))
    assert answer.json() == {"alerts": ["opened"], "refused": [REFUSED]}
    wait_until(lambda: world.locked("bob.ops"))
    assert not world.locked("alice.ops")


def test_an_unknown_playbook_of_its_own_is_still_told_to_alertmanager(start: Start) -> None:
    answer = start().post(message(firing(STAGING), firing({**ADMIN, "playbook": "Unknown"})))
    assert answer.status_code == 422


def test_a_responder_of_another_platform_takes_what_is_its_own(world: World, start: Start) -> None:
    responder = start({"platform": "staging"})
    assert responder.post(message(firing({**STAGING, "account": "bob.ops"}), firing(ADMIN))).json() == {
        "alerts": ["opened"],
        "refused": ["'UnauthorizedAdminAccess': of platform 'main', and this responder is for 'staging'"],
    }
    wait_until(lambda: world.locked("bob.ops"))
    assert not world.locked("alice.ops")


def test_another_platform_says_nothing_about_the_end(world: World, start: Start) -> None:
    responder = start(playbooks=BOOK)
    world.prometheus.firing = [{**FRAUD, "platform": "main"}]
    # Its Prometheus knows both; the alert itself says nothing of a platform.
    responder.post(message(firing(FRAUD)))
    responder.post(message(resolved(FRAUD)))
    wait_until(lambda: responder.incident()["last_check"] == "the alert is firing")
    world.prometheus.firing = [{**FRAUD, "platform": "staging"}]
    wait_until(lambda: responder.incident()["state"] == "closed")
    asked = set(world.prometheus.queries)
    assert {'up{job="ticketing-live",platform="main"} == 1', 'ratio{platform="main"} < 1'} <= asked


def test_its_own_platform_is_asked_about_its_end(world: World, start: Start) -> None:
    responder = start({"platform": 'e"u'}, playbooks=BOOK)
    labels = {**FRAUD, "platform": 'e"u'}
    responder.post(message(firing(labels)))
    responder.post(message(resolved(labels)))
    wait_until(lambda: responder.incident()["state"] == "closed")
    assert 'up{job="ticketing-live",platform="e\\"u"} == 1' in world.prometheus.queries
