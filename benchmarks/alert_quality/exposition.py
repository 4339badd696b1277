"""What the exporter and the others would have told Prometheus of a platform, as series for promtool."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from backtest import promtool
from benchmarks.alert_quality.conditions import (
    BLOCKED,
    COLLECTORS,
    DAY,
    FEATURES,
    HOUR,
    JOBS,
    LABELLED,
    LATENCY_SPREAD,
    PRECISION,
    PROBES,
    RECALL,
    REVIEW,
    SLOW_SECONDS,
    Conditions,
    Floats,
)

LIVE, CRITICAL, AGGREGATES = "ticketing-live", "ticketing-critical", "ticketing-aggregates"
NOTHING = np.nan
#: Of a platform that is well: what its chain of alerts and its responder tell.
CONSTANT = {
    ("prometheus_notifications_alertmanagers_discovered", "prometheus", ""): 1.0,
    ("prometheus_notifications_dropped_total", "prometheus", ""): 0.0,
    ("prometheus_rule_evaluation_failures_total", "prometheus", ""): 0.0,
    ("prometheus_rule_group_iterations_missed_total", "prometheus", ""): 0.0,
    ("prometheus_config_last_reload_successful", "prometheus", ""): 1.0,
    ("alertmanager_config_last_reload_successful", "alertmanager", ""): 1.0,
    ("alertmanager_notifications_failed_total", "alertmanager", 'integration="slack"'): 0.0,
    ("ticketing_responder_ledger_up", "responder", ""): 1.0,
    ("ticketing_responder_stopped", "responder", ""): 0.0,
    ("ticketing_responder_dry_run", "responder", ""): 0.0,
    ("ticketing_responder_oldest_pending_seconds", "responder", ""): 0.0,
    ("ticketing_responder_actions", "responder", 'action="notify",state="failed"'): 0.0,
    ("ticketing_responder_alerts_total", "responder", 'outcome="braked"'): 0.0,
    ("ticketing_responder_alerts_total", "responder", 'outcome="other_platform"'): 0.0,
    ("ticketing_responder_incidents", "responder", 'playbook="FraudRateSpike",state="ending"'): 0.0,
    ("ticketing_source_lag_seconds", LIVE, 'source="postgresql"'): 0.1,
    ("ticketing_source_lag_seconds", LIVE, 'source="redis"'): 0.0,
    ("ticketing_source_clock_skew_seconds", LIVE, 'source="postgresql"'): 0.02,
    ("ticketing_source_clock_skew_seconds", LIVE, 'source="redis"'): 0.01,
    ("ticketing_fraud_threshold_ratio", LIVE, 'threshold="review"'): 0.6,
    ("ticketing_fraud_threshold_ratio", LIVE, 'threshold="block"'): 0.8,
    ("ticketing_rate_limit_requests_per_minute", LIVE, 'scope="client"'): 100.0,
    ("ticketing_view_future_rows", LIVE, 'collector="fraud",view="fraud_predictions"'): 0.0,
    ("ticketing_view_future_rows", LIVE, 'collector="kpis",view="transactions"'): 0.0,
}

Told = tuple[str, str, str, Floats]  # metric, job, labels, a value a step


def series(conditions: Conditions, platform: str) -> Iterator[tuple[str, Floats]]:
    """Name and values of every series of a platform, from the first step that is seen on; NaN where there is none."""
    for metric, job, labels, values in _everything(conditions):
        name = f"{metric}{{{labels}{',' if labels else ''}" + f'instance="a:1",job="{job}",platform="{platform}"}}'
        shown = values.astype(float)
        own = conditions.set.get(f"{metric}{{{labels}}}" if labels else metric)
        if own is not None:
            shown = np.where(np.isnan(own), shown, own)
        if (hidden := conditions.hidden.get(metric)) is not None:
            shown[hidden] = NOTHING
        if metric != "up":
            shown[~conditions.up[job]] = NOTHING
            collector = COLLECTOR_OF.get(metric)
            if collector is not None:
                shown[~conditions.succeeds[collector]] = NOTHING
        yield name, np.round(shown[conditions.before :], 6)


def written(values: Floats) -> str:
    """Values as promtool takes them; a series that is not in a scrape has ended with it."""
    return promtool.values(_points(values))


def _points(values: Floats) -> list[float | str]:
    """A series that is not in a scrape has ended with it."""
    points: list[float | str] = []
    there = False
    for value in values.tolist():
        if value == value:
            points.append(value)
            there = True
        else:
            points.append("stale" if there else "_")
            there = False
    return points


def _everything(c: Conditions) -> Iterator[Told]:
    yield from _sales(c)
    yield from _traffic(c)
    yield from _model(c)
    yield from _probes(c)
    yield from _security(c)
    yield from _monitoring(c)
    for (metric, job, labels), value in CONSTANT.items():
        yield metric, job, labels, np.full(c.steps, value)


def _sales(c: Conditions) -> Iterator[Told]:
    """Sections fraud and kpis."""
    share = c.step / HOUR
    predictions = c.rng.poisson(c.predictions * share)
    # Whoever is blocked tries again now and then.
    blocked = c.rng.binomial(predictions, np.clip(c.blocked / 1.15, 0, 1))
    again = c.rng.binomial(blocked, 0.15)
    blocked = np.minimum(blocked + again, np.maximum(predictions, blocked))
    review = c.rng.binomial(predictions - blocked, REVIEW)
    decisions = {"BLOCKED": blocked, "REVIEW": review, "APPROVED": predictions - blocked - review}
    for decision, counts in decisions.items():
        for window, length in (("10m", 600), ("1h", HOUR), ("24h", DAY)):
            yield (
                "ticketing_fraud_predictions",
                LIVE,
                f'decision="{decision}",window="{window}"',
                _sum(c, counts, length),
            )
        yield "ticketing_fraud_predictions_total", LIVE, f'decision="{decision}"', np.cumsum(counts).astype(float)
    transactions = c.rng.poisson(c.transactions * share)
    purchases = c.rng.binomial(transactions, 0.9)
    amounts = c.rng.gamma(np.maximum(purchases, 1) * 2.0, c.price / 0.9 / 2.0) * (purchases > 0)
    for window, length in (("10m", 600), ("1h", HOUR)):
        for kind, counts in (("purchase", purchases), ("transfer", transactions - purchases)):
            yield "ticketing_transactions", LIVE, f'kind="{kind}",window="{window}"', _sum(c, counts, length)
        yield "ticketing_revenue_usd", LIVE, f'window="{window}"', _sum(c, amounts, length)
    yield "ticketing_event_launch_active", LIVE, "", c.launch.astype(float)
    hour, hour_blocked = _sum(c, predictions, HOUR), _sum(c, blocked, HOUR)
    kpis = {
        "transactions_per_hour": _sum(c, transactions, HOUR),
        "fraud_rate_ratio": np.divide(hour_blocked, hour, out=np.full(c.steps, NOTHING), where=hour > 0),
        "api_latency_p95_seconds": _p95(c, _sum(c, predictions, 300)),
        "revenue_per_hour_usd": _sum(c, amounts, HOUR),
    }
    written = c.start + c.seconds - 4.0
    for name, values in kpis.items():
        if c.kpi_frozen is not None:
            values[c.kpi_frozen :] = values[c.kpi_frozen]
        yield f"ticketing_kpi_{name}", LIVE, "", values
    if c.kpi_frozen is not None:
        written[c.kpi_frozen :] = written[c.kpi_frozen]
    yield "ticketing_kpi_updated_timestamp_seconds", LIVE, "", written
    for view, collector, counts in (
        ("fraud_predictions", "fraud", predictions),
        ("transactions", "kpis", transactions),
    ):
        newest = np.maximum.accumulate(np.where(counts > 0, c.seconds, -1.0))
        labels = f'collector="{collector}",view="{view}"'
        yield "ticketing_view_newest_row_age_seconds", LIVE, labels, np.where(newest >= 0, c.seconds - newest, NOTHING)


def _p95(c: Conditions, requests: Floats) -> Floats:
    """The 95th percentile of the requests of five minutes, as the platform computes it: of few, it is one of them."""
    count = np.maximum(requests, 1)
    rank = np.ceil(0.95 * count)
    # What share of all requests is quicker than the one of this rank; two minutes apart it is nearly the same.
    every = max(1, 120 // c.step)
    drawn = c.rng.beta(rank, count - rank + 1)
    quicker = np.repeat(drawn[::every], every)[: c.steps]
    slow = np.clip(c.slow, 0, 1)
    ordinary = np.clip(quicker / np.maximum(1 - slow, 1e-9), 0, 1 - 1e-6)
    usual = c.latency * np.exp(LATENCY_SPREAD * _normal(ordinary))
    return np.where(quicker > 1 - slow, np.maximum(SLOW_SECONDS, usual), usual)


def _normal(share: Floats) -> Floats:
    """The quantile of the normal distribution, within 0.0005 (Abramowitz and Stegun, 26.2.23)."""
    tail = np.minimum(share, 1 - share)
    t = np.sqrt(-2 * np.log(np.maximum(tail, 1e-12)))
    top = 2.515517 + 0.802853 * t + 0.010328 * t**2
    below = 1 + 1.432788 * t + 0.189269 * t**2 + 0.001308 * t**3
    return np.asarray(np.where(share < 0.5, -1, 1) * (t - top / below))


def _traffic(c: Conditions) -> Iterator[Told]:
    every = max(1, 60 // c.step)

    def of_the_minute(values: Floats) -> Floats:
        return np.repeat(values[::every], every)[: c.steps]

    yield "ticketing_api_requests_per_minute", LIVE, "", of_the_minute(c.rng.poisson(c.requests).astype(float))
    yield "ticketing_rate_limit_requests_per_minute", LIVE, 'scope="global"', np.full(c.steps, c.request_limit)
    for number in range(3):
        expected = c.top_client * (1.0, 0.7, 0.5)[number]
        counts = np.minimum(c.rng.poisson(expected), 100).astype(float)
        yield "ticketing_client_requests_per_minute", LIVE, f'client="203.0.113.{number + 1}"', of_the_minute(counts)


def _model(c: Conditions) -> Iterator[Told]:
    """Labels of a day; what is labelled comes with the prediction, which is all the same over a day."""
    every = max(1, 60 // c.step)
    labelled = c.predictions * c.step / HOUR * LABELLED
    stopped = c.rng.poisson(labelled * BLOCKED)
    right = c.rng.binomial(stopped, np.clip(c.precision, 0, 1))
    missed = c.rng.poisson(
        np.maximum(c.predictions * c.step / HOUR, 0) * BLOCKED * LABELLED * PRECISION * (1 / RECALL - 1)
    )
    legitimate = c.rng.poisson(c.predictions * c.step / HOUR * LABELLED * (1 - BLOCKED))
    counts = {
        ("fraud", "fraud"): right,
        ("fraud", "legit"): stopped - right,
        ("legit", "fraud"): missed,
        ("legit", "legit"): legitimate,
    }
    for (predicted, actual), each in counts.items():
        values = np.repeat(_sum(c, each, DAY)[::every], every)[: c.steps]
        yield (
            "ticketing_model_predictions",
            AGGREGATES,
            f'predicted="{predicted}",actual="{actual}",window="24h"',
            values,
        )
    for metric, value in (("precision", PRECISION), ("recall", RECALL), ("f1", 0.764)):
        yield "ticketing_model_baseline_ratio", AGGREGATES, f'metric="{metric}"', np.full(c.steps, value)
    samples = min(c.per_hour * 168, 500_000.0)
    for feature in FEATURES:
        yield "ticketing_model_feature_samples", AGGREGATES, f'feature="{feature}"', np.full(c.steps, samples)
        # One number a step would be noise that a mean of seven days does not have.
        slow = np.repeat(c.drift[feature][:: max(1, 600 // c.step)], max(1, 600 // c.step))[: c.steps]
        yield "ticketing_model_feature_drift_nats", AGGREGATES, f'feature="{feature}"', slow
        floor = 14.7 * (1 / samples + 1 / 100_000)
        labels = f'feature="{feature}"'
        yield "ticketing_model_feature_drift_noise_floor_nats", AGGREGATES, labels, np.full(c.steps, floor)


def _probes(c: Conditions) -> Iterator[Told]:
    for probe, baseline in PROBES.items():
        labels = f'probe="{probe}"'
        succeeds = c.rng.random(c.steps) >= c.fails[probe]
        yield "ticketing_probe_success", LIVE, labels, succeeds.astype(float)
        seconds = baseline * c.takes[probe] * np.exp(c.rng.normal(0, 0.2, c.steps))
        # One answer of two hundred takes three times as long, for no reason.
        yield "ticketing_probe_duration_seconds", LIVE, labels, np.where(c.rng.random(c.steps) < 0.005, 3, 1) * seconds
        yield "ticketing_probe_baseline_seconds", LIVE, labels, np.full(c.steps, baseline)
        yield "ticketing_probe_timestamp_seconds", LIVE, labels, c.start + c.seconds


def _security(c: Conditions) -> Iterator[Told]:
    for metric, failures in (("mfa", c.mfa), ("login", c.logins)):
        for account in sorted({account for _, account in failures}):
            at = np.sort([second for second, name in failures if name == account])
            now = c.seconds
            count = np.searchsorted(at, now, "right") - np.searchsorted(at, now - 300, "right")
            labels = f'account="{account}",window="5m"'
            yield f"ticketing_admin_{metric}_failures", CRITICAL, labels, np.where(count > 0, count, NOTHING)
        at = np.sort([second for second, _ in failures])
        total = np.searchsorted(at, c.seconds, "right").astype(float)
        labels = f'severity="MEDIUM",event_type="{metric}_failed"'
        yield "ticketing_security_events_total", CRITICAL, labels, total
    # All come from one address: that of the office, or of who guesses.
    failing = np.zeros(c.steps)
    for account in sorted({account for _, account in (*c.mfa, *c.logins)}):
        at = np.sort([second for second, name in (*c.mfa, *c.logins) if name == account])
        failing += np.searchsorted(at, c.seconds, "right") > np.searchsorted(at, c.seconds - 300, "right")
    labels = 'address="203.0.113.99",window="5m"'
    yield "ticketing_admin_accounts_of_one_address", CRITICAL, labels, np.where(failing > 0, failing, NOTHING)
    quiet = np.zeros(c.steps)
    for severity in ("CRITICAL", "HIGH", "MEDIUM", "LOW"):
        yield "ticketing_security_events", CRITICAL, f'severity="{severity}",window="15m"', quiet


def _monitoring(c: Conditions) -> Iterator[Told]:
    for part in (*COLLECTORS, "event_launches", "fraud_labels", "ratelimit:limits"):
        yield "ticketing_platform_has", LIVE, f'part="{part}"', np.ones(c.steps)
    for job in JOBS:
        yield "up", job, "", c.up[job].astype(float)
    for collector, job in COLLECTORS.items():
        labels = f'collector="{collector}"'
        succeeds = c.succeeds[collector]
        yield "ticketing_exporter_collector_success", job, labels, succeeds.astype(float)
        last = np.maximum.accumulate(np.where(succeeds, c.start + c.seconds, 0.0))
        yield "ticketing_exporter_collector_last_success_timestamp_seconds", job, labels, last
        yield "ticketing_exporter_history_complete_ratio", job, labels, np.ones(c.steps)
        yield "ticketing_exporter_rejected_values", job, labels, np.zeros(c.steps)


def _sum(c: Conditions, counts: Floats, seconds: int) -> Floats:
    """Over the window that ends with each step."""
    total = np.concatenate([[0.0], np.cumsum(counts)])
    length = seconds // c.step
    ends = np.arange(c.steps) + 1
    return np.asarray(total[ends] - total[np.maximum(ends - length, 0)], dtype=float)


#: The collector without which a metric is not exported.
COLLECTOR_OF = {
    **dict.fromkeys(
        (
            "ticketing_transactions",
            "ticketing_revenue_usd",
            "ticketing_event_launch_active",
            "ticketing_kpi_transactions_per_hour",
            "ticketing_kpi_fraud_rate_ratio",
            "ticketing_kpi_api_latency_p95_seconds",
            "ticketing_kpi_revenue_per_hour_usd",
            "ticketing_kpi_updated_timestamp_seconds",
        ),
        "kpis",
    ),
    **dict.fromkeys(
        ("ticketing_fraud_predictions", "ticketing_fraud_predictions_total", "ticketing_fraud_threshold_ratio"), "fraud"
    ),
    **dict.fromkeys(
        (
            "ticketing_api_requests_per_minute",
            "ticketing_rate_limit_requests_per_minute",
            "ticketing_client_requests_per_minute",
        ),
        "traffic",
    ),
    **dict.fromkeys(
        ("ticketing_model_predictions", "ticketing_model_baseline_ratio", "ticketing_model_feature_drift_nats"), "model"
    ),
    **dict.fromkeys(
        (
            "ticketing_admin_mfa_failures",
            "ticketing_admin_login_failures",
            "ticketing_admin_accounts_of_one_address",
            "ticketing_security_events",
        ),
        "security",
    ),
}
