"""Connection strings that are to be refused, and errors that are not to quote them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from common.redaction import MASK

ESCAPING = "in the password of a URL, characters such as / ? # @ % are written as %2F %3F %23 %40 %25"
"""What to tell about a URL that cannot be taken apart."""

_URL = re.compile(r"[a-z+]+://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)


def is_ambiguous(url: str) -> bool:
    """Whether there is an @ where a path is, behind what may be a port or the beginning of a password.

    With a password that is not escaped, its pieces are taken for a host, a port and a path, and end up in messages.
    """
    match = _URL.fullmatch(url)
    return match is not None and ":" in match[1] and "@" in match[2]


def without_values(text: str, values: Iterable[str]) -> str:
    """The text with a mask for each of these values that it quotes."""
    for value in sorted({value for value in values if value}, key=len, reverse=True):
        text = re.sub(rf"""(["']){re.escape(value)}\1""", MASK, text)
    return text
