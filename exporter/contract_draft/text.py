"""Names, words and remarks as text of the files: what a stranger put into a name must stay a name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

LONGEST = 60


def literal(text: str) -> str:
    """A constant of SQL, whatever `standard_conforming_strings` is."""
    quoted = text.replace("'", "''")
    return f"'{quoted}'" if "\\" not in text else "E'" + quoted.replace("\\", "\\\\") + "'"


def one_line(text: object) -> str:
    """A text that cannot end a comment, a line or a span of code."""
    plain = "".join(character if character.isprintable() else " " for character in str(text))
    plain = " ".join(plain.replace("`", "'").replace("*/", "* /").replace("/*", "/ *").split())
    return plain if len(plain) <= LONGEST else plain[: LONGEST - 1] + "…"


def listed(words: Iterable[str], most: int = 8) -> str:
    """Words as one line shows them."""
    shown = [repr(one_line(word)) for word in words]
    return ", ".join(shown[:most]) + (f" and {len(shown) - most} more" if len(shown) > most else "")


@lru_cache(maxsize=100_000)
def tokens(name: str) -> tuple[str, ...]:
    """The words of a name: `buyerWalletID` and `buyer_wallet_id` are the same; plurals are singular."""
    split = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1 \2", name))
    return tuple(_singular(word) for word in re.findall(r"[a-z]+|[0-9]+[a-z]*", split.lower()))


def _singular(word: str) -> str:
    if len(word) > 3 and word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def ago(seconds: float) -> str:
    """A length of time, roughly."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if abs(seconds) >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
