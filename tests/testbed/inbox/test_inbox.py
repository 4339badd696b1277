"""The inbox: its services answer as the real ones, it keeps what arrives within bounds, and shows it."""

import json
import smtplib
import subprocess
import sys
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any
from xml.etree import ElementTree

import pytest
import requests

from testbed.inbox.server import Inbox
from testbed.inbox.services import SERVICES, Answer, Request
from testbed.inbox.store import CHANNELS, Notification, Store
from testbed.servers.ports import free_port

EVENT = {
    "routing_key": "x" * 32,
    "event_action": "trigger",
    "dedup_key": "one",
    "payload": {"summary": "Down", "source": "monitor", "severity": "error", "custom_details": {"firing": "* redis"}},
    "links": [{"href": "https://runbook", "text": "Runbook"}],
}
SLACK = {"channel": "#engineering", "attachments": [{"title": "Down", "text": "redis", "color": "#dc2626"}]}
WEBHOOK = {
    "status": "firing",
    "commonLabels": {"alertname": "Down", "severity": "high"},
    "alerts": [{"annotations": {"summary": "redis is down"}}],
}
SIGNED = "AWS4-HMAC-SHA256 Credential=…"
PUBLISH = (
    b"Action=Publish&Version=2010-03-31&TopicArn=arn%3Aaws%3Asns&Subject=Down&Message=CRITICAL+Down%3A+https%3A%2F%2Fx"
)


@pytest.fixture(scope="module")
def inbox() -> Iterator[Inbox]:
    with Inbox() as inbox:
        yield inbox


@pytest.fixture(autouse=True)
def _empty(inbox: Inbox) -> None:
    inbox.clear()


def ask(path: str, body: Any, authorization: str = "") -> tuple[Answer, list[dict[str, Any]]]:
    store = Store()
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return SERVICES[path](Request(raw, authorization), store), store.newest_first()


def changed(value: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {key: one for key, one in {**value, **changes}.items() if one is not None}


def test_pagerduty_accepts_an_event() -> None:
    answer, [one] = ask("/pagerduty/v2/enqueue", EVENT)
    assert answer.status == "202 Accepted"
    assert json.loads(answer.body) == {"status": "success", "message": "Event processed", "dedup_key": "one"}
    assert (one["channel"], one["status"], one["severity"]) == ("pagerduty", "firing", "high")
    assert (one["title"], one["text"], one["links"]) == ("Down", "* redis", [("Runbook", "https://runbook")])
    assert one["raw"] == EVENT


def test_pagerduty_takes_details_of_any_type() -> None:
    details = {"firing": "* redis", "num_firing": 1, "resolved": None, "more": {"a": [1]}}
    payload = EVENT["payload"] | {"custom_details": details}  # type: ignore[operator]
    answer, [one] = ask("/pagerduty/v2/enqueue", changed(EVENT, payload=payload))
    assert answer.status == "202 Accepted"
    assert one["text"] == "* redis"


def test_pagerduty_resolves_without_a_payload() -> None:
    _, [one] = ask("/pagerduty/v2/enqueue", changed(EVENT, event_action="resolve", payload=None))
    assert one["status"] == "resolved"


@pytest.mark.parametrize(
    ("event", "error"),
    [
        (b"[]", "not a JSON object"),
        (b"{", "not a JSON object"),
        (changed(EVENT, routing_key=None), "routing_key"),
        (changed(EVENT, routing_key="short"), "routing_key"),
        (changed(EVENT, event_action="fire"), "event_action"),
        (changed(EVENT, dedup_key="x" * 256), "dedup_key"),
        (changed(EVENT, payload=None), "payload.summary"),
        (changed(EVENT, payload=EVENT["payload"] | {"severity": "high"}), "payload.severity"),  # type: ignore[operator]
        (changed(EVENT, payload=EVENT["payload"] | {"summary": "x" * 1025}), "1024"),  # type: ignore[operator]
    ],
)
def test_pagerduty_refuses(event: Any, error: str) -> None:
    answer, kept = ask("/pagerduty/v2/enqueue", event)
    assert answer.status == "400 Bad Request"
    assert json.loads(answer.body)["status"] == "invalid event"
    assert any(error in one for one in json.loads(answer.body)["errors"])
    assert kept == []


def test_slack_accepts_a_message() -> None:
    answer, [one] = ask("/slack", SLACK)
    assert (answer.status, answer.body) == ("200 OK", b"ok")
    assert (one["title"], one["text"], one["recipient"], one["status"]) == ("Down", "redis", "#engineering", "firing")


def test_slack_knows_the_end_by_its_green() -> None:
    for color in ("good", "#16a34a"):
        _, [one] = ask("/slack", {"attachments": [{"title": "Down", "color": color}]})
        assert one["status"] == "resolved"


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (b"payload=x", b"invalid_payload"),
        ({"channel": "#x"}, b"no_text"),
        ({"attachments": [{"actions": [{"type": "button", "text": "Runbook", "url": ""}]}]}, b"invalid_attachments"),
    ],
)
def test_slack_refuses(message: Any, error: bytes) -> None:
    answer, kept = ask("/slack", message)
    assert (answer.status, answer.body, kept) == ("400 Bad Request", error, [])


def test_sns_publishes() -> None:
    answer, [one] = ask("/sns", PUBLISH, SIGNED)
    assert answer.status == "200 OK"
    namespaces = {"sns": "http://sns.amazonaws.com/doc/2010-03-31/"}
    assert ElementTree.fromstring(answer.body).findtext("sns:PublishResult/sns:MessageId", None, namespaces)
    assert (one["channel"], one["recipient"], one["severity"]) == ("sms", "arn:aws:sns", "critical")
    assert one["links"] == [("Link", "https://x")]


@pytest.mark.parametrize(
    ("body", "authorization", "code"),
    [
        (PUBLISH, "", "MissingAuthenticationToken"),
        (PUBLISH.replace(b"Publish", b"Subscribe", 1), SIGNED, "InvalidAction"),
        (PUBLISH.replace(b"TopicArn", b"X"), SIGNED, "InvalidParameter"),
        (PUBLISH + b"&PhoneNumber=%2B15550100", SIGNED, "InvalidParameter"),
        (PUBLISH.replace(b"=Down&", b"=" + b"x" * 100 + b"&"), SIGNED, "InvalidParameter"),
        (PUBLISH.replace(b"=Down&", b"=%C3%97&"), SIGNED, "InvalidParameter"),
        (PUBLISH.partition(b"&Message")[0], SIGNED, "InvalidParameter"),
    ],
)
def test_sns_refuses(body: bytes, authorization: str, code: str) -> None:
    answer, kept = ask("/sns", body, authorization)
    namespaces = {"sns": "http://sns.amazonaws.com/doc/2010-03-31/"}
    assert ElementTree.fromstring(answer.body).findtext("sns:Error/sns:Code", None, namespaces) == code
    assert answer.status.startswith("4")
    assert kept == []


@pytest.mark.parametrize(("path", "channel"), [("/responder/alerts", "responder"), ("/heartbeat", "heartbeat")])
def test_webhook_takes_alerts_under_a_token(path: str, channel: str) -> None:
    answer, [one] = ask(path, WEBHOOK, "Bearer secret")
    assert answer.status == "202 Accepted"
    assert (one["channel"], one["title"], one["text"]) == (channel, "Down", "redis is down")
    for authorization in ("", "Bearer ", "Basic eDp5"):
        answer, kept = ask(path, WEBHOOK, authorization)
        assert (answer.status, kept) == ("401 Unauthorized", [])
    answer, kept = ask(path, {"status": "firing"}, "Bearer secret")
    assert (answer.status, kept) == ("400 Bad Request", [])


def test_mail_arrives_with_both_its_parts(inbox: Inbox) -> None:
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["X-Alert-Status"] = "[HIGH] Down ×2", "a@example.com", "resolved"
    mail.set_content("[HIGH] Down ×2\n\nredis is down\n\nRunbook:   https://runbook\n")
    mail.add_alternative("<b>redis</b>", subtype="html")
    with smtplib.SMTP("127.0.0.1", inbox.smtp_port) as client:
        client.login("anybody", "anything")
        client.send_message(mail, to_addrs=["one@example.com", "two@example.com"])
    [one] = inbox.notifications("email")
    assert (one["title"], one["status"], one["severity"]) == ("[HIGH] Down ×2", "resolved", "high")
    assert (one["text"], one["recipient"]) == ("redis is down", "one@example.com, two@example.com")
    assert one["links"] == [["Runbook", "https://runbook"]]
    assert one["raw"]["html"] == "<b>redis</b>\n"


def test_newest_comes_first_by_channel_and_since(inbox: Inbox) -> None:
    for summary in ("first", "second"):
        event = EVENT | {"payload": {"summary": summary, "source": "monitor", "severity": "critical"}}
        assert requests.post(f"{inbox.url}/pagerduty/v2/enqueue", json=event, timeout=5).status_code == 202
    assert requests.post(f"{inbox.url}/slack/services/T/B/token", json=SLACK, timeout=5).ok
    assert [one["title"] for one in inbox.notifications()] == ["Down", "second", "first"]
    second, first = inbox.notifications("pagerduty")
    assert inbox.notifications("pagerduty", since=first["id"]) == [second]
    answer = requests.get(f"{inbox.url}/api/notifications", timeout=5).json()
    assert answer["arrived"] == {**dict.fromkeys(CHANNELS, 0), "pagerduty": 2, "slack": 1}
    assert first["received_at"] <= second["received_at"]
    inbox.clear()
    assert inbox.notifications() == []
    requests.post(f"{inbox.url}/slack/x", json=SLACK, timeout=5)
    assert inbox.notifications()[0]["id"] > second["id"]


def test_bounds_are_kept_for_each_channel() -> None:
    store = Store(kept=3)
    store.add(Notification("pagerduty", "firing", "page"))
    for number in range(10):
        store.add(Notification("heartbeat", "firing", str(number)))
    assert [one["title"] for one in store.newest_first()] == ["9", "8", "7", "page"]
    assert store.arrived()["heartbeat"] == 10


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/notifications?channel=fax", 400),
        ("GET", "/api/notifications?since=yesterday", 400),
        ("GET", "/nothing", 404),
        ("POST", "/nothing", 404),
        ("POST", "/snsx", 404),
        ("DELETE", "/", 404),
        ("DELETE", "/api/notifications", 204),
        ("GET", "/-/healthy", 200),
    ],
)
def test_answers(inbox: Inbox, method: str, path: str, status: int) -> None:
    assert requests.request(method, inbox.url + path, timeout=5).status_code == status


def test_links_to_the_dashboard_go_on_to_what_stands_in_for_it() -> None:
    with Inbox(board="http://board.example/board") as inbox:
        link = f"{inbox.url}/admin/monitoring/d/ticketing/ticketing?var-section=fraud"
        answer = requests.get(link, timeout=5, allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (302, "http://board.example/board")


def test_page_needs_nothing_from_elsewhere(inbox: Inbox) -> None:
    page = requests.get(inbox.url, timeout=5)
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "src=" not in page.text
    assert "<link" not in page.text
    # What arrives is text, never markup.
    assert "innerHTML" not in page.text


def test_huge_body_is_refused(inbox: Inbox) -> None:
    answer = requests.post(f"{inbox.url}/slack", data=b" " * (5 << 20), timeout=10)
    assert answer.status_code == 413


@pytest.mark.parametrize("taken", ["web", "smtp"])
def test_taken_port_ends_it(inbox: Inbox, taken: str) -> None:
    ports = {"web": free_port(), "smtp": free_port()} | {taken: {"web": inbox.port, "smtp": inbox.smtp_port}[taken]}
    addresses = [f"--{name}.listen-address=127.0.0.1:{port}" for name, port in ports.items()]
    command = [sys.executable, "-m", "testbed.inbox", *addresses]
    result = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert result.returncode == 1
    assert "cannot listen" in result.stderr


def test_wrong_address_is_refused() -> None:
    command = [sys.executable, "-m", "testbed.inbox", "--smtp.listen-address=nowhere"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert result.returncode == 2
    assert "must be host:port" in result.stderr
