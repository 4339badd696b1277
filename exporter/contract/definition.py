"""What the contract asks of a platform: views with typed columns, functions, and Redis keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_TIME = ("timestamp with time zone",)
_TEXT = ("text", "character varying")
_FLOAT = ("double precision",)
_JSON = ("jsonb",)
_UUID = ("uuid",)
_BOOLEAN = ("boolean",)
_COUNTS = ("bigint[]",)

VIEWS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "fraud_predictions": {
        "timestamp": _TIME,
        "transaction_id": _TEXT,
        "fraud_score": _FLOAT,
        "decision": _TEXT,
        "top_feature": _TEXT,
        "model_version": _TEXT,
        "wallet": _TEXT,
        "source_ip": _TEXT,
        "features": _JSON,
    },
    "fraud_labels": {
        "transaction_id": _TEXT,
        "predicted_at": _TIME,
        "decision": _TEXT,
        "is_fraud": _BOOLEAN,
        "labeled_at": _TIME,
    },
    "transactions": {
        "timestamp": _TIME,
        "transaction_id": _TEXT,
        "kind": _TEXT,
        "amount_usd": ("numeric",),
        "platform_fee_usd": ("numeric",),
    },
    "model_versions": {
        "model_version": _TEXT,
        "trained_at": _TIME,
        "is_active": _BOOLEAN,
        "baseline_precision": _FLOAT,
        "baseline_recall": _FLOAT,
        "baseline_f1": _FLOAT,
        "review_threshold": _FLOAT,
        "block_threshold": _FLOAT,
        "next_retraining_at": _TIME,
    },
    "feature_reference": {
        "model_version": _TEXT,
        "feature": _TEXT,
        "kind": _TEXT,
        "cuts": ("double precision[]",),
        "categories": ("text[]", "character varying[]"),
        "ref_counts": _COUNTS,
    },
    "security_events": {
        "timestamp": _TIME,
        "event_id": ("bigint",),
        "severity": _TEXT,
        "event_type": _TEXT,
        "message": _TEXT,
        "account": _TEXT,
        "source_ip": _TEXT,
        "correlation_id": _UUID,
    },
    "event_launches": {"event_id": _TEXT, "name": _TEXT, "starts_at": _TIME, "ends_at": _TIME},
}
"""Columns by view, each with the PostgreSQL types that will do."""

FUNCTIONS = (
    "record_security_event(text, text, text, text, text, uuid)",
    "lock_admin_account(text, text, uuid)",
    "add_threat_indicator(text, text, uuid)",
    "schedule_retraining(text, timestamp with time zone, uuid)",
)
"""Through these the responder acts."""


@dataclass(frozen=True)
class Words:
    """Words that a column may hold; rows with others are counted as unknown.

    Attributes:
        view: its name.
        column: its name.
        recent: by which time column its newest rows are found; None for small views.
        words: those of the contract.
    """

    view: str
    column: str
    recent: str | None
    words: tuple[str, ...]


WORDS = (
    Words("fraud_predictions", "decision", "timestamp", ("APPROVED", "REVIEW", "BLOCKED")),
    Words("fraud_labels", "decision", "labeled_at", ("APPROVED", "REVIEW", "BLOCKED")),
    Words("transactions", "kind", "timestamp", ("purchase", "transfer")),
    Words("security_events", "severity", "timestamp", ("CRITICAL", "HIGH", "MEDIUM", "LOW")),
    Words("feature_reference", "kind", None, ("numeric", "boolean", "categorical")),
)


@dataclass(frozen=True)
class RedisKey:
    """A key, or a family of keys by minute.

    Attributes:
        name: with `{minute}` for the minute since the epoch.
        kind: its Redis type.
        number: its text is a number.
        fields: of a hash.
        needed: its absence is worth a warning; others are missing now and then by their nature.
    """

    name: str
    kind: str
    number: bool = False
    fields: tuple[str, ...] = ()
    needed: bool = True


REDIS_KEYS = (
    RedisKey("kpi:txn_per_hour", "string", number=True),
    RedisKey("kpi:fraud_rate", "string", number=True),
    RedisKey("kpi:latency_p95", "string", number=True),
    RedisKey("kpi:revenue_per_hour", "string", number=True),
    RedisKey("kpi:updated_at", "string", number=True, needed=False),
    RedisKey("traffic:requests:{minute}", "string", number=True),
    RedisKey("traffic:clients:{minute}", "zset"),
    RedisKey("ratelimit:limits", "hash", fields=("global_per_minute", "client_per_minute")),
    RedisKey("ratelimit:blocked", "zset", needed=False),
    RedisKey("config:fraud_threshold", "string", number=True),
    RedisKey("config:fraud_model", "string"),
)
