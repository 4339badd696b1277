"""Labels of alerts that mean something to the responder itself."""

from __future__ import annotations

from collections.abc import Mapping

DEFAULT_PLATFORM = "main"
"""Of an alert without the label `platform`, and of a responder whose configuration names none."""


def platform_of(labels: Mapping[str, str]) -> str:
    """The platform that an alert is about."""
    return labels.get("platform") or DEFAULT_PLATFORM


def subject(alertname: str, labels: Mapping[str, str]) -> str:
    """The alert, and whom or what it is about: `UnauthorizedAdminAccess of alice.ops`."""
    whom = " ".join(labels[name] for name in ("account", "feature") if name in labels)
    return f"{alertname} of {whom}" if whom else alertname
