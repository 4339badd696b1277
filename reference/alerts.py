"""The page of all alerts."""

from collections.abc import Iterator
from typing import Any

from reference.markdown import code, page, table
from reference.rules import ROOT, groups

HEAD = ("alert", "severity", "for", "section", "team", "playbook", "summary", "rule")


def text() -> str:
    """The page."""
    return page(
        "Alerts",
        "Every alert. Its name leads to its runbook. [Alertmanager](../../alertmanager/README.md) decides by severity,"
        " section and team who is told and how; a playbook is what the [responder](../responder.md) does.",
        table(HEAD, sorted(_rows())),
    )


def _rows() -> Iterator[tuple[str, ...]]:
    for file, group in groups():
        for rule in group["rules"]:
            if "alert" in rule:
                labels: dict[str, Any] = rule.get("labels", {})
                annotations = rule["annotations"]
                runbook = annotations["runbook_url"].partition("/docs/")[2]
                yield (
                    f"[{rule['alert']}](../{runbook})",
                    _label(labels, "severity"),
                    str(rule.get("for", "at once")),
                    _label(labels, "section"),
                    _label(labels, "team"),
                    code(labels.get("playbook", "")),
                    _shown(annotations["summary"]),
                    f"[{file.name}](../../{file.relative_to(ROOT)})",
                )


def _label(labels: dict[str, Any], name: str) -> str:
    """A label's value; one that depends on the alert is a template."""
    value = str(labels.get(name, ""))
    return "depends on the alert" if "{{" in value else value


def _shown(summary: str) -> str:
    return code(summary) if "{{" in summary else summary
