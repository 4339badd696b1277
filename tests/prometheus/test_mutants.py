"""The unit tests notice whatever is taken from a rule: a for, a guard, a threshold, the pair's one alert.

All mutants of a rule, and copies of what reads it, are evaluated side by side under names of their own, against
copies of the tests: one run of promtool a file of tests, in place of one a mutant.
"""

import re
from collections.abc import Mapping, Set
from pathlib import Path

import pytest

from tests.prometheus.mutants import mutants
from tests.prometheus.promtool import needed_by, promtool, write
from tests.prometheus.ruleset import METRIC, Rule, TestFile, Yaml, rules, unit_test_files

pytestmark = pytest.mark.slow

SHIPPED = rules()
# The ordinary day is about all rules at once.
TESTS = [file for file in unit_test_files() if file.path.stem != "ordinary"]
EQUIVALENT = {
    # Wilson's bounds of whole numbers never are exactly 0.005 or 0.03, nor a drop that they give 0.08.
    ("FraudRateLow", "< → <="),
    ("ticketing:fraud_blocked:certain_upper", ">= → >"),
    ("FraudRateSpike", "> → >="),
    ("FraudRateAboveLimit", "> → >="),
    ("ticketing:fraud_blocked:evidence", "> → >="),
    ("ModelPrecisionDrop", "> → >="),
    # No part of so many evaluations is exactly a half.
    ("ServiceDown", "<= → <"),
    ("CollectorFailing", "<= → <"),
    ("DashboardDown", "<= → <"),
    ("KpiUnreliable", "< → <="),
    ("ExporterUnreliable", "< → <="),
    ("ExporterUnstable", "< → <="),
    ("ExporterUnstable", ">= → >"),
    # Quotients that are no short binary fractions are never exactly what they are compared with.
    ("ticketing:objective:fast_burn_rate", "> → >="),
    ("ticketing:objective:slow_burn_rate", "> → >="),
    ("ticketing:objective:exhaustion_seconds", "> → >="),
    # The larger of two that are equal is either.
    ("ticketing:api_requests_per_minute:frequent_limit_ratio", "> → >="),
    ("ticketing:client_requests_per_minute:frequent_limit_ratio", "> → >="),
    ("ticketing:fraud_blocked:lasting_evidence", "< → <="),
    ("ticketing:fraud_blocked:lasting_ratio", "> → >="),
    ("ticketing:fraud_blocked:lasting_upper", "< → <="),
    ("ticketing:kpi_api_latency_p95_seconds:lasting", "> → >="),
}
# SeriesMissing has a rule of one shape for each section, and by far the longest tests: one section stands for all.
STAND_IN = "security"
MUTATED = [
    rule
    for rule in SHIPPED
    if rule.content["expr"] != "vector(1)"
    and rule.file != "limits"
    and (rule.name != "SeriesMissing" or rule.content["labels"]["section"] == STAND_IN)
]
TESTS_AT_ONCE = 4
_NUMBERED = re.compile(r"(?:alertname|rule): \w+_m(\d+)\b|expr: .*?_m(\d+)\b")


def _readers(rule: Rule) -> list[Rule]:
    """The rule, those of its name, and those that read it, directly or through others.

    Everything reads limits: they have tests of their own.
    """
    names = {rule.name}
    near = [other for other in SHIPPED if not rule.file.startswith("limits") or other.file == rule.file]
    for _ in range(3):
        names |= {other.name for other in near if names & other.uses}
    return [other for other in SHIPPED if other.name in names]


def _words(text: str, names: set[str], suffix: str) -> str:
    return re.sub(r"[\w:]+", lambda word: word.group() + suffix * (word.group() in names), text)


def _renamed_rule(content: Yaml, names: set[str], suffix: str) -> Yaml:
    """A copy of a rule that has, and reads, names with the suffix."""
    recorded = {name for name in names if ":" in name}
    renamed = content | {
        key: _words(content[key], names, suffix) for key in ("alert", "record", "expr") if key in content
    }
    if "annotations" in content:
        renamed["annotations"] = {key: _words(text, recorded, suffix) for key, text in content["annotations"].items()}
    return renamed


def _renamed_entry(entry: Yaml, names: set[str], suffix: str) -> Yaml:
    """A copy of what a test expects, of names with the suffix."""
    renamed = entry | {key: _words(entry[key], names, suffix) for key in ("alertname", "expr") if key in entry}
    if "exp_samples" in entry:
        samples = entry["exp_samples"]
        renamed["exp_samples"] = [sample | {"labels": _words(sample["labels"], names, suffix)} for sample in samples]
    return renamed


def _tests(file: TestFile, readers: list[Rule], suffixes: Mapping[int, str]) -> list[Yaml]:
    names = {rule.name for rule in readers}
    chosen = []
    for test in file.content["tests"]:
        alerts = [entry for entry in test.get("alert_rule_test", ()) if entry["alertname"] in names]
        samples = [
            entry for entry in test.get("promql_expr_test", ()) if names & set(re.findall(r"[\w:]+", entry["expr"]))
        ]
        if alerts or samples:
            renamed: Yaml = {
                kind: [_renamed_entry(entry, names, suffix) for suffix in suffixes.values() for entry in entries]
                for kind, entries in (("alert_rule_test", alerts), ("promql_expr_test", samples))
            }
            chosen.append({key: test[key] for key in ("interval", "input_series") if key in test} | renamed)
    return chosen


def _noticed(rule: Rule, candidates: Mapping[int, Yaml], directory: Path) -> set[int]:
    """The candidates, by number, that fail a test."""
    noticed: set[int] = set()
    # Most mutants are noticed by the first tests with what the rule reads, in its file and section: the rest is quick.
    section = rule.content.get("labels", {}).get("section", "")
    read = METRIC.findall(rule.content["expr"])
    for file in sorted(
        TESTS, key=lambda file: (any(metric not in str(file.content) for metric in read), file.path.stem != rule.file)
    ):
        if rule.file in file.rule_files():
            tests = sorted(file.content["tests"], key=lambda test: section not in str(test))
            for first in range(0, len(tests), TESTS_AT_ONCE):
                some = TestFile(file.path, file.content | {"tests": tests[first : first + TESTS_AT_ONCE]})
                noticed |= _noticed_by(some, rule, candidates.keys() - noticed, candidates, directory)
    return noticed


def _noticed_by(
    file: TestFile, rule: Rule, left: Set[int], candidates: Mapping[int, Yaml], directory: Path
) -> set[int]:
    """Those left that fail one of these tests."""
    readers = _readers(rule)
    names = {reader.name for reader in readers}
    noticed: set[int] = set()
    while left - noticed > {0}:
        suffixes = {number: f"_m{number}" for number in sorted(left - noticed)}
        loaded = [reader for reader in needed_by(readers) if reader.file in file.rule_files()]
        groups = [*file.given(), *(reader.content for reader in loaded if reader.name not in names)]
        for number, suffix in suffixes.items():
            contents = [candidates[number] if reader == rule else reader.content for reader in readers]
            groups += [_renamed_rule(content, names, suffix) for content in contents]
        tests = _tests(file, readers, suffixes)
        if not tests:
            break
        run = promtool("test", "rules", write(directory, groups, file.content["evaluation_interval"], tests))
        output = run.stdout + run.stderr
        found = {int(one or other) for one, other in _NUMBERED.findall(output)}
        assert found or run.returncode == 0, output[-2000:]
        noticed |= found
        # A mutant that cannot be evaluated ends its test for all: the others have to be tried again.
        if not (found and re.search(r"\berr(?:or)?:", output)):
            break
    return noticed


@pytest.mark.parametrize("rule", MUTATED, ids=lambda rule: f"{rule.file}-{rule.number}-{rule.name}")
def test_every_mutant_fails_a_test(rule: Rule, tmp_path: Path) -> None:
    changed = dict(enumerate(mutants(rule), start=1))
    noticed = _noticed(
        rule, {0: rule.content} | {number: content for number, (_, content) in changed.items()}, tmp_path
    )
    assert 0 not in noticed, "the rule as shipped fails"
    survivors = [
        done
        for number, (done, _) in changed.items()
        if number not in noticed and (rule.name, done.partition(" at ")[0]) not in EQUIVALENT
    ]
    assert not survivors, f"no test notices: {'; '.join(survivors)}"
