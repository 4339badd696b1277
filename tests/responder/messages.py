"""What Alertmanager sends."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

NEVER = "0001-01-01T00:00:00Z"

ADMIN = {
    "alertname": "UnauthorizedAdminAccess",
    "playbook": "UnauthorizedAdminAccess",
    "severity": "critical",
    "section": "security",
    "team": "security",
    "source_job": "ticketing-critical",
    "account": "alice.ops",
}
FRAUD = {
    "alertname": "FraudRateSpike",
    "playbook": "FraudRateSpike",
    "severity": "high",
    "section": "fraud",
    "source_job": "ticketing-live",
}
LATENCY = {
    "alertname": "ApiLatencyDegradation",
    "playbook": "ApiLatencyDegradation",
    "severity": "medium",
    "section": "kpis",
    "source_job": "ticketing-live",
}
DRIFT = {
    "alertname": "ModelDrift",
    "playbook": "ModelDrift",
    "severity": "medium",
    "section": "model",
    "source_job": "ticketing-aggregates",
    "feature": "wallet_age_days",
}


def firing(labels: dict[str, str], started: float = -60) -> dict[str, Any]:
    """An alert that fires since so many seconds from now."""
    return _alert("firing", labels, started, NEVER)


def resolved(labels: dict[str, str], started: float = -60, ended: float = 0) -> dict[str, Any]:
    """An alert that is over since so many seconds from now."""
    return _alert("resolved", labels, started, _time(ended))


def message(*alerts: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Version 4, as Alertmanager 0.25 sends it."""
    common = alerts[0]["labels"] if len(alerts) == 1 else {}
    return {
        "version": "4",
        "receiver": "responder",
        "status": "firing" if any(one["status"] == "firing" for one in alerts) else "resolved",
        "alerts": list(alerts),
        "groupLabels": common,
        "commonLabels": common,
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.example.com",
        "groupKey": '{}/{playbook!=""}:{}',
        "truncatedAlerts": 0,
        **more,
    }


def fingerprint(labels: dict[str, str]) -> str:
    return hashlib.sha256(repr(sorted(labels.items())).encode()).hexdigest()[:16]


def _alert(status: str, labels: dict[str, str], started: float, ends_at: str) -> dict[str, Any]:
    return {
        "status": status,
        "labels": labels,
        "annotations": {"summary": "It is so", "runbook_url": "https://example.com/runbook"},
        "startsAt": _time(started),
        "endsAt": ends_at,
        "generatorURL": "http://prometheus.example.com/graph",
        "fingerprint": fingerprint(labels),
    }


def _time(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")
