"""Which series each part of each section has, and what must be left of them when some fail."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tests.exporter.process import Samples

PARTS: Mapping[str, frozenset[str]] = {
    "kpis/redis": frozenset(
        {
            "ticketing_kpi_transactions_per_hour",
            "ticketing_kpi_fraud_rate_ratio",
            "ticketing_kpi_api_latency_p95_seconds",
            "ticketing_kpi_revenue_per_hour_usd",
            "ticketing_kpi_updated_timestamp_seconds",
        }
    ),
    "kpis/postgres": frozenset(
        {
            "ticketing_event_launch_active",
            "ticketing_transactions",
            "ticketing_revenue_usd",
            "ticketing_view_newest_row_age_seconds transactions",
            "ticketing_view_future_rows transactions",
        }
    ),
    "fraud/postgres": frozenset(
        {
            "ticketing_fraud_predictions 10m",
            "ticketing_fraud_predictions 1h",
            "ticketing_fraud_predictions 24h",
            "ticketing_fraud_blocked_ratio 10m",
            "ticketing_fraud_blocked_ratio 1h",
            "ticketing_fraud_predictions_total",
            "ticketing_fraud_score",
            "ticketing_fraud_threshold_ratio block",
            "ticketing_view_newest_row_age_seconds fraud_predictions",
            "ticketing_view_future_rows fraud_predictions",
        }
    ),
    "fraud/redis": frozenset({"ticketing_fraud_threshold_ratio review", "ticketing_fraud_model_active"}),
    "traffic/traffic": frozenset(
        {
            "ticketing_api_requests_per_minute",
            "ticketing_client_requests",
            "ticketing_client_requests_per_minute",
        }
    ),
    "traffic/limits": frozenset(
        {
            "ticketing_rate_limit_requests_per_minute global",
            "ticketing_rate_limit_requests_per_minute client",
            "ticketing_rate_limited_clients",
            "ticketing_rate_limit_blocked_until_timestamp_seconds",
        }
    ),
    "model/labels": frozenset(
        {
            "ticketing_model_predictions",
            "ticketing_model_unlabelled_predictions",
            "ticketing_model_baseline_ratio",
            "ticketing_model_info",
            "ticketing_model_next_retraining_timestamp_seconds",
            "ticketing_view_newest_row_age_seconds fraud_labels",
            "ticketing_view_future_rows fraud_labels",
        }
    ),
    "model/drift": frozenset(
        {
            "ticketing_model_feature_drift_nats",
            "ticketing_model_feature_drift_noise_floor_nats",
            "ticketing_model_feature_samples",
        }
    ),
    "health/probes": frozenset(
        {
            "ticketing_probe_success",
            "ticketing_probe_slow",
            "ticketing_probe_duration_seconds",
            "ticketing_probe_baseline_seconds",
            "ticketing_probe_timestamp_seconds",
        }
    ),
    "security/postgres": frozenset(
        {
            "ticketing_security_events",
            "ticketing_security_events_total",
            "ticketing_admin_mfa_failures",
            "ticketing_admin_login_failures",
            "ticketing_admin_accounts_of_one_address",
            "ticketing_admin_failures_beyond_bound",
            "ticketing_admin_accounts_not_listed",
            "ticketing_view_newest_row_age_seconds security_events",
            "ticketing_view_future_rows security_events",
        }
    ),
}
"""Series by part. A word behind the name is the value of the label that tells series of one metric apart."""

POSTGRES = frozenset({"kpis/postgres", "fraud/postgres", "model/labels", "model/drift", "security/postgres"})
REDIS = frozenset({"kpis/redis", "fraud/redis", "traffic/traffic", "traffic/limits"})
SECTIONS = frozenset(part.partition("/")[0] for part in PARTS)

_TELLING_LABELS = {
    "ticketing_fraud_predictions": "window",
    "ticketing_fraud_blocked_ratio": "window",
    "ticketing_fraud_threshold_ratio": "threshold",
    "ticketing_rate_limit_requests_per_minute": "scope",
    "ticketing_view_newest_row_age_seconds": "view",
    "ticketing_view_future_rows": "view",
}
_HISTOGRAM = "ticketing_fraud_score"
_OTHERS = ("ticketing_exporter_", "ticketing_source_", "ticketing_platform_", "process_", "python_")


def expect(samples: Samples, lost: Iterable[str] = ()) -> None:
    """All series are there but those lost, and exactly the sections that lost any report failure.

    Args:
        samples: of a scrape of all sections.
        lost: names of parts, or of series as in `PARTS`.
    """
    gone = set().union(*(PARTS.get(name, {name}) for name in lost))
    everything = set().union(*PARTS.values())
    assert gone <= everything, f"no such series: {gone - everything}"
    there = series(samples)
    assert there >= everything - gone, f"missing: {everything - gone - there}"
    assert there <= everything - gone, f"there although lost or unknown: {there - everything | there & gone}"
    failed = {part.partition("/")[0] for part, names in PARTS.items() if names & gone}
    told = {section for section, success in successes(samples).items() if not success}
    assert told == failed, f"failed sections: {told}, must be {failed}"
    assert successes(samples).keys() == SECTIONS


def series(samples: Samples) -> set[str]:
    """Names of the series as in `PARTS`, without those about the exporter itself, its sources and its process."""
    names = set()
    for name, labels in samples:
        if name.startswith(f"{_HISTOGRAM}_"):
            names.add(_HISTOGRAM)
        elif not name.startswith(_OTHERS):
            telling = dict(labels).get(_TELLING_LABELS.get(name, ""))
            names.add(name if telling is None else f"{name} {telling}")
    return names


def successes(samples: Samples) -> dict[str, bool]:
    """Whether each section that was scraped succeeded."""
    return {
        dict(labels)["collector"]: value == 1
        for (name, labels), value in samples.items()
        if name == "ticketing_exporter_collector_success"
    }


def value(samples: Samples, name: str, **labels: str) -> float | None:
    """The value of one series; None when it is absent."""
    return samples.get((name, tuple(sorted(labels.items()))))
