"""The dashboard for those who run the monitoring itself: exporter, responder, Prometheus, Alertmanager."""

from __future__ import annotations

from collections.abc import Sequence

from grafana.dashboards import links
from grafana.dashboards.dashboard_json import Dashboard, Panel, thresholds
from grafana.dashboards.layout import Column, Line, Section, line, stack
from grafana.dashboards.looks import (
    BLUE,
    BY_THRESHOLD,
    BY_VERDICT,
    COLOUR_TEXT,
    GREEN,
    GREY,
    NAME_AND_VERDICT,
    ORANGE,
    RED,
    UNKNOWN_IN_ROW,
    WRAPPED,
    YELLOW,
    column,
    fixed,
    of_query,
    time_column,
    words,
)
from grafana.dashboards.panels import stat, table, time_series
from grafana.dashboards.promql import FIRING_COUNT, WATCHDOG, in_rows, judged, or_unknown, series, with_verdict
from grafana.dashboards.queries import Promql
from grafana.dashboards.transformations import columns

OK = words({1: ("✅ OK", GREEN), 0: ("🔴 FAILS", RED)})
UP = words({1: ("✅ UP", GREEN), 0: ("🔴 DOWN", RED)})
LAST_SUCCESS = f"max by (collector) ({series('ticketing_exporter_collector_last_success_timestamp_seconds')})"
SUCCESS = f"min by (collector) ({series('ticketing_exporter_collector_success')})"
DURATION = f"max by (collector) ({series('ticketing_exporter_collector_duration_seconds')})"


def _head() -> Sequence[Line]:
    return [
        line(
            4,
            (5, _figure(1, "Targets down", "Scrape targets that do not answer.",
                        f"count({series('up')} == 0) or 0 * count({series('up')})")),
            (5, _figure(2, "Alerts firing", "Of all sections; Watchdog always fires and is not counted.",
                        FIRING_COUNT)),
            (5, _figure(3, "Rule failures (5 min)", "Evaluations of rules that failed.",
                        f"round(sum(increase({series('prometheus_rule_evaluation_failures_total')}[5m])))")),
            (5, _figure(4, "Notifications failed (5 min)", "By Alertmanager, to any receiver; it tries again.",
                        f"round(sum(increase({series('alertmanager_notifications_failed_total')}[5m])))")),
            (4, _watchdog()),
        ),
    ]  # fmt: skip


def _figure(number: int, title: str, description: str, expr: str) -> Panel:
    """Of what there should be none."""
    return stat(number, title, description, [Promql(expr, title)], unit="locale", decimals=0,
                steps=thresholds(GREEN, (1, RED)), shown="value", sizes=(13, 32))  # fmt: skip


def _watchdog() -> Panel:
    return stat(
        5,
        "Watchdog",
        "Fires as long as rules are evaluated. When it stops, the dead-man's switch outside calls.",
        [Promql(f"max({WATCHDOG}) or vector(0)", "Watchdog")],
        unit="none",
        steps=thresholds(RED, (1, GREEN)),
        mappings=[words({1: ("✅ ALIVE", GREEN), 0: ("🔴 SILENT", RED)})],
        shown="value",
        fill=True,
        sizes=(13, 20),
    )


def _collectors() -> Panel:
    return table(
        101,
        "Collectors",
        "Each section of the exporter: whether it was read, how long that took, when it last succeeded, and how many"
        " values it leaves out because no sum can have them. The reasons are on the exporter's landing page.",
        [
            Promql(query, shape="table")
            for query in in_rows(
                f"{SUCCESS} or {DURATION} or {LAST_SUCCESS}",
                "collector",
                SUCCESS,
                DURATION,
                f"1000 * {LAST_SUCCESS}",
                f"round(time() - {LAST_SUCCESS})",
                f"max by (collector) ({series('ticketing_exporter_rejected_values')})",
            )
        ],
        transformations=columns(
            {
                "collector": "Section", "Value #A": "State", "Value #B": "Took", "Value #C": "Last success",
                "Value #D": "Age", "Value #E": "Left out",
            },
            join_on="collector",
        ),
        overrides=[
            # Else the last column is out of sight on a laptop.
            column("Section", custom__minWidth=70),
            column("State", mappings=[OK, UNKNOWN_IN_ROW], custom__width=85, custom__cellOptions=COLOUR_TEXT),
            column("Took", unit="s", decimals=0, custom__width=75, mappings=[UNKNOWN_IN_ROW]),
            time_column("Last success", 110, mappings=[UNKNOWN_IN_ROW]),
            column("Age", unit="s", decimals=0, custom__width=60, mappings=[UNKNOWN_IN_ROW]),
            column("Left out", unit="locale", custom__width=75, custom__cellOptions=COLOUR_TEXT,
                   thresholds=thresholds(GREY, (1, YELLOW)), color=BY_THRESHOLD, mappings=[UNKNOWN_IN_ROW]),
        ],
        sort=[("Section", False)],
    )  # fmt: skip


def _durations() -> Panel:
    return time_series(
        102,
        "Duration of a collection",
        "How long each section takes to read. At the scrape's deadline it fails instead.",
        [Promql(DURATION, "{{collector}}", over_time=True)],
        unit="s",
        custom={"fillOpacity": 0, "lineWidth": 1},
    )


def _exporter_use() -> Panel:
    own = 'job="ticketing-live"'
    return time_series(
        103,
        "Exporter: CPU and memory",
        "CPU on the left, as a part of one core; resident memory on the right.",
        [
            Promql(f"max(rate({series('process_cpu_seconds_total', own)}[1m]))", "CPU", over_time=True),
            Promql(f"max({series('process_resident_memory_bytes', own)})", "memory", over_time=True),
        ],
        # The ticks of a small chart are that close.
        unit="percentunit",
        decimals=1,
        overrides=[
            column("CPU", color=fixed(BLUE)),
            column("memory", unit="bytes", decimals=0, color=fixed(ORANGE), custom__axisPlacement="right",
                   custom__fillOpacity=0),
        ],
    )  # fmt: skip


def _sources() -> Panel:
    skew = series("ticketing_source_clock_skew_seconds")
    return time_series(
        104,
        "Sources: late, and clocks",
        "How late the replica is that the exporter reads, and how far its clock and the source's differ.",
        [
            Promql(f"max by (source) ({series('ticketing_source_lag_seconds')})", "{{source}} late", over_time=True),
            Promql(f"max by (source) (abs({skew}))", "{{source}} clock", over_time=True),
        ],
        unit="s",
        # Else the axis of sources that are never late ends at 1.67 minutes.
        custom={"fillOpacity": 0, "lineWidth": 1, "axisSoftMax": 10},
    )


def _of_targets(metric: str) -> str:
    return f'label_join({series(metric)}, "target", " ", "job", "instance")'


def _targets() -> Panel:
    queries = [_of_targets(name) for name in ("up", "scrape_duration_seconds", "scrape_samples_scraped")]
    return table(
        201,
        "Targets",
        "Every scrape target, and how long its last scrape took.",
        [Promql(query, shape="table") for query in in_rows(" or ".join(queries), "target", *queries)],
        transformations=columns(
            {"target": "Target", "Value #A": "State", "Value #B": "Took", "Value #C": "Samples"}, join_on="target"
        ),
        overrides=[
            column("Target", custom__cellOptions=WRAPPED),
            column("State", mappings=[UP, UNKNOWN_IN_ROW], custom__width=85, custom__cellOptions=COLOUR_TEXT),
            column("Took", unit="s", decimals=0, custom__width=65, mappings=[UNKNOWN_IN_ROW]),
            column("Samples", unit="locale", custom__width=85, mappings=[UNKNOWN_IN_ROW]),
        ],
        sort=[("State", False), ("Target", False)],
    )


def _rules() -> Panel:
    took = series("prometheus_rule_group_last_duration_seconds")
    slowest = f"topk(5, max by (rule_group) (max_over_time({took}[1h] @ end())))"
    groups = f"max by (rule_group) ({took}) and on (rule_group) {slowest}"
    return time_series(
        202,
        "Evaluation of the slowest rule groups",
        "How long the five took that were the slowest of the last hour. The dashed line is one second: the"
        " interval of the group that locks accounts.",
        [
            Promql(f'label_replace({groups}, "group", "$1", "rule_group", ".*;(.*)")', "{{group}}", over_time=True),
        ],
        unit="s",
        steps=thresholds("transparent", (1, RED)),
        threshold_style="dashed",
        custom={"fillOpacity": 0, "lineWidth": 1},
    )


def _storage() -> Panel:
    samples = series("prometheus_tsdb_head_samples_appended_total")
    return time_series(
        203,
        "Prometheus: series and samples",
        "Active series on the left, samples taken in each second on the right.",
        [
            Promql(f"max({series('prometheus_tsdb_head_series')})", "series", over_time=True),
            Promql(f"max(rate({samples}[1m]))", "samples/s", over_time=True),
        ],
        unit="locale",
        decimals=0,
        overrides=[
            column("series", color=fixed(BLUE)),
            column("samples/s", color=fixed(ORANGE), custom__axisPlacement="right", custom__fillOpacity=0),
        ],
    )


def _sent(counter: str) -> str:
    return f"sum by (integration) (increase({series(counter)}[5m])) > 0"


def _notifications() -> Panel:
    return time_series(
        301,
        "Notifications",
        "What Alertmanager sent in each five minutes, by way, and what failed.",
        [
            Promql(_sent("alertmanager_notifications_total"), "{{integration}}", over_time=True),
            Promql(_sent("alertmanager_notifications_failed_total"), "{{integration}} failed", over_time=True),
            # Else a time without any looks like one of which nothing is known.
            Promql(f"sum(increase({series('alertmanager_notifications_total')}[5m])) == 0", "none", over_time=True),
        ],
        unit="locale",
        decimals=0,
        custom={"drawStyle": "bars", "fillOpacity": 60, "lineWidth": 0, "stacking": {"mode": "normal", "group": "A"}},
        interval="5m",
    )  # fmt: skip


def _alertmanager() -> Panel:
    active, suppressed = 'state="active"', 'state="suppressed"'
    return stat(
        302,
        "Alertmanager",
        "Alerts it holds, silences in force, and alerts that a silence or another alert suppresses.",
        [
            Promql(f"max({series('alertmanager_alerts', active)})", "active alerts"),
            Promql(f"max({series('alertmanager_silences', active)})", "silences"),
            Promql(f"max({series('alertmanager_alerts', suppressed)})", "suppressed"),
        ],
        unit="locale",
        decimals=0,
        steps=thresholds(BLUE),
        shown="value_and_name",
        direction="vertical",
        sizes=(12, 26),
    )


def _responder() -> Panel:
    up = series("up", 'job="responder"')
    oldest = f"max({series('ticketing_responder_oldest_pending_seconds')})"
    within = "{value} <= bool {responder_backlog_seconds}"
    verdict = judged(oldest, within, f"1 - ({within})")
    return stat(
        303,
        "Responder",
        "Whether one answers, whether its ledger does, whether a person has stopped all actions, and how long the"
        " oldest action that is due has waited.",
        [
            Promql(f"max({up}) or 2 * absent({up})", "responder"),
            Promql(or_unknown(f"max({series('ticketing_responder_ledger_up')})"), "ledger"),
            Promql(or_unknown(f"max({series('ticketing_responder_stopped')})"), "switch"),
            Promql(with_verdict("oldest due", or_unknown(oldest), verdict), NAME_AND_VERDICT),
        ],
        unit="none",
        steps=thresholds(YELLOW),
        overrides=[
            of_query("A", mappings=[words({1: ("✅ UP", GREEN), 0: ("🔴 DOWN", RED), 2: ("not there", GREY)})]),
            of_query("B", mappings=[words({1: ("✅ UP", GREEN), 0: ("🔴 DOWN", RED)})]),
            of_query("C", mappings=[words({1: ("🔴 STOPPED", RED), 0: ("✅ ON", GREEN)})]),
            of_query("D", unit="s", decimals=0),
            *BY_VERDICT,
        ],
        shown="value_and_name",
        direction="vertical",
        sizes=(12, 20),
    )


def _actions() -> Panel:
    actions = series("ticketing_responder_actions")
    return time_series(
        304,
        "Responder: actions in its ledger",
        "How many actions there are in each state. Failed ones need a person.",
        [
            Promql(f"max by (state) (sum by (instance, state) ({actions}))", "{{state}}", over_time=True),
        ],
        unit="locale",
        decimals=0,
        overrides=[column("failed", color=fixed(RED)), column("done", color=fixed(GREEN))],
    )


DASHBOARD = Dashboard(
    links.STACK,
    "Ticketing monitoring: the stack itself",
    "Exporter, responder, Prometheus and Alertmanager: whether what watches the platform is well.",
    stack(
        _head(),
        [
            Section(
                100,
                "Exporter",
                [
                    [
                        Column(9, [(9, _collectors())]),
                        Column(8, [(9, _durations())]),
                        Column(7, [(5, _exporter_use()), (4, _sources())]),
                    ]
                ],
            ),
            Section(200, "Prometheus", [line(11, (9, _targets()), (8, _rules()), (7, _storage()))]),
            Section(
                300,
                "Alertmanager and responder",
                [
                    [
                        Column(9, [(8, _notifications())]),
                        Column(8, [(8, _actions())]),
                        Column(7, [(4, _alertmanager()), (4, _responder())]),
                    ]
                ],
            ),
        ],
    ),
    links={"Ticketing monitoring": links.dashboard(links.TICKETING)},
    refresh="30s",
)
