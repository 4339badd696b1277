"""Alerts on objectives are no chance at few events, and what sloth's rules say at many, minute by minute.

`sloth/availability.yml` is what sloth made of `sloth/objective.yml`; tools/sloth.sh makes it anew.
"""

import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tests.prometheus.promtool import needed_by, promtool
from tests.prometheus.ruleset import ROOT, RULES, rules

SLOTH = Path(__file__).parent / "sloth"
GIVEN = RULES / "tests" / "given" / "objectives.yml"
FAST, SLOW = "ticketing:objective:fast_burn_rate", "ticketing:objective:slow_burn_rate"
#: So many that Wilson's bound is the rate itself.
MANY = 100_000_000
ALLOWED = 0.001
HOUR, DAY = 60, 24 * 60

Failures = Mapping[str, np.typing.NDArray[np.int64]]


def evaluated(
    events: int,
    failures: Failures,
    wanted: Iterable[str],
    tests: list[dict[str, Any]],
    directory: Path,
    minutes: int = 1,
    others: Iterable[dict[str, Any]] = (),
) -> str:
    """What promtool says against these expectations.

    Args:
        events: of each service at each step.
        failures: of these at each step, by service.
        wanted: names of what our rules record.
        tests: as promtool has them.
        directory: for its files.
        minutes: of a step.
        others: rules besides ours.
    """
    given = yaml.safe_load(GIVEN.read_text())["groups"][0]["rules"]
    ours = needed_by(rule for rule in rules() if rule.name in set(wanted))
    evaluated = [*given, *(rule.content for rule in ours if rule.file == "objectives"), *others]
    series = []
    for service, failed in failures.items():
        labels = f'{{platform="main",probe="{service}",objective="availability"}}'
        for name, values in (("events", f"{events}x{len(failed) - 1}"), ("failures", " ".join(map(str, failed)))):
            series.append({"series": f"ticketing:objective_{name}:count1m{labels}", "values": values})
    test = {"interval": f"{minutes}m", "input_series": series, "promql_expr_test": tests}
    (directory / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": evaluated}]}))
    path = directory / "tests.yml"
    content = {"rule_files": ["rules.yml"], "evaluation_interval": f"{minutes}m", "tests": [test]}
    path.write_text(yaml.safe_dump(content, width=1 << 20))
    run = promtool("test", "rules", path)
    return "" if run.returncode == 0 else run.stdout + run.stderr


def never(expr: str, minutes: int) -> dict[str, Any]:
    """That there was no value of the expression at any minute."""
    return {"expr": f"count_over_time(({expr})[{minutes}m:1m])", "eval_time": f"{minutes}m", "exp_samples": []}


def at_random(rng: np.random.Generator, events: int, services: int, minutes: int) -> Failures:
    """Failures of services that meet their objective exactly, each a chance of its own."""
    return {f"s{number}": rng.binomial(events, ALLOWED, minutes + 1) for number in range(services)}


def test_services_that_meet_their_objective_page_nobody(tmp_path: Path) -> None:
    failures = at_random(np.random.default_rng(5), 5, 10, DAY // 2)
    assert evaluated(5, failures, {FAST}, [never(FAST, DAY // 2)], tmp_path) == ""


@pytest.mark.slow
def test_without_confidence_few_events_would_page(tmp_path: Path) -> None:
    """The raw rates are above the limit again and again, of which nothing is left: the test above could fail."""
    failures = at_random(np.random.default_rng(1), 1, 10, DAY // 2)
    burns, limit = "ticketing:objective:burn_rate", 'scalar(ticketing:limit:by_platform{limit="burn_rate_1h"})'
    raw = f'{burns}{{window="1h"}} > {limit} and ignoring (window) {burns}{{window="5m"}} > {limit}'
    assert evaluated(1, failures, {FAST}, [never(FAST, DAY // 2)], tmp_path) == ""
    assert "FAILED" in evaluated(1, failures, {burns}, [never(raw, DAY // 2)], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(56))
def test_eight_weeks_of_six_services_that_meet_their_objective_page_nobody(seed: int, tmp_path: Path) -> None:
    """At five events a minute: a day of six services at a time."""
    failures = at_random(np.random.default_rng(seed), 5, 6, DAY)
    assert evaluated(5, failures, {FAST}, [never(FAST, DAY)], tmp_path) == ""


def levels(rng: np.random.Generator, good: int, steps: int, longest: int, shares: list[float]) -> Failures:
    """Of twelve services, failures that are at one share for a while, and then at another; none at first."""
    found = {}
    for number in range(12):
        shares_at = np.zeros(good)
        while len(shares_at) < good + steps:
            length = int(rng.integers(1, longest))
            shares_at = np.append(shares_at, np.full(length, rng.choice(shares) * rng.uniform(0.8, 1.25)))
        found[f"s{number}"] = (shares_at[: good + steps] * MANY).astype(np.int64)
    return found


@pytest.mark.parametrize(
    ("severity", "ours", "minutes", "good", "steps", "longest", "shares"),
    [
        # Half of the longest window must be known to ours, so what is before is good.
        ("page", FAST, 1, 3 * HOUR + 1, 3 * HOUR, 30, [0, 0, 0.003, 0.008, 0.02, 0.1]),
        pytest.param(
            *("ticket", SLOW, 10, 37 * 6, 48 * 6, 60, [0, 0, 0.0005, 0.0015, 0.004, 0.01]), marks=pytest.mark.slow
        ),
    ],
)
def test_at_many_events_it_is_what_sloth_says(
    severity: str,
    ours: str,
    minutes: int,
    good: int,
    steps: int,
    longest: int,
    shares: list[float],
    tmp_path: Path,
) -> None:
    failures = levels(np.random.default_rng(14), good, steps, longest, shares)
    groups = yaml.safe_load((SLOTH / "availability.yml").read_text())["groups"]
    others = [
        rule for group in groups for rule in group["rules"] if rule.get("record") != "slo:sli_error:ratio_rate30d"
    ]
    theirs = f'group by (probe) (ALERTS{{alertname="SlothAlert",sloth_severity="{severity}",alertstate="firing"}})'
    mine = f"group by (probe) ({ours})"
    end = (good + steps - 1) * minutes
    reach, step = f"[{end}m:{minutes}m]", f"{end}m"

    def services(expr: str, condition: str, expected: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "expr": f"count(count_over_time(({expr}){reach})) {condition}",
            "eval_time": step,
            "exp_samples": expected,
        }

    differs = f"{theirs} unless on (probe) {mine} or ({mine} unless on (probe) {theirs})"
    most = "> bool 6", [{"labels": "{}", "value": 1}]
    tests = [services(differs, "", []), services(f"{theirs} and on (probe) {mine}", *most)]
    assert evaluated(MANY, failures, {ours}, tests, tmp_path, minutes, others) == ""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("go") is None, reason="needs Go")
def test_sloth_still_makes_these_rules(tmp_path: Path) -> None:
    made = tmp_path / "made.yml"
    subprocess.run([ROOT / "tools" / "sloth.sh", made], check=True, timeout=1800)
    assert made.read_text() == (SLOTH / "availability.yml").read_text()
