"""A table in a page of the documentation, between two comments."""

from __future__ import annotations

from pathlib import Path


def rewrite(page: Path, begin: str, end: str, text: str) -> None:
    """Put a text between the two comments, in place of what is there.

    Raises:
        ValueError: the page does not have both of them, once, in this order.
    """
    written = page.read_text(encoding="utf-8")
    before, *rest = written.split(begin)
    if len(rest) != 1 or written.count(end) != 1 or end not in rest[0]:
        raise ValueError(f"{page}: {begin} and {end} have to be there once, in this order")
    page.write_text(f"{before}{begin}\n\n{text}\n\n{end}{rest[0].partition(end)[2]}", encoding="utf-8")
