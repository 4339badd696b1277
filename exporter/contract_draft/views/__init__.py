"""Each view of the contract, drafted."""

from __future__ import annotations

from exporter.contract_draft.draft import Context, DraftedView
from exporter.contract_draft.views import labels, launches, models, predictions, reference, security, transactions

DRAFTS = (
    predictions.draft,
    labels.draft,
    transactions.draft,
    models.draft,
    reference.draft,
    security.draft,
    launches.draft,
)


def drafted(context: Context) -> list[DraftedView]:
    """All of them, in the order of the contract."""
    return [draft(context) for draft in DRAFTS]
