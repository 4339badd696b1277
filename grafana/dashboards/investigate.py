"""Where the links of a transaction, a wallet and a client lead: all that is known of each."""

from __future__ import annotations

from collections.abc import Sequence

from grafana.dashboards import links
from grafana.dashboards.dashboard_json import Dashboard, Panel, link, thresholds
from grafana.dashboards.decisions import SHOWN, WITHOUT, decision_column, newest
from grafana.dashboards.layout import Section, line, stack
from grafana.dashboards.looks import (
    BLUE,
    BY_THRESHOLD,
    COLOUR_TEXT,
    GREEN,
    LIMIT_LINE,
    RED,
    SCORE_CELL,
    WRAPPED,
    YELLOW,
    column,
    hidden,
    severity_column,
    time_column,
    words,
)
from grafana.dashboards.panels import table, text, time_series
from grafana.dashboards.promql import series
from grafana.dashboards.queries import Json, Promql, Sql
from grafana.dashboards.variables import TextVariable

TRANSACTION = f"""
SELECT p."Time", p."Score", p."Decision",
       CASE WHEN l.is_fraud THEN 'fraud' WHEN NOT l.is_fraud THEN 'legitimate' ELSE 'not yet' END AS "Verdict",
       p."Top feature", p."Model", p."Wallet", p."Client", p."full wallet"
FROM {WITHOUT}
CROSS JOIN LATERAL (
    SELECT timestamp AS "Time", fraud_score AS "Score",
           {SHOWN} AS "Decision",
           top_feature AS "Top feature", model_version AS "Model", left(wallet, 10) || '…' AS "Wallet",
           source_ip AS "Client", wallet AS "full wallet", transaction_id
    FROM monitoring.fraud_predictions
    WHERE transaction_id = ${{transaction:sqlstring}}
) AS p
LEFT JOIN monitoring.fraud_labels AS l ON l.transaction_id = p.transaction_id
ORDER BY p."Time" DESC
LIMIT 10
"""

FEATURES = """
SELECT feature.key AS "Feature", feature.value AS "Value"
FROM monitoring.fraud_predictions AS p, jsonb_each_text(p.features) AS feature
WHERE p.transaction_id = ${transaction:sqlstring}
ORDER BY p.timestamp DESC, feature.key
LIMIT 50
"""

EVENTS = """
SELECT timestamp AS "Time", severity AS "Severity", message AS "Event", event_type AS "Type", account AS "Account"
FROM monitoring.security_events
WHERE $__timeFilter(timestamp) AND source_ip = ${client:sqlstring}
ORDER BY timestamp DESC
LIMIT 200
"""


def _score() -> Json:
    return column(
        "Score", unit="none", decimals=2, min=0, max=1, color=BY_THRESHOLD, custom__width=150,
        custom__cellOptions=SCORE_CELL,
        thresholds=thresholds(GREEN, (0.6, YELLOW), (0.8, RED)),
    )  # fmt: skip


def _overrides() -> Sequence[Json]:
    wallet = '${__data.fields["full wallet"]}'
    return [
        time_column(width=125, unit="time:MM-DD HH:mm:ss"),
        column("Txn ID", links=[link("The transaction", links.investigate("transaction", "${__value.raw}"))]),
        _score(),
        decision_column(),
        column("Wallet", links=[link("The wallet", links.investigate("wallet", wallet))]),
        column("Client", links=[link("The client", links.investigate("client", "${__value.raw}"))]),
        *hidden("full wallet"),
    ]  # fmt: skip


def _how() -> Panel:
    return text(
        1,
        "How to use this.",
        '<div style="color:#8E9AAF">Type a transaction, a wallet or a client’s address above, or follow a link of '
        "another dashboard. Wallets and clients are searched in the chosen time.</div>",
    )


def _transaction() -> Panel:
    verdicts = words({"fraud": ("fraud", RED), "legitimate": ("legitimate", GREEN), "not yet": ("not yet", BLUE)})
    return table(
        101,
        "The transaction",
        "Its prediction, and the verdict of its label if there is one by now.",
        [Sql(TRANSACTION)],
        overrides=[
            *_overrides(),
            column("Verdict", mappings=[verdicts], custom__width=90, custom__cellOptions=COLOUR_TEXT),
            column("Model", custom__width=90),
            column("Wallet", custom__width=120),
            column("Client", custom__width=120),
        ],
    )


def _features() -> Panel:
    return table(
        102, "Its features", "What the model saw.", [Sql(FEATURES)], overrides=[column("Value", custom__width=80)]
    )


def _of(number: int, title: str, description: str, column_name: str, variable: str) -> Panel:
    return table(
        number,
        title,
        description,
        # By wallet and by address there is no index: the time range bounds what is read.
        [Sql(newest(f"{column_name} = ${{{variable}:sqlstring}}", 200))],
        overrides=_overrides(),
        sort=[("Time", True)],
    )


def _requests() -> Panel:
    requests = series("ticketing_client_requests_per_minute", 'client="$client"')
    limit = series("ticketing_rate_limit_requests_per_minute", 'scope="client"')
    return time_series(
        302,
        "Its requests per minute",
        "Known while the client is among the ten busiest. The dashed line is the limit of one client.",
        [
            Promql(f"max by (client) ({requests})", "{{client}}", over_time=True),
            Promql(f"max({limit})", "limit", over_time=True),
        ],
        unit="locale",
        decimals=0,
        overrides=[LIMIT_LINE],
    )


def _events() -> Panel:
    return table(
        303,
        "Its security events",
        "What was recorded of that address, newest first, at most 200.",
        [Sql(EVENTS)],
        overrides=[
            time_column(width=125, unit="time:MM-DD HH:mm:ss"),
            severity_column(),
            column("Event", custom__cellOptions=WRAPPED),
            column("Account", custom__width=90),
        ],
        sort=[("Time", True)],
    )


DASHBOARD = Dashboard(
    links.INVESTIGATE,
    "Ticketing monitoring: investigate",
    "What is known of one transaction, one wallet, one client.",
    stack(
        [line(2, (24, _how()))],
        [
            Section(100, "Transaction ${transaction}", [line(7, (18, _transaction()), (6, _features()))]),
            Section(
                200,
                "Wallet ${wallet}",
                [line(8, (24, _of(201, "Its transactions", "The newest 200 of the wallet.", "wallet", "wallet")))],
            ),
            Section(
                300,
                "Client ${client}",
                [
                    line(
                        8, (24, _of(301, "Its transactions", "The newest 200 from the address.", "source_ip", "client"))
                    ),
                    line(9, (10, _requests()), (14, _events())),
                ],
            ),
        ],
    ),
    variables=[
        TextVariable("transaction", "Transaction"),
        TextVariable("wallet", "Wallet"),
        TextVariable("client", "Client"),
    ],
    links={"Ticketing monitoring": links.dashboard(links.TICKETING)},
    time_from="now-24h",
    refresh="",
)
