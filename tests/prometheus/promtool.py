"""promtool, and what it needs."""

import os
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import yaml

from tests.prometheus.ruleset import RECORDED, Rule, TestFile, Yaml, rules

_Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
# Memory for time: with fewer collections of garbage a run takes a fifth less.
_ENVIRONMENT = {**os.environ, "GOGC": "400"}


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run promtool to its end."""
    command = ["promtool", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, env=_ENVIRONMENT)


def needed_by(wanted: Iterable[Rule]) -> list[Rule]:
    """These rules with all recorded series that they read, in the order of evaluation."""
    shipped, needed = rules(), list(wanted)
    for rule in needed:  # grows
        needed += [other for other in shipped if other.name in rule.uses and other not in needed]
    return sorted(needed, key=lambda rule: (not rule.file.startswith("limits"), rule.file, rule.number))


_ALERTS = re.compile(r"\bALERTS\b(?:_FOR_STATE)?")
_ALERT_NAMED = re.compile(r'alertname="(\w+)"')


def by_rules(file: TestFile) -> Mapping[frozenset[str] | None, Sequence[Yaml]]:
    """The tests of a file by the names of the rules that they are about; None for those that may be about all.

    Promtool evaluates each rule at each step of each test: with the few that a test needs it takes a third of the time.
    """
    groups: dict[frozenset[str] | None, list[Yaml]] = defaultdict(list)
    for test in file.content["tests"]:
        groups[_subject(test)].append(test)
    return {None: file.content["tests"]} if None in groups else groups


def _subject(test: Yaml) -> frozenset[str] | None:
    names = {entry["alertname"] for entry in test.get("alert_rule_test", ())}
    for entry in test.get("promql_expr_test", ()):
        named = _ALERT_NAMED.findall(entry["expr"])
        if len(_ALERTS.findall(entry["expr"])) != len(named):
            return None
        names |= {*RECORDED.findall(entry["expr"]), *named}
    return frozenset(names)


def write_some(file: TestFile, names: frozenset[str], tests: Sequence[Yaml], directory: Path) -> Path:
    """Some tests of a file as a file of their own, with those rules alone that they are about and that these read."""
    about = [rule for rule in rules() if rule.name in names]
    loaded = [rule.content for rule in needed_by(about) if rule.file in file.rule_files()]
    return write(directory, [*file.given(), *loaded], file.content["evaluation_interval"], tests)


def write(directory: Path, evaluated: Sequence[Yaml], interval: str, tests: Sequence[Yaml]) -> Path:
    """A file of tests, with the rules it loads in a file beside it."""
    path = directory / "tests.yml"
    unit_tests = {"rule_files": ["rules.yml"], "evaluation_interval": interval, "tests": [*tests]}
    for file, content in (
        (directory / "rules.yml", {"groups": [{"name": "all", "rules": [*evaluated]}]}),
        (path, unit_tests),
    ):
        file.write_text(yaml.dump(content, Dumper=_Dumper, sort_keys=False), encoding="utf-8")
    return path
