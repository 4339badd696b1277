"""Decisions: under the platform's own word where it has one, in the colour of what that means.

Not every platform's view has the column `decision_word`. Within a LATERAL beside `WITHOUT` the name means that column
where there is one, and else the NULL of `WITHOUT`: PostgreSQL decides that when it parses the query, and it costs
nothing.
"""

from __future__ import annotations

from contract.definition import LONGEST_DECISION_WORD
from grafana.dashboards.looks import COLOUR_CELL, DECISIONS, column, pattern, words
from grafana.dashboards.queries import Json

WITHOUT = "(SELECT NULL::text AS decision_word) AS absent"
OWN_WORD = f"nullif(left(decision_word::text, {LONGEST_DECISION_WORD}), decision)"
"""The platform's word, NULL where it is the decision itself; within that LATERAL."""
SHOWN = f"coalesce(decision || ': ' || {OWN_WORD}, decision, {OWN_WORD})"
"""What `decision_column` shows; within that LATERAL."""


def decision_column() -> Json:
    """The column Decision of a table."""
    own = [
        pattern(f"^{decision}: (.*)$", "$1", colour, len(DECISIONS) + index)
        for index, (decision, (_, colour)) in enumerate(DECISIONS.items())
    ]
    return column(
        "Decision", mappings=[words(DECISIONS), *own], custom__width=125, custom__align="center",
        custom__cellOptions=COLOUR_CELL,
    )  # fmt: skip


def newest(condition: str, most: int) -> str:
    """SQL of the newest predictions in the chosen time that meet a condition, a row each."""
    return f"""
SELECT newest.*
FROM {WITHOUT}
CROSS JOIN LATERAL (
    SELECT timestamp AS "Time", transaction_id AS "Txn ID", fraud_score AS "Score",
           {SHOWN} AS "Decision",
           top_feature AS "Top feature", left(wallet, 10) || '…' AS "Wallet", source_ip AS "Client",
           wallet AS "full wallet"
    FROM monitoring.fraud_predictions
    WHERE $__timeFilter(timestamp) AND {condition}
    ORDER BY timestamp DESC
    LIMIT {most}
) AS newest
"""
