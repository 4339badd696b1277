"""Names and texts in SQL, whatever is in them."""

from __future__ import annotations


def identifier(name: str) -> str:
    """A name as PostgreSQL takes it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def constant(text: str) -> str:
    """A text as PostgreSQL takes it, whatever is in it and however it takes backslashes."""
    return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
