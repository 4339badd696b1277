"""What stands above the sections: title, age of the data, what is firing and what was done about it."""

from __future__ import annotations

from collections.abc import Sequence

from grafana.dashboards import links
from grafana.dashboards.dashboard_json import Panel, link, thresholds
from grafana.dashboards.layout import Line, Section, line
from grafana.dashboards.looks import (
    BLUE,
    COLOUR_TEXT,
    GREEN,
    RED,
    SEVERITIES,
    WRAPPED,
    YELLOW,
    column,
    hidden,
    time_column,
    words,
)
from grafana.dashboards.panels import stat, table, text
from grafana.dashboards.promql import (
    FIRING_IN_SECTION,
    FIRING_IN_SECTION_COUNT,
    WATCHDOG,
    copied,
    named,
    or_unknown,
    series,
)
from grafana.dashboards.queries import Promql, Sql
from grafana.dashboards.sections import SECTIONS
from grafana.dashboards.transformations import columns

# Sections are collected every 5 s or faster, model every minute.
_COLLECTED = "ticketing_exporter_collector_last_success_timestamp_seconds"
LIVE, MODEL = (
    f"max by (collector) ({series(_COLLECTED, matcher)})" for matcher in ("collector!='model'", "collector='model'")
)
_SECTIONS = f'part=~"{"|".join(SECTIONS)}"'
FRESH = (
    f"(count((time() - {LIVE}) < 30 or (time() - {MODEL}) < 180) or vector(0))"
    f" + (count({series('ticketing:platform:absent', _SECTIONS)}) or vector(0))"
)

_RANKED = {f"{rank} {name.lower()}": shown for rank, (name, shown) in enumerate(SEVERITIES.items())}
"""What severities are called in the table of alerts, which sorts by text."""


def _ranked(expr: str) -> str:
    for ranked in _RANKED:
        expr = f'label_replace({expr}, "severity", "{ranked}", "severity", "{ranked.partition(" ")[2]}")'
    return expr


_SINCE = f"1000 * {FIRING_IN_SECTION} * ignoring (alertstate) {series('ALERTS_FOR_STATE')}"
# This alert is one for all clients: its subject is the client that is nearest to its limit.
_NEAR = series("ALERTS", 'alertname="ClientNearLimit"')
_NEAREST = f"0 * topk(1, {series('ticketing:client_requests_per_minute:limit_ratio')}) + 1"
_WITH_CLIENT = (
    f"({_SINCE} and on (alertname) {_NEAR}) * on (platform) group_left (client) ({_NEAREST}) or on (alertname) {_SINCE}"
)
# An alert's subject is whichever of these labels it has; of alerts about a job's programs, the job.
_WITH_SUBJECT = f"""
label_replace(
  label_join(
    label_replace(
      label_join({_WITH_CLIENT}, "job", " ", "alertname", "source_job"),
      "program", "$1", "job", "(?:Exporter.*|TargetDown|JobGone|ConfigReloadFailed) (.*)"
    ),
    "subject", " ",
    "account", "client", "feature", "probe", "collector", "kpi", "series", "action", "integration", "program"
  ),
  "subject", "$1", "subject", " *(.*?) *"
)
"""
# Copies of two labels that value mappings turn into the runbook's address and the number of the panel to look at.
FIRING = copied(copied(_ranked(_WITH_SUBJECT), "alertname", "runbook"), "section", "panel")
# Watchdog fires as long as rules are evaluated at all, so silence is not taken for health.
NOTHING_FIRES = named(f"1000 * max(timestamp({WATCHDOG}))", "alertname", "nothing")

# A line an incident; one line when there is none, so that an empty answer is a fault.
DONE = """
SELECT done.latest AS "Time", coalesce(done.what, 'nothing') AS "What was done", done.alert AS "Because of",
       done.incident AS "Incident"
FROM (VALUES (1)) AS always
LEFT JOIN (
    SELECT correlation_id::text AS incident, max(timestamp) AS latest,
           min(concat_ws(' – ', alertname, nullif(subject, ''))) AS alert,
           string_agg(
               CASE state WHEN 'done' THEN '✅' WHEN 'failed' THEN '🔴' WHEN 'skipped' THEN '⏭'
                          WHEN 'reverted' THEN '↩' ELSE '⏳' END
               || chr(160) || replace(action, '_', chr(160)) || coalesce(': ' || error, ''), ' · ' ORDER BY timestamp
           ) AS what
    FROM monitoring.responder_activity
    WHERE $__timeFilter(timestamp)
    GROUP BY correlation_id
    ORDER BY latest DESC
    LIMIT 20
) AS done ON true
ORDER BY 1 DESC
"""


def header() -> Sequence[Line]:
    """The line above the first section."""
    return [line(3, (11, _title()), (4, _alerts()), (5, _updated()), (4, _live()))]


def alerts() -> Section:
    """What is firing and what was done: below the KPIs, which a laptop's screen has room for beside it."""
    return Section(700, "🔔 Alerts and responses", [line(7, (12, _firing()), (12, _done()))])


def _title() -> Panel:
    return text(
        1,
        "What this is.",
        '<div style="display:flex;flex-direction:column;justify-content:center;height:100%">'
        '<div style="font-size:26px;font-weight:600;line-height:1.2">🎫 NFT Ticketing Platform</div>'
        '<div style="font-size:15px;color:#8E9AAF">Monitoring Dashboard · real-time security and performance</div>'
        "</div>",
    )


def _alerts() -> Panel:
    return stat(
        2,
        "Alerts firing",
        "In the chosen sections, and on own metrics. Unknown when Prometheus evaluates no rules.",
        [Promql(or_unknown(FIRING_IN_SECTION_COUNT), "alerts")],
        unit="locale",
        steps=thresholds(GREEN, (1, RED)),
        shown="value",
        sizes=(13, 28),
    )


def _updated() -> Panel:
    return stat(
        3,
        "Last updated",
        "When the exporter last read a live section, not when this page was loaded.",
        [Promql(f"1000 * max({LIVE})", "updated")],
        unit="time:YYYY-MM-DD HH:mm:ss [UTC]",
        steps=thresholds(BLUE),
        shown="value",
        sizes=(13, 20),
    )


def _live() -> Panel:
    partly = {str(count): (f"⚠️ {count} OF 6 LIVE", YELLOW) for count in range(1, 6)}
    return stat(
        4,
        "Feed",
        "LIVE while all six sections were read within the last 30 seconds (model: three minutes), but for those that"
        " are not on this platform.",
        [Promql(FRESH, "sections")],
        unit="none",
        steps=thresholds(RED),
        mappings=[words({"6": ("🔴 LIVE", GREEN), **partly, "0": ("⚠️ STALE", RED)})],
        shown="value",
        fill=True,
        sizes=(13, 22),
    )


def _firing() -> Panel:
    known = {"nothing": ("✅ None in chosen sections", GREEN)}
    runbook = link("Runbook", '${__data.fields["Runbook"].text}', new_tab=True)
    panel = 'viewPanel=${__data.fields["Panel"].text}'
    look = link("Look at it", links.dashboard(links.TICKETING, panel, links.SAME_TIME))
    # Nothing fires, as far as one knows because Watchdog does.
    pages = words({"nothing": links.runbooks()["Watchdog"], **links.runbooks()})
    return table(
        701,
        "What is firing",
        "Alerts of the chosen sections and of own metrics, the most severe first. The name leads to the runbook, the"
        " section to its panel.",
        [Promql(f"{FIRING} or on () {NOTHING_FIRES}", shape="table")],
        transformations=columns(
            {
                "Value": "Since",
                "severity": "Severity",
                "alertname": "Alert",
                "subject": "Subject",
                "section": "Section",
                "runbook": "Runbook",
                "panel": "Panel",
            }
        ),
        overrides=[
            time_column("Since", 80),
            column("Severity", mappings=[words(_RANKED)], custom__width=110, custom__cellOptions=COLOUR_TEXT),
            column("Alert", custom__cellOptions=WRAPPED, custom__width=200, mappings=[words(known)], links=[runbook]),
            column("Subject", custom__cellOptions=WRAPPED, custom__minWidth=100),
            column("Section", custom__width=80, links=[look]),
            column("Panel", mappings=[words({name: str(section.main) for name, section in SECTIONS.items()})]),
            column("Runbook", mappings=[pages]),
            *hidden("Runbook", "Panel"),
        ],
        sort=[("Severity", False), ("Since", True)],
    )


def _done() -> Panel:
    report = link("The report", f'{links.REPORTS}/${{__data.fields["Incident"]}}', new_tab=True)
    return table(
        702,
        "What was done",
        "By the responder in the last 24 hours, a line an incident, the newest 20: ✅ done, ↩ put back, ⏳ under way,"
        " ⏭ left out and 🔴 failed, with the reason. The last column links to the report.",
        [Sql(DONE)],
        overrides=[
            time_column(width=105, unit="time:MM-DD HH:mm"),
            column("What was done", custom__cellOptions=WRAPPED, mappings=[words({"nothing": ("✅ Nothing", GREEN)})]),
            column("Because of", custom__cellOptions=WRAPPED, custom__width=195, links=[report]),
            *hidden("Incident"),
        ],
        sort=[("Time", True)],
        time_from="24h",
    )
