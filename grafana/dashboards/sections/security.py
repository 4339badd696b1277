"""Section security: the event feed with its filter, and failed sign-ins of admins."""

from __future__ import annotations

from grafana.dashboards import reasons
from grafana.dashboards.dashboard_json import Panel, link
from grafana.dashboards.layout import Column, Section, line
from grafana.dashboards.links import SAME_TIME, TICKETING, dashboard, investigate, runbook
from grafana.dashboards.looks import (
    BY_VERDICT,
    GREEN,
    GREY,
    NAME_AND_VERDICT,
    SEVERITIES,
    WRAPPED,
    column,
    fixed,
    of_query,
    severity_column,
    time_column,
    words,
)
from grafana.dashboards.panels import stat, table, text
from grafana.dashboards.promql import judged, or_unknown, read_now, series, with_verdict
from grafana.dashboards.queries import Json, Promql, Sql

# A line for what is the same but for its time and its words; one line when there is none, so that an empty answer is a
# fault. A transaction's number makes each blocked one new: 400 of them would leave no room for what is worse.
FEED = """
SELECT feed.latest AS "Time", feed.severity AS "Severity", coalesce(feed.message, 'none') AS "Event",
       feed.times AS "Times", feed.event_type AS "Type", feed.account AS "Account", feed.source_ip AS "Client"
FROM (VALUES (1)) AS always
LEFT JOIN (
    SELECT max(timestamp) AS latest, severity, (array_agg(message ORDER BY timestamp DESC))[1] AS message,
           count(*) AS times, event_type, account,
           CASE WHEN count(DISTINCT source_ip) > 1 THEN count(DISTINCT source_ip) || ' addresses'
                ELSE max(source_ip) END AS source_ip
    FROM monitoring.security_events
    WHERE $__timeFilter(timestamp) AND severity IN (${severity:sqlstring})
    GROUP BY severity, event_type, account
    ORDER BY array_position(ARRAY[%s], severity), latest DESC
    LIMIT 200
) AS feed ON true
ORDER BY array_position(ARRAY[%s], feed.severity), feed.latest DESC
""".replace("%s", ", ".join(f"'{name}'" for name in SEVERITIES))


_SECTION = 'collector="security"'
# Known to be none only while the section is read, and all of its history.
READ = read_now(_SECTION)


def _address(severity: str) -> str:
    return dashboard(TICKETING, "${section:queryparam}", f"var-severity={severity}", SAME_TIME)


def _filter() -> Panel:
    pill = (
        '<a href="{}" style="display:inline-block;margin:2px 8px 2px 0;padding:3px 14px;border:1px solid {};'
        'border-radius:14px;color:{};font-weight:500;text-decoration:none">{}</a>'
    )
    choices = {"$__all": ("All", GREY), **{name: (name.title(), SEVERITIES[name][1]) for name in SEVERITIES}}
    pills = "".join(pill.format(_address(name), colour, colour, shown) for name, (shown, colour) in choices.items())
    chosen = f'<span style="margin-left:8px;color:{GREY}">Shown: <b>${{severity:text}}</b></span>'
    return text(601, "Which severities the feed shows.", f"<div>Filter:&nbsp; {pills}{chosen}</div>")


def _feed() -> Panel:
    return table(
        602,
        "🔒 Security events (last 15 minutes)",
        "What the platform, its guards and the responder recorded, the most severe first. Events of one type and"
        " account are one line, with the words of the newest. The filter above and variable Severity choose which.",
        [Sql(FEED)],
        overrides=[
            time_column(),
            severity_column(),
            column("Event", custom__cellOptions=WRAPPED, mappings=[words({"none": ("✅ None", GREEN)})]),
            column("Times", unit="locale", custom__width=65),
            column("Type", custom__width=165),
            column("Account", custom__width=110),
            column("Client", custom__width=125,
                   links=[link("Investigate the client", investigate("client", "${__value.raw}"))]),
        ],
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
