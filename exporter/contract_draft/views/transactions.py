"""monitoring.transactions: what was sold and given, in dollars; what did not take place is left out."""

from __future__ import annotations

from contract.definition import PURCHASE, TRANSACTION_KINDS
from exporter.contract_draft import words
from exporter.contract_draft.catalog import Column
from exporter.contract_draft.draft import Context, DraftedView, Source, place, without_rows
from exporter.contract_draft.expression import Expression, as_text, expression, null
from exporter.contract_draft.matching import Match
from exporter.contract_draft.money import money
from exporter.contract_draft.text import listed, literal
from exporter.contract_draft.translations import shown, translated, words_are

VIEW = "transactions"


def draft(context: Context) -> DraftedView:
    """The view; without rows when there are no transactions."""
    match = context.matches.get(VIEW)
    if match is None:
        return without_rows(VIEW, ["No table of transactions was found."])
    amounts = money(context, match)
    identity = match.get("transaction_id")
    conditions: list[Expression] = []
    outputs = {
        "timestamp": context.zones.expression(match, "timestamp") or null("timestamptz"),
        "transaction_id": null("text") if identity is None else as_text(identity),
        "kind": _kind(context, match, conditions),
        "amount_usd": amounts.amount,
        "platform_fee_usd": amounts.fee,
    }
    _paid(context, match, conditions)
    where = None
    for condition in conditions:
        where = condition if where is None else expression(where, "\n  AND ", condition)
    source = Source(match.relation, amounts.joins, where, aliased=bool(amounts.joins))
    return DraftedView(VIEW, outputs, source, needs=("kind", "amount_usd", "platform_fee_usd"))


def _kind(context: Context, match: Match, conditions: list[Expression]) -> Expression:
    column = match.get("kind")
    if column is None:
        context.questions.ask(
            f"{VIEW}: {match.relation.quoted}",
            "Are all of its rows purchases?",
            f"all are {PURCHASE!r}: no column tells",
        )
        return expression(literal(PURCHASE), "::text")
    held = context.words(match, column)
    none = [word for word in held if words.meaning(words.KINDS, word) is None and words.one_of(words.NO_SALES, word)]
    none = [word for word in none if word not in TRANSACTION_KINDS]
    if none:
        conditions.append(_not(column, none))
        context.questions.ask(place(match, column), "Which kinds are no sales?", f"{listed(none)}: left out")
    rest = [word for word in held if word not in none]
    value, unknown = translated(column, rest, lambda word: words.meaning(words.KINDS, word), TRANSACTION_KINDS)
    if unknown:
        asked = f"What is {listed(unknown)}, of {', '.join(TRANSACTION_KINDS)}?"
        context.questions.ask(place(match, column), asked, "nothing", edit=True)
    elif held:
        asked = "Is each kind translated as it is meant?"
        context.questions.ask(place(match, column), asked, shown(column, held), sure=True)
    return value


def _paid(context: Context, match: Match, conditions: list[Expression]) -> None:
    column = match.get("status")
    if column is None:
        return
    held = context.words(match, column)
    paid = [word for word in held if words.one_of(words.PAID, word) and not words.one_of(words.UNPAID, word)]
    others = [word for word in held if word not in paid]
    if not paid:
        if held:
            asked = "Which states are of transactions that took place?"
            context.questions.ask(place(match, column), asked, f"all of {listed(held)}")
        return
    conditions.append(words_are(column, paid))
    context.questions.ask(
        place(match, column),
        "Do only these states count?",
        f"{listed(paid)} count; {listed(others) or 'no others'} do not",
        sure=all(words.one_of(words.UNPAID, word) for word in others),
    )


def _not(column: Column, none: list[str]) -> Expression:
    listed_words = ", ".join(map(literal, none))
    return expression(column, f" NOT IN ({listed_words})")
