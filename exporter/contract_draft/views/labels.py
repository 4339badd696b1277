"""monitoring.fraud_labels: verdicts from a table of their own, joined to the predictions, or from theirs."""

from __future__ import annotations

from exporter.contract_draft import words
from exporter.contract_draft.catalog import Column
from exporter.contract_draft.draft import ROW, Context, DraftedView, Source, place, without_rows
from exporter.contract_draft.expression import Expression, as_text, expression, null
from exporter.contract_draft.matching import Match
from exporter.contract_draft.text import listed, tokens
from exporter.contract_draft.translations import is_true_for
from exporter.contract_draft.views import predictions

VIEW = "fraud_labels"
PREDICTION = "prediction"
"""Alias of the predictions that are joined."""


def draft(context: Context) -> DraftedView:
    """The view; without rows when there are no verdicts, or no predictions that they are about."""
    match, predicted = context.matches.get(VIEW), context.matches.get(predictions.VIEW)
    if match is None or predicted is None:
        return without_rows(VIEW, ["No verdicts on predictions were found."])
    if match.relation is predicted.relation:
        return _of_one_table(context, match, predicted)
    if match.get("predicted_at") and match.get("decision"):
        return _complete(context, match)
    joined = _join(context, match, predicted)
    if joined is None:
        subject = f"{VIEW}: {match.relation.quoted}"
        asked = f"Which of its columns leads to {predicted.relation.quoted}?"
        context.questions.ask(subject, asked, "none was found, so there are no labels")
        return without_rows(VIEW, [f"{match.relation.name} has verdicts, but no column that leads to the predictions."])
    return joined


def _of_one_table(context: Context, match: Match, predicted: Match) -> DraftedView:
    labeled = match.played["labeled_at"]
    outputs = {
        "transaction_id": _text(predicted, "transaction_id"),
        "predicted_at": context.zones.expression(predicted, "timestamp") or null("timestamptz"),
        "decision": predictions.decision(context, predicted),
        "is_fraud": _verdict(context, match),
        "labeled_at": context.zones.expression(match, "labeled_at") or null("timestamptz"),
    }
    where = expression(labeled, " IS NOT NULL")
    return DraftedView(VIEW, outputs, Source(match.relation, where=where), needs=("decision", "is_fraud", "labeled_at"))


def _complete(context: Context, match: Match) -> DraftedView:
    outputs = {
        "transaction_id": _text(match, "transaction_id"),
        "predicted_at": context.zones.expression(match, "predicted_at") or null("timestamptz"),
        "decision": predictions.decision(context, match),
        "is_fraud": _verdict(context, match),
        "labeled_at": context.zones.expression(match, "labeled_at") or null("timestamptz"),
    }
    return DraftedView(VIEW, outputs, Source(match.relation), needs=("decision", "is_fraud"))


def _join(context: Context, match: Match, predicted: Match) -> DraftedView | None:
    keys = _keys(match, predicted)
    if keys is None:
        return None
    own, theirs = keys
    if not match.relation.is_unique(own):
        context.questions.ask(
            place(match, own),
            "May a transaction have two verdicts? Then keep the latest in a table of its own: two rows count twice.",
            "one each, though no unique index says so",
        )
    when = context.zones.expression(predicted, "timestamp") or null("timestamptz")
    decision = predictions.decision(context, predicted)
    identity = predicted.get("transaction_id")
    outputs = {
        "transaction_id": _elsewhere(as_text(identity) if identity else as_text(theirs)),
        "predicted_at": _elsewhere(when),
        "decision": _elsewhere(decision),
        "is_fraud": _verdict(context, match),
        "labeled_at": context.zones.expression(match, "labeled_at") or null("timestamptz"),
    }
    join = f"JOIN {predicted.relation.quoted} AS {PREDICTION} ON {PREDICTION}.{theirs.quoted} = {ROW}.{own.quoted}"
    return DraftedView(VIEW, outputs, Source(match.relation, (join,), aliased=True), needs=())


def _keys(match: Match, predicted: Match) -> tuple[Column, Column] | None:
    """The columns of labels and of predictions that are the same."""
    theirs = predicted.relation.columns
    for column in match.relation.columns.values():
        if column.references and column.references[0] == predicted.relation.oid:
            unique = [c for c in theirs.values() if predicted.relation.is_unique(c) and c.type == column.type]
            if unique:
                return column, unique[0]
    for column in match.relation.columns.values():
        other = theirs.get(column.name)
        if (
            other
            and other.type == column.type
            and column.name.lower() != "id"
            and {"id", "ref", "uuid"} & set(tokens(column.name))
        ):
            return column, other
    own, their = match.get("transaction_id"), predicted.get("transaction_id")
    return (own, their) if own and their and own.type == their.type and own.name.lower() != "id" else None


def _verdict(context: Context, match: Match) -> Expression:
    column = match.played["is_fraud"]
    if column.type == "boolean":
        return expression(column)
    held = context.words(match, column)
    truth = {word: words.label(word) for word in held}
    neither = [word for word, value in truth.items() if value is None]
    taken = f"fraud is {listed(word for word, value in truth.items() if value)}; no label yet {listed(neither)}"
    context.questions.ask(place(match, column), "Which verdicts say fraud?", taken, sure=not neither)
    return is_true_for(column, truth)


def _elsewhere(value: Expression) -> Expression:
    """The same of the joined predictions."""
    return Expression(
        tuple(f"{PREDICTION}.{part.quoted}" if isinstance(part, Column) else part for part in value.parts)
    )


def _text(match: Match, role: str) -> Expression:
    column = match.get(role)
    return null("text") if column is None else as_text(column)
