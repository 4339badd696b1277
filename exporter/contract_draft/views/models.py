"""monitoring.model_versions: which model decides, what it was good for, and from which scores it acts."""

from __future__ import annotations

from exporter.contract_draft import words
from exporter.contract_draft.draft import Context, DraftedView, Source, place, without_rows
from exporter.contract_draft.expression import Expression, as_float, as_text, expression, null
from exporter.contract_draft.matching import Match
from exporter.contract_draft.text import listed
from exporter.contract_draft.translations import words_are
from exporter.contract_draft.views import predictions

VIEW = "model_versions"


def draft(context: Context) -> DraftedView:
    """The view; without rows when there is no table of models."""
    match = context.matches.get(VIEW)
    if match is None:
        return without_rows(VIEW, ["No table of models was found."])
    predicted = context.matches.get(predictions.VIEW)
    limit = predictions.scale(predicted) if predicted else 1
    version = match.get("model_version")
    outputs = {
        "model_version": null("text") if version is None else as_text(version),
        "trained_at": context.zones.expression(match, "trained_at") or null("timestamptz"),
        "is_active": _active(context, match),
        "baseline_precision": _ratio(match, "baseline_precision"),
        "baseline_recall": _ratio(match, "baseline_recall"),
        "baseline_f1": _f1(match),
        "review_threshold": _threshold(match, "review_threshold", limit),
        "block_threshold": _threshold(match, "block_threshold", limit),
        "next_retraining_at": context.zones.expression(match, "next_retraining_at") or null("timestamptz"),
    }
    return DraftedView(VIEW, outputs, Source(match.relation))


def _active(context: Context, match: Match) -> Expression:
    flag = match.get("is_active")
    if flag is not None:
        return expression(flag)
    state = match.played["state"]
    held = context.words(match, state)
    active = [word for word in held if words.one_of(words.ACTIVE, word)]
    asked = "Which state is that of the model that decides?"
    if not active:
        context.questions.ask(place(match, state), asked, f"none of {listed(held)}", edit=True)
        return expression("false")
    context.questions.ask(place(match, state), asked, listed(active), sure=len(active) == 1)
    return words_are(state, active)


def _ratio(match: Match, role: str) -> Expression:
    column = match.get(role)
    if column is None:
        return null("float8")
    percent = (match.sample.largest(column) or 0.0) > 1
    return expression(as_float(column), " / 100") if percent else as_float(column)


def _f1(match: Match) -> Expression:
    if match.get("baseline_f1"):
        return _ratio(match, "baseline_f1")
    if not (match.get("baseline_precision") and match.get("baseline_recall")):
        return null("float8")
    precision, recall = _ratio(match, "baseline_precision"), _ratio(match, "baseline_recall")
    return expression("2 * (", precision, ") * (", recall, ") / nullif((", precision, ") + (", recall, "), 0)")


def _threshold(match: Match, role: str, limit: int) -> Expression:
    column = match.get(role)
    if column is None:
        return null("float8")
    # It may be of 1 where scores are of 1000.
    largest = match.sample.largest(column)
    return predictions.scaled(column, limit if largest is None or largest > 1 else 1)
