"""Section health: the services behind the platform, and the machine's CPU, memory and disk."""

from __future__ import annotations

from collections.abc import Mapping

from grafana.dashboards import reasons
from grafana.dashboards.dashboard_json import Panel, thresholds
from grafana.dashboards.layout import Section, line
from grafana.dashboards.links import runbook
from grafana.dashboards.looks import (
    BY_THRESHOLD,
    BY_VERDICT,
    COLOUR_TEXT,
    GREEN,
    GREY,
    NAME_AND_VERDICT,
    NOBODY_KNOWS,
    RED,
    UNKNOWN_IN_ROW,
    VERDICT_COLOURS,
    WRAPPED,
    YELLOW,
    column,
    fixed,
    pattern,
    time_column,
    words,
)
from grafana.dashboards.panels import bars, table
from grafana.dashboards.promql import as_label, in_rows, judged, limit, named, sentence, series
from grafana.dashboards.queries import Json, Promql
from grafana.dashboards.transformations import columns

SERVICES = {
    "backend_api": ("Backend API", "See the slowest service below it, then scale out"),
    "postgresql": ("PostgreSQL", "Look for locks and long queries in pg_stat_activity"),
    "redis_cache": ("Redis Cache", "Look at SLOWLOG and memory; is something scanning keys?"),
    "ml_inference": ("ML Inference Service", "Check its queue and replicas; consider the previous model"),
    "smart_contract_rpc": ("Smart Contract RPC", "Check Infura/Alchemy status or switch provider"),
    "siem_collector": ("SIEM Log Collector", "Check its disk and queue: events may arrive late"),
}
"""Probes as configured: how they are called, and what to do when they are slow. Others go by their own names."""

OWN_SERVICES = {
    "grafana": ("Grafana", "See its log and memory; the fallback board takes its place"),
    "gateway": ("Gateway", "See its log and certificate; people cannot get in without it"),
    "sign_in": ("Sign-in", "See oauth2-proxy's log; nobody can sign in without it"),
    "identity": ("Identity Provider", "See Keycloak's log and database; nobody can sign in without it"),
}
"""The monitor's own, in the same way; docs/operations.md tells about each."""

IF_DOWN = "Open it yourself, and see what failed with it: the host, the network, a deployment"

DOWN, SLOW, UP = 0, 1, 2
STATES = words({
    UP: ("✅ UP", GREEN), SLOW: ("⚠️ SLOW", YELLOW), DOWN: ("🔴 DOWN", RED), NOBODY_KNOWS: ("—", GREY),
})  # fmt: skip

SUCCESS = f"max by (probe) ({series('ticketing:probe_success:max')})"
UPTIME = f"max by (probe) ({series('ticketing:probe_success:avg30d')})"
TOOK = f"max by (probe) ({series('ticketing:probe_duration_seconds:avg1m')})"
BASELINE = f"max by (probe) ({series('ticketing:probe_baseline_seconds:max')})"
CHECKED = f"max by (probe) ({series('ticketing_probe_timestamp_seconds')})"
# As ServiceSlow judges.
TIMES = limit("service_slow_ratio")
TOO_SLOW = f"({TOOK} > {BASELINE} * on () group_left () {TIMES} and on (probe) {SUCCESS} == 1)"

LASTS = -1
"""In place of the seconds until a budget is used up: it is not, at this pace."""

GIB = 1 << 30
# What is there, what of it is free, and what of that can be had: a file system keeps a part for root.
MEMORY = tuple(f"sum({series(f'node_memory_Mem{name}_bytes')})" for name in ("Total", "Available", "Available"))
ROOT = 'mountpoint="/"'
DISK = tuple(f"sum({series(f'node_filesystem_{name}_bytes', ROOT)})" for name in ("size", "free", "avail"))
IDLE = series("node_cpu_seconds_total", 'mode="idle"')


def _called() -> Json:
    return words({probe: name for probe, (name, _) in (SERVICES | OWN_SERVICES).items()})


def _services() -> Panel:
    state = (
        f"({SUCCESS} == {DOWN}) or 0 * {TOO_SLOW} + {SLOW} or 0 * {SUCCESS} + {UP} and on () {TIMES}"
        f" or 0 * {SUCCESS} + {NOBODY_KNOWS}"
    )
    rows = f"{SUCCESS} or {UPTIME} or {BASELINE} or {CHECKED}"
    state, took, baseline, checked, age = in_rows(
        rows,
        "probe",
        state,
        f"{TOOK} and on (probe) {SUCCESS} == 1",
        BASELINE,
        f"1000 * {CHECKED}",
        f"round(time() - {CHECKED})",
    )
    return table(
        501,
        "Service status",
        "Every service, as the exporter's probes see it. Slow is as many times its baseline as ServiceSlow has for a"
        " limit. Uptime is that of the last 30 days; time without data is neither up nor down.",
        [
            Promql(each, shape="table") for each in (state, _uptime(rows), took, baseline, checked, age)
        ],
        transformations=columns(
            {
                "probe": "Service", "Value #A": "Status", "uptime": "Uptime", "Value #C": "Latency",
                "Value #D": "Baseline", "Value #E": "Last check", "Value #F": "Age",
            },
            join_on="probe",
        ),
        overrides=[
            column("Service", mappings=[_called()]),
            column("Status", mappings=[STATES, UNKNOWN_IN_ROW], custom__width=110, custom__cellOptions=COLOUR_TEXT),
            column("Uptime", custom__width=95, custom__cellOptions=COLOUR_TEXT, mappings=[
                pattern(f"^{verdict} (.*)$", "$1%", colour, verdict) for verdict, colour in VERDICT_COLOURS.items()]),
            column("Latency", unit="s", decimals=0, custom__width=85, mappings=[UNKNOWN_IN_ROW]),
            column("Baseline", unit="s", decimals=0, custom__width=85, mappings=[UNKNOWN_IN_ROW]),
            time_column("Last check", 95, mappings=[UNKNOWN_IN_ROW]),
            column("Age", unit="s", decimals=0, custom__width=65, mappings=[UNKNOWN_IN_ROW]),
        ],
        sort=[("Status", False), ("Service", False)],
    )  # fmt: skip


def _uptime(rows: str) -> str:
    """Label `uptime`: the verdict on each of the rows, and the percentage."""
    above = [f"({UPTIME} >= bool on () group_left () {limit(f'uptime_{name}_ratio')})" for name in ("target", "low")]
    verdict = as_label(f"({' + '.join(above)} or 0 * {UPTIME} + {NOBODY_KNOWS})", "verdict", by="probe")
    percent = as_label(f"100 * {UPTIME}", "percent", 0.01, by="probe")
    known = f'label_join({percent} * on (probe) group_left (verdict) {verdict}, "uptime", " ", "verdict", "percent")'
    return f"{known} or on (probe) {named(f'0 * ({rows})', 'uptime', '—')}"


def _used(total: str, free: str, available: str) -> str:
    # As df has it.
    return f"(1 - {available} / ({total} - {free} + {available}))"


def _amount(total: str, free: str) -> str:
    """Labels `used` and `total`, in GiB."""
    used, whole = as_label(f"({total} - {free}) / {GIB}", "used"), as_label(f"{total} / {GIB}", "total")
    return f"{used} * on () group_left (total) {whole}"


def _resource(share: str, labels: str, text: str) -> Promql:
    """The query of a bar: its share, and a name made of the labels of another expression."""
    verdict = judged(share, "{value} < bool {resource_watch_ratio}", "{value} >= bool {resource_alert_ratio}")
    name = f"max by (name) ({sentence(labels, text, 'name')})"
    return Promql(
        f"{share} * on () group_right () {name} * on () group_left (verdict) {as_label(verdict, 'verdict')}",
        NAME_AND_VERDICT,
    )


def _resources() -> Panel:
    return bars(
        502,
        "Resource usage",
        "Of all machines with a node_exporter: CPU of the last minute, memory that is not available, root file"
        " systems.",
        [
            _resource(f"(1 - avg(rate({IDLE}[1m])))", as_label(f"count({IDLE})", "cores"), "CPU ({cores} cores)"),
            _resource(_used(*MEMORY), _amount(*MEMORY[:2]), "Memory ({used}GiB / {total}GiB)"),
            _resource(_used(*DISK), _amount(*DISK[:2]), "Disk ({used}GiB / {total}GiB)"),
        ],
        unit="percentunit",
        decimals=0,
        overrides=BY_VERDICT,
        style="lcd",
        highest=1,
    )


def _warnings() -> Panel:
    slow = (
        f"{as_label(f'1000 * {TOO_SLOW}', 'took', 10, by='probe')} * on (probe) group_left (normal)"
        f" {as_label(f'1000 * {BASELINE}', 'normal', by='probe')}"
    )
    # What to do is the same for all.
    down = named(sentence(_with_name(f"{SUCCESS} == 0"), "🔴 {service} is down"), "probe", "down")
    fine = named(
        f"max({SUCCESS}) and on () {TIMES} unless on () ({TOO_SLOW} or {SUCCESS} == 0)",
        "message", "✅ All services answer, none is slow",
    )  # fmt: skip
    unknown = named(f"max({SUCCESS}) unless on () {TIMES}", "message", "— How slow is too slow is not known")
    nothing = named(f"vector(0) unless on () max({SUCCESS})", "message", "— Nothing is known of any service")
    rows = (
        sentence(_with_name(slow), "⚠️ {service} latency: {took}ms (baseline: {normal}ms)"),
        down,
        fine,
        unknown,
        nothing,
    )
    actions = {probe: f"📋 {action}" for probe, (_, action) in (SERVICES | OWN_SERVICES).items()}
    return table(
        503,
        "Warnings and actions",
        "Services that are slow or down, and what to do first.",
        [Promql(" or ".join(rows), shape="table")],
        transformations=columns({"message": "Message", "probe": "Action"}),
        overrides=[
            column("Message", custom__cellOptions=WRAPPED, links=[runbook("ServiceDown"), runbook("ServiceSlow")]),
            column("Action", custom__cellOptions=WRAPPED, mappings=[words(actions | {"down": f"📋 {IF_DOWN}"})]),
        ],
        header=False,
        sort=[("Message", True)],
    )


def _budgets(number: int, title: str, description: str, objectives: Mapping[str, str]) -> Panel:
    """What is left of the budgets of these objectives, each with what an objective of no probe is called."""

    def of(name: str, matchers: str = "") -> list[str]:
        found = []
        for objective, called in objectives.items():
            each = series(f"ticketing:{name}", f'objective="{objective}"{matchers}')
            found.append(named(f"max({each})", "probe", called) if called else f"max by (probe) ({each})")
        return found

    missed = of("objective_failures:ratio30d")
    allowed = [
        f"0 * {each} + on () group_left () max({budget})"
        for objective, each in zip(objectives, missed, strict=True)
        if (budget := series("ticketing:objective:budget_ratio", f'objective="{objective}"'))
    ]
    left, pace, lasts = (
        " or ".join(of(f"objective:{name}", matchers))
        for name, matchers in (
            ("budget_left_ratio", ""),
            ("burn_rate", ',window="6h"'),
            ("exhaustion_seconds", ""),
        )
    )
    queries = in_rows(
        " or ".join((*missed, left, pace)),
        "probe",
        f"1 - ({' or '.join(missed)})",
        f"1 - ({' or '.join(allowed)})",
        left,
        pace,
        # A slow pace says nothing of a budget that nobody knows.
        f"{lasts} or 0 * (({left}) <= 0) or 0 * ({pace}) + {LASTS} and on (probe) ({left})",
    )
    return table(
        number,
        title,
        description,
        [Promql(query, shape="table") for query in queries],
        transformations=columns(
            {
                "probe": "Service", "Value #A": "30 days", "Value #B": "Objective", "Value #C": "Budget left",
                "Value #D": "Pace", "Value #E": "Used up in",
            },
            join_on="probe",
        ),
        overrides=[
            column("Service", mappings=[_called()]),
            column("30 days", unit="percentunit", decimals=2, custom__width=95, mappings=[UNKNOWN_IN_ROW]),
            column("Objective", unit="percentunit", custom__width=95, mappings=[UNKNOWN_IN_ROW]),
            column("Budget left", unit="percentunit", decimals=0, custom__width=110, custom__cellOptions=COLOUR_TEXT,
                   color=BY_THRESHOLD, thresholds=thresholds(RED, (0, GREEN)), mappings=[UNKNOWN_IN_ROW]),
            column("Pace", unit="suffix: ×", decimals=1, custom__width=75, custom__cellOptions=COLOUR_TEXT,
                   color=BY_THRESHOLD, thresholds=thresholds(GREEN, (1, YELLOW)), mappings=[UNKNOWN_IN_ROW]),
            column("Used up in", unit="s", decimals=0, custom__width=105, custom__cellOptions=COLOUR_TEXT,
                   color=fixed(YELLOW),
                   mappings=[words({LASTS: ("it lasts", GREEN), 0: ("used up", RED)}), UNKNOWN_IN_ROW]),
        ],
        sort=[("Budget left", False)],
    )  # fmt: skip


def _availability_budgets() -> Panel:
    return _budgets(
        504,
        "Availability budgets",
        "How much of what each service's objective allows to fail in 30 days is left. Pace is how many times as fast as"
        " it may be that was used in the last six hours; below one it lasts.",
        {"availability": ""},
    )


def _latency_budgets() -> Panel:
    return _budgets(
        505,
        "Latency budgets",
        "The same of what may be slow: answers of a service, and minutes in which the p95 of the fraud prediction API"
        " is above its alert's limit.",
        {"latency": "", "api_latency": "Fraud prediction API"},
    )


def _with_name(expr: str) -> str:
    """The expression with label `service`: what people call the probe."""
    expr = f'label_replace({expr}, "service", "$1", "probe", "(.*)")'
    for probe, (name, _) in (SERVICES | OWN_SERVICES).items():
        expr = f'label_replace({expr}, "service", "{name}", "probe", "{probe}")'
    return expr


SECTION = Section(
    500,
    f"🩺 System Health{reasons.of('health')}",
    [
        line(9, (15, _services()), (9, _resources())),
        line(4, (24, _warnings())),
        line(9, (12, _availability_budgets()), (12, _latency_budgets())),
    ],
    main=501,
)
