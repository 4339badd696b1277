"""`platform.yml`: what the platform does not have, so that nothing waits for it."""

from __future__ import annotations

from collections.abc import Sequence

from exporter.contract_draft.draft import DraftedView
from exporter.contract_draft.redis_keys import Keys
from exporter.contract_draft.views import labels, launches, predictions, reference, security, transactions

FILE = "platform.yml"
_HEAD = """\
# Drafted by ticketing-exporter --contract.draft: what this platform does not have. It is not waited for: no alert,
# and "not on this platform" in place of a value. Remove a line when the platform gets it.
"""
FRAUD_MODEL = "fraud_model"


def platform_file(views: Sequence[DraftedView], keys: Keys) -> str:
    """The file's text; what follows from what it declares is not repeated, see `exporter.absence`."""
    missing = [view.name for view in views if view.source is None or not view.source.relation.oid]
    features = [feature for view in views for feature in view.lacks]
    if predictions.VIEW in missing:
        features.append(FRAUD_MODEL)
    found = {"views": missing, "keys": keys.absent, "features": features}
    remarks = {
        labels.VIEW: "no verdicts on predictions were found",
        launches.VIEW: "no launches were found",
        transactions.VIEW: "no transactions were found",
        security.SIGN_INS: "until the views say which failed sign-ins are administrators'",
    }
    if any(view.name == reference.VIEW and view.source is not None for view in views):
        remarks[reference.VIEW] = "until what --contract.reference prints is applied"
    lines = [_HEAD + "platform:", "  absent:" if any(found.values()) else "  absent: {}"]
    for field, names in found.items():
        if names:
            lines.append(f"    {field}:")
            lines += [f"      - {name}" + (f"  # {remarks[name]}" if name in remarks else "") for name in names]
    if keys.missing:
        lines.append("# Not in Redis now. What never will be there belongs under keys:")
        lines += [f"#      - {name}" for name in keys.missing]
    return "\n".join(lines) + "\n"
