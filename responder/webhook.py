"""Alertmanager's webhook, version 4: read strictly where it matters, leniently where releases differ."""

from __future__ import annotations

import re
from datetime import datetime

import msgspec

from responder.labels import platform_of

_NUL_OR_SURROGATE = re.compile("[\x00\ud800-\udfff]")
_FINGERPRINT = re.compile(r"[0-9a-f]{1,64}")
LONGEST_TEXT = 8192
MOST_ALERTS = 1000


class WebhookError(Exception):
    """A message that cannot be taken; the message says why.

    Attributes:
        reason: one word for the metric.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Alert(msgspec.Struct, frozen=True, rename="camel"):
    """One alert of a message.

    Attributes:
        status: firing or resolved.
        labels: all of them.
        starts_at: begin of the episode, by Prometheus's clock; may differ between replicas.
        ends_at: its end; while it fires, the year 1.
        fingerprint: of the labels.
        annotations: texts for people.
    """

    status: str
    labels: dict[str, str]
    starts_at: datetime
    ends_at: datetime
    fingerprint: str
    annotations: dict[str, str] = {}

    @property
    def name(self) -> str:
        """Its `alertname`."""
        return self.labels.get("alertname", "")

    @property
    def playbook(self) -> str:
        """Its `playbook`; empty without one."""
        return self.labels.get("playbook", "")

    @property
    def platform(self) -> str:
        """See `platform_of`."""
        return platform_of(self.labels)


class Message(msgspec.Struct, frozen=True, rename={"external_url": "externalURL"}):
    """A whole message; its own `status` is not read, since it says firing when some alerts are resolved."""

    alerts: list[Alert]
    external_url: str = ""


class _Version(msgspec.Struct, frozen=True):
    version: str | None = None


def parse(body: bytes) -> Message:
    """The message of a request's body.

    Raises:
        WebhookError: not JSON, another version, or a field is missing or of the wrong type.
    """
    try:
        version = msgspec.json.decode(body, type=_Version).version
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WebhookError("malformed", f"not a webhook of Alertmanager: {error}") from None
    if version != "4":
        raise WebhookError("unsupported_version", f"version {version!r} of the webhook is not supported, only '4' is")
    try:
        message = msgspec.json.decode(body, type=Message)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WebhookError("malformed", f"not a webhook of Alertmanager: {error}") from None
    if not 0 < len(message.alerts) <= MOST_ALERTS:
        raise WebhookError("malformed", f"alerts: there must be 1 to {MOST_ALERTS} of them")
    if _NUL_OR_SURROGATE.search(message.external_url):
        raise WebhookError("malformed", "externalURL: has a NUL character or half a character")
    for position, alert in enumerate(message.alerts):
        _check(alert, f"alerts[{position}]")
    return message


def _check(alert: Alert, place: str) -> None:
    if alert.status not in ("firing", "resolved"):
        raise WebhookError("malformed", f"{place}.status: must be firing or resolved")
    if not alert.name:
        raise WebhookError("malformed", f"{place}.labels: alertname is missing")
    if not _FINGERPRINT.fullmatch(alert.fingerprint):
        raise WebhookError("malformed", f"{place}.fingerprint: must be hexadecimal")
    if alert.starts_at.tzinfo is None or alert.ends_at.tzinfo is None:
        raise WebhookError("malformed", f"{place}: startsAt and endsAt must have a time zone")
    for kind, texts in (("labels", alert.labels), ("annotations", alert.annotations)):
        for name, text in texts.items():
            if _NUL_OR_SURROGATE.search(name + text):
                raise WebhookError("malformed", f"{place}.{kind}: {name!a} has a NUL character or half a character")
            if len(name) + len(text) > LONGEST_TEXT:
                raise WebhookError("malformed", f"{place}.{kind}: {name[:50]!a} is longer than {LONGEST_TEXT}")
