"""Amounts: cents or units, and of which currency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from exporter.contract_draft import words
from exporter.contract_draft.catalog import Column
from exporter.contract_draft.draft import ROW, Context, place
from exporter.contract_draft.expression import Expression, as_numeric, expression, null
from exporter.contract_draft.matching import Match
from exporter.contract_draft.sample import WHOLE
from exporter.contract_draft.text import literal, one_line, tokens

LEAST_CENTS = 500
"""Whole numbers with a median from here on are taken for cents."""
MOST_CURRENCIES = 12


@dataclass(frozen=True)
class Money:
    """How the amounts of a table become dollars.

    Attributes:
        amount: in USD.
        fee: in USD.
        joins: what gives the rate, if one is needed.
    """

    amount: Expression
    fee: Expression
    joins: Sequence[str] = ()


def money(context: Context, match: Match) -> Money:
    """The amounts of the table of transactions."""
    amount, fee = match.get("amount_usd"), match.get("platform_fee_usd")
    factor, joins = _rate(context, match)
    drafted = [_units(context, match, column) if column else None for column in (amount, fee)]
    values = [null("numeric") if value is None else expression(value, factor) for value in drafted]
    if fee is None:
        context.questions.ask(
            f"{match.view}: {match.relation.quoted}",
            "Does the platform keep a fee beside the price?",
            "no fee was found",
        )
    return Money(values[0], values[1], joins)


def _units(context: Context, match: Match, column: Column) -> Expression:
    parts = set(tokens(column.name))
    median, largest = match.sample.median(column), match.sample.largest(column)
    seen = "" if median is None else f" (median {median:,.0f}, at most {largest:,.0f})"
    for word, divisor in words.WEI.items():
        if word in parts:
            return expression(as_numeric(column), f" / {divisor}")
    if parts & words.CENTS:
        context.questions.ask(place(match, column), "Cents or units?", f"cents, by its name{seen}", sure=True)
        return expression(column, " / 100.0")
    if column.type in WHOLE and (median or 0) >= LEAST_CENTS:
        taken = f"cents, as whole numbers of that size mostly are{seen}"
        context.questions.ask(place(match, column), "Cents or units?", taken)
        return expression(column, " / 100.0")
    if column.type in WHOLE:
        context.questions.ask(place(match, column), "Cents or units?", f"units{seen}")
    return as_numeric(column)


def _rate(context: Context, match: Match) -> tuple[str, Sequence[str]]:
    """What an amount is multiplied with, and what has to be joined for it."""
    column = match.get("currency")
    if column is not None:
        held = context.words(match, column)
        if held and not all(word.lower() in words.LIKE_USD for word in held):
            return _rates(context, match, column, held[:MOST_CURRENCIES])
        return "", ()
    amount = match.get("amount_usd")
    named = set(tokens(amount.name)) & words.CURRENCIES if amount else set()
    named |= {"eth"} if amount and set(tokens(amount.name)) & words.WEI.keys() else set()
    currency = next(iter(sorted(named)), None)
    if amount is not None and currency is None:
        context.questions.ask(place(match, amount), "In which currency?", "US dollars; nothing says another")
    if amount is None or currency is None or currency in words.LIKE_USD:
        return "", ()
    code = currency.upper()
    context.questions.ask(place(match, amount), f"How many US dollars is one {code}?", "nothing: fill it in", edit=True)
    return " * rate.usd", (f"CROSS JOIN (VALUES (NULL::numeric)) AS rate (usd)  -- EDIT: US dollars for one {code}",)


def _rates(context: Context, match: Match, column: Column, held: Sequence[str]) -> tuple[str, Sequence[str]]:
    lines = ["LEFT JOIN (VALUES"]
    for number, word in enumerate(held, 1):
        known = word.lower() in words.LIKE_USD
        comma = "," if number < len(held) else ""
        rate = "1::numeric" if known else "NULL::numeric"
        remark = "" if known else f"  -- EDIT: US dollars for one {one_line(word)}"
        lines.append(f"    ({literal(word)}, {rate}){comma}{remark}")
        if not known:
            context.questions.ask(
                place(match, column), f"How many US dollars is one {one_line(word)}?", "nothing: fill it in", edit=True
            )
    context.questions.ask(
        place(match, column), "Rates change. Is there a table of them?", "constants, until it is joined in their place"
    )
    text = "" if column.type in ("text", "character varying") and not column.is_enum else "::text"
    lines.append(f") AS rate (currency, usd) ON rate.currency = {ROW}.{column.quoted}{text}")
    return " * rate.usd", lines
