"""Plain SQL and plain Redis reads for every metric: the definition that the exporter is held against."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2.extensions
import redis
from prometheus_client.parser import text_string_to_metric_families

from exporter.divergence import divergence, noise_floor

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WINDOWS = {"5m": 300, "10m": 600, "15m": 900, "1h": 3600, "24h": 86400, "7d": 7 * 86400}
DECISIONS = ("APPROVED", "REVIEW", "BLOCKED")
COUNTERS = ("ticketing_fraud_predictions_total", "ticketing_security_events_total", "ticketing_fraud_score")


def parse(exposition: bytes) -> Samples:
    """Samples by name and labels, without what the exporter says of itself, its sources, probes and freshness."""
    of_ours = ("exporter", "platform", "source", "probe", "view")
    others = ("process_", *(f"ticketing_{kind}_" for kind in of_ours))
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(exposition.decode())
        for sample in family.samples
        if not sample.name.startswith(others)
    }


def instant(microseconds: int) -> datetime:
    """Microseconds since the epoch as a datetime."""
    return EPOCH + timedelta(microseconds=microseconds)


def truth(connection: psycopg2.extensions.connection, client: redis.Redis, now: int) -> Samples:
    """Every gauge at an instant, each from a statement of its own."""
    samples: Samples = {}
    with connection.cursor() as cursor:
        for name, labels, value in [
            *_kpis(cursor, client, now),
            *_fraud(cursor, client, now),
            *_traffic(client, now),
            *_model(cursor, now),
            *_security(cursor, now),
        ]:
            samples[name, tuple(sorted(labels.items()))] = float(value)
    return samples


Found = Iterator[tuple[str, dict[str, str], Any]]


def _rows(cursor: psycopg2.extensions.cursor, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    cursor.execute(sql, parameters)
    return cursor.fetchall()


def _window(column: str, window: str, now: int) -> str:
    start = instant(now - WINDOWS[window] * 1_000_000).isoformat()
    return f"{column} > '{start}' AND {column} <= '{instant(now).isoformat()}'"


def _kpis(cursor: psycopg2.extensions.cursor, client: redis.Redis, now: int) -> Found:
    for key, name, divisor in (
        ("txn_per_hour", "transactions_per_hour", 1),
        ("fraud_rate", "fraud_rate_ratio", 100),
        ("latency_p95", "api_latency_p95_seconds", 1000),
        ("revenue_per_hour", "revenue_per_hour_usd", 1),
        ("updated_at", "updated_timestamp_seconds", 1),
    ):
        text: Any = client.get(f"kpi:{key}")
        if text is not None:
            yield f"ticketing_kpi_{name}", {}, float(text) / divisor
    for window in ("10m", "1h"):
        where = _window("timestamp", window, now)
        for kind in ("purchase", "transfer"):
            counted = f"SELECT count(*) FROM monitoring.transactions WHERE {where} AND kind = %s"
            ((count,),) = _rows(cursor, counted, kind)
            yield "ticketing_transactions", {"kind": kind, "window": window}, count
        ((sales, fees),) = _rows(
            cursor,
            "SELECT sum(amount_usd) FILTER (WHERE kind = 'purchase'), sum(platform_fee_usd)"
            f" FROM monitoring.transactions WHERE {where}",
        )
        yield "ticketing_revenue_usd", {"window": window}, (sales or 0) + (fees or 0)
    ((launches,),) = _rows(
        cursor,
        "SELECT count(*) FROM monitoring.event_launches WHERE starts_at <= %s AND ends_at > %s",
        instant(now),
        instant(now),
    )
    yield "ticketing_event_launch_active", {}, launches > 0


def _fraud(cursor: psycopg2.extensions.cursor, client: redis.Redis, now: int) -> Found:
    for window in ("10m", "1h", "24h"):
        where = _window("timestamp", window, now)
        ((total, blocked, unknown),) = _rows(
            cursor,
            "SELECT count(*), count(*) FILTER (WHERE decision = 'BLOCKED'), count(*) FILTER (WHERE decision IS NULL"
            " OR decision NOT IN ('APPROVED', 'REVIEW', 'BLOCKED'))"
            f" FROM monitoring.fraud_predictions WHERE {where}",
        )
        for decision in ("APPROVED", "REVIEW", "BLOCKED"):
            ((count,),) = _rows(
                cursor,
                f"SELECT count(*) FROM monitoring.fraud_predictions WHERE {where} AND decision = %s",
                decision,
            )
            yield "ticketing_fraud_predictions", {"decision": decision, "window": window}, count
        if unknown:
            yield "ticketing_fraud_predictions", {"decision": "UNKNOWN", "window": window}, unknown
        if total and window != "24h":
            yield "ticketing_fraud_blocked_ratio", {"window": window}, blocked / total
    for (block,) in _rows(cursor, "SELECT block_threshold FROM monitoring.model_versions WHERE is_active"):
        if block is not None:
            yield "ticketing_fraud_threshold_ratio", {"threshold": "block"}, block
    review: Any = client.get("config:fraud_threshold")
    if review is not None:
        yield "ticketing_fraud_threshold_ratio", {"threshold": "review"}, float(review)
    model: Any = client.get("config:fraud_model")
    if model is not None:
        yield "ticketing_fraud_model_active", {"model": model}, 1


def _traffic(client: redis.Redis, now: int) -> Found:
    last = now // 60_000_000 - 1
    requests: Any = client.get(f"traffic:requests:{last}")
    if requests is not None:
        yield "ticketing_api_requests_per_minute", {}, float(requests)
    minutes: list[dict[str, float]] = []
    for minute in range(last, last - 5, -1):
        pairs: Any = client.zrange(f"traffic:clients:{minute}", 0, -1, withscores=True)
        minutes.append(dict(pairs))
    totals = {name: sum(m.get(name, 0) for m in minutes) for name in {name for m in minutes for name in m}}
    top = sorted(totals, key=lambda name: (-totals[name], name))[:10]
    for name in top:
        yield "ticketing_client_requests", {"client": name, "window": "5m"}, totals[name]
        if minutes[0] or (requests is not None and float(requests) == 0):
            yield "ticketing_client_requests_per_minute", {"client": name}, minutes[0].get(name, 0)
    limits: Any = client.hgetall("ratelimit:limits")
    for scope in ("global", "client"):
        if f"{scope}_per_minute" in limits:
            value = float(limits[f"{scope}_per_minute"])
            yield "ticketing_rate_limit_requests_per_minute", {"scope": scope}, value
    blocked: Any = client.zrange("ratelimit:blocked", 0, -1, withscores=True)
    until = {name: end for name, end in blocked if end > now / 1_000_000}
    if limits or until:
        yield "ticketing_rate_limited_clients", {}, len(until)
    for name in sorted(until, key=lambda name: until[name], reverse=True)[:10]:
        yield "ticketing_rate_limit_blocked_until_timestamp_seconds", {"client": name}, until[name]


def _model(cursor: psycopg2.extensions.cursor, now: int) -> Found:
    where = _window("p.timestamp", "24h", now)
    joined = (
        "monitoring.fraud_predictions p LEFT JOIN monitoring.fraud_labels l"
        f" ON l.transaction_id = p.transaction_id AND l.is_fraud IS NOT NULL WHERE {where}"
    )
    for predicted in ("fraud", "legit"):
        for actual in ("fraud", "legit"):
            ((count,),) = _rows(
                cursor,
                f"SELECT count(*) FROM {joined} AND (coalesce(p.decision, '') = 'BLOCKED') = %s AND l.is_fraud = %s",
                predicted == "fraud",
                actual == "fraud",
            )
            labels = {"predicted": predicted, "actual": actual, "window": "24h"}
            yield "ticketing_model_predictions", labels, count
    ((count,),) = _rows(cursor, f"SELECT count(*) FROM {joined} AND l.transaction_id IS NULL")
    yield "ticketing_model_unlabelled_predictions", {"window": "24h"}, count
    for version, precision, recall, f1, retraining in _rows(
        cursor,
        "SELECT model_version, baseline_precision, baseline_recall, baseline_f1,"
        " extract(epoch FROM next_retraining_at) FROM monitoring.model_versions WHERE is_active",
    ):
        yield "ticketing_model_info", {"version": version}, 1
        for metric, value in (("precision", precision), ("recall", recall), ("f1", f1)):
            if value is not None:
                yield "ticketing_model_baseline_ratio", {"metric": metric}, value
        if retraining is not None:
            yield "ticketing_model_next_retraining_timestamp_seconds", {}, retraining
    yield from _drift(cursor, now)


def _drift(cursor: psycopg2.extensions.cursor, now: int) -> Found:
    references = _rows(
        cursor,
        "SELECT feature, kind, cuts, categories, ref_counts FROM monitoring.feature_reference"
        " JOIN monitoring.model_versions USING (model_version) WHERE is_active",
    )
    where = _window("timestamp", "7d", now)
    features = [
        row[0] or {} for row in _rows(cursor, f"SELECT features FROM monitoring.fraud_predictions WHERE {where}")
    ]
    for name, kind, cuts, categories, reference in references:
        current = [0] * len(reference)
        for row in features:
            current[_bin(row.get(name), kind, cuts, categories)] += 1
        yield "ticketing_model_feature_samples", {"feature": name}, len(features)
        if len(features) >= 500:
            yield "ticketing_model_feature_drift_nats", {"feature": name}, divergence(current, reference)
            floor = noise_floor(current, reference)
            yield "ticketing_model_feature_drift_noise_floor_nats", {"feature": name}, floor


def _bin(value: Any, kind: str, cuts: list[float] | None, categories: list[str] | None) -> int:
    if kind == "boolean":
        return int(value) if isinstance(value, bool) else -1
    if kind == "numeric":
        numeric = isinstance(value, int | float) and not isinstance(value, bool)
        return sum(cut <= value for cut in cuts or ()) if numeric else -1
    if not isinstance(value, str):
        return -1
    known = categories or []
    return known.index(value) if value in known else len(known)


def _security(cursor: psycopg2.extensions.cursor, now: int) -> Found:
    where = _window("timestamp", "15m", now)
    for severity in ("CRITICAL", "HIGH", "MEDIUM", "LOW"):
        ((count,),) = _rows(
            cursor, f"SELECT count(*) FROM monitoring.security_events WHERE {where} AND severity = %s", severity
        )
        yield "ticketing_security_events", {"severity": severity, "window": "15m"}, count
    for event_type, kind in (("mfa_failed", "mfa"), ("login_failed", "login")):
        failed = _rows(
            cursor,
            "SELECT account, count(*) FROM monitoring.security_events"
            f" WHERE {_window('timestamp', '5m', now)} AND event_type = %s AND account <> ''"
            ' GROUP BY account ORDER BY count(*) DESC, account COLLATE "C"',
            event_type,
        )
        yield "ticketing_admin_failures_beyond_bound", {"event_type": event_type, "window": "5m"}, 0
        yield "ticketing_admin_accounts_not_listed", {"event_type": event_type, "window": "5m"}, 0
        for account, count in failed[:50]:
            yield f"ticketing_admin_{kind}_failures", {"account": account, "window": "5m"}, count
    addresses = _rows(
        cursor,
        "SELECT source_ip, count(DISTINCT account) FROM monitoring.security_events"
        f" WHERE {_window('timestamp', '5m', now)} AND event_type IN ('mfa_failed', 'login_failed')"
        " AND account <> '' AND source_ip <> '' GROUP BY 1 HAVING count(DISTINCT account) > 1"
        ' ORDER BY 2 DESC, source_ip COLLATE "C" LIMIT 10',
    )
    for address, count in addresses:
        yield "ticketing_admin_accounts_of_one_address", {"address": address, "window": "5m"}, count


def seen_since(connection: psycopg2.extensions.connection, since: int, now: int) -> tuple[Samples, float]:
    """What the counters count, of rows later than `since` up to `now`: by name and labels; and the sum of scores."""
    samples: Samples = {}
    between = f"timestamp > '{instant(since).isoformat()}' AND timestamp <= '{instant(now).isoformat()}'"
    with connection.cursor() as cursor:
        for decision, count in _rows(
            cursor, f"SELECT decision, count(*) FROM monitoring.fraud_predictions WHERE {between} GROUP BY 1"
        ):
            key = (
                "ticketing_fraud_predictions_total",
                (("decision", decision if decision in DECISIONS else "UNKNOWN"),),
            )
            samples[key] = samples.get(key, 0) + count
        for severity, event_type, count in _rows(
            cursor,
            f"SELECT severity, event_type, count(*) FROM monitoring.security_events WHERE {between} GROUP BY 1, 2",
        ):
            samples["ticketing_security_events_total", (("event_type", event_type), ("severity", severity))] = count
        scores = [
            score
            for (score,) in _rows(cursor, f"SELECT fraud_score FROM monitoring.fraud_predictions WHERE {between}")
            if score is not None and math.isfinite(score)
        ]
    for bound in [tenths / 10 for tenths in range(1, 11)]:
        samples["ticketing_fraud_score_bucket", (("le", repr(bound)),)] = sum(score <= bound for score in scores)
    samples["ticketing_fraud_score_bucket", (("le", "+Inf"),)] = len(scores)
    samples["ticketing_fraud_score_count", ()] = len(scores)
    return samples, math.fsum(scores)


def without_counters(samples: Samples) -> Samples:
    """The gauges alone."""
    return {key: value for key, value in samples.items() if not key[0].startswith(COUNTERS)}


def differences(found: Samples, expected: Samples) -> Iterable[str]:
    """What differs, in words."""
    for key in sorted(found.keys() | expected.keys()):
        if key not in found:
            yield f"{key} is missing, should be {expected[key]}"
        elif key not in expected:
            yield f"{key} is {found[key]}, should be absent"
        elif not math.isclose(found[key], expected[key], rel_tol=1e-9, abs_tol=1e-9):
            yield f"{key} is {found[key]}, should be {expected[key]}"
