"""Platforms through rules: many platforms in one run, each under a name of its own, as the rules keep them apart."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backtest import engine, promtool
from backtest.engine import Firing, Span
from backtest.rules import RuleSet, load
from benchmarks.alert_quality.conditions import Conditions
from benchmarks.alert_quality.exposition import series, written

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "prometheus" / "rules"
LITERAL = Path(__file__).parent / "blueprint"
#: Predictions an hour for which the shipped limits are meant.
USUAL = 1247.0
#: Limits that a platform sets by its size; the shipped numbers are the blueprint's, for 1,247 transactions an hour.
BY_SIZE = (
    "transactions_per_hour_low",
    "transactions_per_hour_target",
    "revenue_per_hour_usd_low",
    "revenue_per_hour_usd_baseline",
)
#: What is the same at every evaluation of platforms that are known all the time: it is evaluated once.
SETTLED = ("ticketing:limit", "ticketing:platform:")
#: What longer windows are sums of, once a minute.
EACH_MINUTE = ("ticketing:objective_events:count1m", "ticketing:objective_failures:count1m")


@dataclass(frozen=True)
class Platform:
    """A platform under its own name."""

    name: str
    conditions: Conditions


def shipped(sizes: Mapping[str, float]) -> RuleSet:
    """The real rules, with the limits that go by the size of each platform (predictions an hour)."""
    return _sized(load(SHIPPED), sizes)


def literal(sizes: Mapping[str, float]) -> RuleSet:
    """The blueprint's rules, over the same limits."""
    rules = load(LITERAL)
    limits = [group for group in shipped(sizes).groups if group["name"] == "ticketing-limits"]
    ours = []
    for group in limits:
        records = []
        for rule in group["rules"]:
            # Its expressions join on the platform: each has all of them.
            named = {rule["labels"].get("platform")} - {None} or set(sizes)
            records += [{**rule, "labels": {**rule["labels"], "platform": name}} for name in sorted(named)]
        special = {(one["labels"]["limit"], one["labels"]["platform"]): one for one in records}
        ours.append({**group, "rules": list(special.values())})
    return RuleSet(rules.name, (*ours, *rules.groups))


def _sized(rules: RuleSet, sizes: Mapping[str, float]) -> RuleSet:
    def sized(group: dict[str, Any]) -> dict[str, Any]:
        more = [
            {**rule, "labels": {**rule["labels"], "platform": name}, "expr": str(float(rule["expr"]) * size / USUAL)}
            for rule in group["rules"]
            if rule.get("record") == "ticketing:limit" and rule["labels"]["limit"] in BY_SIZE
            for name, size in sizes.items()
        ]
        return {**group, "rules": [*group["rules"], *more]}

    return RuleSet(rules.name, tuple(sized(group) for group in rules.groups))


def fired(
    rules: RuleSet, platforms: Iterable[Platform], span: Span, *, settle: bool, processors: int = 1
) -> list[Firing]:
    """Every alert that fires on platforms.

    Args:
        rules: real or literal.
        platforms: seen from the first second of the span, less its warm-up, on.
        span: what counts; its step is that of the conditions.
        settle: evaluate limits once and not at each step; only where no exporter is away for as long as six hours.
        processors: how many runs at once.
    """
    rules = _paced(rules, span.step)
    begin, steps = span.start - span.warm_up, (span.end - span.start + span.warm_up) // span.step + 1
    every = [one for platform in platforms for one in series(platform.conditions, platform.name)]
    if settle:
        rules, constant = settled(rules, [name for name, _ in every], span.step, begin)
        every += [(name, np.full(steps, value)) for name, value in constant]
    read = rules.alerts().read

    def source(first: int, last: int) -> Iterator[tuple[str, str]]:
        part = slice((first - begin) // span.step, (last - begin) // span.step + 1)
        return ((name, written(values[part])) for name, values in every if name.partition("{")[0] in read)

    return engine.alerts(rules, source, span, processors=processors)


def _paced(rules: RuleSet, step: int) -> RuleSet:
    """What is counted in each minute and then summed, counted in each step: promtool evaluates all at one pace."""

    def paced(rule: dict[str, Any]) -> dict[str, Any]:
        each = str(rule.get("record", "")).startswith(EACH_MINUTE)
        return {**rule, "expr": f"({rule['expr']}) * {step / 60:g}"} if each else rule

    return RuleSet(rules.name, tuple({**g, "rules": [paced(rule) for rule in g["rules"]]} for g in rules.groups))


def settled(rules: RuleSet, names: Iterable[str], step: int, start: int) -> tuple[RuleSet, list[tuple[str, float]]]:
    """The rules without those that are the same all the time, and what these record."""
    recorded = {rule["record"] for rule in rules.rules if str(rule.get("record", "")).startswith(SETTLED)}
    those = rules.needed_for(recorded)
    up = [(name, promtool.values([1.0] * 9)) for name in names if name.startswith("up{")]
    with tempfile.TemporaryDirectory(prefix="alert-quality-") as directory:
        samples = promtool.run(
            those,
            up,
            [(name, 8 * step) for name in sorted(recorded)],
            start=start,
            step=step,
            directory=Path(directory),
            timeout=300,
        )
    left = tuple(
        {**group, "rules": [rule for rule in group["rules"] if rule.get("record") not in recorded]}
        for group in rules.groups
    )
    return RuleSet(rules.name, tuple(group for group in left if group["rules"])), list(_named(samples))


def _named(samples: Iterable[promtool.Sample]) -> Iterator[tuple[str, float]]:
    for sample in samples:
        labels = ",".join(f'{name}="{text}"' for name, text in sample.labels.items() if name != "__name__")
        yield f"{sample.expression}{{{labels}}}", sample.value
