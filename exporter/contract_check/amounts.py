"""Amounts of the newest transactions: negative, missing, or in more than one currency."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from contract.definition import PURCHASE
from exporter.contract_check.database import SAMPLE_ROWS, Database, newest
from exporter.contract_check.finding import OK, WARNING, WRONG, Finding
from exporter.contract_check.schema import Columns

VIEW, TIME, CURRENCY = "transactions", "timestamp", "currency"
MOST_UNKNOWN = 0.01
"""A larger share of purchases without an amount is a fault."""

_AMOUNTS = """
    SELECT count(*), count(*) FILTER (WHERE kind = %s), count(*) FILTER (WHERE kind = %s AND amount_usd IS NULL),
           count(*) FILTER (WHERE amount_usd < 0), count(*) FILTER (WHERE platform_fee_usd < 0)
    FROM """


def check_amounts(database: Database, usable: Columns) -> Iterator[Finding]:
    """What is wrong with amounts, fees and currencies."""
    columns = usable.get(VIEW, set())
    if {TIME, "kind", "amount_usd", "platform_fee_usd"} <= columns:
        yield from database.guarded("transactions.amount_usd", partial(_amounts, database))
    if {TIME, CURRENCY} <= columns:
        yield from database.guarded("transactions.currency", partial(_currencies, database))


def _amounts(database: Database) -> Iterator[Finding]:
    sample = newest(VIEW, TIME, "kind, amount_usd, platform_fee_usd")
    ((rows, purchases, unknown, negative, negative_fees),) = database.rows(_AMOUNTS + sample, (PURCHASE, PURCHASE))
    if not rows:
        return
    fine = True
    for column, count in (("amount_usd", negative), ("platform_fee_usd", negative_fees)):
        if count:
            fine = False
            mend = (
                "revenue is what was sold: leave refunds out of the view, or give them a kind of their own,"
                f" amounts not below 0: CASE WHEN {column} >= 0 THEN {column} END"
            )
            yield Finding(WRONG, f"transactions.{column}", f"is negative in {count} of the newest {rows} rows", mend)
    if unknown:
        fine = False
        share = unknown / purchases
        detail = f"is NULL in {unknown} of the newest {purchases} purchases, which count as nothing"
        mend = "take it from where the platform has it; a free ticket has the amount 0"
        yield Finding(WRONG if share > MOST_UNKNOWN else WARNING, "transactions.amount_usd", detail, mend)
    if fine:
        yield Finding(OK, "transactions.amount_usd", f"not negative in the newest {min(rows, SAMPLE_ROWS)} rows")


def _currencies(database: Database) -> Iterator[Finding]:
    rows = database.rows(f"SELECT DISTINCT left({CURRENCY}::text, 20) FROM {newest(VIEW, TIME, CURRENCY)}")
    found = sorted({str(currency).upper() for (currency,) in rows if currency is not None})
    subject = f"transactions.{CURRENCY}"
    if set(found) <= {"USD"}:
        yield Finding(OK, subject, ", ".join(found))
    elif len(found) > 1:
        mend = "in the view: amount_usd and platform_fee_usd converted with the rate of the sale, or NULL without one"
        yield Finding(WRONG, subject, f"{', '.join(found[:5])} are added up as if they were one", mend)
    else:
        mend = "convert amounts in the view, or read every figure in USD as one in that currency"
        yield Finding(WARNING, subject, f"is {found[0]}, where the product says USD", mend)
