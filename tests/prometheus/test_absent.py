"""A healthy platform that lacks something, and says so, is left in peace; one that does not say so is not."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.absence import FEATURES, KEYS, NAMES, SECTIONS, VIEWS, Absence
from tests.prometheus.promtool import promtool
from tests.prometheus.ruleset import RULES, unit_test_files

#: What lasts for three minutes has ended by then, and what begins is at least pending.
MINUTES = 6
#: Series that the exporter leaves out, by what is absent.
OF_A_SECTION = {
    "kpis": r"ticketing_(kpi_\w+|transactions|revenue_usd|event_launch_active)",
    "fraud": r"ticketing_fraud_\w+",
    "traffic": r"ticketing_(api_requests_per_minute|rate_limit\w+|client_requests\w*)",
    "model": r"ticketing_model_\w+",
    "health": r"ticketing_probe_\w+",
    "security": r"ticketing_(security_events\w*|admin_\w+)",
}
OF_A_VIEW = {
    "fraud_predictions": r"ticketing_(fraud_(predictions\w*|blocked_ratio|score\w*)|fraud_threshold_ratio\{.*\"block\""
    r"|model_(feature|unlabelled)\w+)",
    "fraud_labels": r"ticketing_model_(predictions|unlabelled_predictions)",
    "transactions": r"ticketing_(transactions|revenue_usd)",
    "model_versions": r"ticketing_(fraud_threshold_ratio\{.*\"block\"|model_(info|baseline|next|feature)\w*)",
    "feature_reference": r"ticketing_model_feature\w+",
    "security_events": OF_A_SECTION["security"],
    "event_launches": r"ticketing_event_launch_active",
}
OF_A_KEY = {
    "kpi:txn_per_hour": r"ticketing_kpi_transactions_per_hour",
    "kpi:fraud_rate": r"ticketing_kpi_fraud_rate_ratio",
    "kpi:latency_p95": r"ticketing_kpi_api_latency_p95_seconds",
    "kpi:revenue_per_hour": r"ticketing_kpi_revenue_per_hour_usd",
    "kpi:updated_at": r"ticketing_kpi_updated_timestamp_seconds",
    "traffic:requests": r"ticketing_api_requests_per_minute",
    "traffic:clients": r"ticketing_client_requests\w*",
    "ratelimit:limits": r"ticketing_rate_limit_requests_per_minute",
    "ratelimit:blocked": r"ticketing_rate_limit(ed_clients|_blocked\w+)",
    "config:fraud_threshold": r"ticketing_fraud_threshold_ratio\{.*\"review\"",
    "config:fraud_model": r"ticketing_fraud_model_active",
}
OF_A_FEATURE = {
    "revenue": r"ticketing_revenue_usd",
    "global_limit": r"ticketing_rate_limit_requests_per_minute\{.*\"global\"",
    "client_limit": r"ticketing_rate_limit_requests_per_minute\{.*\"client\"",
    "sign_ins": r"ticketing_admin_\w+",
}
LEFT_OUT = {"section": OF_A_SECTION, "view": OF_A_VIEW, "key": OF_A_KEY, "feature": OF_A_FEATURE}
#: What nobody misses: without it no alert is blind, or its series is absent on a healthy platform, too.
UNMISSED = {
    ("keys", "kpi:updated_at"),
    ("keys", "traffic:clients"),
    ("keys", "ratelimit:blocked"),
    ("keys", "config:fraud_model"),
    ("features", "clients"),
    ("features", "blocked_clients"),
    ("features", "sign_ins"),
}
ALL = [(field, name) for field, names in NAMES.items() for name in names]


def ordinary() -> dict[str, str]:
    """The first minutes of the ordinary day: values by series."""
    (file,) = [file for file in unit_test_files() if file.path.stem == "ordinary"]
    (test,) = file.content["tests"]
    return {entry["series"]: re.sub(r"x\d+", f"x{MINUTES}", entry["values"]) for entry in test["input_series"]}


def test_all_that_may_be_absent_is_here() -> None:
    assert (set(OF_A_SECTION), set(OF_A_VIEW), set(OF_A_KEY)) == (set(SECTIONS), set(VIEWS), set(KEYS))
    assert set(OF_A_FEATURE) <= set(FEATURES)


def history(field: str, name: str, *, declared: bool) -> list[dict[str, str]]:
    absence = Absence.of({field: [name]})
    gone = [LEFT_OUT[kind][item] for kind, item in absence.items if item in LEFT_OUT[kind]]
    sections = "|".join(item for kind, item in absence.items if kind == "section") or "none"
    pattern = re.compile(
        rf"(?:{'|'.join(gone or ['none'])})(?![\w])|ticketing_exporter_\w+{{.*collector=\"(?:{sections})\""
    )
    series = {name: values for name, values in ordinary().items() if not pattern.match(name)}
    if declared:
        for _, item in absence.items:
            series[f'ticketing_platform_has{{platform="main",part="{item}",job="ticketing-live"}}'] = f"0x{MINUTES}"
    return [{"series": name, "values": values} for name, values in series.items()]


def evaluated(tests: list[dict[str, Any]], directory: Path) -> str:
    """What promtool says of them, against all shipped rules."""
    (file,) = [file for file in unit_test_files() if file.path.stem == "ordinary"]
    rule_files = [str((RULES / "tests" / name).resolve()) for name in file.content["rule_files"]]
    content = {
        "rule_files": rule_files,
        "evaluation_interval": "1m",
        "group_eval_order": file.content["group_eval_order"],
        "tests": tests,
    }
    path = directory / "absent.yml"
    path.write_text(yaml.safe_dump(content, width=1 << 20))
    run = promtool("test", "rules", path)
    return "" if run.returncode == 0 else run.stdout + run.stderr


def fires(*alerts: str) -> dict[str, Any]:
    """That so many kinds of alerts fire, or are pending, and no others."""
    samples = [{"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in alerts]
    expr = f"group by (alertname) (last_over_time(ALERTS[{MINUTES}m]))"
    return {"expr": expr, "eval_time": f"{MINUTES - 1}m", "exp_samples": samples}


@pytest.mark.parametrize("kind", NAMES)
def test_what_is_declared_fires_nothing_but_the_watchdog(tmp_path: Path, kind: str) -> None:
    tests = [
        {
            "name": f"{field} {name}",
            "interval": "1m",
            "input_series": history(field, name, declared=True),
            "promql_expr_test": [fires("Watchdog")],
        }
        for field, name in ALL
        if field == kind
    ]
    assert evaluated(tests, tmp_path) == ""


@pytest.mark.parametrize(("field", "name"), [one for one in ALL if one not in UNMISSED])
def test_what_is_not_declared_fires(tmp_path: Path, field: str, name: str) -> None:
    test = {
        "interval": "1m",
        "input_series": history(field, name, declared=False),
        "promql_expr_test": [fires("Watchdog")],
    }
    said = evaluated([test], tmp_path)
    assert re.search(r"CollectorMissing|KpiMissing|SeriesMissing|ProbeSilent|ExporterDown", said), said
