"""Ways of asking Prometheus that several panels need."""

from __future__ import annotations

import re

FIRING_COUNT = 'count(ALERTS{alertstate="firing",alertname!="Watchdog"}) or 0 * max(ALERTS{alertname="Watchdog"})'
"""How many alerts fire; unknown, not 0, when no rules are evaluated: Watchdog always fires."""


def or_unknown(expr: str) -> str:
    """The expression, which has no labels, or NaN where it has no value.

    A panel without any value has the colour of its lowest step, which is often green.
    """
    return f"({expr}) or vector(NaN)"


def judged(expr: str, cases: dict[int, str], default: int) -> str:
    """The verdict on a value: of the first case whose condition holds; nothing where the value is unknown.

    Args:
        expr: one series without labels.
        cases: verdict: condition, also without labels.
        default: the verdict when none holds.
    """
    verdicts = [f"(0 * {expr} + {verdict} and on () ({condition}))" for verdict, condition in cases.items()]
    return " or ".join([*verdicts, f"0 * {expr} + {default}"])


def as_label(expr: str, label: str, step: float = 1, by: str = "") -> str:
    """The value as a label, rounded; the result's own value is 1.

    Args:
        expr: one series for each combination of the labels in `by`.
        label: its new label.
        step: to which it is rounded.
        by: the labels that are kept.
    """
    kept = f" by ({by})" if by else ""
    return f'count_values{kept} ("{label}", round({expr}, {step:g}))'


def with_thousands(expr: str, label: str) -> str:
    """The label's digits in groups, for numbers up to 999,999,999."""
    once = f'label_replace({expr}, "{label}", "$1,$2", "{label}", "(\\\\d+)(\\\\d{{3}})")'
    return f'label_replace({once}, "{label}", "$1,$2,$3", "{label}", "(\\\\d+)(\\\\d{{3}}),(\\\\d{{3}})")'


def sentence(expr: str, text: str, label: str = "message") -> str:
    """The expression with a sentence as a further label; `{name}` in it stands for the label of that name."""
    names = re.findall(r"{(\w+)}", text)
    for number, name in enumerate(names, start=1):
        text = text.replace(f"{{{name}}}", f"${{{number}}}", 1)
    # An unlikely separator, so that no label's value is taken apart.
    joined = f'label_join({expr}, "{label}", "\\u001f", {", ".join(map(quoted, names))})' if names else expr
    regex = "\\u001f".join(["(.*)"] * len(names)) if names else ""
    source = label if names else "no_such_label"
    return f'label_replace({joined}, "{label}", {quoted(text)}, "{source}", "{regex}")'


def moment(expr: str, label: str) -> str:
    """The unix seconds of one series without labels as a label, for example Sunday 02:00; the value becomes 1."""
    parts = [as_label(f"{function}({expr})", function) for function in ("day_of_week", "hour", "minute")]
    joined = f"{parts[0]} * on () group_left (hour) {parts[1]} * on () group_left (minute) {parts[2]}"
    for number, day in enumerate(("Sun", "Mon", "Tues", "Wednes", "Thurs", "Fri", "Satur")):
        joined = f'label_replace({joined}, "day_of_week", "{day}day", "day_of_week", "{number}")'
    for part in ("hour", "minute"):
        joined = f'label_replace({joined}, "{part}", "0$1", "{part}", "(\\\\d)")'
    return sentence(joined, "{day_of_week} {hour}:{minute}", label)


def named(expr: str, label: str, value: str) -> str:
    """The expression with a label set."""
    return f'label_replace({expr}, "{label}", {quoted(value)}, "", "")'


def copied(expr: str, label: str, to: str) -> str:
    """The expression with the label's value under a further name, too."""
    return f'label_replace({expr}, "{to}", "$1", "{label}", "(.*)")'


def quoted(text: str) -> str:
    """A string literal of PromQL."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
