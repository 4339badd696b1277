"""Section security: the event feed with its filter, and failed sign-ins of admins."""

from __future__ import annotations

from grafana.dashboards import reasons
from grafana.dashboards.dashboard_json import Panel, link
from grafana.dashboards.layout import Column, Section, line
from grafana.dashboards.links import TICKETING, dashboard, investigate, runbook
from grafana.dashboards.looks import (
    BY_VERDICT,
    GREY,
    NAME_AND_VERDICT,
    SEVERITIES,
    WRAPPED,
    column,
    fixed,
    of_query,
    severity_column,
    time_column,
)
from grafana.dashboards.panels import stat, table, text
from grafana.dashboards.promql import judged, or_unknown, series, with_verdict
from grafana.dashboards.queries import Json, Promql, Sql

FEED = """
SELECT timestamp AS "Time", severity AS "Severity", message AS "Event", event_type AS "Type", account AS "Account",
       source_ip AS "Client"
FROM monitoring.security_events
WHERE $__timeFilter(timestamp) AND severity IN (${severity:sqlstring})
ORDER BY timestamp DESC
LIMIT 200
"""


_SECTION = 'collector="security"'
# Known to be none only while the section is read, and all of its history.
READ = f"max({series('ticketing:exporter_collector_complete:max', _SECTION)} == 1)"


def _address(severity: str) -> str:
    return dashboard(TICKETING, f"var-severity={severity}")


def _filter() -> Panel:
    pill = (
        '<a href="{}" style="display:inline-block;margin:2px 8px 2px 0;padding:3px 14px;border:1px solid {};'
        'border-radius:14px;color:{};font-weight:500;text-decoration:none">{}</a>'
    )
    choices = {"$__all": ("All", GREY), **{name: (name.title(), SEVERITIES[name][1]) for name in SEVERITIES}}
    pills = "".join(pill.format(_address(name), colour, colour, shown) for name, (shown, colour) in choices.items())
    return text(601, "Which severities the feed shows.", f"<div>Filter:&nbsp; {pills}</div>")


def _feed() -> Panel:
    return table(
        602,
        "🔒 Security events (last 15 minutes)",
        "What the platform, its guards and the responder recorded, newest first, at most 200. The filter above and"
        " variable Severity choose which.",
        [Sql(FEED)],
        overrides=[
            time_column(),
            severity_column(),
            column("Event", custom__cellOptions=WRAPPED),
            column("Type", custom__width=170),
            column("Account", custom__width=120),
            column("Client", custom__width=130,
                   links=[link("Investigate the client", investigate("client", "${__value.raw}"))]),
        ],
        sort=[("Time", True)],
        time_from="15m",
    )  # fmt: skip


def _counted(severity: str) -> str:
    return series("ticketing_security_events", f'severity="{severity}"')


def _counts() -> Panel:
    colours: list[Json] = []
    for ref, (name, (_, colour)) in zip("ABCD", SEVERITIES.items(), strict=True):
        colours.append(of_query(ref, color=fixed(colour), links=[link(f"Only {name.title()}", _address(name))]))
    return stat(
        603,
        "Events by severity (15 min)",
        "How many there are, whatever the filter. A number leads to the feed of its severity.",
        [Promql(or_unknown(f"max({_counted(name)})"), name.title()) for name in SEVERITIES],
        unit="locale",
        decimals=0,
        overrides=colours,
        shown="value_and_name",
        direction="vertical",
        sizes=(12, 26),
    )


def _failures(name: str, kind: str) -> Promql:
    """The query of one kind, which metric and limit have in their names."""
    failures = f"(max({series(f'ticketing_admin_{kind}')}) or 0 * {READ})"
    verdict = judged(failures, "{value} == bool 0", f"{{value}} >= bool {{{kind}}}")
    return Promql(with_verdict(name, or_unknown(failures), verdict), NAME_AND_VERDICT)


def _sign_ins() -> Panel:
    return stat(
        604,
        "Failed admin sign-ins (5 min)",
        "Of the account that has most, and how many accounts failed from one address. Red is an attack: as many as the"
        " limit. For second factors the responder is to lock the account.",
        reasons.instead(
            ["sign_ins"],
            [
                _failures("second factor", "mfa_failures"),
                _failures("password", "login_failures"),
                _failures("accounts of one address", "accounts_of_one_address"),
            ],
        ),
        unit="locale",
        decimals=0,
        overrides=[*BY_VERDICT, reasons.INSTEAD],
        links=[runbook("UnauthorizedAdminAccess")],
        shown="value_and_name",
        direction="vertical",
        sizes=(12, 26),
    )


SECTION = Section(
    600,
    f"🔒 Security Events (SIEM Feed){reasons.of('security')}",
    [
        line(2, (24, _filter())),
        [Column(18, [(10, _feed())]), Column(6, [(5, _counts()), (5, _sign_ins())])],
    ],
    main=602,
)
