"""Pieces of Markdown."""

from collections.abc import Iterable, Sequence


def page(title: str, introduction: str, *sections: str) -> str:
    """A whole page, which says where it comes from."""
    note = "Generated from the code by `make reference`; do not edit."
    return "\n\n".join([f"# {title}", f"{introduction} {note}", *sections]) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def code(text: str) -> str:
    """Text as code; nothing when it is empty."""
    return f"`{text}`" if text else ""
