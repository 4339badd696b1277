r"""Names and values of Redis, which are bytes, as text: read without loss, sent back as they were, and shown.

Most are UTF-8. A byte that is not is a lone surrogate in Python's text, so that a key that was found can be asked for,
and becomes `\xff` where it is shown. Two that differ stay two: where a text itself looks like that, its backslash is
shown as `\x5c`.
"""

from __future__ import annotations

import re
from typing import Any

import hiredis

ERRORS = "surrogateescape"
"""Of Python's codecs: how what is not UTF-8 is read, and sent."""

_LOOKS_LIKE_A_BYTE = re.compile(r"\\(?=x[0-9a-f]{2})")


def packed(command: tuple[Any, ...]) -> bytes:
    """A command as Redis reads it."""
    try:
        data: bytes = hiredis.pack_command(command)
    except UnicodeEncodeError:
        data = hiredis.pack_command(tuple(str(part).encode("utf-8", ERRORS) for part in command))  # type: ignore[arg-type]
    return data


def shown(text: str) -> str:
    """A text that was read, in a label or a message."""
    if "\\" in text:
        text = _LOOKS_LIKE_A_BYTE.sub(r"\\x5c", text)
    return text if text.isascii() else text.encode("utf-8", ERRORS).decode("utf-8", "backslashreplace")
