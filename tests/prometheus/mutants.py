"""Rules with one thing wrong, each of which the unit tests must notice."""

import re
from collections.abc import Iterator

from tests.prometheus.ruleset import Rule, Yaml

# What is not touched: strings, label matchers, ranges, groupings.
_OPAQUE = re.compile(r'"[^"]*"|\{[^{}]*\}|\[[^\[\]]*\]|\b(?:by|without|on|group_left)\s*\([^()]*\)')
_COMPARISON = re.compile(r"(?<![<>=!])(>=|<=|==|!=|>|<)")
_NUMBER = re.compile(r"(?<![\w.:])(?!0(?![.\d]))\d+(?:\.\d+)?(?![\w.:])")
_BOUND = re.compile(r" (?:>=|<=|==|!=|>|<) \d+(?:\.\d+)?(?![\w.:])")
_GUARD = re.compile(r"\b(?:and|unless)\b(?=\s)")

_ENDS_OPERAND = re.compile(r",|\b(?:and|or|unless)\b")

_BOUNDARY = {">": ">=", ">=": ">", "<": "<=", "<=": "<", "==": "!=", "!=": "=="}


def mutants(rule: Rule) -> Iterator[tuple[str, Yaml]]:
    """Every mutant of a rule, with what was done to it."""
    content = rule.content
    if "for" in content:
        yield "without for", _without(content, "for")
        yield "for doubled", content | {"for": _doubled(content["for"])}
    if "keep_firing_for" in content:
        yield "without keep_firing_for", _without(content, "keep_firing_for")
    for done, expr in dict.fromkeys(_expressions(content["expr"], rule.is_alert)):
        yield done, content | {"expr": expr}


def _expressions(expr: str, is_alert: bool) -> Iterator[tuple[str, str]]:
    plain = _masked(expr)
    for match in _COMPARISON.finditer(plain):
        other = _BOUNDARY[match.group()]
        yield f"{match.group()} → {other} at {match.start()}", _replaced(expr, match.span(), other)
    for match in _BOUND.finditer(plain):
        yield f"without{match.group()} at {match.start()}", _replaced(expr, match.span(), "")
    if not is_alert:
        return
    for match in _NUMBER.finditer(plain):
        for number in _near(match.group()):
            yield f"{match.group()} → {number} at {match.start()}", _replaced(expr, match.span(), number)
    for match in _GUARD.finditer(plain):
        yield (
            f"without {match.group()} at {match.start()}",
            _replaced(expr, (match.start(), _operand_end(expr, match)), ""),
        )


def _masked(expr: str) -> str:
    """The expression with what is not touched blotted out."""
    while True:
        masked = _OPAQUE.sub(lambda match: "_" * len(match.group()), expr)
        if masked == expr:
            return masked
        expr = masked


def _near(number: str) -> tuple[str, str]:
    if "." in number:
        return f"{float(number) * 0.9:.6g}", f"{float(number) * 1.1:.6g}"
    step = max(1, round(int(number) / 10))
    return str(int(number) - step), str(int(number) + step)


def _operand_end(expr: str, operator: re.Match[str]) -> int:
    """Where the right-hand side of a set operator ends: at a set operator or comma on its level, or with the level."""
    plain, depth = _masked(expr), 0
    for position in range(operator.end(), len(plain)):
        if plain[position] == "(":
            depth += 1
        elif plain[position] == ")":
            depth -= 1
            if depth < 0:
                return position
        elif depth == 0 and _ENDS_OPERAND.match(plain, position):
            return position
    return len(expr)


def _replaced(text: str, span: tuple[int, int], by: str) -> str:
    return text[: span[0]] + by + text[span[1] :]


def _without(content: Yaml, key: str) -> Yaml:
    return {name: value for name, value in content.items() if name != key}


def _doubled(duration: str) -> str:
    number, unit = re.fullmatch(r"(\d+)([smh])", duration).groups()  # type: ignore[union-attr]
    return f"{2 * int(number)}{unit}"
