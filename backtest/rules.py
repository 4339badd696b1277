"""A set of rule files as Prometheus loads them: what it reads, how far it looks back, and as one file for a run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import yaml

from backtest import promql

Yaml = dict[str, Any]
_OF_ALERTS = {"ALERTS", "ALERTS_FOR_STATE"}
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class RulesError(ValueError):
    """Rules that cannot be read or run; one line."""


@dataclass(frozen=True)
class RuleSet:
    """Rules of one or more files.

    Attributes:
        name: for people, the directory.
        groups: as in the files, in their order.
    """

    name: str
    groups: tuple[Yaml, ...]

    @property
    def rules(self) -> Iterator[Yaml]:
        """All rules."""
        return (rule for group in self.groups for rule in group["rules"])

    @cached_property
    def recorded(self) -> frozenset[str]:
        """Names of the series that the rules record."""
        return frozenset(rule["record"] for rule in self.rules if "record" in rule)

    @cached_property
    def read(self) -> frozenset[str]:
        """Names in the expressions that are not recorded here: all raw metrics, and words that are none."""
        return self.raw(rule["expr"] for rule in self.rules)

    def raw(self, expressions: Iterable[str]) -> frozenset[str]:
        """Names in these expressions of what neither the rules record nor their alerts make."""
        return frozenset().union(*map(promql.names, expressions)) - self.recorded - _OF_ALERTS

    @property
    def look_back(self) -> float:
        """For how many seconds before an instant a run has to know the past, so that alerts are right from then on."""
        recorded: dict[str, float] = {}

        def reach(rule: Yaml) -> float:
            read = promql.names(rule["expr"]) & self.recorded
            return promql.longest_range(rule["expr"]) + max((of_recorded(name) for name in read), default=0.0)

        def of_recorded(name: str) -> float:
            if name not in recorded:
                recorded[name] = 0.0  # of one that reads itself
                recorded[name] = max(reach(rule) for rule in self.rules if rule.get("record") == name)
            return recorded[name]

        return max((_waiting(rule) + reach(rule) for rule in self.rules), default=0.0)

    def needed_for(self, wanted: Collection[str]) -> RuleSet:
        """The rules that record these names, and all whose series they read."""
        needed, asked = set(), [*wanted]
        for name in asked:  # grows
            if name in self.recorded and name not in needed:
                needed.add(name)
                asked += [n for rule in self.rules if rule.get("record") == name for n in promql.names(rule["expr"])]
        return self._where(lambda rule: rule.get("record") in needed)

    def alerts(self) -> RuleSet:
        """The alerts, and what they read: without series that are recorded for people alone."""
        return self.only({rule["alert"] for rule in self.rules if "alert" in rule}, ())

    def only(self, alerts: Collection[str], expressions: Iterable[str]) -> RuleSet:
        """The alerts of these names, and what they and these expressions read."""
        read = {name for expression in expressions for name in promql.names(expression)}
        read |= {name for rule in self.rules if rule.get("alert") in alerts for name in promql.names(rule["expr"])}
        needed = self.needed_for(read).recorded
        return self._where(lambda rule: rule.get("alert") in alerts or rule.get("record") in needed)

    def _where(self, wanted: Callable[[Yaml], bool]) -> RuleSet:
        kept = ({**group, "rules": [rule for rule in group["rules"] if wanted(rule)]} for group in self.groups)
        return RuleSet(self.name, tuple(group for group in kept if group["rules"]))

    def write(self, path: Path, start: int) -> list[str]:
        """Write them as one file that a clock which begins at 0 evaluates as at `start`, in unix seconds.

        Texts for people are left out: they take time, and nobody reads them here.

        Returns:
            Names of the groups in the order in which they are to be evaluated: what is read, before what reads it.

        Raises:
            ExpressionError: an expression has a fixed time.
        """
        groups = [
            {**group, "name": f"{number:04} {group['name']}", "rules": [_moved(rule, start) for rule in group["rules"]]}
            for number, group in enumerate(_in_order(self.groups))
        ]
        path.write_text(yaml.dump({"groups": groups}, Dumper=_DUMPER, sort_keys=False, width=1 << 20), "utf-8")
        return [group["name"] for group in groups]


def load(directory: Path) -> RuleSet:
    """Read the rule files of a directory, or one file.

    Raises:
        RulesError: there are none, or one cannot be read or is no rule file.
    """
    paths = [directory] if directory.is_file() else sorted((*directory.glob("*.yml"), *directory.glob("*.yaml")))
    if not paths:
        raise RulesError(f"{directory}: has no rule files (*.yml, *.yaml)")
    return RuleSet(str(directory), tuple(group for path in paths for group in _groups(path)))


def _groups(path: Path) -> Iterator[Yaml]:
    try:
        content = yaml.load(path.read_text("utf-8"), _LOADER)  # noqa: S506 (safe loaders both)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RulesError(f"{path}: {' '.join(str(error).split())}") from None
    try:
        for group in content["groups"]:
            # Limits are written as plain numbers.
            yield {**group, "rules": [_checked(rule) for rule in group.get("rules") or ()], "name": str(group["name"])}
    except (TypeError, KeyError, ValueError):
        raise RulesError(f"{path}: is not a file of rules") from None


def _checked(rule: Yaml) -> Yaml:
    if not ("alert" in rule) ^ ("record" in rule):
        raise ValueError
    return {**rule, "expr": str(rule["expr"])}


def _moved(rule: Yaml, start: int) -> Yaml:
    kept = {key: value for key, value in rule.items() if key != "annotations"}
    return kept | {"expr": promql.at_epoch(rule["expr"], start)}


def _waiting(rule: Yaml) -> float:
    return sum(promql.seconds(str(rule.get(name, "0s"))) for name in ("for", "keep_firing_for"))


def _in_order(groups: Sequence[Yaml]) -> list[Yaml]:
    """What is read before what reads it; as in the files where two read one another."""
    records: dict[str, set[int]] = {}
    for number, group in enumerate(groups):
        for rule in group["rules"]:
            if "record" in rule:
                records.setdefault(rule["record"], set()).add(number)
    graph = {
        number: {
            other
            for rule in group["rules"]
            for name in promql.names(rule["expr"])
            for other in records.get(name, ())
            if other != number
        }
        for number, group in enumerate(groups)
    }
    try:
        return [groups[number] for number in TopologicalSorter(graph).static_order()]
    except CycleError:
        return list(groups)
