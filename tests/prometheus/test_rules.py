"""The shipped rules: valid, tested, documented, and about metrics that exist."""

import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from exporter import scrape
from exporter.collectors import METRICS, SECTIONS
from responder.ledger.totals import Totals
from responder.metrics import Counters, exposition
from tests.prometheus.promtool import by_rules, promtool, write_some
from tests.prometheus.ruleset import (
    METRIC,
    RECORDED,
    RULES,
    RUNBOOKS,
    Rule,
    TestFile,
    alerts,
    expectations,
    rules,
    unit_test_files,
)

# What rules and runbooks read of others; all are there in Prometheus 2.42 to 3.x and Alertmanager 0.25 and later.
FOREIGN = {
    "up",
    "alertmanager_config_last_reload_successful",
    "alertmanager_notifications_failed_total",
    "prometheus_config_last_reload_successful",
    "prometheus_notifications_alertmanagers_discovered",
    "prometheus_notifications_dropped_total",
    "prometheus_rule_evaluation_failures_total",
    "prometheus_rule_group_interval_seconds",
    "prometheus_rule_group_iterations_missed_total",
    "prometheus_rule_group_last_duration_seconds",
    "prometheus_rule_group_rules",
}
RUNBOOK_URL = "https://github.com/nft-ticketing/monitor/blob/main/docs/runbooks/"
DASHBOARD_URL = "/admin/monitoring/d/ticketing/ticketing?var-section="
SEVERITIES = {"critical", "high", "medium", "low", "none"}
TEAMS = {"fraud", "engineering", "ml", "security", "business"}
# That admin accounts are attacked unseen calls the same people as an attack.
OF_THE_SECTION = '{{ if eq $labels.collector "security" }}security{{ else }}engineering{{ end }}'
SOURCE_JOBS = {
    "ticketing-critical",
    "ticketing-live",
    "ticketing-aggregates",
    "prometheus",
    "alertmanager",
    "grafana",
    "responder",
}
PLAYBOOKS = {
    "FraudRateSpike": "FraudRateSpike",
    "ApiLatencyDegradation": "ApiLatencyDegradation",
    "ModelDrift": "ModelDrift",
    "UnauthorizedAdminAccess": "UnauthorizedAdminAccess",
}
# The table of the design, with its severities.
REQUIRED = {
    "FraudRateSpike": "high",
    "ApiLatencyDegradation": "medium",
    "ModelDrift": "medium",
    "UnauthorizedAdminAccess": "critical",
    "TransactionsLow": "medium",
    "FraudRateLow": "medium",
    "RevenueLow": "high",
    "ModelPrecisionDrop": "medium",
    "AdminLoginBruteForce": "high",
    "RateLimitNearGlobal": "low",
    "ClientNearLimit": "low",
    "ServiceDown": "high",
    "ServiceSlow": "medium",
    "DashboardDown": "high",
    "PredictionsStalled": "high",
    "KpiMissing": "medium",
    "KpiStale": "medium",
    "KpiMismatch": "medium",
    "CollectorFailing": "high",
    "ExporterDown": "high",
    "ResponderFailing": "high",
    "Watchdog": "none",
}
# Files that guard against silence, in any section.
GUARDS = {"exporter", "series", "values", "responder", "chain"}
# Files whose alerts may be of any section.
OF_ANY_SECTION = GUARDS | {"objectives"}
# An instance or a value in a label would make two alerts of one.
LABELS = {"severity", "section", "team", "source_job", "playbook"}
RUNBOOK_PARTS = ("**Means.**", "**Look first.**", "**Likely causes.**", "**Do.**", "**Escalate.**")

SHIPPED = rules()
ALERTS = alerts()
NAMES = sorted({rule.name for rule in ALERTS})


def _id(rule: Rule) -> str:
    return f"{rule.file}-{rule.number}-{rule.name}"


def _exported() -> set[str]:
    names = set()
    for metric in (*METRICS, *scrape.METRICS):
        suffixes = ("_bucket", "_sum", "_count") if metric.kind == "histogram" else ("",)
        names |= {metric.name + suffix for suffix in suffixes}
    return names


def _of_the_responder() -> set[str]:
    text = exposition(Counters(), Totals({}, {}, 0), stopped=False, dry_run=False).decode()
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
    return {
        family.name + suffix
        for family in text_string_to_metric_families(text)
        for suffix in suffixes.get(family.type, ("",))
    }


def _unknown(texts: Iterable[str]) -> set[str]:
    """Metrics and recorded series in the texts that nobody provides."""
    joined = " ".join(texts)
    used = set(METRIC.findall(RECORDED.sub("", joined))) | set(RECORDED.findall(joined))
    return used - _exported() - _of_the_responder() - FOREIGN - {rule.name for rule in SHIPPED}


def test_promtool_accepts_the_rules() -> None:
    run = promtool("check", "rules", "--lint=all", "--lint-fatal", *sorted(RULES.glob("*.yml")))
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("file", unit_test_files(), ids=lambda file: file.path.stem)
def test_the_unit_tests_pass(file: TestFile, tmp_path: Path) -> None:
    for names, tests in by_rules(file).items():
        run = promtool("test", "rules", file.path if names is None else write_some(file, names, tests, tmp_path))
        assert run.returncode == 0, (run.stdout + run.stderr)[-5000:]


def test_every_section_has_a_rule_file_and_a_runbook() -> None:
    assert {path.stem for path in RULES.glob("*.yml")} == {*SECTIONS, *OF_ANY_SECTION, "limits", "limits_by_platform"}
    assert {path.stem for path in RUNBOOKS.glob("*.md")} == {*SECTIONS, *OF_ANY_SECTION}


def test_the_alerts_of_the_design_are_there() -> None:
    severities = {rule.name: rule.content["labels"]["severity"] for rule in ALERTS}
    assert {name: severities.get(name) for name in REQUIRED} == REQUIRED


def test_intervals() -> None:
    intervals = {rule.file: {other.interval for other in SHIPPED if other.file == rule.file} for rule in SHIPPED}
    assert intervals["security"] == {"250ms", "15s"}
    assert intervals["model"] == {"30s"}
    assert all("5s" in intervals[file] for file in ("kpis", "fraud", "traffic", "health", *GUARDS - {"chain"}))


@pytest.mark.parametrize("name", NAMES)
def test_every_alert_is_tested(name: str) -> None:
    entries = [entry for _, entry in expectations(name)]
    firing = [entry for entry in entries if entry["exp_alerts"]]
    assert firing, "no test lets it fire"
    assert name == "Watchdog" or len(firing) < len(entries), "no test keeps it from firing"
    assert name in {"Watchdog", "ExporterDown"} or any(
        not test.get("input_series") and not entry["exp_alerts"] for test, entry in expectations(name)
    ), "no test is without data"


@pytest.mark.parametrize("rule", ALERTS, ids=_id)
def test_labels(rule: Rule) -> None:
    labels = rule.content["labels"]
    assert set(labels) - {"playbook"} == LABELS - {"playbook"}
    assert labels["severity"] in SEVERITIES
    assert labels["team"] in TEAMS or labels["team"] == OF_THE_SECTION
    assert labels.get("playbook") == PLAYBOOKS.get(rule.name)
    assert labels["section"] in SECTIONS or labels["section"] == "{{ $labels.collector }}"
    assert rule.file in OF_ANY_SECTION or labels["section"] == rule.file
    assert labels["source_job"] in SOURCE_JOBS or labels["source_job"] == "{{ $labels.source_job }}"


@pytest.mark.parametrize("name", NAMES)
def test_labels_of_firing_alerts(name: str) -> None:
    """As a routing tree sees them, templates filled in."""
    for _, entry in expectations(name):
        for alert in entry["exp_alerts"]:
            labels = alert["exp_labels"]
            assert labels["section"] in SECTIONS
            assert labels["source_job"] in SOURCE_JOBS | {"node"}
            assert ("platform" in labels) == (name != "Watchdog")
            assert not {"instance", "job", "pod", "client", "replica", "window"} & set(labels)


@pytest.mark.parametrize("rule", ALERTS, ids=_id)
def test_annotations(rule: Rule) -> None:
    annotations = rule.content["annotations"]
    assert set(annotations) == {"summary", "description", "runbook_url", "dashboard_url"}
    assert annotations["runbook_url"] == f"{RUNBOOK_URL}{rule.file}.md#{rule.name.lower()}"
    platform = "" if rule.name == "Watchdog" else "&var-platform={{ $labels.platform }}"
    section, _, panel = annotations["dashboard_url"].removeprefix(DASHBOARD_URL).removesuffix(platform).partition("&")
    assert section == rule.content["labels"]["section"]
    # Which one: tests/grafana/test_links.py.
    assert not panel or re.fullmatch(r"viewPanel=\d+", panel)
    if rule.name != "Watchdog":
        # As an SMS has it, whole: behind what any label says, and short.
        _, first, what = annotations["description"].rpartition(" First ")
        assert first
        assert len(f"First {what}") <= 100
        assert "{{" not in what


@pytest.mark.parametrize("rule", ALERTS, ids=_id)
def test_the_runbook_has_the_alert(rule: Rule) -> None:
    text = (RUNBOOKS / f"{rule.file}.md").read_text(encoding="utf-8")
    chapters = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    matching = [chapter for chapter in chapters if chapter.splitlines()[0] == rule.name]
    assert len(matching) == 1
    missing = [part for part in RUNBOOK_PARTS if part not in matching[0]]
    assert not missing


def test_no_runbook_is_left_over() -> None:
    for path in RUNBOOKS.glob("*.md"):
        headings = set(re.findall(r"^## (\w+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE))
        assert headings == {rule.name for rule in ALERTS if rule.file == path.stem}


@pytest.mark.parametrize("rule", SHIPPED, ids=_id)
def test_what_a_rule_reads_exists(rule: Rule) -> None:
    assert not _unknown([rule.content["expr"], *rule.content.get("annotations", {}).values()])


@pytest.mark.parametrize("path", sorted(RUNBOOKS.glob("*.md")), ids=lambda path: path.stem)
def test_what_a_runbook_reads_exists(path: Path) -> None:
    assert not _unknown([path.read_text(encoding="utf-8")])


@pytest.mark.parametrize("path", sorted((RULES / "tests").glob("*.yml")), ids=lambda path: path.stem)
def test_what_a_unit_test_reads_exists(path: Path) -> None:
    assert not _unknown([path.read_text(encoding="utf-8")])


def test_recorded_names() -> None:
    recorded = [rule.name for rule in SHIPPED if not rule.is_alert and rule.file != "limits"]
    assert len(recorded) == len(set(recorded))
    assert all(re.fullmatch(r"ticketing:[a-z0-9_]+:[a-z0-9_]+", name) for name in recorded)
