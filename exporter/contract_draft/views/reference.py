"""monitoring.feature_reference: over a table that has it, or one of ours that `--contract.reference` fills."""

from __future__ import annotations

from contract.definition import VIEWS
from exporter.contract_draft.catalog import TABLE, Column, Relation
from exporter.contract_draft.draft import Context, DraftedView, Source, without_rows
from exporter.contract_draft.expression import as_text, expression, null
from exporter.contract_draft.sample import is_word
from exporter.contract_draft.views import models, predictions

VIEW = "feature_reference"
OURS = "monitoring.training_distributions"


def draft(context: Context) -> DraftedView:
    """The view; without rows when there is no model to have training distributions."""
    match = context.matches.get(VIEW)
    if match is not None:
        outputs = {
            name: null(types[0])
            if (column := match.get(name)) is None
            else (as_text(column) if is_word(column) else expression(column))
            for name, types in VIEWS[VIEW].items()
        }
        return DraftedView(VIEW, outputs, Source(match.relation))
    if not {models.VIEW, predictions.VIEW} <= context.matches.keys():
        return without_rows(VIEW, ["There is no table of training distributions."])
    columns = {name: Column(name, name, types[0]) for name, types in VIEWS[VIEW].items()}
    table = ", ".join(f"{column.name} {column.type}" for column in columns.values())
    return DraftedView(
        VIEW,
        {name: expression(column) for name, column in columns.items()},
        Source(Relation(0, "monitoring", "training_distributions", OURS, TABLE)),
        heading=[
            "No table of training distributions was found. This one is filled by what --contract.reference prints."
        ],
        before=[f"CREATE TABLE IF NOT EXISTS {OURS} ({table});"],
    )
