"""The reference pages are those of the code as it is now, and complete."""

import re

import pytest

from reference.metrics import unit
from reference.pages import DIRECTORY, pages
from reference.rules import groups


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RESPONDER_URL", "PROMETHEUS_URL"):
        monkeypatch.delenv(name, raising=False)


def test_the_pages_are_as_the_code_is_now() -> None:
    written = {file.name: file.read_text(encoding="utf-8") for file in DIRECTORY.glob("*.md")}
    assert written == pages(), "run make reference"


def test_every_option_and_flag_has_a_meaning() -> None:
    found = pages()
    empty = [line for name in ("options.md", "flags.md") for line in found[name].splitlines() if line.endswith("|  |")]
    assert not empty


def test_every_alert_is_there_and_leads_to_its_runbook() -> None:
    alerts = {rule["alert"] for _, group in groups() for rule in group["rules"] if "alert" in rule}
    rows = dict(re.findall(r"^\| \[(\w+)\]\(\.\./(runbooks/[\w-]+\.md)#", pages()["alerts.md"], re.MULTILINE))
    assert rows.keys() == alerts
    for alert, runbook in rows.items():
        assert f"## {alert}\n" in (DIRECTORY.parent / runbook).read_text()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ticketing_kpi_updated_timestamp_seconds", "Unix time, seconds"),
        ("ticketing_probe_duration_seconds", "seconds"),
        ("ticketing_own_refunds_usd_total", "US dollars"),
        ("ticketing_rate_limited_clients", "number"),
    ],
)
def test_a_metric_s_name_tells_its_unit(name: str, expected: str) -> None:
    assert unit(name) == expected
