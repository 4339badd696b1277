"""A platform whose view of predictions has its own words for decisions."""

from __future__ import annotations

from testbed.servers.contract import ContractDatabase


def with_own_words(database: ContractDatabase, expression: str) -> None:
    """Give the demo platform's view the column; the expression is over its other columns."""
    database.server.execute(
        "DO $$ BEGIN EXECUTE 'CREATE OR REPLACE VIEW monitoring.fraud_predictions AS SELECT v.*, '"
        f" || $words${expression}$words$ || ' AS decision_word FROM ('"
        " || trim(';' FROM pg_get_viewdef('monitoring.fraud_predictions')) || ') AS v'; END $$",
        database.name,
    )
