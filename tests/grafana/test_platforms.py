"""With two platforms in one Prometheus, a viewer sees that which is chosen, and nothing of the other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from grafana.dashboards.looks import BAD, GOOD
from testbed.viewer.board import UIDS, dashboard, queries
from tests.grafana.platforms import running
from tests.grafana.selectors import selectors
from tests.grafana.test_limits import BEFORE, FIGURES

PROMQL = queries(sql=False)
# It fires as long as rules are evaluated, whosever.
OF_NO_PLATFORM = {("ALERTS", '{alertname="Watchdog",alertstate="firing"}')}

# Every figure and every name is another.
STAGING = (
    re.sub(r"(?m) (\d\S*)$", lambda found: f" {float(found[1]) * 3}", FIGURES)
    .replace("root", "nobody")
    .replace("wallet_age_days", "price")
    .replace("redis_cache", "cache")
)


def test_every_selector_has_the_platform() -> None:
    found = [(query, *selector) for query in PROMQL for selector in selectors(query.text)]
    assert len(found) > 300, "else the test reads them no more"
    for query, name, matchers in found:
        assert 'platform="$platform"' in matchers or (name, matchers) in OF_NO_PLATFORM, (str(query), name)


@pytest.mark.parametrize(
    ("expr", "found"),
    [
        ("up", [("up", "")]),
        ('sum by (job) (up{job="a b{c}"} == 0) or on () {x="1"}', [("up", '{job="a b{c}"}'), ("", '{x="1"}')]),
        ("max by(a)(b:c:d{}) + 1e3 * rate(e[5m]) > bool -Inf", [("b:c:d", "{}"), ("e", "")]),
        ('label_replace(vector(1), "up", "up{}", "", "") unless on (x) sum without (y) (f offset 1h)', [("f", "")]),
    ],
)
def test_selectors_are_found(expr: str, found: list[tuple[str, str]]) -> None:
    assert list(selectors(expr)) == found


@pytest.mark.parametrize("uid", UIDS)
def test_every_dashboard_has_the_variable(uid: str) -> None:
    (platform,) = (each for each in dashboard(uid)["templating"]["list"] if each["name"] == "platform")
    assert (platform["multi"], platform["includeAll"], platform["current"]["value"]) == (False, False, "main")
    assert platform["datasource"]["uid"] == "${prometheus}"


def test_two_platforms(tmp_path: Path, subtests: pytest.Subtests) -> None:
    figures = {"production": FIGURES, "staging": STAGING}
    with running(tmp_path, figures, BEFORE, {}) as platforms:
        for number, one, other in ((110, 1247, 3741), (120, 1.8, 5.4), (130, 45, 135), (140, 12_450, 37_350)):
            with subtests.test(card=number):
                assert platforms.shown("production", number, "A") == pytest.approx(one)
                assert platforms.shown("staging", number, "A") == pytest.approx(other)
        with subtests.test("verdicts"):
            assert (platforms.shown("production", 131, "C"), platforms.shown("staging", 131, "C")) == (GOOD, BAD)
        for query in PROMQL:
            with subtests.test(query=str(query)):
                of_one, of_other = (
                    {labels.get("platform") for labels, _ in platforms.answer(platform, query)}
                    for platform in ("production", "staging")
                )
                assert of_one <= {"production", None}
                assert of_other <= {"staging", None}
        with subtests.test("names"):
            for number, label, production, staging in (
                (404, "feature", "wallet_age_days", "price"),
                (501, "probe", "redis_cache", "cache"),
            ):
                assert platforms.shown("production", number, "A", label) == production
                assert platforms.shown("staging", number, "A", label) == staging


def test_an_alert_is_shown_to_its_platform(tmp_path: Path) -> None:
    figures = {"production": FIGURES, "staging": STAGING}
    with running(tmp_path, figures, BEFORE, {}) as platforms:
        platforms.wait_for('ALERTS{alertname="UnauthorizedAdminAccess",alertstate="firing"}')
        shown = {platform: set(_alerts(platforms.answers(platform, 701, "A"))) for platform in figures}
        assert "UnauthorizedAdminAccess" in shown["staging"]
        assert "UnauthorizedAdminAccess" not in shown["production"]


def _alerts(answers: list[tuple[dict[str, str], float]]) -> Iterator[str]:
    return (labels["alertname"] for labels, _ in answers)
