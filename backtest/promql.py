"""What is found in an expression, and changed in it, without understanding it: names, durations, the clock.

Nothing here evaluates PromQL; Prometheus's own engine does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_TOKEN = re.compile(
    r"""
    (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)
    |(?P<comment>\#[^\n]*)
    |(?P<duration>\d+(?:ms|[smhdwy])(?:\d+(?:ms|[smhdwy]))*)
    |(?P<number>\d[\w.]*)
    |(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)
    |(?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}
#: Functions that without an argument are about now.
_OF_NOW = frozenset(
    {"minute", "hour", "day_of_week", "day_of_month", "day_of_year", "days_in_month", "month", "year"},
)


class ExpressionError(ValueError):
    """An expression that cannot be run over the past; one line."""


def _tokens(expression: str) -> Iterator[tuple[str, str]]:
    """Kind and text of each token; together the expression."""
    for match in _TOKEN.finditer(expression):
        yield str(match.lastgroup), match[0]


def names(expression: str) -> set[str]:
    """All names in an expression: of metrics, also in quotes, and of labels, functions and keywords besides."""
    named = {text for kind, text in _tokens(expression) if kind == "name"}
    return named | {text[1:-1] for kind, text in _tokens(expression) if kind == "text"}


def seconds(duration: str) -> float:
    """A duration as Prometheus writes it, such as 1h30m, in seconds."""
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)(ms|[smhdwy])", duration))


def longest_range(expression: str) -> float:
    """The longest duration in an expression, in seconds: a range, an offset or the length of a subquery."""
    return max((seconds(text) for kind, text in _tokens(expression) if kind == "duration"), default=0.0)


def at_epoch(expression: str, start: int) -> str:
    """An expression that gives at second 0 what this one gave at `start`.

    Whatever asks for the time is told the true one; values are untouched.

    Args:
        expression: PromQL.
        start: unix seconds.

    Raises:
        ExpressionError: it has a time of its own, behind @, that is not start() or end().
    """
    return "".join(_moved(list(_tokens(expression)), start))


def _moved(tokens: list[tuple[str, str]], start: int) -> Iterator[str]:
    position = 0
    closing: list[bool] = []  # of each open parenthesis: whether another one is to be closed with it
    while position < len(tokens):
        kind, text = tokens[position]
        following = _solid(tokens, position + 1)
        called = kind == "name" and [tokens[at][1] for at in following[:1]] == ["("]
        empty = called and len(following) > 1 and tokens[following[1]][1] == ")"
        if kind == "other" and text == "@" and following and tokens[following[0]][0] in ("number", "duration"):
            raise ExpressionError(f"@ {tokens[following[0]][1]}: a fixed time is not understood")
        if empty and text == "time":
            yield f"(time() + {start})"
            position = following[1] + 1
        elif empty and text in _OF_NOW:
            yield f"{text}(vector(time() + {start}))"
            position = following[1] + 1
        elif called and text == "timestamp":
            yield f"({start} + timestamp("
            closing.append(True)
            position = following[0] + 1
        else:
            if kind == "other" and text == "(":
                closing.append(False)
            yield "))" if kind == "other" and text == ")" and closing and closing.pop() else text
            position += 1


def _solid(tokens: list[tuple[str, str]], position: int) -> list[int]:
    """The places of the next two tokens from a position on that are no white space and no comment."""
    found: list[int] = []
    while position < len(tokens) and len(found) < 2:
        kind, text = tokens[position]
        if kind != "comment" and not text.isspace():
            found.append(position)
        position += 1
    return found
