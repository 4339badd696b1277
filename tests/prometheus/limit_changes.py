"""Of each limit: what shows that its alert follows it."""


def objective(name: str, failures: float, of: int = 1000) -> dict[str, str]:
    """Failures of so many events, each minute."""
    return {
        f'ticketing:objective_events:count1m{{objective="{name}"}}': f"{of}x30",
        f'ticketing:objective_failures:count1m{{objective="{name}"}}': f"{failures}x30",
    }


#: Of each limit that an alert reads: the alert, series that fire it by the shipped limit (or not), and a limit with
#: which that is the other way round.
CHANGES: dict[str, tuple[str, dict[str, str], float]] = {
    "api_latency_p95_seconds": ("ApiLatencyDegradation", {"ticketing_kpi_api_latency_p95_seconds": "0.12x30"}, 0.13),
    "latency_transactions_minimum": (
        "ApiLatencyDegradation",
        {"ticketing_kpi_api_latency_p95_seconds": "0.12x30", "ticketing_kpi_transactions_per_hour": "120x30"},
        130,
    ),
    "transactions_per_hour_low": ("TransactionsLow", {"ticketing_kpi_transactions_per_hour": "450x30"}, 440),
    "revenue_per_hour_usd_low": (
        "RevenueLow",
        {"ticketing_kpi_revenue_per_hour_usd": "4500x30", "ticketing_event_launch_active": "1x30"},
        4400,
    ),
    "busy_transactions_per_hour": (
        "PredictionsStalled",
        {
            "ticketing_kpi_transactions_per_hour": "120x30",
            'ticketing_fraud_predictions{decision="BLOCKED",window="10m"}': "0x30",
        },
        130,
    ),
    "certain_z": ("FraudRateSpike", {}, 20),
    "confidence_z": (
        "FraudRateLow",
        {
            'ticketing_fraud_predictions{decision="BLOCKED",window="1h"}': "0x30",
            'ticketing_fraud_predictions{decision="APPROVED",window="1h"}': "560x30",
        },
        2.5,
    ),
    "fraud_blocked_ratio_high": ("FraudRateSpike", {}, 0.08),
    "blocked_minimum": ("FraudRateSpike", {}, 100),
    "likely_z": (
        "FraudRateAboveLimit",
        {
            'ticketing_fraud_predictions{decision="BLOCKED",window="10m"}': "40x30",
            'ticketing_fraud_predictions{decision="APPROVED",window="10m"}': "960x30",
        },
        2.5,
    ),
    "fraud_blocked_ratio_low": ("FraudRateLow", {}, 0.06),
    "rate_limit_near_ratio": (
        "RateLimitNearGlobal",
        {
            "ticketing_api_requests_per_minute": "92x30",
            'ticketing_rate_limit_requests_per_minute{scope="global"}': "100x30",
        },
        0.93,
    ),
    "feature_drift_nats": ("ModelDrift", {'ticketing_model_feature_drift_nats{feature="age"}': "0.2x30"}, 0.21),
    "precision_drop_ratio": ("ModelPrecisionDrop", {}, 0.2),
    "precision_z": ("ModelPrecisionDrop", {}, 6),
    "service_slow_ratio": (
        "ServiceSlow",
        {
            'ticketing_probe_success{probe="backend"}': "1x30",
            'ticketing_probe_duration_seconds{probe="backend"}': "0.25x30",
            'ticketing_probe_baseline_seconds{probe="backend"}': "0.1x30",
        },
        3,
    ),
    "service_down_ratio": ("ServiceDown", {'ticketing_probe_success{probe="backend"}': "0 1x1 " * 10}, 0.9),
    "collector_failing_ratio": (
        "CollectorFailing",
        {'ticketing_exporter_collector_success{collector="kpis",job="ticketing-live"}': "0 1x1 " * 10},
        0.9,
    ),
    "clock_ahead_seconds": (
        "ExporterClockAhead",
        {
            'ticketing_exporter_collector_last_success_timestamp_seconds{collector="kpis",job="ticketing-live"}': (
                "30+60x30"
            )
        },
        60,
    ),
    "unchecked_transactions_minimum": (
        "PredictionsStalled",
        {
            "ticketing_kpi_transactions_per_hour": "12x30",
            'ticketing_fraud_predictions{decision="BLOCKED",window="10m"}': "0x30",
            'ticketing_fraud_predictions{decision="BLOCKED",window="1h"}': "0x30",
        },
        13,
    ),
    "accounts_of_one_address": (
        "AdminSprayFromOneAddress",
        {'ticketing_admin_accounts_of_one_address{address="203.0.113.9",window="5m"}': "8x30"},
        9,
    ),
    "mfa_failures_of_all": (
        "AdminMfaSpray",
        {f'ticketing_admin_mfa_failures{{account="a{number}",window="5m"}}': "2x30" for number in range(5)},
        11,
    ),
    "mfa_failures_of_6_hours": (
        "AdminMfaSlowGuessing",
        {'ticketing_admin_mfa_failures{account="alice",window="5m"}': "5x30"},
        40,
    ),
    "mfa_failures": (
        "UnauthorizedAdminAccess",
        {'ticketing_admin_mfa_failures{account="alice",window="5m"}': "3x30"},
        4,
    ),
    "login_failures": (
        "AdminLoginBruteForce",
        {'ticketing_admin_login_failures{account="alice",window="5m"}': "5x30"},
        6,
    ),
    "exporter_unstable_ratio": ("ExporterUnstable", {}, 0.4),
    "source_stale_seconds": ("SourceStale", {}, 5000),
    "source_lag_seconds": (
        "SourceLagging",
        {'ticketing_source_lag_seconds{source="redis",job="ticketing-live"}': "45x30"},
        60,
    ),
    "clock_skew_seconds": (
        "ClockSkewed",
        {'ticketing_source_clock_skew_seconds{source="redis",job="ticketing-live"}': "-5x30"},
        60,
    ),
    "kpi_known_ratio": (
        "KpiUnreliable",
        {
            'ticketing_exporter_collector_success{collector="kpis",job="ticketing-live"}': "1x30",
            "ticketing_kpi_fraud_rate_ratio": "_ 0.02x3 " * 6,
        },
        0.5,
    ),
    "kpi_stale_seconds": ("KpiStale", {"ticketing_kpi_updated_timestamp_seconds": "0x30"}, 5000),
    "view_stale_seconds": (
        "ViewStale",
        {
            'ticketing_view_newest_row_age_seconds{view="fraud_predictions"}': "2000x30",
            'ticketing_transactions{kind="purchase",window="1h"}': "120x30",
        },
        5000,
    ),
    "kpi_mismatch_ratio": ("KpiMismatch", {}, 0.5),
    "kpi_mismatch_transactions": ("KpiMismatch", {}, 300),
    "kpi_mismatch_revenue_usd": (
        "KpiMismatch",
        {
            "ticketing_kpi_transactions_per_hour": "1200x30",
            "ticketing_kpi_revenue_per_hour_usd": "9000x30",
            'ticketing_revenue_usd{window="1h"}': "10050x30",
        },
        2000,
    ),
    "responder_backlog_seconds": ("ResponderBacklog", {"ticketing_responder_oldest_pending_seconds": "400x30"}, 500),
    "uptime_target_ratio": ("ErrorBudgetBurnFast", objective("availability", 100), 0.9),
    "latency_objective_ratio": ("LatencyBudgetBurnFast", objective("latency", 300), 0.9),
    "api_latency_objective_ratio": ("LatencyBudgetBurnFast", objective("api_latency", 300), 0.9),
    "api_latency_objective_transactions_minimum": (
        "ErrorBudgetBurnSlow",
        {
            "ticketing_kpi_api_latency_p95_seconds": "0.2x30",
            "ticketing_kpi_transactions_per_hour": "450x30",
        },
        400,
    ),
    "burn_rate_1h": ("ErrorBudgetBurnFast", objective("availability", 5), 2),
    "burn_rate_6h": ("ErrorBudgetBurnFast", objective("availability", 10), 12),
    "burn_rate_1d": ("ErrorBudgetBurnSlow", objective("availability", 0.8), 0.4),
    "burn_rate_3d": ("ErrorBudgetBurnSlow", objective("availability", 2), 3),
    "objective_failures_minimum": ("ErrorBudgetBurnFast", objective("availability", 6, of=10), 40),
    "peak_start_hour": ("TransactionsLow", {"ticketing_kpi_transactions_per_hour": "450x30"}, 2),
    "peak_end_hour": ("TransactionsLow", {"ticketing_kpi_transactions_per_hour": "450x30"}, 0),
}
SHARED: dict[str, dict[str, str]] = {
    "FraudRateSpike": {
        'ticketing_fraud_predictions{decision="BLOCKED",window="10m"}': "90x30",
        'ticketing_fraud_predictions{decision="APPROVED",window="10m"}': "910x30",
    },
    "FraudRateLow": {
        'ticketing_fraud_predictions{decision="BLOCKED",window="1h"}': "40x30",
        'ticketing_fraud_predictions{decision="APPROVED",window="1h"}': "960x30",
    },
    "ModelPrecisionDrop": {
        'ticketing_model_predictions{predicted="fraud",actual="fraud",window="24h"}': "140x30",
        'ticketing_model_predictions{predicted="fraud",actual="legit",window="24h"}': "60x30",
        'ticketing_model_baseline_ratio{metric="precision"}': "0.9x30",
    },
    "ExporterUnstable": {
        'up{job="ticketing-live",instance="b"}': "0 1x1 0 1x1 0 1x1 0 1x1 0 1x1 0 1x1 0 1x1 0 1x1" * 3
    },
    "SourceStale": {
        'ticketing_exporter_collector_success{collector="kpis",job="ticketing-live"}': "1x30",
        'ticketing_exporter_collector_last_success_timestamp_seconds{collector="kpis",job="ticketing-live"}': "0x30",
    },
    "KpiMismatch": {
        "ticketing_kpi_transactions_per_hour": "1000x30",
        'ticketing_transactions{kind="purchase",window="1h"}': "1200x30",
    },
}
#: Of these the other limit is the one with which it fires.
FIRE_WHEN_CHANGED = {
    "api_latency_objective_transactions_minimum",
    "burn_rate_1d",
    "burn_rate_1h",
    "collector_failing_ratio",
    "fraud_blocked_ratio_low",
    "service_down_ratio",
}
#: Of these a value is that of two hours, not of a minute.
LOOK_BACK_DAYS = {"ErrorBudgetBurnFast", "LatencyBudgetBurnFast", "ErrorBudgetBurnSlow"}
#: Only colour the dashboard and the board.
COLOURS = {
    "transactions_per_hour_target",
    "fraud_rate_target",
    "api_latency_p95_target_seconds",
    "revenue_per_hour_usd_baseline",
    "rate_limit_watch_ratio",
    "feature_drift_watch_nats",
    "precision_drop_watch_ratio",
    "resource_watch_ratio",
    "resource_alert_ratio",
    "uptime_low_ratio",
}
#: Peak hours of a clock that begins at midnight.
PEAK_AT_MIDNIGHT = {"peak_start_hour": 0.0, "peak_end_hour": 2.0}
