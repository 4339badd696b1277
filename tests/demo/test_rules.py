"""The demo's rules are those that are shipped, but for the times of the alerts that its incidents raise."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo.incidents import INCIDENTS
from demo.rules import HASTENED, NOTE, SHIPPED_RULES, WAIT, WINDOWS, seconds, write_rules

Rules = dict[str, list[dict[str, Any]]]
TIMES = ("for", "keep_firing_for")


def rules(directory: Path) -> Rules:
    """By file."""
    return {
        path.name: [rule for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]
        for path in sorted(directory.glob("*.yml"))
    }


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("rules")
    write_rules(directory)
    return directory


def test_promtool_accepts_them(copy: Path) -> None:
    subprocess.run(["promtool", "check", "rules", *sorted(copy.glob("*.yml"))], check=True, stdout=subprocess.DEVNULL)


def test_only_the_times_of_the_hastened_differ(copy: Path) -> None:
    shipped, written = rules(SHIPPED_RULES), rules(copy)
    assert written.keys() == shipped.keys()
    pairs = [pair for file, content in shipped.items() for pair in zip(content, written[file], strict=True)]
    for before, after in pairs:
        if before.get("alert") not in HASTENED:
            assert after == before
            continue
        assert after["annotations"].pop("description") == f"{before['annotations'].pop('description')} {NOTE}"
        assert all(seconds(after.pop(name)) == min(seconds(before.pop(name)), WAIT) for name in TIMES if name in before)
        if before["alert"] in WINDOWS:
            assert after.pop("expr") != before.pop("expr")
        assert after == before


def test_what_incidents_raise_is_not_waited_for_longer_than_a_minute(copy: Path) -> None:
    raised = {alert for incident in INCIDENTS.values() for alert in incident.tells}
    written = [rule for content in rules(copy).values() for rule in content if rule.get("alert") in raised]
    assert {rule["alert"] for rule in written} == raised
    for alert in raised:
        own = [rule for rule in written if rule["alert"] == alert]
        assert all(min(seconds(rule.get(name, "0s")) for rule in own) <= 60 for name in TIMES)


PEAK = 'ticketing_kpi_transactions_per_hour{instance="a",platform="main"}'
COUNTER = 'ticketing_fraud_predictions_total{decision="APPROVED",instance="a",platform="main"}'
BLOCKED = 'ticketing_fraud_predictions_total{decision="BLOCKED",instance="a",platform="main"}'
MFA = 'ticketing_admin_mfa_failures{account="alice",window="5m",instance="a",platform="main"}'
ATTEMPTS = 'ticketing_security_events_total{event_type="mfa_failed",severity="HIGH",instance="a",platform="main"}'

#: Alert, its input at 5-second steps, when it must fire, and when it must not.
BEHAVIOUR: tuple[tuple[str, dict[str, str], list[str], list[str]], ...] = (
    ("PredictionsStalled", {PEAK: "900x80", COUNTER: "0+1x24 24x60"}, ["5m"], ["2m", "4m"]),
    ("PredictionsStalled", {PEAK: "900x80", COUNTER: "7x5 stale"}, [], ["1m", "2m", "3m", "5m"]),
    ("PredictionsStalled", {PEAK: "900x80", COUNTER: "500x12 stale _x12 0+1x60"}, [], ["2m", "3m", "5m"]),
    ("PredictionsStalled", {PEAK: "400x80", COUNTER: "7x80"}, [], ["3m", "6m"]),
    ("UnauthorizedAdminAccess", {MFA: "0x3 1 2 3x57 0x20"}, ["30s", "1m30s"], ["20s", "2m30s"]),
    ("UnauthorizedAdminAccess", {MFA: "0x3 1 2 30x80", ATTEMPTS: "0+1x80"}, ["30s", "3m", "6m"], []),
    ("UnauthorizedAdminAccess", {MFA: "0x3 1 2 3x30 stale _x6 3x30"}, ["1m"], ["3m30s", "4m"]),
    ("FraudRateSpike", {COUNTER: "0+10x80", BLOCKED: "0x12 0+5x68"}, ["2m30s", "5m"], ["1m"]),
    ("FraudRateSpike", {COUNTER: "0+2x80", BLOCKED: "0+1x80"}, [], ["3m", "6m"]),
)


@pytest.mark.parametrize(("alert", "series", "fires", "silent"), BEHAVIOUR)
def test_what_looks_back_for_less(
    copy: Path, tmp_path: Path, alert: str, series: dict[str, str], fires: list[str], silent: list[str]
) -> None:
    count = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})'
    expectations = [
        {"expr": count, "eval_time": at, "exp_samples": [{"labels": "{}", "value": 1}] if at in fires else []}
        for at in (*fires, *silent)
    ]
    test = {
        "interval": "5s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": expectations,
    }
    files = [
        *sorted(copy.glob("limits*.yml")),
        *(p for p in copy.glob("*.yml") if f"alert: {alert}\n" in p.read_text()),
    ]
    groups = [group["name"] for path in files for group in reversed(yaml.safe_load(path.read_text())["groups"])]
    content = {"rule_files": [*map(str, files)], "evaluation_interval": "5s", "group_eval_order": groups}
    file = tmp_path / "test.yml"
    file.write_text(yaml.safe_dump(content | {"tests": [test]}))
    run = subprocess.run(["promtool", "test", "rules", file], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_groups_are_evaluated_as_often(copy: Path) -> None:
    for path in copy.glob("*.yml"):
        before, after = (yaml.safe_load(file.read_text())["groups"] for file in (SHIPPED_RULES / path.name, path))
        assert [(group["name"], group["interval"]) for group in after] == [
            (group["name"], group["interval"]) for group in before
        ]


def test_an_alert_that_is_not_shipped_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="no alert Nonsense"):
        write_rules(tmp_path, ["FraudRateSpike", "Nonsense"])


@pytest.mark.parametrize(("duration", "expected"), [("5s", 5), ("10m", 600), ("1h", 3600)])
def test_seconds(duration: str, expected: int) -> None:
    assert seconds(duration) == expected
