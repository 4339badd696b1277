"""What the rules did: false alerts of healthy weeks, and what was told of each incident."""

from __future__ import annotations

import calendar
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from backtest.engine import Span
from backtest.rules import RuleSet
from benchmarks.alert_quality.conditions import DAY, HOUR, WEEK, healthy
from benchmarks.alert_quality.incidents import BEGIN, INCIDENTS, PAGE, STRENGTHS, Incident
from benchmarks.alert_quality.runs import Platform, fired, literal, shipped

RATES = (60.0, 300.0, 700.0, 1247.0, 3000.0, 10000.0)
#: A Monday.
FIRST = calendar.timegm((2026, 3, 2, 0, 0, 0))
WEEK_STEP, INCIDENT_STEP = 60, 30
#: Alerts on objectives look at up to 3 days, 7 windows of 13 series: they cost twice what all others do together.
OBJECTIVES, OTHERS = "objectives", "others"
BUDGETS = {"ErrorBudgetBurnFast", "ErrorBudgetBurnSlow", "LatencyBudgetBurnFast"}
#: Before a healthy time counts, at most: what the rules look back upon.
LONGEST_WARM_UP = 6 * HOUR
#: Incidents in one run: each has a platform a strength, which has all limits, and promtool refuses more than 10,000
#: samples in a query.
AT_ONCE = 4
#: Groups whose every series is the same all the time on a healthy platform: nothing in them can begin to fire there.
STEADY = ("ticketing-chain", "ticketing-exporter", "ticketing-responder", "ticketing-series")
#: Likewise alerts of other groups: on a healthy platform each key is there, written now, a number, and what PostgreSQL
#: counts, no row is in the future, and Grafana answers.
STEADY_ALERTS = {
    "DashboardDown",
    "KpiMismatch",
    "KpiMissing",
    "KpiStale",
    "KpiUnreliable",
    "MetricNotANumber",
    "RowsFromTheFuture",
}


@dataclass(frozen=True)
class Week:
    """A healthy week of one platform: how often each alert fired.

    Attributes:
        rate: predictions an hour.
        week: number of it.
        days: how many of its days were seen.
        part: of the alerts: those on objectives, or the others.
        pages: times that each alert of severity critical or high fired.
        messages: of lower severity, likewise.
    """

    rate: float
    week: int
    days: float
    part: str
    pages: dict[str, int]
    messages: dict[str, int]


def healthy_weeks(
    numbers: Sequence[int], rates: Sequence[float], days: float, rules: str, part: str, processors: int
) -> list[Week]:
    """Weeks of platforms of each size, side by side: a rule costs little more for many platforms than for one.

    Args:
        numbers: of the weeks; another one is another seed.
        rates: predictions an hour.
        days: how many of its days.
        rules: shipped or literal.
        part: of the alerts; the literal ones are others.
        processors: how many runs at once.
    """
    about = {f"{rate:g}/h, week {number}": (rate, number) for number in numbers for rate in rates}
    sizes = {name: rate for name, (rate, _) in about.items()}
    chosen = _chosen(shipped(sizes), part) if rules == "shipped" else literal(sizes)
    warm_up = min(-(-int(chosen.alerts().look_back) // WEEK_STEP) * WEEK_STEP, LONGEST_WARM_UP)
    span = Span(FIRST, FIRST + round(days * DAY) - WEEK_STEP, WEEK_STEP, warm_up, WEEK)
    platforms = [
        Platform(name, healthy(rate, FIRST - warm_up, span.end - FIRST + warm_up, WEEK_STEP, number))
        for name, (rate, number) in about.items()
    ]
    found = fired(chosen, platforms, span, settle=rules == "shipped", processors=processors)
    counts = {name: (Counter[str](), Counter[str]()) for name in sizes}
    for one in found:
        name = one.labels.get("platform", "")
        if one.labels["severity"] != "none" and name in counts and (one.name in BUDGETS) == (part == OBJECTIVES):
            counts[name][one.labels["severity"] not in PAGE][one.name] += 1
    return [
        Week(rate, number, days, part, dict(counts[name][0]), dict(counts[name][1]))
        for name, (rate, number) in about.items()
    ]


def _chosen(rules: RuleSet, part: str) -> RuleSet:
    """Alerts that may begin to fire, of a part, and whatever these read, other alerts among it."""
    named = {rule["alert"] for group in rules.groups for rule in group["rules"] if "alert" in rule}
    steady = {
        rule["alert"] for group in rules.groups if group["name"] in STEADY for rule in group["rules"] if "alert" in rule
    }
    others = named - steady - STEADY_ALERTS - BUDGETS
    return rules.only(
        others if part == OTHERS else BUDGETS | {"ServiceDown", "ServiceSlow", "ApiLatencyDegradation"}, ()
    )


def _without_budgets(rules: RuleSet) -> RuleSet:
    return rules.only({rule["alert"] for rule in rules.rules if "alert" in rule} - BUDGETS, ())


@dataclass(frozen=True)
class Told:
    """What was told of one incident.

    Attributes:
        incident: its name.
        strength: index of `STRENGTHS`.
        seconds: until the first alert that is loud enough; None when there was none.
        alert: its name.
        others: what else fired because of it.
    """

    incident: str
    strength: int
    seconds: int | None
    alert: str
    others: list[str]


def incidents(rate: float, wanted: str, rules: str, seed: int) -> list[Told]:
    """Every incident whose name matches, in its strengths.

    Args:
        rate: predictions an hour of each platform.
        wanted: a regular expression for the names.
        rules: shipped or literal.
        seed: of everything random.
    """
    told: list[Told] = []
    chosen = [one for one in INCIDENTS if re.search(wanted, one.name)]
    # Those that begin at the same time and last as long are one run, as far as promtool takes them.
    for hour, minutes in sorted({(one.hour, one.minutes) for one in chosen}):
        alike = [one for one in chosen if (one.hour, one.minutes) == (hour, minutes)]
        for first in range(0, len(alike), AT_ONCE):
            told += _together(alike[first : first + AT_ONCE], rate, rules, seed)
    order = [one.name for one in INCIDENTS]
    return sorted(told, key=lambda one: (order.index(one.incident), one.strength))


def _together(chosen: Sequence[Incident], rate: float, rules: str, seed: int) -> list[Told]:
    start = FIRST + DAY + int(chosen[0].hour * HOUR) - BEGIN
    span = Span(start + BEGIN // 2, start + BEGIN + chosen[0].minutes * 60, INCIDENT_STEP, BEGIN // 2)
    platforms = list[Platform]()
    about = dict[str, tuple[Incident, int]]()
    for incident in chosen:
        for strength, number in enumerate(incident.strengths):
            name = f"{incident.name} {STRENGTHS[strength]}"
            made = healthy(rate, start, span.end - start, INCIDENT_STEP, 1000 * seed + len(platforms), on_sales=False)
            incident.change(made, number)
            platforms.append(Platform(name, made))
            about[name] = (incident, strength)
    sizes = {platform.name: rate for platform in platforms}
    # A platform that is away is known for six hours, and so are its limits: no incident is longer.
    chosen_rules = _without_budgets(shipped(sizes)) if rules == "shipped" else literal(sizes)
    found = fired(chosen_rules, platforms, span, settle=rules == "shipped")
    result = []
    for name, (incident, strength) in about.items():
        began = start + BEGIN
        caused = [one for one in found if one.labels.get("platform") == name and one.start > began - INCIDENT_STEP]
        caused = [one for one in caused if one.labels["severity"] != "none"]
        if rules == "literal":
            caused = [one for one in caused if one.name in incident.literal()]
        loud = [one for one in caused if one.labels["severity"] in incident.wanted]
        first = loud[0] if loud else None
        others = sorted({one.name for one in caused} - ({first.name} if first else set()))
        seconds = max(first.start - began, 0) if first else None
        result.append(Told(incident.name, strength, seconds, first.name if first else "", others))
    return result
