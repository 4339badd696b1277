"""Decision words, kinds and severities in the newest rows."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from contract.definition import WORDS, Words
from exporter.contract_check.database import Database, newest
from exporter.contract_check.finding import WRONG, Finding
from exporter.contract_check.schema import Columns

MOST_SHOWN = 5


def check_words(database: Database, usable: Columns) -> Iterator[Finding]:
    """One finding for each column that holds a word which the contract does not have."""
    for words in WORDS:
        needed = {words.column, words.recent or words.column}
        if needed <= usable.get(words.view, set()):
            yield from database.guarded(f"{words.view}.{words.column}", partial(_words, database, words))


def _words(database: Database, words: Words) -> Iterator[Finding]:
    sample = newest(words.view, words.recent, words.column)
    used = {word for (word,) in database.rows(f"SELECT DISTINCT left({words.column}, 100) FROM {sample}")}
    subject = f"{words.view}.{words.column}"
    strange = used - set(words.words)
    if strange:
        shown = ", ".join(sorted("NULL" if word is None else repr(word) for word in strange)[:MOST_SHOWN])
        detail = f"holds {shown}; must be one of {', '.join(words.words)}"
        yield Finding(WRONG, subject, detail, _mend(words, strange))


def _mend(words: Words, strange: set[str | None]) -> str:
    for function, change in (("upper", str.upper), ("lower", str.lower)):
        if all(word is not None and change(word) in words.words for word in strange):
            return f"in the view: {function}({words.column}) AS {words.column}"
    cases = " ".join(f"WHEN {_literal(word)} THEN '…'" for word in sorted(filter(None, strange))[:MOST_SHOWN])
    if not cases:
        return f"in the view: coalesce({words.column}, '…') AS {words.column}"
    return f"in the view: CASE {words.column} {cases} ELSE {words.column} END AS {words.column}"


def _literal(word: str) -> str:
    return "'" + word.replace("'", "''") + "'"
