"""What is firing, and when it began: the most severe first, with its subject, marked once."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from testbed.viewer.asking import answer
from testbed.viewer.board import Asked, dashboard, panel, queries
from tests.grafana.page import having_read

#: Alerts as Prometheus has them: name, severity, section, more labels.
ALERTS = [
    ("FraudRateLow", "low", "fraud", ""),
    ("ClientNearLimit", "low", "traffic", ""),
    ("ServiceSlow", "medium", "health", ',probe="redis_cache"'),
    ("UnauthorizedAdminAccess", "critical", "security", ',account="root"'),
    ("ServiceDown", "high", "health", ',probe="postgresql"'),
    ("Watchdog", "none", "health", ""),
]
LABELS = [
    f'alertname="{name}",severity="{severity}",section="{section}",platform="main"{more}'
    for name, severity, section, more in ALERTS
]
PAGE = "".join(
    [f'ALERTS{{{labels},alertstate="firing"}} 1\n' for labels in LABELS]
    + [f"ALERTS_FOR_STATE{{{labels}}} 1.7e9\n" for labels in LABELS]
) + (
    'ticketing:client_requests_per_minute:limit_ratio{client="198.51.100.7",platform="main"} 0.98\n'
    'ticketing:client_requests_per_minute:limit_ratio{client="198.51.100.8",platform="main"} 0.5\n'
)  # fmt: skip


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with having_read(PAGE, tmp_path_factory.mktemp("header")) as url:
        yield url


def asked(number: int) -> Asked:
    (found,) = (each for each in queries(sql=False) if (each.uid, each.number) == ("ticketing", number))
    return found


def test_the_most_severe_is_first_and_each_has_its_subject(url: str) -> None:
    found = {labels["alertname"]: labels for labels, _ in answer(url, asked(701))}
    assert panel("ticketing", 701)["options"]["sortBy"][0] == {"displayName": "Severity", "desc": False}
    # The table sorts by these texts, and shows others for them.
    in_order = sorted(found, key=lambda name: found[name]["severity"])
    assert in_order[:3] == ["UnauthorizedAdminAccess", "ServiceDown", "ServiceSlow"]
    assert set(in_order[3:]) == {"FraudRateLow", "ClientNearLimit"}
    subjects = {name: labels.get("subject", "") for name, labels in found.items()}
    assert subjects == {
        "UnauthorizedAdminAccess": "root",
        "ServiceDown": "postgresql",
        "ServiceSlow": "redis_cache",
        "ClientNearLimit": "198.51.100.7",
        "FraudRateLow": "",
    }
    (override,) = (
        each for each in panel("ticketing", 701)["fieldConfig"]["overrides"] if each["matcher"]["options"] == "Severity"
    )
    assert all(f'"{labels["severity"]}"' in json.dumps(override) for labels in found.values())


@pytest.mark.parametrize(("sections", "count"), [(["kpis"], 0), (["health"], 2), (["health", "security"], 3)])
def test_the_number_of_alerts_is_that_of_the_chosen_sections(url: str, sections: list[str], count: int) -> None:
    ((_, value),) = answer(url, asked(2), {"section": sections})
    assert value == count


def test_an_alert_is_marked_where_it_begins_alone() -> None:
    (marks,) = (each for each in dashboard("ticketing")["annotations"]["list"] if each["name"] == "Alerts")
    # Grafana before 12.1 reads the query at the top, later ones in the target.
    assert marks["expr"] == marks["target"]["expr"]
    assert "unless" in marks["expr"]
    assert "offset $__interval" in marks["expr"]
