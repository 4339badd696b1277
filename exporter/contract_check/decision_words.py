"""The platform's own words for decisions: each stands for one decision, and they are few and short."""

from __future__ import annotations

from collections.abc import Iterator

from contract.definition import DECISIONS, LONGEST_DECISION_WORD, MOST_DECISION_WORDS
from exporter.contract_check.database import Database, newest
from exporter.contract_check.finding import OK, WARNING, WRONG, Finding
from exporter.contract_check.schema import Columns

VIEW, COLUMN = "fraud_predictions", "decision_word"
SUBJECT = f"{VIEW}.{COLUMN}"
MOST_SHOWN = 5
_WORDS = f"""
    SELECT left({COLUMN}, {LONGEST_DECISION_WORD}), decision, max(length({COLUMN})), count(*)
    FROM {newest(VIEW, "timestamp", f"decision, {COLUMN}")}
    WHERE {COLUMN} IS NOT NULL AND decision IN ({", ".join(map(repr, DECISIONS))})
    GROUP BY 1, 2 ORDER BY 4 DESC, 1, 2"""


def check_decision_words(database: Database, usable: Columns) -> Iterator[Finding]:
    """What the newest rows hold, of a platform that has the column."""
    if {"timestamp", "decision", COLUMN} <= usable.get(VIEW, set()):
        yield from database.guarded(SUBJECT, lambda: _words(database))


def _words(database: Database) -> Iterator[Finding]:
    decisions: dict[str, list[tuple[str, int]]] = {}
    longest = 0
    for word, decision, length, rows in database.rows(_WORDS):
        decisions.setdefault(word, []).append((decision, rows))
        longest = max(longest, length)
    ambiguous = {word: meant for word, meant in decisions.items() if len(meant) > 1}
    for word, meant in list(ambiguous.items())[:MOST_SHOWN]:
        told = " and ".join(f"{decision} in {rows:,} rows" for decision, rows in meant)
        mend = f"in the view: decision as one CASE over the column that {COLUMN} is, so that each word has one decision"
        yield Finding(WRONG, SUBJECT, f"{word!r} is {told}", mend)
    if len(decisions) > MOST_DECISION_WORDS:
        detail = f"{len(decisions):,} words; the scatter tells the {MOST_DECISION_WORDS} most frequent apart"
        yield Finding(WARNING, SUBJECT, detail, "take the column of decisions, not that of their reasons")
    if longest > LONGEST_DECISION_WORD:
        detail = f"up to {longest} characters long; the first {LONGEST_DECISION_WORD} are shown"
        yield Finding(WARNING, SUBJECT, detail, "take a word for each decision, not a sentence")
    if decisions and not ambiguous:
        shown = ", ".join(f"{word!r} {decision}" for word, ((decision, _),) in list(decisions.items())[:MOST_SHOWN])
        yield Finding(OK, f"{SUBJECT} by decision", shown)
