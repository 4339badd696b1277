"""Section kpis: four cards, each with value, past hour, change, target and verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from grafana.dashboards.dashboard_json import Panel, thresholds
from grafana.dashboards.layout import Section, line
from grafana.dashboards.links import runbook
from grafana.dashboards.looks import BAD, GOOD, GREEN, GREY, RED, WATCH, YELLOW, column, pattern, words
from grafana.dashboards.panels import at_every_moment, columns, stat
from grafana.dashboards.promql import as_label, judged, named, sentence
from grafana.dashboards.queries import Json, Promql

NOBODY_KNOWS = -1
VERDICTS = words(
    {GOOD: ("✅ OK", GREEN), WATCH: ("⚠️ WATCH", YELLOW), BAD: ("🔴 ALERT", RED), NOBODY_KNOWS: ("—", GREY)}
)


@dataclass(frozen=True)
class Card:
    """One KPI.

    Attributes:
        number: ID of the card; that of the line below it is one more.
        title: of the card.
        meaning: its definition.
        metric: the exporter's metric, of which the recording rules have the names too.
        scale: what it is multiplied by. Small numbers make a flat sparkline: Grafana rounds its axis like the value.
        unit: of the product.
        decimals: after the point.
        steps: colours of the product.
        change: change against one hour ago, an expression in `change_unit`.
        change_unit: as it is written behind the number.
        change_decimals: after the point.
        more_is_better: which direction is green.
        aim: target or baseline: name and text.
        verdict: verdict: condition, `value` in it stands for the KPI; the default is WATCH.
        alert: whose runbook the card leads to.
    """

    number: int
    title: str
    meaning: str
    metric: str
    scale: int
    unit: str
    decimals: int
    steps: Json
    change: str
    change_unit: str
    change_decimals: int
    more_is_better: bool
    aim: tuple[str, str]
    verdict: Mapping[int, str]
    alert: str

    @property
    def recorded(self) -> str:
        """The KPI as a recording rule has it, of all exporters."""
        return f"ticketing:{self.metric}:max"


CARDS = (
    Card(
        110,
        "📊 Transactions / hour",
        "Purchases and transfers of the last hour, as the platform counts them. Alert below 500 between 18:00 and"
        " 22:00 UTC.",
        "kpi_transactions_per_hour",
        1,
        "locale",
        0,
        thresholds(YELLOW, (1000, GREEN)),
        "100 * ticketing:kpi_transactions_per_hour:relative_delta1h",
        "%",
        0,
        True,
        ("Target", "1,000/h"),
        {GOOD: "{value} >= 1000", BAD: "{value} < 500 and (hour() >= 18 < 22)"},
        "TransactionsLow",
    ),
    Card(
        120,
        "🚨 Fraud rate",
        "Blocked transactions as a part of all, last hour, as the platform counts them. Alert above 3 % and below"
        " 0.5 %.",
        "kpi_fraud_rate_ratio",
        100,
        "percent",
        1,
        thresholds(RED, (0.5, GREEN), (2, YELLOW), (3, RED)),
        "100 * ticketing:kpi_fraud_rate_ratio:delta1h",
        "%",
        1,
        False,
        ("Target", "< 2%"),
        {GOOD: "{value} >= 0.005 < 0.02", BAD: "{value} > 0.03 or {value} < 0.005"},
        "FraudRateSpike",
    ),
    Card(
        130,
        "⚡ API latency p95",
        "95th percentile of the answer times of /api/v1/ml/predict/fraud. Alert above 100 ms.",
        "kpi_api_latency_p95_seconds",
        1000,
        "ms",
        0,
        thresholds(GREEN, (50, YELLOW), (100, RED)),
        "1000 * ticketing:kpi_api_latency_p95_seconds:delta1h",
        " ms",
        0,
        False,
        ("Target", "< 50 ms"),
        {GOOD: "{value} < 0.05", BAD: "{value} > 0.1"},
        "ApiLatencyDegradation",
    ),
    Card(
        140,
        "💰 Revenue / hour",
        "Ticket sales and platform fees of the last hour. Alert below $5,000 while an event launches.",
        "kpi_revenue_per_hour_usd",
        1,
        "currency:financial:$",
        0,
        thresholds(YELLOW, (11_500, GREEN)),
        "100 * ticketing:kpi_revenue_per_hour_usd:relative_delta1h",
        "%",
        0,
        True,
        ("Baseline", "$11.5k"),
        {GOOD: "{value} >= 11500", BAD: "{value} < 5000 and ticketing:event_launch_active:max == 1"},
        "RevenueLow",
    ),
)


def _value(card: Card) -> Panel:
    return stat(
        card.number,
        card.title,
        card.meaning,
        [
            Promql(f"{card.scale} * max(ticketing_{card.metric})", card.title, over_time=True),
            Promql("vector(1)", "every moment", over_time=True),
        ],
        transformations=at_every_moment(card.title),
        unit=card.unit,
        decimals=card.decimals,
        steps=card.steps,
        links=[runbook(card.alert)],
        shown="value",
        sparkline=True,
        sizes=(14, 44),
        time_from="1h",
        interval="15s",
    )


def _below(card: Card) -> Panel:
    step = 10.0**-card.change_decimals
    change = f"round({card.change}, {step:g})"
    texts = (
        sentence(as_label(f"{change} > 0", "change", step), f"▲ +{{change}}{card.change_unit}"),
        sentence(as_label(f"{change} < 0", "change", step), f"▼ {{change}}{card.change_unit}"),
        named(f"{change} == 0", "message", f"● 0{card.change_unit}"),
        named(f"absent({change})", "message", "—"),
    )
    better, worse = (GREEN, RED) if card.more_is_better else (RED, GREEN)
    conditions = {verdict: text.format(value=card.recorded) for verdict, text in card.verdict.items()}
    return stat(
        card.number + 1,
        "",
        f"{card.title}: change against one hour ago, {card.aim[0].lower()}, and verdict.",
        [
            Promql(" or ".join(texts), shape="table"),
            Promql("vector(1)", shape="table"),
            Promql(f"{judged(card.recorded, conditions, WATCH)} or vector({NOBODY_KNOWS})", shape="table"),
        ],
        unit="none",
        steps=thresholds(GREY),
        transformations=columns({"message": "1 h", "Value #B": card.aim[0], "Value #C": "Status"}),
        overrides=[
            column("1 h", mappings=[pattern("^(▲.*)$", "$1", better), pattern("^(▼.*)$", "$1", worse, 1)]),
            column(card.aim[0], mappings=[words({1: (card.aim[1], GREY)})]),
            column("Status", mappings=[VERDICTS]),
        ],
        texts=True,
        shown="value_and_name",
        direction="vertical",
        sizes=(11, 15),
    )


SECTION = Section(
    100,
    "📈 Key Performance Indicators",
    [
        line(4, *((6, _value(card)) for card in CARDS)),
        line(2, *((6, _below(card)) for card in CARDS)),
    ],
    main=110,
)
