"""A limit is changed in one place, and the alert and its text follow; platforms keep apart."""

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.prometheus.limit_changes import (
    CHANGES,
    COLOURS,
    FIRE_WHEN_CHANGED,
    LOOK_BACK_DAYS,
    PEAK_AT_MIDNIGHT,
    SHARED,
)
from tests.prometheus.promtool import needed_by, promtool
from tests.prometheus.ruleset import LIMIT_NAMES, RULES, rules

LIMITS = RULES / "limits.yml"
UP = 'up{job="ticketing-live",platform="%s",instance="a"}'
BLOCKED = 'ticketing_fraud_predictions{decision="BLOCKED",window="%s",platform="%s",instance="a"}'
APPROVED = 'ticketing_fraud_predictions{decision="APPROVED",window="%s",platform="%s",instance="a"}'


def evaluate(
    directory: Path,
    series: dict[str, str],
    expectations: dict[str, list[dict[str, Any]]],
    *,
    changed: dict[str, str] | None = None,
    extra: str = "",
    files: Collection[str] = ("fraud", "chain"),
    interval: str = "1m",
) -> None:
    """Run shipped rules over the series.

    Args:
        directory: for the files.
        series: values by series, as promtool writes them, one an interval.
        expectations: by instant: samples of `ALERTS` but for Watchdog, others that chain.yml brings.
        changed: texts of limits.yml to replace.
        extra: lines at its end.
        files: names of the rule files, beside those of limits.
        interval: of values and evaluations.
    """
    text = LIMITS.read_text()
    for old, new in (changed or {}).items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    (directory / "limits.yml").write_text(text + extra)
    others = [RULES / f"{name}.yml" for name in ("limits_by_platform", *files)]
    groups = ["ticketing-limits", "ticketing-platforms", "ticketing-limits-by-platform"]
    for path in others:
        groups += [group["name"] for group in yaml.safe_load(path.read_text())["groups"] if group["name"] not in groups]
    content = {
        "rule_files": [str(directory / "limits.yml"), *map(str, others)],
        "evaluation_interval": interval,
        "group_eval_order": groups,
        "tests": [
            {
                "interval": interval,
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "promql_expr_test": [
                    {"expr": expr, "eval_time": instant, "exp_samples": samples}
                    for instant, tests in expectations.items()
                    for expr, samples in ((test["expr"], test["exp_samples"]) for test in tests)
                ],
            }
        ],
    }
    file = directory / "test.yml"
    file.write_text(yaml.safe_dump(content, width=1 << 20))
    run = promtool("test", "rules", file)
    assert run.returncode == 0, (run.stdout + run.stderr)[-3000:]


def firing(alert: str, *platforms: str) -> dict[str, Any]:
    """What is expected of an alert: it fires for these platforms, and for no other."""
    return {
        "expr": f'group by (platform, playbook) (ALERTS{{alertname="{alert}",alertstate="firing"}})',
        "exp_samples": [{"labels": _labels(alert, platform), "value": 1} for platform in platforms],
    }


def _labels(alert: str, platform: str) -> str:
    playbooks = {rule.name: rule.content["labels"].get("playbook") for rule in rules() if rule.is_alert}
    playbook = f',playbook="{playbooks[alert]}"' if playbooks[alert] else ""
    return f'{{platform="{platform}"{playbook}}}'


def predictions(platform: str, blocked: int, approved: int) -> dict[str, str]:
    found = {UP % platform: "1x30"}
    for window in ("10m", "1h", "24h"):
        found |= {
            BLOCKED % (window, platform): f"{blocked}x30",
            APPROVED % (window, platform): f"{approved}x30",
        }
    return found


def test_two_platforms_keep_apart(tmp_path: Path) -> None:
    """Production at 0.01 %, staging at 9 %: the spike, with its playbook, is staging's alone."""
    series = predictions("production", 1, 9999) | predictions("staging", 90, 910)
    spike, low = firing("FraudRateSpike", "staging"), firing("FraudRateLow", "production")
    evaluate(tmp_path, series, {"9m": [firing("FraudRateSpike")], "12m": [spike, low]})


def test_a_limit_can_be_another_for_one_platform(tmp_path: Path) -> None:
    series = predictions("production", 90, 910) | predictions("staging", 90, 910)
    record = "{record: ticketing:limit, labels: {limit: fraud_blocked_ratio_high, platform: staging}, expr: 0.2}"
    evaluate(tmp_path, series, {"12m": [firing("FraudRateSpike", "production")]}, extra=f"      - {record}\n")


def test_nothing_fires_on_a_limit_that_is_missing(tmp_path: Path) -> None:
    series = predictions("main", 90, 910)
    changed = {"labels: {limit: fraud_blocked_ratio_high}": "labels: {limit: nonsense}"}
    expected = [firing("FraudRateSpike"), firing("LimitInvalid", "main")]
    evaluate(tmp_path, series, {"1m": expected[1:], "12m": expected}, changed=changed)


def _limit(name: str) -> float:
    return float(
        next(r.content["expr"] for r in rules() if r.file == "limits" and r.content["labels"]["limit"] == name)
    )


def _of(platform: str, series: str) -> str:
    name, _, labels = series.partition("{")
    return f'{name}{{platform="{platform}",{labels}' if labels else f'{name}{{platform="{platform}"}}'


def _record(name: str, number: float | None = None) -> str:
    """A record of limits.yml, as it is written there, or with another number."""
    written = next(line for line in LIMITS.read_text().splitlines() if f"{{limit: {name}}}" in line)
    return written if number is None else re.sub(r"expr: \S+}", f"expr: {number}}}", written)


def test_every_limit_is_changed_by_a_test_or_only_colours() -> None:
    assert sorted({*CHANGES, *COLOURS}) == sorted(LIMIT_NAMES)


@pytest.mark.parametrize("name", CHANGES)
def test_an_alert_follows_its_limit(name: str, tmp_path: Path) -> None:
    """The number is changed, for all platforms but one, which keeps the shipped one."""
    alert, own, other = CHANGES[name]
    series: dict[str, str] = {}
    for platform in ("main", "shipped"):
        series[UP % platform] = "1x30"
        series |= {_of(platform, each): values for each, values in (SHARED.get(alert, {}) | own).items()}
    limits = {name: other} | ({} if name == "busy_transactions_per_hour" else PEAK_AT_MIDNIGHT | {name: other})
    changed = {_record(limit): _record(limit, number) for limit, number in limits.items()}
    kept = PEAK_AT_MIDNIGHT.get(name, _limit(name))
    extra = f"      - {{record: ticketing:limit, labels: {{limit: {name}, platform: shipped}}, expr: {kept}}}\n"
    follows = "main" if name in FIRE_WHEN_CHANGED else "shipped"
    needed = needed_by(rule for rule in rules() if rule.name == alert)
    files = sorted({rule.file for rule in needed if not rule.file.startswith("limits")} | {"fraud"})
    interval, end = ("2h", "56h") if alert in LOOK_BACK_DAYS else ("1m", "28m")
    expected = {end: [firing(alert, follows)]}
    evaluate(tmp_path, series, expected, changed=changed, extra=extra, files=files, interval=interval)
