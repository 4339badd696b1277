"""Section health: the services behind the platform, and the machine's CPU, memory and disk."""

from __future__ import annotations

from grafana.dashboards.dashboard_json import Panel, thresholds
from grafana.dashboards.layout import Section, line
from grafana.dashboards.links import runbook
from grafana.dashboards.looks import (
    BY_THRESHOLD,
    COLOUR_TEXT,
    GREEN,
    RED,
    WRAPPED,
    YELLOW,
    column,
    time_column,
    words,
)
from grafana.dashboards.panels import bars, columns, table
from grafana.dashboards.promql import as_label, named, sentence
from grafana.dashboards.queries import Json, Promql

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
STATES = words({UP: ("✅ UP", GREEN), SLOW: ("⚠️ SLOW", YELLOW), DOWN: ("🔴 DOWN", RED)})

SUCCESS = "ticketing:probe_success:max"
TOOK = "ticketing:probe_duration_seconds:avg1m"
BASELINE = "ticketing:probe_baseline_seconds:max"
CHECKED = "max by (probe) (ticketing_probe_timestamp_seconds)"
# As the exporter judges, and as ServiceSlow does: above twice the baseline.
TOO_SLOW = f"({TOOK} > 2 * {BASELINE} and on (probe) {SUCCESS} == 1)"

GIB = 1 << 30
# What is there, what of it is free, and what of that can be had: a file system keeps a part for root.
MEMORY = "sum(node_memory_MemTotal_bytes)", *["sum(node_memory_MemAvailable_bytes)"] * 2
ROOT = '{mountpoint="/"}'
DISK = tuple(f"sum(node_filesystem_{name}_bytes{ROOT})" for name in ("size", "free", "avail"))


def _called() -> Json:
    return words({probe: name for probe, (name, _) in (SERVICES | OWN_SERVICES).items()})


def _services() -> Panel:
    state = f"{SUCCESS} * 2 - on (probe) ({SUCCESS} * 0 + 1 and on (probe) {TOO_SLOW}) or {SUCCESS} * 2"
    return table(
        501,
        "Service status",
        "Every service, as the exporter's probes see it. Slow is above twice its baseline. Uptime is that of the last"
        " 30 days; time without data is neither up nor down.",
        [
            Promql(state, shape="table"),
            Promql("ticketing:probe_success:avg30d", shape="table"),
            Promql(f"{TOOK} and on (probe) {SUCCESS} == 1", shape="table"),
            Promql(BASELINE, shape="table"),
            Promql(f"1000 * {CHECKED}", shape="table"),
            Promql(f"round(time() - {CHECKED})", shape="table"),
        ],
        transformations=columns(
            {
                "probe": "Service", "Value #A": "Status", "Value #B": "Uptime", "Value #C": "Latency",
                "Value #D": "Baseline", "Value #E": "Last check", "Value #F": "Age",
            },
            join_on="probe",
        ),
        overrides=[
            column("Service", mappings=[_called()]),
            column("Status", mappings=[STATES], custom__width=110, custom__cellOptions=COLOUR_TEXT),
            column("Uptime", unit="percentunit", decimals=2, custom__width=95, color=BY_THRESHOLD,
                   thresholds=thresholds(RED, (0.99, YELLOW), (0.999, GREEN)), custom__cellOptions=COLOUR_TEXT),
            column("Latency", unit="s", decimals=0, custom__width=85),
            column("Baseline", unit="s", decimals=0, custom__width=85),
            time_column("Last check", 95),
            column("Age", unit="s", decimals=0, custom__width=65),
        ],
        sort=[("Status", False), ("Service", False)],
    )  # fmt: skip


def _used(total: str, free: str, available: str) -> str:
    # As df has it.
    used = f"({total} - {free})"
    share = f"{used} / ({used} + {available})"
    texts = f"{as_label(f'{used} / {GIB}', 'used')} * on () group_left (total) {as_label(f'{total} / {GIB}', 'total')}"
    return f"{share} * on () group_left (used, total) {texts}"


def _resources() -> Panel:
    idle = 'node_cpu_seconds_total{mode="idle"}'
    cores = as_label(f"count({idle})", "cores")
    return bars(
        502,
        "Resource usage",
        "Of all machines with a node_exporter: CPU of the last minute, memory that is not available, root file"
        " systems.",
        [
            Promql(f"(1 - avg(rate({idle}[1m]))) * on () group_left (cores) {cores}", "CPU ({{cores}} cores)"),
            Promql(_used(*MEMORY), "Memory ({{used}}GiB / {{total}}GiB)"),
            Promql(_used(*DISK), "Disk ({{used}}GiB / {{total}}GiB)"),
        ],
        unit="percentunit",
        decimals=0,
        steps=thresholds(GREEN, (0.7, YELLOW), (0.9, RED)),
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
    fine = named(f"max({SUCCESS}) unless on () ({TOO_SLOW} or {SUCCESS} == 0)", "message",
                 "✅ All services answer, none is slow")  # fmt: skip
    rows = (
        sentence(_with_name(slow), "⚠️ {service} latency: {took}ms (baseline: {normal}ms)"),
        down,
        fine,
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


def _with_name(expr: str) -> str:
    """The expression with label `service`: what people call the probe."""
    expr = f'label_replace({expr}, "service", "$1", "probe", "(.*)")'
    for probe, (name, _) in (SERVICES | OWN_SERVICES).items():
        expr = f'label_replace({expr}, "service", "{name}", "probe", "{probe}")'
    return expr


SECTION = Section(
    500,
    "🩺 System Health",
    [
        line(9, (15, _services()), (9, _resources())),
        line(4, (24, _warnings())),
    ],
    main=501,
)
