r"""Text that may be any bytes: read without loss, and shown.

Most of it is UTF-8. A byte that is not is a lone surrogate in Python's text, and becomes `\xff` where it is shown. Two
that differ stay two: where a text itself looks like that, its backslash is shown as `\x5c`.
"""

from __future__ import annotations

import re

ERRORS = "surrogateescape"
"""Of Python's codecs: how what is not UTF-8 is read, and sent."""

_LOOKS_LIKE_A_BYTE = re.compile(r"\\(?=x[0-9a-f]{2})")


def shown(text: str) -> str:
    """A text that was read, in a label or a message."""
    if "\\" in text:
        text = _LOOKS_LIKE_A_BYTE.sub(r"\\x5c", text)
    return text if text.isascii() else text.encode("utf-8", ERRORS).decode("utf-8", "backslashreplace")
