"""Keeps alerts firing in Alertmanager while Prometheus is away: its silence is not an all-clear.

Prometheus tells Alertmanager every few seconds which alerts hold. After four resend delays without a word, 20 seconds,
Alertmanager takes an alert as ended and tells everyone so. The keeper looks for alerts that run out in this way, and
says that they still hold. An end that Prometheus tells counts at once.

The keeper remembers nothing. Annotations of the alert say since when Prometheus has not confirmed it, so that several
responders, and one that has just started, agree. The next message of Prometheus replaces them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from responder.actions.silence_alert import ALERTMANAGERS
from responder.config import Config, Endpoint, authority
from responder.endpoints import EndpointClient, EndpointError

logger = logging.getLogger(__name__)

POLL_SECONDS = 3.0
PATH = "/api/v2/alerts"
SECONDS = 2.0
"""For one request."""
LARGEST_BODY = 64 << 20
"""Bytes of all alerts: some 50,000."""

RUNNING_OUT = timedelta(seconds=12)
UNHEARD = timedelta(seconds=6)
"""Prometheus has left out a message, at a resend delay of 5 s."""
EXTENSION = timedelta(seconds=30)
TIME_TO_RETURN = timedelta(minutes=3)
"""A Prometheus that is back loads its data, waits for a minute of `for`, and sends each alert again."""
LONGEST = timedelta(hours=1)
WATCHDOG = "Watchdog"
"""It always fires, and its silence has to be heard."""
SINCE = "unconfirmed_since"
UNTIL = "kept_until"


class Alert(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An alert as Alertmanager's API has it.

    Attributes:
        labels: which alert it is.
        annotations: what is said of it.
        starts_at: when it began.
        ends_at: when it ends if nothing more is heard of it.
        updated_at: when it was last heard of.
        generator_url: its expression in Prometheus.
    """

    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: datetime
    ends_at: datetime
    updated_at: datetime
    generator_url: str = msgspec.field(default="", name="generatorURL")

    @property
    def is_watchdog(self) -> bool:
        """Whether it only tells that rules are evaluated."""
        return self.labels.get("alertname") == WATCHDOG

    def runs_out(self, now: datetime) -> bool:
        """Whether it ends within seconds and has not been confirmed when it should have been."""
        return self.ends_at - now < RUNNING_OUT and now - self.updated_at >= UNHEARD

    def postable(self) -> dict[str, Any]:
        """What Alertmanager takes."""
        return {
            "labels": self.labels,
            "annotations": self.annotations,
            "startsAt": self.starts_at.isoformat(),
            "endsAt": self.ends_at.isoformat(),
            "generatorURL": self.generator_url,
        }


class AlertKeeper:
    """Looks after the Alertmanagers of one configuration.

    Args:
        http: the client.
        config: with `alertmanagers`; without them there is nothing to do.
    """

    def __init__(self, http: EndpointClient, config: Config) -> None:
        self._http = http
        self._alertmanagers = config.get(ALERTMANAGERS) or ()
        self._kept: dict[str, int] = {}
        self._problems: dict[str, str] = {}

    def keep(self) -> None:
        """Look once at each Alertmanager. One that does not answer is left for the next time."""
        for endpoint in self._alertmanagers:
            try:
                kept = self._keep(endpoint)
            except EndpointError as error:
                # Said when it begins or becomes another one, not every three seconds.
                if self._problems.get(endpoint.url) != str(error):
                    logger.warning("alerts cannot be kept firing: %s", error)
                self._problems[endpoint.url] = str(error)
                continue
            if self._problems.pop(endpoint.url, None):
                logger.info("alerts can be kept firing in %s again", authority(endpoint.url))
            before = self._kept.get(endpoint.url, 0)
            self._kept[endpoint.url] = kept
            if kept and not before:
                logger.warning(
                    "Prometheus does not answer: %d alerts are kept firing in %s", kept, authority(endpoint.url)
                )
            elif before and not kept:
                logger.warning("no alert is kept firing in %s any more", authority(endpoint.url))

    def _keep(self, endpoint: Endpoint) -> int:
        """Say of what runs out that it still holds; how many alerts are kept."""
        reply = self._http.request("GET", endpoint, PATH, seconds=SECONDS, attempts=1, largest=LARGEST_BODY)
        try:
            alerts = msgspec.json.decode(reply.body, type=list[Alert])
        except msgspec.DecodeError as error:
            raise EndpointError(f"Alertmanager: the answer is not a list of alerts: {error}", reply.status) from None
        longer = prolonged(alerts, reply.date or datetime.now(UTC))
        if longer:
            body = [alert.postable() for alert in longer]
            self._http.request("POST", endpoint, PATH, body=body, seconds=SECONDS, attempts=1)
        return max(len(longer), sum(SINCE in alert.annotations for alert in alerts))


def prolonged(alerts: Iterable[Alert], now: datetime) -> list[Alert]:
    """Those that nobody has confirmed and that would end within seconds, with a later end.

    Args:
        alerts: all that hold.
        now: by Alertmanager's clock.
    """
    alerts = list(alerts)
    watched = any(alert.is_watchdog and not alert.runs_out(now) for alert in alerts)
    return [
        longer
        for alert in alerts
        if alert.runs_out(now) and not alert.is_watchdog and (longer := _prolonged(alert, now, watched=watched))
    ]


def _prolonged(alert: Alert, now: datetime, *, watched: bool) -> Alert | None:
    """The alert with a later end; None when it has been kept for long enough."""
    since = _instant(alert, SINCE) or alert.updated_at
    # While nobody watches, the time to return has not begun.
    until = (_instant(alert, UNTIL) or since + TIME_TO_RETURN) if watched else now + TIME_TO_RETURN
    until = min(until, since + LONGEST)
    if now >= until:
        return None
    said = {SINCE: _text(since), UNTIL: _text(until)}
    return msgspec.structs.replace(alert, annotations=alert.annotations | said, ends_at=now + EXTENSION)


def _instant(alert: Alert, annotation: str) -> datetime | None:
    try:
        instant = datetime.fromisoformat(alert.annotations[annotation])
    except (KeyError, ValueError):
        return None
    return instant if instant.tzinfo else None


def _text(instant: datetime) -> str:
    """As Alertmanager's messages quote it."""
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"
