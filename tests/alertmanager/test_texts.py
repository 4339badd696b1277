"""What people read, compared with golden files; UPDATE_GOLDEN=1 writes them anew."""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import yaml

from responder.keep_firing import SINCE
from tests.alertmanager.chain import EXTERNAL_URL, Chain, chain, ended, hasten
from tests.alertmanager.destinations import AGGREGATES, CRITICAL, LIVE

GOLDEN = Path(__file__).with_name("golden")
STARTED = {"startsAt": "2026-01-02T18:12:33Z", "endsAt": "2099-01-01T00:00:00Z"}
SITE = "https://monitoring.example.com"
DASHBOARD = "/admin/monitoring/d/ticketing/ticketing"
RUNBOOK = "https://docs.example.com/runbooks"


def firing(labels: dict[str, str], summary: str, description: str) -> dict[str, Any]:
    section = labels["section"]
    return {
        "labels": labels,
        "annotations": {
            "summary": summary,
            "description": description,
            "runbook_url": f"{RUNBOOK}/{section}.md#{labels['alertname'].lower()}",
            "dashboard_url": f"{DASHBOARD}?var-section={section}&var-platform={labels['platform']}",
        },
        **STARTED,
    }


def labels(name: str, severity: str, team: str, section: str, source_job: str, **more: str) -> dict[str, str]:
    own = {"alertname": name, "severity": severity, "team": team, "section": section, "source_job": source_job}
    return own | {"platform": "main"} | more


ADMIN = firing(
    # What an attacker typed: it mentions everybody and links to somewhere else.
    labels(
        "UnauthorizedAdminAccess", "critical", "security", "security", CRITICAL,
        playbook="UnauthorizedAdminAccess", account='<!channel> "x" & <http://evil|y>',
    ),
    "3 failed MFA attempts of one admin account within 5 minutes",
    "The responder locks the account. First ask its owner over another channel.",
)  # fmt: skip
DOWN = firing(
    labels("ServiceDown", "high", "engineering", "health", LIVE, probe="smart_contract_rpc", platform="staging"),
    "smart_contract_rpc has been down for 1 minute",
    "Probes fail. First look at the provider's status page.",
)
CLIENT = firing(
    labels("ClientNearLimit", "low", "engineering", "traffic", LIVE, client='<!channel> "x" & <http://evil|y>'),
    'Client <!channel> "x" & <http://evil|y> is at 98 % of its limit (>= 90 %)',
    "98 of 100 requests a minute.",
)
CLIENT["annotations"][SINCE] = "2026-01-02 18:14:00Z"
DRIFT = [
    firing(
        labels("ModelDrift", "medium", "ml", "model", AGGREGATES, playbook="ModelDrift", feature=feature),
        f"{feature} drifts: {nats} nats > 0.15 <b>",
        "Retraining is scheduled. First compare this week with the training data.",
    )
    for feature, nats in (("price_deviation", 0.21), ("wallet_age", 0.18))
]


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    with chain(tmp_path_factory.mktemp("alertmanager"), hasten) as it:
        it.alertmanager.post([ADMIN, DOWN, CLIENT, *DRIFT])
        it.wait_for(
            [
                ("pagerduty", "UnauthorizedAdminAccess", "firing"),
                ("sms", "UnauthorizedAdminAccess", "firing"),
                ("slack", "ServiceDown", "firing"),
                ("slack", "ClientNearLimit", "firing"),
                ("email", "ModelDrift", "firing"),
            ]
        )
        it.alertmanager.post([ended(one) for one in (ADMIN, DOWN, DRIFT[0])])
        it.wait_for(
            [
                ("pagerduty", "UnauthorizedAdminAccess", "resolved"),
                ("pagerduty", "ServiceDown", "resolved"),
                ("slack", "ServiceDown", "resolved"),
            ]
        )
        yield it


def received(it: Chain, channel: str, name: str, status: str = "firing") -> Any:
    """Of the oldest notification, as some come again while the tests run."""
    found = [
        one for one in it.inbox.notifications(channel) if one["status"] == status and name in json.dumps(one["raw"])
    ]
    return found[-1]["raw"]


def compare(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text(), f"{name} differs; look at it, then UPDATE_GOLDEN=1"


def as_text(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


@pytest.mark.parametrize("status", ["firing", "resolved"])
def test_pagerduty(it: Chain, status: str) -> None:
    event = received(it, "pagerduty", "UnauthorizedAdminAccess", status)
    # A hash of the route.
    assert len(event.pop("dedup_key")) == 64
    details = event["payload"]["custom_details"]
    # Newer versions send numbers as such, and nothing for an empty text.
    event["payload"]["custom_details"] = {name: "" if value is None else str(value) for name, value in details.items()}
    compare(f"pagerduty-{status}.json", as_text(event))


def test_pagerduty_details_are_text_for_versions_that_read_them_as_yaml(it: Chain) -> None:
    for name in ("UnauthorizedAdminAccess", "ServiceDown"):
        for value in received(it, "pagerduty", name)["payload"]["custom_details"].values():
            assert not isinstance(value, dict | list), value
            with suppress(yaml.YAMLError):
                assert not isinstance(yaml.safe_load(str(value)), dict | list), value


def test_pagerduty_ends_the_incident_that_it_began(it: Chain) -> None:
    keys = {received(it, "pagerduty", "ServiceDown", status)["dedup_key"] for status in ("firing", "resolved")}
    assert len(keys) == 1


@pytest.mark.parametrize(
    ("name", "status"), [("ServiceDown", "firing"), ("ServiceDown", "resolved"), ("ClientNearLimit", "firing")]
)
def test_slack(it: Chain, name: str, status: str) -> None:
    compare(f"slack-{name}-{status}.json", as_text(received(it, "slack", name, status)))


def test_sms(it: Chain) -> None:
    call = received(it, "sms", "UnauthorizedAdminAccess")
    call.pop("MessageAttributes", None)
    compare("sms.json", as_text(call))
    assert call["Message"].isascii()


@pytest.mark.parametrize("kind", ["text", "html"])
def test_email(it: Chain, kind: str) -> None:
    mail = received(it, "email", "ModelDrift")
    compare(f"email.{kind.replace('text', 'txt')}", mail[kind])


def test_email_headers(it: Chain) -> None:
    headers = received(it, "email", "ModelDrift")["headers"]
    assert headers["Subject"] == "[MEDIUM] [main] ModelDrift: price_deviation drifts: 0.21 nats > 0.15 <b>, and 1 more"
    assert headers["From"] == "Ticketing monitoring <alerts@example.com>"
    assert headers["To"] == "ml-team@example.com"
    assert headers["X-Alert-Status"] == "firing"


def test_what_an_attacker_typed_mentions_nobody(it: Chain) -> None:
    message = received(it, "slack", "ClientNearLimit")["attachments"][0]
    assert "<!channel>" in unescape(message["title"])
    for part in ("title", "text", "fallback"):
        assert not {"<", ">"} & set(message[part]), part
    assert "<b>" not in received(it, "email", "ModelDrift")["html"].split("</head>")[1]


def test_silence_takes_any_label_value(it: Chain) -> None:
    (link,) = (
        link for link in received(it, "pagerduty", "UnauthorizedAdminAccess")["links"] if link["text"] == "Silence"
    )
    matchers = unquote(link["href"].partition("filter=")[2])
    assert r'account="<!channel> \"x\" & <http://evil|y>",' in matchers
    assert matchers.startswith('{alertname="UnauthorizedAdminAccess",')


def test_every_channel_links_to_dashboard_runbook_and_silence(it: Chain) -> None:
    for channel, name in (("pagerduty", "ServiceDown"), ("slack", "ServiceDown"), ("email", "ModelDrift")):
        links = dict(next(one for one in it.inbox.notifications(channel) if name in one["title"])["links"])
        assert links["Dashboard"].startswith(f"{SITE}/admin/monitoring/d/ticketing/ticketing?var-section="), channel
        assert links["Runbook"].startswith(RUNBOOK), channel
        platform = "main" if channel == "email" else "staging"
        assert links["Dashboard"].endswith(f"&var-platform={platform}"), channel
        prefix = f"{EXTERNAL_URL}/#/silences/new?filter=%7Balertname%3D%22{name}%22%2C"
        assert f"%2Cplatform%3D%22{platform}%22%2C" in links["Silence"], channel
        assert links["Silence"].startswith(prefix), channel
        assert links["Silence"].endswith("%22%7D"), channel
        assert " " not in links["Silence"], channel


#: Labels and annotations besides those of the test, and the text.
MESSAGES: tuple[tuple[dict[str, str], dict[str, str], str], ...] = (
    ({}, {"summary": "3 failures"}, "CRITICAL main 18:12 UTC: 3 failures."),
    ({}, {"summary": "3 failures", "description": "Bad. First go."}, "CRITICAL main 18:12 UTC: 3 failures. First go."),
    ({}, {"description": "Bad. First one. First two."}, "CRITICAL main 18:12 UTC: Name2. First two."),
    ({"platform": ""}, {"summary": "3 failures"}, "CRITICAL 18:12 UTC: 3 failures."),
    ({"platform": "p" * 30}, {"summary": "x" * 200}, f"CRITICAL {'p' * 12} 18:12 UTC: {'x' * 126}."),
    (
        {"platform": "größer"},
        {"summary": "x" * 200, "description": f"Bad. First {'y' * 94}"},
        f"CRITICAL größer 18:12 UTC: {'x' * 31}. First {'y' * 94}",
    ),
    # Whatever is not in the alphabet of SMS.
    ({"platform": "[Ж]"}, {"summary": "a\n{€}"}, "CRITICAL ??? 18:12 UTC: a????."),
)


def test_sms_are_written_in_this_way(tmp_path: Path) -> None:
    alerts = []
    for number, (own, annotations, _) in enumerate(MESSAGES):
        of_all = {"alertname": f"Name{number}", "severity": "critical", "team": "security", "platform": "main"}
        alerts.append({"labels": of_all | own, "annotations": annotations, **STARTED})
    with chain(tmp_path, hasten) as it:
        it.alertmanager.post(alerts)
        it.wait_for([("sms", f"Name{number}", "firing") for number in range(len(MESSAGES))])
        for number, (own, _, expected) in enumerate(MESSAGES):
            call = received(it, "sms", f"Name{number}")
            assert call["Message"] == expected
            assert len(expected) <= 160
            # SNS refuses a message with any other subject.
            platform = own.get("platform", "main")
            prefix = f"[{platform}] " if platform and platform.isascii() else ""
            assert call["Subject"] == f"{prefix}Name{number}"
