"""The shipped rules and their unit tests, read from YAML."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
RULES = ROOT / "prometheus" / "rules"
RUNBOOKS = ROOT / "docs" / "runbooks"

RECORDED = re.compile(r"\bticketing:\w+(?::\w+)?\b")
_ALERTS_READ = re.compile(r'\bALERTS\{alertname=~?"([\w|]+)"')
METRIC = re.compile(r"\b(?:ticketing|prometheus|alertmanager|node|process)_\w+\b|\bup\b(?=\{|\)| ==)")

Yaml = dict[str, Any]

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Rule:
    """A rule and where it is.

    Attributes:
        file: name of the rule file, without its suffix.
        interval: how often its group is evaluated, as written.
        number: position among the rules of its file.
        content: the rule as in the file.
    """

    file: str
    interval: str
    number: int
    content: Yaml

    @property
    def name(self) -> str:
        """Of the alert or of the recorded series."""
        return str(self.content.get("alert") or self.content["record"])

    @property
    def is_alert(self) -> bool:
        """Whether it alerts."""
        return "alert" in self.content

    @property
    def uses(self) -> set[str]:
        """Names of the recorded series and of the alerts that it reads."""
        text = " ".join([self.content["expr"], *self.content.get("annotations", {}).values()])
        alerts = {name for names in _ALERTS_READ.findall(text) for name in names.split("|")}
        return {*RECORDED.findall(text)} | alerts


@cache
def rules() -> list[Rule]:
    """All shipped rules."""
    found = []
    for path in sorted(RULES.glob("*.yml")):
        groups = yaml.load(path.read_text(encoding="utf-8"), _Loader)["groups"]
        pairs = [(group, rule) for group in groups for rule in group["rules"]]
        found += [
            Rule(path.stem, group["interval"], number, rule | {"expr": str(rule["expr"])})
            for number, (group, rule) in enumerate(pairs)
        ]
    return found


LIMIT_NAMES = [rule.content["labels"]["limit"] for rule in rules() if rule.file == "limits"]


def alerts() -> list[Rule]:
    """All shipped alerts."""
    return [rule for rule in rules() if rule.is_alert]


@dataclass(frozen=True)
class TestFile:
    """A file of unit tests for promtool."""

    __test__ = False

    path: Path
    content: Yaml

    def rule_files(self) -> list[str]:
        """Names of the rule files it loads, without their suffixes."""
        return [Path(name).stem for name in self.content["rule_files"] if name.startswith("../")]

    def given(self) -> list[Yaml]:
        """Rules of its own that stand for the limits."""
        paths = [self.path.parent / name for name in self.content["rule_files"] if not name.startswith("../")]
        contents = [yaml.load(path.read_text(encoding="utf-8"), _Loader) for path in paths]
        return [
            rule | {"expr": str(rule["expr"])} for c in contents for group in c["groups"] for rule in group["rules"]
        ]

    def about(self, alert: str) -> Iterator[Yaml]:
        """Its tests of one alert, without what they say of others."""
        for test in self.content["tests"]:
            entries = [entry for entry in test.get("alert_rule_test", ()) if entry["alertname"] == alert]
            if entries:
                yield {key: test[key] for key in ("name", "interval", "input_series") if key in test} | {
                    "alert_rule_test": entries
                }

    def recorded(self, name: str) -> Iterator[Yaml]:
        """Its tests of one recorded series."""
        for test in self.content["tests"]:
            entries = [entry for entry in test.get("promql_expr_test", ()) if name in RECORDED.findall(entry["expr"])]
            if entries:
                yield {key: test[key] for key in ("name", "interval", "input_series") if key in test} | {
                    "promql_expr_test": entries
                }


@cache
def unit_test_files() -> list[TestFile]:
    """All unit tests."""
    paths = sorted((RULES / "tests").glob("*.yml"))
    return [TestFile(path, yaml.load(path.read_text(encoding="utf-8"), _Loader)) for path in paths]


def expectations(alert: str) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Every test of an alert with each of its entries."""
    for file in unit_test_files():
        for test in file.about(alert):
            for entry in test["alert_rule_test"]:
                yield test, entry
