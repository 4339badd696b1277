"""The contract as data: views with typed columns, functions, Redis keys, and the words that they hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

Decision = Literal["APPROVED", "REVIEW", "BLOCKED"]
DECISIONS: tuple[Decision, ...] = get_args(Decision)
APPROVED, REVIEW, BLOCKED = DECISIONS

Severity = Literal["CRITICAL", "HIGH", "MEDIUM", "LOW"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)

TRANSACTION_KINDS = PURCHASE, TRANSFER = ("purchase", "transfer")
FEATURE_KINDS = NUMERIC, BOOLEAN, CATEGORICAL = ("numeric", "boolean", "categorical")

MFA_FAILED = "mfa_failed"
"""Type of a security event: the second factor of an administrator was wrong."""
LOGIN_FAILED = "login_failed"
"""Type of a security event: the password of an administrator was wrong."""

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

OPTIONAL_COLUMNS: Mapping[str, Mapping[str, tuple[str, ...]]] = {"fraud_predictions": {"decision_word": _TEXT}}
"""Columns that a view may have besides; without them nothing is missing."""
NOT_READ: Mapping[str, frozenset[str]] = {
    "model_versions": frozenset({"trained_at", "review_threshold"}),
    "security_events": frozenset({"event_id"}),
    "event_launches": frozenset({"event_id"}),
}
"""Columns that nothing here reads: a view may go without them."""
LONGEST_DECISION_WORD = 40
"""Characters of a platform's own word for a decision that are shown."""
MOST_DECISION_WORDS = 12
"""Words that are told apart where each is a series of its own; rows with others are shown by their decision."""

KPIS_VIEW = "kpis"
REQUESTS_VIEW, LIMITS_VIEW, BLOCKS_VIEW = "requests", "rate_limits", "blocked_clients"
CONFIGURED_VIEWS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    KPIS_VIEW: {"name": _TEXT, "value": ("double precision", "numeric"), "as_of": _TIME},
    REQUESTS_VIEW: {"timestamp": _TIME, "client": _TEXT, "requests": ("bigint",)},
    LIMITS_VIEW: {"scope": _TEXT, "requests_per_minute": ("bigint", "integer", "numeric", "double precision")},
    BLOCKS_VIEW: {"client": _TEXT, "blocked_until": _TIME},
}
"""Of what a platform has in PostgreSQL while others have it in Redis: read where the configuration says so."""

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
    words: Sequence[str]


WORDS = (
    Words("fraud_predictions", "decision", "timestamp", DECISIONS),
    Words("fraud_labels", "decision", "labeled_at", DECISIONS),
    Words("transactions", "kind", "timestamp", TRANSACTION_KINDS),
    Words("security_events", "severity", "timestamp", SEVERITIES),
    Words("feature_reference", "kind", None, FEATURE_KINDS),
)

KPI_TRANSACTIONS_PER_HOUR = "kpi:txn_per_hour"
KPI_FRAUD_RATE = "kpi:fraud_rate"
"""Percent."""
KPI_LATENCY_P95 = "kpi:latency_p95"
"""Milliseconds."""
KPI_REVENUE_PER_HOUR = "kpi:revenue_per_hour"
"""US dollars."""
KPI_UPDATED_AT = "kpi:updated_at"
"""Unix seconds."""
REQUESTS = "traffic:requests:{minute}"
REQUESTS_BY_CLIENT = "traffic:clients:{minute}"
RATE_LIMITS = "ratelimit:limits"
RATE_LIMIT_FIELDS = {"global": "global_per_minute", "client": "client_per_minute"}
"""Fields of the hash, by whose limit it is."""
BLOCKED_CLIENTS = "ratelimit:blocked"
FRAUD_THRESHOLD = "config:fraud_threshold"
FRAUD_MODEL = "config:fraud_model"


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
    RedisKey(KPI_TRANSACTIONS_PER_HOUR, "string", number=True),
    RedisKey(KPI_FRAUD_RATE, "string", number=True),
    RedisKey(KPI_LATENCY_P95, "string", number=True),
    RedisKey(KPI_REVENUE_PER_HOUR, "string", number=True),
    RedisKey(KPI_UPDATED_AT, "string", number=True, needed=False),
    RedisKey(REQUESTS, "string", number=True),
    RedisKey(REQUESTS_BY_CLIENT, "zset"),
    RedisKey(RATE_LIMITS, "hash", fields=tuple(RATE_LIMIT_FIELDS.values())),
    RedisKey(BLOCKED_CLIENTS, "zset", needed=False),
    RedisKey(FRAUD_THRESHOLD, "string", number=True),
    RedisKey(FRAUD_MODEL, "string"),
)
