"""A platform's words as the contract's: a CASE with a line a word, so that one line is edited for one mistake."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from exporter.contract_draft.catalog import Column
from exporter.contract_draft.expression import Expression, Remark, as_text, expression
from exporter.contract_draft.text import listed, literal, one_line

INDENT = "        "


def translated(
    column: Column, words: Sequence[str], mean: Callable[[str], str | None], wanted: Sequence[str]
) -> tuple[Expression, list[str]]:
    """An expression for the words of a column, and those whose meaning is not known.

    What is not known passes through, so that `--contract.check` names it; an enum's words are all there.

    Args:
        column: holds the words.
        words: that it holds; of an enum, all that it has.
        mean: the contract's word for one.
        wanted: the contract's words.
    """
    known = {word: word if word in wanted else mean(word) for word in words}
    unknown = [word for word in words if known[word] is None]
    if not words or (not column.is_enum and all(word == known[word] for word in words)):
        return as_text(column), []
    lines: list[str | Column | Remark] = ["CASE ", column]
    for word in words:
        meaning = known[word]
        lines += [f"\n{INDENT}WHEN {literal(word)} THEN {literal(meaning if meaning is not None else word)}"]
        if meaning is None:
            lines.append(Remark(f"EDIT: {one_line(word)!r} is which of {', '.join(wanted)}?"))
    if not column.is_enum:
        lines += [f"\n{INDENT}ELSE ", *as_text(column).parts]
    return expression(*lines, "\n    END"), unknown


def words_are(column: Column, words: Sequence[str]) -> Expression:
    """A condition: the column holds one of these words."""
    if len(words) == 1:
        return expression(column, f" = {literal(words[0])}")
    return expression(column, f" IN ({', '.join(map(literal, words))})")


def is_true_for(column: Column, truth: Mapping[str, bool | None]) -> Expression:
    """A flag of the words of a column; NULL for those that say neither, and for all that are not known."""
    lines: list[str | Column | Remark] = ["CASE ", column]
    for word, value in truth.items():
        lines.append(f"\n{INDENT}WHEN {literal(word)} THEN {'NULL' if value is None else str(value).lower()}")
    return expression(*lines, "\n    END") if truth else expression("NULL::boolean")


def shown(column: Column, words: Iterable[str]) -> str:
    """For a question."""
    return f"{one_line(column.name)} holds {listed(words)}"
