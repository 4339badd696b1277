"""monitoring.fraud_predictions: scores as 0 to 1, decisions as the contract's words, features as one object."""

from __future__ import annotations

from contract.definition import DECISIONS
from exporter.contract_draft import words
from exporter.contract_draft.catalog import Column
from exporter.contract_draft.draft import Context, DraftedView, Source, place, without_rows
from exporter.contract_draft.expression import Expression, as_float, as_text, expression, null
from exporter.contract_draft.matching import Match
from exporter.contract_draft.sample import JSON, NUMBERS, WHOLE, is_private, is_word
from exporter.contract_draft.text import listed, literal, tokens
from exporter.contract_draft.translations import shown, translated

VIEW = "fraud_predictions"
MOST_FEATURES = 40
MOST_CATEGORIES = 20
SCALES = (1, 10, 100, 1000, 10_000)


def draft(context: Context) -> DraftedView:
    """The view; without rows when there are no predictions."""
    match = context.matches.get(VIEW)
    if match is None:
        return without_rows(VIEW, ["No table of fraud predictions was found."])
    outputs = {
        "timestamp": context.zones.expression(match, "timestamp") or null("timestamptz"),
        "transaction_id": _text(match, "transaction_id"),
        "fraud_score": _score(context, match),
        "decision": decision(context, match),
        "top_feature": _text(match, "top_feature"),
        "model_version": _text(match, "model_version"),
        "wallet": _text(match, "wallet"),
        "source_ip": _text(match, "source_ip"),
        "features": _features(context, match),
        **_own_word(context, match),
    }
    return DraftedView(VIEW, outputs, Source(match.relation), needs=("decision", "fraud_score"))


def decision(context: Context, match: Match) -> Expression:
    """The decision in the contract's words."""
    column = match.get("decision")
    if column is None:
        asked = "Which column says what was decided? Without one all decisions are unknown."
        context.questions.ask(f"{VIEW}: {match.relation.quoted}", asked, "NULL")
        return null("text")
    held = context.words(match, column)
    value, unknown = translated(column, held, lambda word: words.meaning(words.DECISIONS, word), DECISIONS)
    subject = place(match, column)
    if unknown:
        context.questions.ask(
            subject, f"What does {listed(unknown)} mean, of {', '.join(DECISIONS)}?", "nothing", edit=True
        )
    if held:
        context.questions.ask(subject, "Is each word translated as it is meant?", shown(column, held), sure=True)
    else:
        context.questions.ask(subject, "Which words will it hold?", "no rows yet: they pass through as they are")
    return value


def _own_word(context: Context, match: Match) -> dict[str, Expression]:
    """The platform's own word for a decision, where it has others than the contract."""
    column = match.get("decision")
    if column is None or set(context.words(match, column)) <= set(DECISIONS):
        return {}
    return {"decision_word": as_text(column)}


def scale(match: Match) -> int:
    """What a score is at most: 1, 100, 1000."""
    column = match.get("fraud_score")
    largest = (match.sample.largest(column) or 0.0) if column else 0.0
    if column is not None and column.type in WHOLE and largest <= 1:
        return 100
    return next((limit for limit in SCALES if largest <= limit), SCALES[-1])


def scaled(column: Column, limit: int) -> Expression:
    """A score or threshold as 0 to 1."""
    return expression(as_float(column), f" / {limit}") if limit > 1 else as_float(column)


def _score(context: Context, match: Match) -> Expression:
    column = match.get("fraud_score")
    if column is None:
        return null("float8")
    limit, largest = scale(match), match.sample.largest(column)
    seen = "there are no rows yet" if largest is None else f"the largest is {largest:g}"
    context.questions.ask(
        place(match, column), "What is the highest score?", f"{limit}: {seen}", sure=largest is not None
    )
    return scaled(column, limit)


def _text(match: Match, role: str) -> Expression:
    column = match.get(role)
    return null("text") if column is None else as_text(column)


def _features(context: Context, match: Match) -> Expression:
    column = match.get("features")
    if column is not None:
        return _held(context, match, column)
    found = [column for column in match.relation.columns.values() if _is_feature(match, column)][:MOST_FEATURES]
    if not found:
        return null("jsonb")
    context.questions.ask(
        f"{VIEW}: {match.relation.quoted}",
        "Which columns are features of the model?",
        f"{', '.join(column.name for column in found)}, which have no other part",
    )
    parts: list[str | Column | Expression] = ["jsonb_build_object("]
    for number, feature in enumerate(found):
        value = as_text(feature) if is_word(feature) else expression(feature)
        parts += [", " if number else "", f"{literal(feature.name)}, ", value]
    return expression(*parts, ")")


def _held(context: Context, match: Match, column: Column) -> Expression:
    objects = match.sample.objects(column)
    value = expression(column) if column.type == "jsonb" else expression(column, "::jsonb")
    if objects and all(isinstance(content, str) for content in objects):
        held_as = "Its objects are held as JSON strings."
        context.questions.ask(place(match, column), held_as, "the string is read as an object", sure=True)
        text = expression("(", value, " #>> '{}')")
        # One string that is no JSON would cost the whole view.
        return expression("CASE WHEN ", text, " LIKE '{%}' THEN ", text, "::jsonb END")
    kinds: dict[str, set[str]] = {}
    for content in objects:
        for name, held in content.items() if isinstance(content, dict) else ():
            kinds.setdefault(name, set()).add(_kind(held))
    told = ", ".join(
        f"{name} {' or '.join(sorted(found - {'unknown'}) or ['unknown'])}" for name, found in sorted(kinds.items())
    )
    if told:
        context.questions.ask(place(match, column), "Are these the features, and their kinds?", told[:400], sure=True)
    return value


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "numeric"
    return "categorical" if isinstance(value, str) else "unknown"


def _is_feature(match: Match, column: Column) -> bool:
    name = tokens(column.name)
    if column in match.played.values() or is_private(column) or column.references or column.type in JSON:
        return False
    if {"id", "ip", "address", "email", "note", "comment", "version"} & set(name) or match.relation.is_unique(column):
        return False
    # Of what comes after the decision a model knows nothing.
    if {"fraud", "label", "labeled", "labelled", "reviewed", "reviewer", "chargeback"} & set(name):
        return False
    if is_word(column):
        return 1 < len(match.sample.distinct(column)) <= MOST_CATEGORIES
    return column.type in NUMBERS or column.type == "boolean"
