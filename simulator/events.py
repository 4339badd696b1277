"""Security events of an ordinary day, and of what the rate limit and the fraud model do."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple
from uuid import UUID

import numpy as np

from contract import definition
from simulator import clients
from simulator.instants import DAY, MINUTE, moment
from simulator.transactions import Rows

ADMIN_ACCOUNTS = ("admin", "alice.ops", "bruno.ops", "chen.fraud", "dana.security", "event-manager", "support")
_REPORTED_SCORE = 0.93  # a blocked transaction below it is no event of its own


class SecurityEvent(NamedTuple):
    """One row of ``platform.security_events``; ``at`` in microseconds since the epoch."""

    at: int
    severity: definition.Severity
    event_type: str
    message: str
    account: str | None = None
    source_ip: str | None = None
    correlation_id: UUID | None = None


# Events per hour of each type.
_BACKGROUND: Mapping[str, float] = {
    definition.LOGIN_FAILED: 0.8,
    definition.MFA_FAILED: 0.15,
    "admin_login": 1.5,
    "privilege_changed": 0.08,
    "suspicious_api_key": 0.1,
    "certificate_renewed": 0.05,
    "feature_drift": 0.25,
}


def background(rng: np.random.Generator, minute: int) -> list[SecurityEvent]:
    """Draw the events of one minute (minutes since the epoch) that have no cause in the traffic."""
    events = []
    for event_type, per_hour in _BACKGROUND.items():
        if rng.random() < per_hour / 60:
            at = minute * MINUTE + int(rng.integers(0, MINUTE))
            events.append(_describe(rng, event_type, at))
    return events


def _describe(rng: np.random.Generator, event_type: str, at: int) -> SecurityEvent:
    account = ADMIN_ACCOUNTS[int(rng.integers(len(ADMIN_ACCOUNTS)))]
    address = str(clients.pick(rng, 1)[0])
    match event_type:
        case definition.LOGIN_FAILED:
            text = f"Failed admin login of {account} from IP {address}"
            return SecurityEvent(at, "LOW", event_type, text, account, address)
        case definition.MFA_FAILED:
            text = f"Failed MFA code of {account} from IP {address}"
            return SecurityEvent(at, "MEDIUM", event_type, text, account, address)
        case "admin_login":
            text = f"Admin {account} logged in from IP {address}"
            return SecurityEvent(at, "LOW", event_type, text, account, address)
        case "privilege_changed":
            return SecurityEvent(at, "HIGH", event_type, f"Role of {account} changed to event owner", account)
        case "suspicious_api_key":
            text = f"API key used from a new country: IP {address}"
            return SecurityEvent(at, "HIGH", event_type, text, None, address)
        case "certificate_renewed":
            expires = moment(at + 90 * DAY).date()
            return SecurityEvent(at, "LOW", event_type, f"SSL certificate renewal successful (expires: {expires})")
        case _:
            drift = rng.uniform(0.02, 0.08)
            text = f"Feature drift score: {drift:.2f} (threshold: 0.15) - monitoring"
            return SecurityEvent(at, "LOW", "feature_drift", text)


def rate_limited(blocks: Mapping[int, int]) -> list[SecurityEvent]:
    """Return one event for each newly blocked client (position in ``CLIENTS`` to the instant of the block)."""
    return [
        SecurityEvent(
            at,
            "MEDIUM",
            "rate_limit_exceeded",
            f"Rate limit exceeded: IP {clients.CLIENTS[client]} blocked for {clients.BLOCK_LASTS // MINUTE} minutes",
            None,
            str(clients.CLIENTS[client]),
        )
        for client, at in blocks.items()
    ]


def fraud_blocked(blocked: Rows) -> Iterable[SecurityEvent]:
    """Yield one event for each blocked transaction with a very high score."""
    for row in blocked[blocked["score"] >= _REPORTED_SCORE]:
        yield SecurityEvent(
            int(row["at"]),
            "MEDIUM",
            "fraud_blocked",
            f"Fraud model blocked {row['transaction_id'][:8]} (score: {row['score']:.2f})"
            f" - wallet {row['wallet'][:10]}...",
            None,
            str(row["source_ip"]),
        )
