"""The selectors of an expression of PromQL."""

from __future__ import annotations

import re
from collections.abc import Iterator

_STRING = r'"(?:\\.|[^"\\])*"'
_MATCHERS = rf'{{(?:{_STRING}|[^"}}])*}}'
# What is tried first wins: a string has no selectors, nor has a list of labels, nor a range, nor a variable.
_TOKEN = re.compile(
    rf"{_STRING}"
    r"|\b(?:by|without|on|ignoring|group_left|group_right)\b *\([^)]*\)"
    r"|\[[^]]*\]|\b\d[\w.]*|\$\w+"
    rf"|(?P<name>[a-zA-Z_:][\w:]*)(?P<function> *(?:(?:by|without) *\([^)]*\) *)?\()?(?P<matchers>{_MATCHERS})?"
    rf"|(?P<nameless>{_MATCHERS})"
)
_WORDS = {"and", "or", "unless", "bool", "offset", "on", "by", "Inf", "NaN"}


def selectors(expr: str) -> Iterator[tuple[str, str]]:
    """Name and matchers of each selector, in order."""
    for found in _TOKEN.finditer(expr):
        if found["nameless"]:
            yield "", found["nameless"]
        elif found["name"] and not found["function"] and found["name"] not in _WORDS:
            yield found["name"], found["matchers"] or ""
