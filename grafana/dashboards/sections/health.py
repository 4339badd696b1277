"""Section health: the services behind the platform, and the machine's CPU, memory and disk."""

from __future__ import annotations

from grafana.dashboards import reasons
from grafana.dashboards.dashboard_json import Panel
from grafana.dashboards.layout import Section, line
from grafana.dashboards.links import runbook
from grafana.dashboards.looks import (
    BY_VERDICT,
    COLOUR_TEXT,
    GREEN,
    GREY,
    NAME_AND_VERDICT,
    NOBODY_KNOWS,
    RED,
    VERDICT_COLOURS,
    WRAPPED,
    YELLOW,
    column,
    pattern,
    time_column,
    words,
)
from grafana.dashboards.panels import bars, table
from grafana.dashboards.promql import as_label, judged, limit, named, sentence, series
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
    return table(
        501,
        "Service status",
        "Every service, as the exporter's probes see it. Slow is as many times its baseline as ServiceSlow has for a"
        " limit. Uptime is that of the last 30 days; time without data is neither up nor down.",
        [
            Promql(state, shape="table"),
            Promql(_uptime(), shape="table"),
            Promql(f"{TOOK} and on (probe) {SUCCESS} == 1", shape="table"),
            Promql(BASELINE, shape="table"),
            Promql(f"1000 * {CHECKED}", shape="table"),
            Promql(f"round(time() - {CHECKED})", shape="table"),
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
            column("Status", mappings=[STATES], custom__width=110, custom__cellOptions=COLOUR_TEXT),
            column("Uptime", custom__width=95, custom__cellOptions=COLOUR_TEXT, mappings=[
                pattern(f"^{verdict} (.*)$", "$1%", colour, verdict) for verdict, colour in VERDICT_COLOURS.items()]),
            column("Latency", unit="s", decimals=0, custom__width=85),
            column("Baseline", unit="s", decimals=0, custom__width=85),
            time_column("Last check", 95),
            column("Age", unit="s", decimals=0, custom__width=65),
        ],
        sort=[("Status", False), ("Service", False)],
    )  # fmt: skip


def _uptime() -> str:
    """Label `uptime`: the verdict on each, and the percentage."""
    above = [f"({UPTIME} >= bool on () group_left () {limit(f'uptime_{name}_ratio')})" for name in ("target", "low")]
    verdict = as_label(f"({' + '.join(above)} or 0 * {UPTIME} + {NOBODY_KNOWS})", "verdict", by="probe")
    percent = as_label(f"100 * {UPTIME}", "percent", 0.01, by="probe")
    return f'label_join({percent} * on (probe) group_left (verdict) {verdict}, "uptime", " ", "verdict", "percent")'


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
    rows = (
        sentence(_with_name(slow), "⚠️ {service} latency: {took}ms (baseline: {normal}ms)"),
        down,
        fine,
        unknown,
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
    f"🩺 System Health{reasons.of('health')}",
    [
        line(9, (15, _services()), (9, _resources())),
        line(4, (24, _warnings())),
    ],
    main=501,
)
