"""A limit is changed in one place, and the alert and its text follow; platforms keep apart."""

import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.prometheus.promtool import promtool
from tests.prometheus.ruleset import ROOT, RULES, RUNBOOKS, rules

LIMITS = RULES / "limits.yml"
NAMES = [rule.content["labels"]["limit"] for rule in rules() if rule.file == "limits"]

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
) -> None:
    """Run shipped rules over the series, once a minute.

    Args:
        directory: for the files.
        series: values by series, as promtool writes them, one an interval.
        expectations: by instant: samples of `ALERTS` but for Watchdog, others that chain.yml brings.
        changed: texts of limits.yml to replace.
        extra: lines at its end.
        files: names of the rule files, beside those of limits.
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
        "evaluation_interval": "1m",
        "group_eval_order": groups,
        "tests": [
            {
                "interval": "1m",
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


#: Of each limit that an alert reads: the alert, series that fire it by the shipped limit (or not), and a limit with
#: which that is the other way round.
CHANGES: dict[str, tuple[str, dict[str, str], float]] = {
    "api_latency_p95_seconds": ("ApiLatencyDegradation", {"ticketing_kpi_api_latency_p95_seconds": "0.12x30"}, 0.13),
    "transactions_per_hour_low": ("TransactionsLow", {"ticketing_kpi_transactions_per_hour": "450x30"}, 440),
    "revenue_per_hour_usd_low": (
        "RevenueLow",
        {"ticketing_kpi_revenue_per_hour_usd": "4500x30", "ticketing_event_launch_active": "1x30"},
        4400,
    ),
    "busy_transactions_per_hour": (
        "PredictionsStalled",
        {
            "ticketing_kpi_transactions_per_hour": "120x30",
            'ticketing_fraud_predictions{decision="BLOCKED",window="10m"}': "0x30",
        },
        130,
    ),
    "confidence_z": ("FraudRateSpike", {}, 2.5),
    "fraud_blocked_ratio_high": ("FraudRateSpike", {}, 0.05),
    "blocked_minimum": ("FraudRateSpike", {}, 100),
    "fraud_blocked_ratio_low": ("FraudRateLow", {}, 0.06),
    "rate_limit_near_ratio": (
        "RateLimitNearGlobal",
        {
            "ticketing_api_requests_per_minute": "92x30",
            'ticketing_rate_limit_requests_per_minute{scope="global"}': "100x30",
        },
        0.93,
    ),
    "feature_drift_nats": ("ModelDrift", {'ticketing_model_feature_drift_nats{feature="age"}': "0.2x30"}, 0.21),
    "precision_drop_ratio": ("ModelPrecisionDrop", {}, 0.2),
    "labelled_predictions_minimum": ("ModelPrecisionDrop", {}, 300),
    "service_slow_ratio": (
        "ServiceSlow",
        {
            'ticketing_probe_success{probe="backend"}': "1x30",
            'ticketing_probe_duration_seconds{probe="backend"}': "0.25x30",
            'ticketing_probe_baseline_seconds{probe="backend"}': "0.1x30",
        },
        3,
    ),
    "mfa_failures": (
        "UnauthorizedAdminAccess",
        {'ticketing_admin_mfa_failures{account="alice",window="5m"}': "3x30"},
        4,
    ),
    "login_failures": (
        "AdminLoginBruteForce",
        {'ticketing_admin_login_failures{account="alice",window="5m"}': "5x30"},
        6,
    ),
    "exporter_unstable_ratio": ("ExporterUnstable", {}, 0.4),
    "source_stale_seconds": ("SourceStale", {}, 5000),
    "kpi_stale_seconds": ("KpiStale", {"ticketing_kpi_updated_timestamp_seconds": "0x30"}, 5000),
    "kpi_mismatch_ratio": ("KpiMismatch", {}, 0.5),
    "kpi_mismatch_transactions": ("KpiMismatch", {}, 300),
    "kpi_mismatch_revenue_usd": (
        "KpiMismatch",
        {
            "ticketing_kpi_transactions_per_hour": "1200x30",
            "ticketing_kpi_revenue_per_hour_usd": "9000x30",
            'ticketing_revenue_usd{window="1h"}': "10050x30",
        },
        2000,
    ),
    "responder_backlog_seconds": ("ResponderBacklog", {"ticketing_responder_oldest_pending_seconds": "400x30"}, 500),
    "peak_start_hour": ("TransactionsLow", {"ticketing_kpi_transactions_per_hour": "450x30"}, 2),
    "peak_end_hour": ("TransactionsLow", {"ticketing_kpi_transactions_per_hour": "450x30"}, 0),
}
SHARED: dict[str, dict[str, str]] = {
    "FraudRateSpike": {
        'ticketing_fraud_predictions{decision="BLOCKED",window="10m"}': "41x30",
        'ticketing_fraud_predictions{decision="APPROVED",window="10m"}': "959x30",
    },
    "FraudRateLow": {
        'ticketing_fraud_predictions{decision="BLOCKED",window="1h"}': "40x30",
        'ticketing_fraud_predictions{decision="APPROVED",window="1h"}': "960x30",
    },
    "ModelPrecisionDrop": {
        'ticketing_model_predictions{predicted="fraud",actual="fraud",window="24h"}': "160x30",
        'ticketing_model_predictions{predicted="fraud",actual="legit",window="24h"}': "40x30",
        'ticketing_model_baseline_ratio{metric="precision"}': "0.9x30",
    },
    "ExporterUnstable": {
        'up{job="ticketing-live",instance="b"}': "0 1x1 0 1x1 0 1x1 0 1x1 0 1x1 0 1x1 0 1x1 0 1x1" * 3
    },
    "SourceStale": {
        'ticketing_exporter_collector_success{collector="kpis",job="ticketing-live"}': "1x30",
        'ticketing_exporter_collector_last_success_timestamp_seconds{collector="kpis",job="ticketing-live"}': "0x30",
    },
    "KpiMismatch": {
        "ticketing_kpi_transactions_per_hour": "1000x30",
        'ticketing_transactions{kind="purchase",window="1h"}': "1200x30",
    },
}
#: Only colour the dashboard and the board.
COLOURS = {
    "transactions_per_hour_target",
    "fraud_rate_target",
    "api_latency_p95_target_seconds",
    "revenue_per_hour_usd_baseline",
    "rate_limit_watch_ratio",
    "feature_drift_watch_nats",
    "precision_drop_watch_ratio",
    "resource_watch_ratio",
    "resource_alert_ratio",
    "uptime_low_ratio",
    "uptime_target_ratio",
}
#: Peak hours of a clock that begins at midnight.
PEAK_AT_MIDNIGHT = {"peak_start_hour": 0.0, "peak_end_hour": 2.0}


def _of(platform: str, series: str) -> str:
    name, _, labels = series.partition("{")
    return f'{name}{{platform="{platform}",{labels}' if labels else f'{name}{{platform="{platform}"}}'


def _record(name: str, number: float | None = None) -> str:
    """A record of limits.yml, as it is written there, or with another number."""
    written = next(line for line in LIMITS.read_text().splitlines() if f"{{limit: {name}}}" in line)
    return written if number is None else re.sub(r"expr: \S+}", f"expr: {number}}}", written)


def test_every_limit_is_changed_by_a_test_or_only_colours() -> None:
    assert sorted({*CHANGES, *COLOURS}) == sorted(NAMES)


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
    follows = "main" if name == "fraud_blocked_ratio_low" else "shipped"
    files = sorted({rule.file for rule in rules() if rule.name == alert} | {"fraud"})
    evaluate(tmp_path, series, {"28m": [firing(alert, follows)]}, changed=changed, extra=extra, files=files)


def test_the_text_of_an_alert_names_every_limit_but_its_confidence() -> None:
    """So that a text follows: what the expression compares with is what the text says."""
    silent = {
        "FraudRateSpike": {"confidence_z", "blocked_minimum"},
        "FraudRateLow": {"confidence_z"},
        "ModelPrecisionDrop": {"labelled_predictions_minimum"},
        "PredictionsStalled": {"busy_transactions_per_hour"},
        "KpiMismatch": {"kpi_mismatch_transactions", "kpi_mismatch_revenue_usd", "kpi_stale_seconds"},
    }
    for rule in rules():
        if rule.is_alert:
            read = set(re.findall(r'limit:by_platform\{limit="(\w+)"\}', rule.content["expr"]))
            said = set(re.findall(r"limit='(\w+)'", rule.content["annotations"]["description"]))
            assert read - silent.get(rule.name, set()) == said - {"peak_start_hour", "peak_end_hour"}, rule.name


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
        "were\n            refused",
        "are over 42\n            refused",
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
    assert sorted(listed) == sorted(read) == sorted(NAMES)
