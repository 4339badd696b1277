"""`platform.yml`: what the platform does not have, so that nothing waits for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from exporter.contract_draft.draft import DraftedView
from exporter.contract_draft.redis_keys import Keys
from exporter.contract_draft.views import labels, launches, models, predictions, reference, security, transactions

FILE = "platform.yml"
_HEAD = """\
# Drafted by ticketing-exporter --contract.draft: what this platform does not have. It is not waited for: no alert,
# and "not on this platform" in place of a value. Remove a line when the platform gets it.
"""
SECTIONS: Mapping[str, Sequence[str]] = {
    "fraud": (predictions.VIEW,),
    "model": (predictions.VIEW, models.VIEW, labels.VIEW, reference.VIEW),
    "security": (security.VIEW,),
}
"""Sections that are nothing without any of these views."""
FRAUD_MODEL = "fraud_model"


def absent(views: Sequence[DraftedView], keys: Keys) -> dict[str, list[str]]:
    """Names of what is not there, by the field of the file."""
    missing = [view.name for view in views if view.source is None or not view.source.relation.oid]
    sections = [section for section, needed in SECTIONS.items() if set(needed) <= set(missing)]
    features = [FRAUD_MODEL] if "fraud" in sections else []
    return {"sections": sections, "views": missing, "keys": list(keys.absent), "features": features}


def platform_file(views: Sequence[DraftedView], keys: Keys) -> str:
    """The file's text."""
    found = absent(views, keys)
    fillable = any(view.name == reference.VIEW and view.source is not None for view in views)
    remarks = {
        **({reference.VIEW: "until what --contract.reference prints is applied"} if fillable else {}),
        labels.VIEW: "nobody reviews decisions",
        launches.VIEW: "no launches were found",
        transactions.VIEW: "no transactions were found",
    }
    lines = [_HEAD + "platform:", "  absent:" if any(found.values()) else "  absent: {}"]
    for field, names in found.items():
        if names:
            lines.append(f"    {field}:")
            lines += [f"      - {name}" + (f"  # {remarks[name]}" if name in remarks else "") for name in names]
    if keys.missing:
        lines.append("# Not in Redis now. What never will be there belongs under keys:")
        lines += [f"#      - {name}" for name in keys.missing]
    return "\n".join(lines) + "\n"
