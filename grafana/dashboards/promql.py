"""Ways of asking Prometheus that several panels need."""

from __future__ import annotations

import re

from grafana.dashboards.looks import BAD, NO_VALUE, NOBODY_KNOWS, WATCH


def series(name: str, matchers: str = "") -> str:
    """A selector of the chosen platform's series, perhaps with further matchers."""
    return f'{name}{{platform="$platform"{"," if matchers else ""}{matchers}}}'


def limit(name: str) -> str:
    """The limit of that name, without labels; nothing where it is not there or no number.

    The names are those of prometheus/rules/limits.yml, the only place where the numbers are.
    """
    return f"(max({_limit(name)}) > -Inf)"


def limit_line(name: str) -> str:
    """The same for a chart: all along what the limit is at the end.

    Grafana ends a range at a multiple of its step. Of a chart of days that is some minutes ago, and perhaps before the
    limit was set: so the value is that of the following hour, as far as there is one.
    """
    return f"(max(last_over_time({_limit(name)}[65m] @ end() offset -1h)) > -Inf)"


def _limit(name: str) -> str:
    return series("ticketing:limit:by_platform", f'limit="{name}"')


WATCHDOG = 'ALERTS{alertname="Watchdog",alertstate="firing"}'
"""Always fires, as long as rules are evaluated at all, of whatever platform."""

_FIRING = 'alertstate="firing",alertname!="Watchdog"'
FIRING_COUNT = f"count({series('ALERTS', _FIRING)}) or 0 * max({WATCHDOG})"
"""How many alerts fire; unknown, not 0, when no rules are evaluated."""

OWN_COLLECTORS = "own_.+"
"""A pattern of the collectors of an operator's own metrics."""

_IN_SECTION = f'{_FIRING},section=~"$section|{OWN_COLLECTORS}"'
FIRING_IN_SECTION = series("ALERTS", _IN_SECTION)
"""The alerts that fire in the sections that the viewer has chosen, and on own metrics, which are in no choice."""

FIRING_IN_SECTION_COUNT = f"count({FIRING_IN_SECTION}) or 0 * max({WATCHDOG})"
"""How many these are."""

BEGINS_IN_SECTION = f"{FIRING_IN_SECTION} unless {FIRING_IN_SECTION} offset $__interval"
"""The same at the step at which each of them begins to fire."""


def read_now(section: str) -> str:
    """1 while the section that the matcher names is read, with all of its history; else nothing.

    The rule remembers the last scrape for minutes, so that no alert ends by one that is missing: no news is not "none".
    """
    now = f"max({series('ticketing_exporter_collector_success', section)}) == 1"
    return f"({now} and on () max({series('ticketing:exporter_collector_complete:max', section)}) == 1)"


def or_unknown(expr: str) -> str:
    """The expression, which has no labels, or NaN where it has no value.

    A panel without any value has the colour of its lowest step, which is often green.
    """
    return f"({expr}) or vector(NaN)"


def in_rows(rows: str, by: str, *exprs: str) -> list[str]:
    """The expressions, each with a value for every row of a table: `NO_VALUE` where it has none of its own.

    Grafana leaves out a column of which no query says anything. What is left, perhaps 100 %, would look like health.

    Args:
        rows: an expression with a series for each row.
        by: the label that tells the rows apart.
        exprs: of the columns, each with that label alone.
    """
    return [f"{expr} or on ({by}) 0 * ({rows}) + {NO_VALUE}" for expr in exprs]


def judged(value: str, good: str, bad: str) -> str:
    """The verdict on a value: bad, good, or neither; unknown where the value or a limit is not known.

    Args:
        value: one series without labels.
        good: 1 where it is good, else 0. `{value}` stands for the value, any other name in braces for that limit.
        bad: in the same way.
    """
    # What is not a number would be compared to false, and so be taken for neither good nor bad.
    filled = {"value": f"({value} > -Inf)"}
    for name in re.findall(r"{(\w+)}", good + bad):
        filled.setdefault(name, limit(name))
    good, bad = (re.sub(r"{(\w+)}", lambda found: filled[found[1]], text) for text in (good, bad))
    return f"clamp_min({WATCH} + ({good}) - 2 * ({bad}), {BAD}) or vector({NOBODY_KNOWS})"


def with_verdict(name: str, value: str, verdict: str) -> str:
    """A value without labels, with its name and its verdict as labels `name` and `verdict`."""
    return named(f"({value}) * on () group_left (verdict) {as_label(verdict, 'verdict')}", "name", name)


def at_end(expr: str) -> str:
    """An expression of instant selectors, at every step of a range as it is at the end.

    What is named after it is one series then, and not another for each verdict that there was.
    """
    return re.sub(r'(\w{(?:[^"{}]|"[^"]*")*})', r"\1 @ end()", expr)


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
    text = text.replace("$", "$$")
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
