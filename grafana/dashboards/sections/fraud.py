"""Section fraud: every risky transaction, the rule's own figures, and how scores are spread."""

from __future__ import annotations

from contract.definition import MOST_DECISION_WORDS
from grafana.dashboards import reasons
from grafana.dashboards.dashboard_json import Panel, link, thresholds
from grafana.dashboards.decisions import OWN_WORD, WITHOUT, decision_column, newest
from grafana.dashboards.layout import Column, Section, line
from grafana.dashboards.links import investigate, runbook
from grafana.dashboards.looks import (
    BY_THRESHOLD,
    BY_VERDICT,
    GREEN,
    GREY,
    NAME_AND_VERDICT,
    ORANGE,
    RED,
    SCORE_CELL,
    YELLOW,
    column,
    columns_like,
    fixed,
    hidden,
    numbers,
    of_query,
    shades,
    time_column,
)
from grafana.dashboards.panels import heatmap, stat, table, time_series
from grafana.dashboards.promql import judged, named, or_unknown, series, with_verdict
from grafana.dashboards.queries import Promql, Sql

# One row a point. Grafana keeps one value a moment and series, so those of the same moment are put a millionth of a
# second apart. The most frequent words are told apart; a point with another is called by what it means alone.
POINTS = f"""
WITH points AS ({{points}}),
named AS (
    SELECT class, word FROM points WHERE word IS NOT NULL GROUP BY 1, 2
    ORDER BY count(*) DESC, 2 LIMIT {MOST_DECISION_WORDS}
),
called AS (
    SELECT timestamp, fraud_score, class || coalesce(': ' || named.word, '') AS name
    FROM points LEFT JOIN named USING (class, word)
)
SELECT timestamp + (row_number() OVER (PARTITION BY timestamp, name) - 1) * interval '1 microsecond' AS "time",
       fraud_score AS "value", name AS "metric"
FROM called
ORDER BY 1
"""

# The condition is the partial index's, word by word. The newest come first where there are more than fit a screen.
RISKY = POINTS.format(
    points=f"""
    SELECT newest.*
    FROM {WITHOUT}
    CROSS JOIN LATERAL (
        SELECT timestamp, fraud_score, {OWN_WORD} AS word,
               CASE decision WHEN 'BLOCKED' THEN 'Blocked' WHEN 'APPROVED' THEN 'Approved above 0.65' ELSE 'Review' END
                   AS class
        FROM monitoring.fraud_predictions
        WHERE $__timeFilter(timestamp) AND (fraud_score > 0.65 OR decision <> 'APPROVED')
        ORDER BY timestamp DESC
        LIMIT 10000
    ) AS newest
"""
)

# A sample that does not depend on the score: the first eight of each 360th of the time, all where there are no more.
APPROVED = POINTS.format(
    points=f"""
    SELECT shown.*
    FROM {WITHOUT}
    CROSS JOIN generate_series(0, 359) AS part
    CROSS JOIN LATERAL (
        SELECT timestamp, fraud_score, {OWN_WORD} AS word, 'Approved' AS class
        FROM monitoring.fraud_predictions
        WHERE timestamp >= $__timeFrom()::timestamptz
                           + part * ($__timeTo()::timestamptz - $__timeFrom()::timestamptz) / 360
          AND timestamp < $__timeFrom()::timestamptz
                          + (part + 1) * ($__timeTo()::timestamptz - $__timeFrom()::timestamptz) / 360
          AND $__timeFilter(timestamp)
          AND decision = 'APPROVED' AND fraud_score <= 0.65
        ORDER BY timestamp
        LIMIT 8
    ) AS shown
"""
)

FEED = newest("(fraud_score > 0.65 OR decision <> 'APPROVED')", 50)

TEN_MINUTES = 'window="10m"'
IN_FORCE = f"max by (model) ({series('ticketing_fraud_model_active')})"
THRESHOLDS = f"max({series('ticketing_fraud_threshold_ratio')})"
LINE = {"custom__drawStyle": "line", "custom__showPoints": "never", "custom__lineInterpolation": "stepAfter"}
DASHED = {"fill": "dash", "dash": [6, 6]}
UNSEEN = {"legend": True, "tooltip": True, "viz": False}


def _threshold(name: str) -> str:
    matcher = f'threshold="{name}"'
    return f"max({series('ticketing_fraud_threshold_ratio', matcher)})"


def _scatter() -> Panel:
    points = {
        "Blocked": (RED, 7),
        "Review": (YELLOW, 6),
        "Approved above 0.65": (ORANGE, 6),
        "Approved": (GREEN, 3),
    }
    edges = {"🔴 block zone": RED, "🟡 review zone": YELLOW}
    # A zone has the colour of its upper edge, which is not that of the line drawn there.
    zones = {
        "top": (RED, "🔴 block zone"),
        "top of review": (YELLOW, "🟡 review zone"),
        "top of approved": (GREEN, "bottom"),
        "bottom": (GREEN, None),
    }
    return time_series(
        201,
        f"Fraud score distribution{reasons.of('fraud_predictions')}",
        "One point a scored transaction: all that were blocked, sent to review or scored above 0.65 (the newest"
        " 10,000), and of the approved at most eight in each 360th of the time. The decision is the stored one, with"
        " the platform's own word for it where it has one; the zones are the thresholds in force at that time.",
        [
            Sql(APPROVED, time_series=True),
            Sql(RISKY, time_series=True),
            Promql(f"0 * {THRESHOLDS} + 1", "top", over_time=True),
            Promql(_threshold("block"), "top of review", over_time=True),
            Promql(_threshold("review"), "top of approved", over_time=True),
            Promql(_threshold("block"), "🔴 block zone", over_time=True),
            Promql(_threshold("review"), "🟡 review zone", over_time=True),
            Promql(f"0 * {THRESHOLDS}", "bottom", over_time=True),
        ],
        unit="none",
        decimals=2,
        custom={
            "drawStyle": "points",
            "showPoints": "always",
            "pointSize": 3,
            "fillOpacity": 10,
            "gradientMode": "none",
            "spanNulls": True,
        },
        highest=1,
        overrides=[
            # Upwards, in the order of the zones: where they meet is not known here.
            numbers(custom__axisLabel="approve zone → review zone → block zone"),
            *(
                columns_like(f"{name}{word}", color=colour, custom__pointSize=size)
                for name, (c, size) in points.items()
                for word, colour in (("", fixed(c)), (": .*", shades(c)))
            ),
            *(
                column(
                    name, **LINE, custom__lineWidth=1, color=fixed(c), custom__lineStyle=DASHED, custom__fillOpacity=0
                )
                for name, c in edges.items()
            ),
            *(
                column(
                    name,
                    **LINE,
                    custom__lineWidth=0,
                    color=fixed(c),
                    custom__hideFrom=UNSEEN,
                    **({"custom__fillBelowTo": lower} if lower else {}),
                )
                for name, (c, lower) in zones.items()
            ),
        ],
        interval="15s",
    )


def _share() -> Panel:
    ratio, at_least, predictions = (
        f"max({series(f'ticketing:{name}', TEN_MINUTES)})"
        for name in ("fraud_blocked:ratio", "fraud_blocked:wilson_lower", "fraud_predictions:sum")
    )
    good, bad = "{value} < bool {fraud_rate_target}", "{value} > bool {fraud_blocked_ratio_high}"
    return stat(
        202,
        "Blocked, last 10 minutes",
        "What FraudRateSpike watches: the blocked part of the predictions of the last ten minutes, and what it is at"
        " least, as far as so few can tell (Wilson's bound). The alert wants the part above the limit for ten minutes,"
        " and to be surer of it.",
        reasons.instead(
            ["fraud_predictions"],
            [
                Promql(with_verdict("blocked", or_unknown(ratio), judged(ratio, good, bad)), NAME_AND_VERDICT),
                Promql(with_verdict("at least", or_unknown(at_least), judged(at_least, good, bad)), NAME_AND_VERDICT),
                Promql(or_unknown(predictions), "of"),
            ],
        ),
        unit="percentunit",
        decimals=1,
        overrides=[*BY_VERDICT, reasons.INSTEAD, column("of", unit="locale", decimals=0, color=fixed(GREY))],
        links=[runbook("FraudRateSpike")],
        shown="value_and_name",
        direction="vertical",
        sizes=(12, 20),
    )


def _in_force() -> Panel:
    return stat(
        203,
        "Thresholds in force",
        "From which score a transaction is reviewed, and from which it is blocked.",
        [
            *reasons.instead(
                ["config:fraud_threshold"], [Promql(or_unknown(_threshold("review")), "review from")], "review"
            ),
            *reasons.instead(
                ["fraud_predictions", "model_versions"],
                [Promql(or_unknown(_threshold("block")), "block from")],
                "block",
            ),
        ],
        unit="none",
        decimals=2,
        overrides=[of_query("A", color=fixed(YELLOW)), of_query("C", color=fixed(RED)), reasons.INSTEAD],
        shown="value_and_name",
        direction="vertical",
        sizes=(12, 20),
    )


def _model() -> Panel:
    return stat(
        204,
        "Model in force",
        "Which model scores now: xgboost, or the ensemble that the responder switches on when features drift.",
        reasons.instead(
            ["config:fraud_model"], [Promql(f"{IN_FORCE} or on () {named('vector(1)', 'model', '—')}", "{{model}}")]
        ),
        unit="none",
        steps=thresholds(GREY),
        shown="name",
        sizes=(20, 20),
    )


def _feed() -> Panel:
    steps = thresholds(GREEN, (0.6, YELLOW), (0.8, RED))
    return table(
        205,
 f"🚨 Recent high-risk transactions{reasons.of('fraud_predictions')}",
        "The newest 50 that were blocked, sent to review, or scored above 0.65. Transaction, wallet and client lead to"
        " what else is known of them.",
        [Sql(FEED)],
        overrides=[
            time_column(),
            column("Txn ID", custom__width=175,
                   links=[link("Investigate the transaction", investigate("transaction", "${__value.raw}"))]),
            column("Score", unit="none", decimals=2, min=0, max=1, thresholds=steps, color=BY_THRESHOLD,
                   custom__width=110, custom__cellOptions=SCORE_CELL),
            decision_column(),
            column("Wallet", custom__width=115, links=[
                link("Investigate the wallet", investigate("wallet", '${__data.fields["full wallet"]}'))]),
            *hidden("full wallet"),
            column("Client", custom__width=125,
                   links=[link("Investigate the client", investigate("client", "${__value.raw}"))]),
        ],
        sort=[("Time", True)],
    )  # fmt: skip


def _spread() -> Panel:
    buckets = series("ticketing_fraud_score_bucket", 'le!="+Inf"')
    return heatmap(
        206,
        f"Spread of scores{reasons.of('fraud_predictions')}",
        "How many predictions fall into each tenth of the score, in every five minutes. A model that fails collapses"
        " into few of them.",
        Promql(
            f"max by (le) (increase({buckets}[$__interval]))",
            "{{le}}",
            over_time=True,
            shape="heatmap",
        ),
        interval="5m",
    )


SECTION = Section(
    200,
    f"🚨 Real-Time Fraud Detection{reasons.of('fraud')}",
    [
        [Column(19, [(11, _scatter())]), Column(5, [(4, _share()), (4, _in_force()), (3, _model())])],
        line(9, (18, _feed()), (6, _spread())),
    ],
    main=201,
)
