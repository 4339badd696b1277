"""What only somebody who knows the platform can answer, with what the draft took for the answer."""

from __future__ import annotations

from dataclasses import dataclass, field

from exporter.contract_draft.text import one_line


@dataclass(frozen=True)
class Question:
    """One of them.

    Attributes:
        subject: view, table and column.
        asked: what is to be known.
        taken: what the draft assumes, and why.
        sure: something that was seen says so; else it is a guess.
        edit: the file does not hold until a line marked EDIT is filled in.
    """

    subject: str
    asked: str
    taken: str
    sure: bool
    edit: bool


@dataclass
class Questions:
    """All of them, in the order they came up."""

    asked: list[Question] = field(default_factory=list)

    def ask(self, subject: str, asked: str, taken: str, *, sure: bool = False, edit: bool = False) -> None:
        """Add one, unless it is there already."""
        question = Question(subject, asked, taken, sure, edit)
        if question not in self.asked:
            self.asked.append(question)

    def markdown(self) -> list[str]:
        """The lines, those that need an answer first."""
        parts = (
            ("To be filled in: lines marked EDIT", [q for q in self.asked if q.edit]),
            ("Guessed: is it so?", [q for q in self.asked if not q.edit and not q.sure]),
            ("Seen in the rows: is it so?", [q for q in self.asked if not q.edit and q.sure]),
        )
        lines = []
        for title, questions in parts:
            if questions:
                lines += [f"## {title}", ""]
                lines += [f"- **{_plain(q.subject)}** {_plain(q.asked)} Taken: {_plain(q.taken)}." for q in questions]
                lines.append("")
        return lines


def _plain(text: str) -> str:
    # Names are a stranger's: they must not become markup.
    shown = " ".join(one_line(word) for word in text.split())
    for character in "\\*_[]<>|#":
        shown = shown.replace(character, f"\\{character}")
    return shown
