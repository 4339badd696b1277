"""The shipped limits are accepted, and limits with which alerts would be mute are refused by name."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.prometheus.ruleset import ROOT

CHECK = ROOT / "prometheus" / "check.py"
DRIFT = "labels: {limit: feature_drift_nats}, expr: 0.15}"


def check(directory: Path) -> tuple[int, str]:
    command = [sys.executable, str(CHECK), str(directory)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not result.stderr
    return result.returncode, result.stdout


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for part in ("prometheus/rules", "prometheus/consoles", "prometheus/console_libraries", "responder"):
        ignored = shutil.ignore_patterns("*.py", "tests", "ledger", "actions")
        shutil.copytree(ROOT / part, tmp_path / part, ignore=ignored)
    return tmp_path / "prometheus"


def test_what_is_shipped_is_accepted() -> None:
    assert check(ROOT / "prometheus") == (0, "")


@pytest.mark.parametrize(
    ("instead", "finding"),
    [
        ("labels: {limit: feature_drift_nat}, expr: 0.15}", "feature_drift_nat: nobody reads a limit of this name"),
        (
            "labels: {limit: feature_drift_nats, platform: staging}, expr: 0.15}",
            "has no record of it without a platform",
        ),
        ("labels: {limit: feature_drift_nats, team: ml}, expr: 0.15}", "its labels must be limit and"),
        (
            DRIFT + "\n      - {record: ticketing:limit, labels: {limit: mfa_failures, weekday: 7}, expr: 4}",
            "0 (Sunday) to 6",
        ),
        (
            DRIFT + 2 * "\n      - {record: ticketing:limit, labels: {limit: mfa_failures, weekday: 6}, expr: 4}",
            "mfa_failures on weekday 6: is recorded 2 times",
        ),
        (
            "labels: {limit: feature_drift_nats, weekday: 1}, expr: 0.15}",
            "has no record of it without a platform",
        ),
        ("labels: {limit: feature_drift_nats}, expr: vector(0.15)}", "feature_drift_nats: vector(0.15) is not a plain"),
        ("labels: {limit: feature_drift_nats}, expr: NaN}", "feature_drift_nats: NaN is not a plain number"),
        ("labels: {limit: feature_drift_nats}, expr: 1_000}", "feature_drift_nats: 1_000 is not a plain number"),
        ("labels: {limit: feature_drift_nats}, expr: '15%'}", "feature_drift_nats: 15% is not a plain number"),
        ("labels: {limit: feature_drift_nats}, expr: 1e999}", "feature_drift_nats: 1e999 is not finite"),
        ("labels: {limit: feature_drift_nats}, expr: -0.15}", "feature_drift_nats: -0.15 is negative"),
        ("labels: {limit: fraud_rate_target}, expr: 2}", "fraud_rate_target: 2 is above 1; a share is not written in"),
        ("labels: {limit: feature_drift_nats}}", "is not a record of ticketing:limit with labels and expr"),
        ("labels: {limit: feature_drift_nats}, expr: 0.15, for: 1m}", "is not a record of ticketing:limit"),
        ("labels: {limit: feature_drift_nats}, expr: [}", "limits.yml: while parsing"),
    ],
)
def test_a_faulty_record_is_refused(directory: Path, instead: str, finding: str) -> None:
    path = directory / "rules" / "limits.yml"
    text = path.read_text()
    assert DRIFT in text
    path.write_text(text.replace(DRIFT, instead))
    status, output = check(directory)
    assert (status, finding in output) == (1, True), output


@pytest.mark.parametrize("platform", ["", ", platform: staging"])
def test_a_doubled_record_is_refused(directory: Path, platform: str) -> None:
    path = directory / "rules" / "limits.yml"
    record = f"      - {{record: ticketing:limit, labels: {{limit: mfa_failures{platform}}}, expr: 4}}\n"
    path.write_text(path.read_text() + record * 2)
    status, output = check(directory)
    assert status == 1
    named = "mfa_failures of platform staging" if platform else "mfa_failures"
    assert output == f"refused: {named}: is recorded {2 if platform else 3} times\n"


def test_an_override_is_accepted(directory: Path) -> None:
    path = directory / "rules" / "limits.yml"
    record = "      - {record: ticketing:limit, labels: {limit: mfa_failures, platform: staging}, expr: 4}\n"
    path.write_text(path.read_text() + record)
    assert check(directory) == (0, "")


@pytest.mark.parametrize("file", ["rules/fraud.yml", "consoles/monitoring.html", "../responder/playbooks.yml"])
def test_what_somebody_reads_must_be_recorded_and_handed_on(directory: Path, file: str) -> None:
    path = directory / file
    path.write_text(path.read_text() + '\n# ticketing:limit:by_platform{limit="nonsense_ratio"}\n')
    status, output = check(directory)
    assert status == 1
    assert f"nonsense_ratio: {path.name} reads it, and limits.yml has no record" in output
    assert f"nonsense_ratio: {path.name} reads it, and limits_by_platform.yml does not list it" in output


def test_a_limit_in_another_file_is_refused(directory: Path) -> None:
    path = directory / "rules" / "fraud.yml"
    path.write_text(path.read_text() + "      - record: ticketing:limit\n        expr: 1\n")
    status, output = check(directory)
    assert status == 1
    assert "fraud.yml: records ticketing:limit; limits belong into limits.yml" in output


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    status, output = check(tmp_path)
    assert status == 1
    assert "limits.yml" in output
