"""The services that Alertmanager calls over HTTP: what each accepts, and how it answers.

Each is a function ``(request, store) -> Answer``; `SERVICES` says on which path.
"""

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from testbed.inbox.store import Notification, Store

_SNS_NAMESPACE = "http://sns.amazonaws.com/doc/2010-03-31/"
_PAGERDUTY_SEVERITIES = ("critical", "error", "warning", "info")
_GREEN = ("good", "#16a34a")


@dataclass(frozen=True)
class Request:
    """What a service needs to know of a POST."""

    body: bytes
    authorization: str = ""


@dataclass(frozen=True)
class Answer:
    """Status line, type and body, and for a redirection where to."""

    status: str
    content_type: str
    body: bytes
    location: str | None = None

    @classmethod
    def of_json(cls, status: str, value: Any) -> "Answer":
        """Answer with JSON."""
        return cls(status, "application/json", json.dumps(value).encode())


def pagerduty(request: Request, store: Store) -> Answer:
    """Events API v2."""
    event = _json_object(request.body)
    errors = ["body is not a JSON object"] if event is None else _pagerduty_errors(event)
    if event is None or errors:
        return Answer.of_json(
            "400 Bad Request",
            {"status": "invalid event", "message": "Event object is invalid", "errors": errors},
        )
    key = event.setdefault("dedup_key", uuid.uuid4().hex)
    payload = event.get("payload") or {}
    details = payload.get("custom_details") or {}
    store.add(
        Notification(
            channel="pagerduty",
            status="resolved" if event["event_action"] == "resolve" else "firing",
            title=payload.get("summary", ""),
            text="\n".join(str(details[name]) for name in ("firing", "resolved") if details.get(name)),
            severity={"critical": "critical", "error": "high"}.get(payload.get("severity", ""), ""),
            links=[(link.get("text", ""), link["href"]) for link in event.get("links") or []],
            raw=event,
        )
    )
    return Answer.of_json("202 Accepted", {"status": "success", "message": "Event processed", "dedup_key": key})


def _pagerduty_errors(event: dict[str, Any]) -> list[str]:
    errors = []
    if len(event.get("routing_key") or "") != 32:
        errors.append("Length of 'routing_key' is incorrect (should be 32 characters)")
    if event.get("event_action") not in ("trigger", "acknowledge", "resolve"):
        errors.append("'event_action' must be one of trigger, acknowledge, resolve")
    if len(event.get("dedup_key") or "") > 255:
        errors.append("'dedup_key' is longer than 255 characters")
    if event.get("event_action") == "trigger":
        payload = event.get("payload") or {}
        errors += [f"'payload.{name}' is missing or blank" for name in ("summary", "source") if not payload.get(name)]
        if len(payload.get("summary") or "") > 1024:
            errors.append("'payload.summary' is longer than 1024 characters")
        if payload.get("severity") not in _PAGERDUTY_SEVERITIES:
            errors.append(f"'payload.severity' must be one of {', '.join(_PAGERDUTY_SEVERITIES)}")
    return errors


def slack(request: Request, store: Store) -> Answer:
    """Incoming webhooks."""
    message = _json_object(request.body)
    if message is None:
        return Answer("400 Bad Request", "text/plain", b"invalid_payload")
    attachments = message.get("attachments") or []
    if not message.get("text") and not attachments:
        return Answer("400 Bad Request", "text/plain", b"no_text")
    first = attachments[0] if attachments else {}
    buttons = [(action.get("text", ""), action.get("url", "")) for action in first.get("actions") or []]
    if any(not text or not url for text, url in buttons):
        return Answer("400 Bad Request", "text/plain", b"invalid_attachments")
    store.add(
        Notification(
            channel="slack",
            status="resolved" if first.get("color") in _GREEN else "firing",
            title=first.get("title") or message.get("text", ""),
            text=first.get("text", ""),
            recipient=message.get("channel", ""),
            links=buttons,
            raw=message,
        )
    )
    return Answer("200 OK", "text/html", b"ok")


def sns(request: Request, store: Store) -> Answer:
    """Publish, of the query API; only that it is signed is checked."""
    call = dict(parse_qsl(request.body.decode(errors="replace"), keep_blank_values=True))
    if not request.authorization.startswith("AWS4-HMAC-SHA256 "):
        return _sns_error("403 Forbidden", "MissingAuthenticationToken", "Request is missing Authentication Token")
    if call.get("Action") != "Publish":
        return _sns_error("400 Bad Request", "InvalidAction", f"no action {call.get('Action')}")
    targets = [call[name] for name in ("TopicArn", "TargetArn", "PhoneNumber") if call.get(name)]
    subject = call.get("Subject", "")
    if len(targets) != 1:
        return _sns_error(
            "400 Bad Request", "InvalidParameter", "Invalid parameter: TopicArn or TargetArn or PhoneNumber"
        )
    if not call.get("Message"):
        return _sns_error("400 Bad Request", "InvalidParameter", "Invalid parameter: Empty message")
    if len(subject) >= 100 or not subject.isascii() or not subject.isprintable():
        return _sns_error("400 Bad Request", "InvalidParameter", "Invalid parameter: Subject")
    text = call["Message"]
    store.add(
        Notification(
            channel="sms",
            status="firing",
            title=subject or text,
            text=text,
            recipient=targets[0],
            severity=text.partition(" ")[0].lower(),
            links=[("Link", word) for word in text.split() if word.startswith("http")],
            raw=call,
        )
    )
    return _sns_xml(
        "200 OK",
        f'<PublishResponse xmlns="{_SNS_NAMESPACE}"><PublishResult><MessageId>{uuid.uuid4()}</MessageId>'
        f"</PublishResult>{_metadata()}</PublishResponse>",
    )


def _sns_error(status: str, code: str, message: str) -> Answer:
    return _sns_xml(
        status,
        f'<ErrorResponse xmlns="{_SNS_NAMESPACE}"><Error><Type>Sender</Type><Code>{escape(code)}</Code>'
        f"<Message>{escape(message)}</Message></Error><RequestId>{uuid.uuid4()}</RequestId></ErrorResponse>",
    )


def _metadata() -> str:
    return f"<ResponseMetadata><RequestId>{uuid.uuid4()}</RequestId></ResponseMetadata>"


def _sns_xml(status: str, xml: str) -> Answer:
    return Answer(status, "text/xml", xml.encode())


def webhook(channel: str) -> Callable[[Request, Store], Answer]:
    """Return a service that takes Alertmanager's own format, under any bearer token."""

    def service(request: Request, store: Store) -> Answer:
        scheme, _, token = request.authorization.partition(" ")
        if scheme != "Bearer" or not token.strip():
            return Answer.of_json("401 Unauthorized", {"error": "a bearer token is required"})
        message = _json_object(request.body)
        if message is None or not isinstance(message.get("alerts"), list):
            return Answer.of_json("400 Bad Request", {"error": "no webhook of Alertmanager"})
        labels = message.get("commonLabels") or {}
        store.add(
            Notification(
                channel=channel,
                status=message.get("status", ""),
                title=labels.get("alertname", ""),
                text="\n".join(_summary(alert) for alert in message["alerts"]),
                severity=labels.get("severity", ""),
                links=[],
                raw=message,
            )
        )
        return Answer.of_json("202 Accepted", {"status": "accepted"})

    return service


def _summary(alert: dict[str, Any]) -> str:
    return str((alert.get("annotations") or {}).get("summary") or alert.get("labels"))


def _json_object(body: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(body)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


#: By path; what follows the path (Slack's tokens) does not matter.
SERVICES: Mapping[str, Callable[[Request, Store], Answer]] = {
    "/pagerduty/v2/enqueue": pagerduty,
    "/slack": slack,
    "/sns": sns,
    "/responder/alerts": webhook("responder"),
    "/heartbeat": webhook("heartbeat"),
}
