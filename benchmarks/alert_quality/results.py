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
WEEK_STEP, INCIDENT_STEP = 30, 15
#: Before a healthy time counts, at most: what the rules look back upon.
LONGEST_WARM_UP = 6 * HOUR
#: Incidents in one run: each has a platform a strength, which has all limits, and promtool refuses more than 10,000
#: samples in a query.
AT_ONCE = 12
#: Groups whose every series is the same all the time on a healthy platform: nothing in them can begin to fire there.
STEADY = ("ticketing-chain", "ticketing-exporter", "ticketing-responder", "ticketing-series")


@dataclass(frozen=True)
class Week:
    """A healthy week of one platform: how often each alert fired.

    Attributes:
        rate: predictions an hour.
        week: number of it.
        days: how many of its days were seen.
        pages: times that each alert of severity critical or high fired.
        messages: of lower severity, likewise.
    """

    rate: float
    week: int
    days: float
    pages: dict[str, int]
    messages: dict[str, int]


def healthy_week(number: int, rates: Sequence[float], days: float, rules: str, processors: int) -> list[Week]:
    """A week of a platform of each size.

    Args:
        number: of the week; another one is another seed.
        rates: predictions an hour.
        days: how many of its days.
        rules: shipped or literal.
        processors: how many runs at once.
    """
    sizes = {f"{rate:g}/h": rate for rate in rates}
    chosen = _without_steady(shipped(sizes)) if rules == "shipped" else literal(sizes)
    start = FIRST + number * WEEK
    warm_up = min(-(-int(chosen.alerts().look_back) // WEEK_STEP) * WEEK_STEP, LONGEST_WARM_UP)
    span = Span(start, start + round(days * DAY) - WEEK_STEP, WEEK_STEP, warm_up)
    platforms = [
        Platform(name, healthy(rate, start - warm_up, span.end - start + warm_up, WEEK_STEP, number))
        for name, rate in sizes.items()
    ]
    found = fired(chosen, platforms, span, settle=rules == "shipped", processors=processors)
    counts = {name: (Counter[str](), Counter[str]()) for name in sizes}
    for one in found:
        name = one.labels.get("platform", "")
        if one.labels["severity"] != "none" and name in counts:
            counts[name][one.labels["severity"] not in PAGE][one.name] += 1
    return [Week(rate, number, days, dict(counts[name][0]), dict(counts[name][1])) for name, rate in sizes.items()]


def _without_steady(rules: RuleSet) -> RuleSet:
    """Alerts of other groups, and whatever they read."""
    groups = tuple(
        {**group, "rules": [rule for rule in group["rules"] if "record" in rule]} if group["name"] in STEADY else group
        for group in rules.groups
    )
    return RuleSet(rules.name, groups).alerts()


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
    found = fired(shipped(sizes) if rules == "shipped" else literal(sizes), platforms, span, settle=False)
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
