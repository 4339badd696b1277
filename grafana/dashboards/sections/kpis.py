"""Section kpis: four cards, each with value, past hour, change, target and verdict."""

from __future__ import annotations

from dataclasses import dataclass

from contract.definition import KPI_FRAUD_RATE, KPI_LATENCY_P95, KPI_REVENUE_PER_HOUR, KPI_TRANSACTIONS_PER_HOUR
from grafana.dashboards import reasons
from grafana.dashboards.dashboard_json import Panel, thresholds
from grafana.dashboards.layout import Section, line
from grafana.dashboards.links import runbook
from grafana.dashboards.looks import (
    BAD,
    BY_VERDICT,
    GOOD,
    GREEN,
    GREY,
    NAME_AND_VERDICT,
    NOBODY_KNOWS,
    RED,
    WATCH,
    YELLOW,
    column,
    names_with_verdicts,
    pattern,
    words,
)
from grafana.dashboards.panels import stat
from grafana.dashboards.promql import (
    as_label,
    at_end,
    judged,
    limit,
    named,
    sentence,
    series,
    with_thousands,
    with_verdict,
)
from grafana.dashboards.queries import Promql
from grafana.dashboards.transformations import EVERY_MOMENT, at_every_moment, columns

NOT_HERE, READING = -2, -3
"""No verdict, and why."""
VERDICTS = words(
    {
        GOOD: ("✅ OK", GREEN), WATCH: ("⚠️ WATCH", YELLOW), BAD: ("🔴 ALERT", RED), NOBODY_KNOWS: ("—", GREY),
        NOT_HERE: (reasons.HERE, GREY), READING: (reasons.READING, GREY),
    }
)  # fmt: skip


@dataclass(frozen=True)
class Card:
    """One KPI.

    Attributes:
        number: ID of the card; that of the line below it is one more.
        title: of the card.
        counts: what the number is of, in the fewest words.
        meaning: its definition.
        metric: the exporter's metric, of which the recording rules have the names too.
        scale: what it is multiplied by. Small numbers make a flat sparkline: Grafana rounds its axis like the value.
        unit: of the product.
        decimals: after the point.
        change: change against one hour ago, a suffix of the recorded KPI, and what it is multiplied by.
        change_unit: as it is written behind the number.
        change_decimals: after the point.
        more_is_better: which direction is green.
        aim: what the limit aimed at is called.
        aim_limit: its name, and what it is multiplied by.
        aim_text: how it is written, with `{aim}` for the number.
        good: whether it is: see `promql.judged`.
        bad: whether it is.
        alert: whose runbook the card leads to.
        part: what `ticketing_platform_has` calls it.
        section: whose history it may need.
    """

    number: int
    title: str
    counts: str
    meaning: str
    metric: str
    scale: int
    unit: str
    decimals: int
    change: tuple[str, int]
    change_unit: str
    change_decimals: int
    more_is_better: bool
    aim: str
    aim_limit: tuple[str, float]
    aim_text: str
    good: str
    bad: str
    alert: str
    part: str
    section: str = "kpis"

    @property
    def judged(self) -> str:
        """The verdict, of the KPI as a recording rule has it: of all exporters."""
        return judged(f"max({series(f'ticketing:{self.metric}:max')})", self.good, self.bad)


# Whether it is peak, as 1 or 0, as far as its hours are known.
PEAK_HOURS = (
    f"((max({series('ticketing:peak_hours:active')}) or vector(0)) + 0 * ({{peak_start_hour}} + {{peak_end_hour}}))"
)
# Nobody else says whether an event launches: without it there is no launch.
LAUNCH = f"(max({series('ticketing:event_launch_active:max')}) or vector(0))"

CARDS = (
    Card(
        110,
        "📊 Transactions / hour",
        "purchases and transfers, last hour",
        "Purchases and transfers of the last hour, as the platform counts them. Alert in peak hours, below the limit.",
        "kpi_transactions_per_hour",
        1,
        "locale",
        0,
        ("relative_delta1h", 100),
        "%",
        0,
        True,
        "Target",
        ("transactions_per_hour_target", 1),
        "{aim}/h",
        "{value} >= bool {transactions_per_hour_target}",
        f"({{value}} < bool {{transactions_per_hour_low}}) * {PEAK_HOURS}",
        "TransactionsLow",
        KPI_TRANSACTIONS_PER_HOUR,
    ),
    Card(
        120,
        "🚨 Fraud rate",
        "blocked of all, last hour",
        "Blocked transactions as a part of all, last hour, as the platform counts them. Alert above one limit and below"
        " another.",
        "kpi_fraud_rate_ratio",
        100,
        "percent",
        1,
        ("delta1h", 100),
        "%",
        1,
        False,
        "Target",
        ("fraud_rate_target", 100),
        "< {aim}%",
        "({value} >= bool {fraud_blocked_ratio_low}) * ({value} < bool {fraud_rate_target})",
        "({value} > bool {fraud_blocked_ratio_high}) + ({value} < bool {fraud_blocked_ratio_low})",
        "FraudRateSpike",
        KPI_FRAUD_RATE,
        "fraud",
    ),
    Card(
        130,
        "⚡ API latency p95",
        "answers of fraud prediction",
        "95th percentile of the answer times of /api/v1/ml/predict/fraud. Alert above the limit.",
        "kpi_api_latency_p95_seconds",
        1000,
        "ms",
        0,
        ("delta1h", 1000),
        " ms",
        0,
        False,
        "Target",
        ("api_latency_p95_target_seconds", 1000),
        "< {aim} ms",
        "{value} < bool {api_latency_p95_target_seconds}",
        "{value} > bool {api_latency_p95_seconds}",
        "ApiLatencyDegradation",
        KPI_LATENCY_P95,
    ),
    Card(
        140,
        "💰 Revenue / hour",
        "sales and fees, last hour",
        "Ticket sales and platform fees of the last hour. Alert while an event launches, below the limit.",
        "kpi_revenue_per_hour_usd",
        1,
        # As short as that: Grafana has a unit for dollars in full only since 12.1.
        "currencyUSD",
        2,
        ("relative_delta1h", 100),
        "%",
        0,
        True,
        "Baseline",
        ("revenue_per_hour_usd_baseline", 0.001),
        "${aim}k",
        "{value} >= bool {revenue_per_hour_usd_baseline}",
        f"({{value}} < bool {{revenue_per_hour_usd_low}}) * {LAUNCH}",
        "RevenueLow",
        KPI_REVENUE_PER_HOUR,
    ),
)


def _value(card: Card) -> Panel:
    value = f"{card.scale} * max({series(f'ticketing_{card.metric}')})"
    return stat(
        card.number,
        card.title,
        card.meaning,
        [
            Promql(with_verdict(card.counts, value, at_end(card.judged)), NAME_AND_VERDICT, over_time=True),
            EVERY_MOMENT,
        ],
        transformations=at_every_moment(*names_with_verdicts(card.counts)),
        overrides=BY_VERDICT,
        unit=card.unit,
        decimals=card.decimals,
        links=[runbook(card.alert)],
        shown="value_and_name",
        sparkline=True,
        left=True,
        sizes=(12, 54),
        time_from="1h",
        interval="15s",
    )


def _below(card: Card) -> Panel:
    step = 10.0**-card.change_decimals
    suffix, scale = card.change
    change = f"round({scale} * max({series(f'ticketing:{card.metric}:{suffix}')}), {step:g})"
    texts = (
        sentence(as_label(f"{change} > 0", "change", step), f"▲ +{{change}}{card.change_unit}"),
        sentence(as_label(f"{change} < 0", "change", step), f"▼ {{change}}{card.change_unit}"),
        named(f"{change} == 0", "message", f"● 0{card.change_unit}"),
        named(f"absent({change})", "message", "—"),
    )
    aim, aim_scale = card.aim_limit
    number = with_thousands(as_label(f"{aim_scale} * {limit(aim)}", "aim", 0.01), "aim")
    aimed_at, unknown = sentence(number, card.aim_text, "target"), named("vector(1)", "target", "—")
    gone = reasons.absent(card.part)
    known = f"max({series(f'ticketing:{card.metric}:max')})"
    reading = f"0 * {reasons.reading(card.section)} + {READING} unless on () {known}"
    better, worse = (GREEN, RED) if card.more_is_better else (RED, GREEN)
    return stat(
        card.number + 1,
        f"{card.title.split(' ', 1)[1]} against {card.aim.lower()}",
        f"{card.title}: change against one hour ago, {card.aim.lower()}, and verdict.",
        [
            # The reason why there is none stands alone: it is longer than a verdict.
            Promql(f"({' or '.join(texts)}) unless on () {gone}", shape="table"),
            Promql(f"({aimed_at} or on () {unknown}) unless on () {gone}", shape="table"),
            Promql(f"{NOT_HERE} * {gone} or ({reading}) or ({card.judged})", shape="table"),
        ],
        unit="none",
        steps=thresholds(GREY),
        transformations=columns({"message": "1 h", "target": card.aim, "Value #C": "Status"}),
        overrides=[
            column("1 h", mappings=[pattern("^(▲.*)$", "$1", better), pattern("^(▼.*)$", "$1", worse, 1)]),
            column("Status", mappings=[VERDICTS]),
        ],
        texts=True,
        shown="value_and_name",
        direction="vertical",
        left=True,
        sizes=(11, 15),
    )


SECTION = Section(
    100,
    f"📈 Key Performance Indicators{reasons.of('kpis')}",
    [
        line(4, *((6, _value(card)) for card in CARDS)),
        line(3, *((6, _below(card)) for card in CARDS)),
    ],
    main=110,
)
