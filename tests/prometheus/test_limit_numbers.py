"""The number of a limit stands in limits.yml alone; what reads it says its name."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.prometheus.ruleset import LIMIT_NAMES, ROOT, RULES, RUNBOOKS, rules

#: What compares with a number: in PromQL, and in Go's templates.
_COMPARED = re.compile(r"(?:[<>]=?|==|!=)\s*(?:bool\s+)?(-?\d[\w.]*)")
_SPACED = re.compile(r"(?:\s[<>]=?|==|!=)\s+(?:bool\s+)?(-?\d[\w.]*)")
_CALLED = re.compile(r"\b(?:gt|ge|lt|le)\s+[^\s{}]+\s+(-?\d[\w.]*)")
_LEFT = re.compile(r"(?<![\w.:-])(\d[\w.]*)\s*(?:<=?|>=?)\s")
_SAID = re.compile(
    r"(?:above|below|over|under|least|than)\s+\$?(\d[\w.%]*)(?![\w.%])(?!\s\w*(?:minute|hour|second|day))"
)
#: Where a limit's number must not stand, with what counts as one there, and what is none.
NUMBERS: dict[str, tuple[list[re.Pattern[str]], set[str]]] = {
    # Yes, no, none, and the number of samples below which the exporter leaves out a drift.
    "prometheus/rules/*.yml": ([_COMPARED, _SAID, _LEFT], {"0", "1", "500"}),
    "responder/playbooks.yml": ([_COMPARED, _SAID, _LEFT], {"0", "1"}),
    # How old what says LIVE may be, which follows from how often things are scraped; and colours of a score.
    "grafana/dashboards/*.json": ([_COMPARED, _LEFT], {"0", "1", "30", "180", "0.6", "0.8"}),
    # Below 0.5 and 0.01 an increase is none; above 1e12 a time is none.
    "prometheus/consoles/*.html": ([_SPACED, _CALLED], {"0", "1", "0.0", "1.0", "0.5", "1e12"}),
    "prometheus/console_libraries/*.lib": ([_SPACED, _CALLED], {"0", "1", "0.0", "1.0", "0.01"}),
}
#: Files in which a limit stands, or is looked at for being usable.
OF_LIMITS = {"limits.yml", "limits_by_platform.yml"}


def _numbers(pattern: str, path: Path) -> list[str]:
    """What counts as the number of a limit in a file."""
    forms, structure = NUMBERS[pattern]
    found = []
    for text in _texts(path):
        plain = text
        if path.suffix in {".yml", ".json"}:
            plain = re.sub(r"\{\{.*?\}\}|\"[^\"]*\"|\{[^{}]*\}|\[[^\[\]]*\]", "_", text, flags=re.DOTALL)
        numbers = [number for form in forms for number in form.findall(plain)]
        found += [f"{path.name}: {number} in {plain[:200]}" for number in numbers if number not in structure]
    return found


def _texts(path: Path) -> list[str]:
    """Where a limit could stand in a file: expressions and texts."""
    text = path.read_text()
    if path.suffix == ".json":
        return list(_of_dashboard(json.loads(text)))
    if path.suffix != ".yml":
        return [re.sub(r"\{\{-?/\*.*?\*/-?\}\}", "", text, flags=re.DOTALL)]
    return list(_strings(yaml.safe_load(text)))


def _strings(content: Any) -> Iterator[str]:
    if isinstance(content, dict):
        content = list(content.values())
    if isinstance(content, list):
        for each in content:
            yield from _strings(each)
    elif isinstance(content, str):
        yield content


def _of_dashboard(content: Any) -> Iterator[str]:
    """Expressions, and thresholds as comparisons."""
    if isinstance(content, dict):
        if isinstance(content.get("expr"), str):
            yield content["expr"]
        if isinstance(content.get("steps"), list):
            yield from (f">= {step['value']}" for step in content["steps"] if step.get("value") is not None)
        content = list(content.values())
    if isinstance(content, list):
        for each in content:
            yield from _of_dashboard(each)


@pytest.mark.parametrize("pattern", NUMBERS)
def test_no_limit_stands_outside_limits_yml(pattern: str) -> None:
    paths = [path for path in sorted(ROOT.glob(pattern)) if path.name not in OF_LIMITS]
    assert paths
    found = [number for path in paths for number in _numbers(pattern, path)]
    assert not found, "\n".join(found)


#: A number in place of a limit, by file: what is written there, and what instead.
INJECTED = [
    (
        "prometheus/rules/*.yml",
        "prometheus/rules/kpis.yml",
        '> on (platform) group_left () ticketing:limit:by_platform{limit="api_latency_p95_seconds"}',
        "> 0.1",
    ),
    (
        "prometheus/rules/*.yml",
        "prometheus/rules/responder.yml",
        "platform were refused",
        "platform are over 42\n            refused",
    ),
    (
        "responder/playbooks.yml",
        "responder/playbooks.yml",
        '<= on (platform) ticketing:limit:by_platform{limit="fraud_blocked_ratio_high",platform="${platform}"}',
        "<= 0.03",
    ),
    ("grafana/dashboards/*.json", "grafana/dashboards/ticketing.json", ") < 30 or", ") < 31 or"),
    ("grafana/dashboards/*.json", "grafana/dashboards/ticketing.json", '"value": 0.8', '"value": 0.85'),
    ("prometheus/consoles/*.html", "prometheus/consoles/monitoring.html", " == 1", " >= 0.9"),
    ("prometheus/console_libraries/*.lib", "prometheus/console_libraries/board.lib", "if gt . 1.0", "if gt . 0.9"),
]


@pytest.mark.parametrize(("pattern", "name", "written", "instead"), INJECTED, ids=lambda value: value[:40])
def test_a_number_in_place_of_a_limit_is_found(
    tmp_path: Path, pattern: str, name: str, written: str, instead: str
) -> None:
    text = (ROOT / name).read_text()
    assert written in text
    path = tmp_path / Path(name).name
    path.write_text(text)
    assert not _numbers(pattern, path)
    path.write_text(text.replace(written, instead))
    assert _numbers(pattern, path)


def test_the_text_of_an_alert_names_every_limit_but_its_confidence() -> None:
    """So that a text follows: what the expression compares with is what the text says."""
    silent = {
        "ApiLatencyDegradation": {"latency_transactions_minimum"},
        "FraudRateLow": {"confidence_z"},
        "PredictionsStalled": {"busy_transactions_per_hour", "unchecked_transactions_minimum"},
        "ViewStale": {"busy_transactions_per_hour"},
        "KpiMismatch": {"kpi_mismatch_transactions", "kpi_mismatch_revenue_usd", "kpi_stale_seconds"},
    }
    for rule in rules():
        if rule.is_alert:
            read = set(re.findall(r'limit:by_platform\{limit="(\w+)"\}', rule.content["expr"]))
            said = set(re.findall(r"limit='(\w+)'", rule.content["annotations"]["description"]))
            assert read - silent.get(rule.name, set()) == said - {"peak_start_hour", "peak_end_hour"}, rule.name


def test_runbooks_name_every_limit_of_their_alerts_in_place_of_its_number() -> None:
    for rule in rules():
        if rule.is_alert:
            chapters = re.split(r"^## ", (RUNBOOKS / f"{rule.file}.md").read_text(), flags=re.MULTILINE)
            means = next(each for each in chapters if each.startswith(f"{rule.name}\n")).split("**Look first.**")[0]
            read = set(re.findall(r'limit:by_platform\{limit="(\w+)"\}', rule.content["expr"]))
            assert read - {"kpi_stale_seconds"} <= set(re.findall(r"`(\w+)`", means)), rule.name
            assert not {*_SAID.findall(means)} - {"1"}, rule.name


def test_every_limit_is_handed_on_because_somebody_reads_it() -> None:
    patterns = ("prometheus/rules/*.yml", *list(NUMBERS)[1:])
    paths = [path for pattern in patterns for path in ROOT.glob(pattern) if path.name != "limits.yml"]
    texts = " ".join(path.read_text() for path in paths)
    read = set(re.findall(r"""(?:\b|%s)limit\s*=\s*\\*["'](\w+)""", texts))
    listed = re.findall(r'"limit", "(\w+)", "", ""', (RULES / "limits_by_platform.yml").read_text())
    assert sorted(listed) == sorted(read) == sorted(LIMIT_NAMES)
