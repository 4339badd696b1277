"""Who must hear of which alert: the table that routes, deliveries and mutations are held against."""

from typing import NamedTuple

LIVE, CRITICAL, AGGREGATES = "ticketing-live", "ticketing-critical", "ticketing-aggregates"

PAGE = ("pagerduty",)
PAGE_AND_SLACK = ("pagerduty", "slack")
SLACK = ("slack",)
MAIL = ("email-ml",)

#: The inbox's name for what a receiver sends to.
CHANNEL = {"sms-security": "sms", "email-ml": "email"}


class Row(NamedTuple):
    """An alert, with the labels that its rule gives it, and its receivers in the order of the tree."""

    labels: dict[str, str]
    receivers: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.labels["alertname"]

    @property
    def channels(self) -> set[str]:
        return {CHANNEL.get(receiver, receiver) for receiver in self.receivers}


def row(name: str, severity: str, team: str, section: str, to: tuple[str, ...], job: str = LIVE, **more: str) -> Row:
    own = {"alertname": name, "severity": severity, "team": team, "section": section, "source_job": job}
    labels = {**own, "platform": "main", **more}
    return Row(labels, (("responder", *to) if "playbook" in more else to))


SECURITY = {"account": "alice", "playbook": "UnauthorizedAdminAccess"}

#: One row for each alert of prometheus/rules.
ALERTS = (
    row("FraudRateSpike", "high", "fraud", "fraud", PAGE, playbook="FraudRateSpike"),
    row("FraudRateAboveLimit", "low", "fraud", "fraud", SLACK),
    row("FraudRateLow", "medium", "fraud", "fraud", SLACK),
    row("ApiLatencyDegradation", "medium", "engineering", "kpis", SLACK, playbook="ApiLatencyDegradation"),
    row("ModelDrift", "medium", "ml", "model", MAIL, AGGREGATES, playbook="ModelDrift", feature="price_deviation"),
    row("ModelPrecisionDrop", "medium", "ml", "model", MAIL, AGGREGATES),
    row(
        "UnauthorizedAdminAccess",
        "critical",
        "security",
        "security",
        ("pagerduty", "sms-security"),
        CRITICAL,
        **SECURITY,
    ),
    row("AdminLoginBruteForce", "high", "security", "security", PAGE, CRITICAL, account="alice"),
    row("AdminMfaSpray", "high", "security", "security", PAGE, CRITICAL),
    row("AdminSprayFromOneAddress", "high", "security", "security", PAGE, CRITICAL),
    row("AdminMfaSlowGuessing", "high", "security", "security", PAGE, CRITICAL, account="alice"),
    row("TransactionsLow", "medium", "business", "kpis", SLACK),
    row("RevenueLow", "high", "business", "kpis", PAGE_AND_SLACK),
    row("RateLimitNearGlobal", "low", "engineering", "traffic", SLACK),
    row("ClientNearLimit", "low", "engineering", "traffic", SLACK, client="203.0.113.42"),
    row("ServiceDown", "high", "engineering", "health", PAGE_AND_SLACK, probe="redis_cache"),
    row("ServiceSlow", "medium", "engineering", "health", SLACK, probe="smart_contract_rpc"),
    row("DashboardDown", "high", "engineering", "health", PAGE, "grafana"),
    row("ErrorBudgetBurnFast", "high", "engineering", "health", PAGE_AND_SLACK, probe="backend_api"),
    row("LatencyBudgetBurnFast", "medium", "engineering", "health", SLACK, probe="ml_inference"),
    row("ErrorBudgetBurnSlow", "low", "engineering", "health", SLACK, probe="postgresql"),
    row("Watchdog", "none", "engineering", "health", ("heartbeat",), "prometheus"),
    # Silence.
    row("ExporterDown", "high", "engineering", "health", PAGE_AND_SLACK),
    row("ExporterUnstable", "low", "engineering", "health", SLACK),
    row("CollectorMissing", "high", "engineering", "kpis", PAGE_AND_SLACK, collector="kpis"),
    row("CollectorFailing", "high", "engineering", "kpis", PAGE_AND_SLACK, collector="kpis"),
    row("SourceStale", "high", "engineering", "kpis", PAGE_AND_SLACK, collector="kpis"),
    row("SourceLagging", "high", "engineering", "health", PAGE_AND_SLACK, source="postgresql"),
    row("ExporterUnreliable", "medium", "engineering", "health", SLACK),
    row("ExporterClockAhead", "medium", "engineering", "health", SLACK),
    row("ClockSkewed", "medium", "engineering", "health", SLACK, source="redis"),
    row("HistoryUnread", "medium", "engineering", "model", SLACK, collector="model"),
    row("ViewStale", "medium", "engineering", "fraud", SLACK, collector="fraud", view="fraud_predictions"),
    row("RowsFromTheFuture", "medium", "engineering", "kpis", SLACK, collector="kpis", view="transactions"),
    row("ValuesRejected", "medium", "engineering", "kpis", SLACK, collector="kpis"),
    row("PredictionsStalled", "high", "fraud", "fraud", PAGE_AND_SLACK),
    row("KpiMissing", "medium", "engineering", "kpis", SLACK),
    row("KpiStale", "medium", "engineering", "kpis", SLACK),
    row("KpiUnreliable", "medium", "engineering", "kpis", SLACK),
    row("KpiMismatch", "medium", "engineering", "kpis", SLACK),
    row("SeriesMissing", "medium", "engineering", "kpis", SLACK),
    row("ProbeSilent", "medium", "engineering", "health", SLACK),
    row("MetricNotANumber", "medium", "fraud", "fraud", SLACK),
    row("TargetDown", "medium", "engineering", "health", SLACK, "node"),
    row("JobGone", "medium", "engineering", "health", SLACK, "node"),
    # The chain itself.
    row("LimitInvalid", "high", "engineering", "health", PAGE_AND_SLACK, "prometheus"),
    row("ResponderFailing", "high", "engineering", "health", PAGE_AND_SLACK, "responder"),
    row("ResponderLedgerDown", "high", "engineering", "health", PAGE_AND_SLACK, "responder"),
    row("ResponderBacklog", "high", "engineering", "health", PAGE_AND_SLACK, "responder"),
    row("ResponderActionFailed", "high", "engineering", "health", PAGE_AND_SLACK, "responder"),
    row("ResponderBraked", "high", "engineering", "health", PAGE_AND_SLACK, "responder"),
    row("ResponderMisrouted", "medium", "engineering", "health", SLACK, "responder"),
    row("ResponderStopped", "medium", "engineering", "health", SLACK, "responder"),
    row("ResponderDryRun", "medium", "engineering", "health", SLACK, "responder"),
    row("ResponderEndUnverified", "high", "engineering", "health", PAGE_AND_SLACK, "responder"),
    row("AlertmanagerMissing", "high", "engineering", "health", PAGE_AND_SLACK, "prometheus"),
    row("AlertsNotDelivered", "high", "engineering", "health", PAGE_AND_SLACK, "prometheus"),
    row("NotificationsFailing", "high", "engineering", "health", PAGE_AND_SLACK, "alertmanager"),
    row("RuleEvaluationFailing", "high", "engineering", "health", PAGE_AND_SLACK, "prometheus"),
    row("RuleEvaluationSlow", "medium", "engineering", "health", SLACK, "prometheus"),
    row("ConfigReloadFailed", "medium", "engineering", "health", SLACK, "prometheus"),
)

#: Alerts that somebody may write tomorrow, or mislabel.
OTHERS = (
    row("CriticalWithoutPlaybook", "critical", "engineering", "health", PAGE_AND_SLACK),
    row("CriticalOfSecurity", "critical", "security", "security", ("pagerduty", "sms-security")),
    row("HighOfMl", "high", "ml", "model", PAGE_AND_SLACK),
    row("HighOfMlWithPlaybook", "high", "ml", "model", PAGE, playbook="ModelDrift"),
    row("SeverityNobodyKnows", "urgent", "engineering", "kpis", SLACK),
    row("NoneButNotWatchdog", "none", "engineering", "kpis", SLACK),
    Row({"alertname": "NoLabels"}, SLACK),
    Row({"alertname": "NoSeverityWithPlaybook", "playbook": "ModelDrift"}, ("responder", "slack")),
)
