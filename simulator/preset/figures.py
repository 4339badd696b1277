"""The figures of the specification, as data."""

from collections.abc import Mapping
from typing import NamedTuple

from contract.definition import Severity
from simulator.instants import MINUTE, SECOND

SALES_PER_HOUR, SALES_BEFORE = 1247, 1113  # +12 %
REVENUE_CENTS, REVENUE_CENTS_BEFORE = 12_450_00, 11_527_78  # +8 %
FRAUD_RATE, FRAUD_RATE_BEFORE = 1.8, 2.1  # percent
LATENCY_MS, LATENCY_MS_BEFORE = 45.0, 40.0

BASELINE_PRECISION = 0.67
TRUE_POSITIVES, FALSE_NEGATIVES, FALSE_POSITIVES, TRUE_NEGATIVES = 142, 18, 89, 11_751

REQUESTS_PER_MINUTE = 4523
# Requests in the last whole minute, in the one before, and so on; five minutes sum to the table's figures.
TOP_CLIENTS = {
    "203.0.113.42": (98, 97, 97, 97, 98),
    "198.51.100.7": (62, 62, 62, 63, 63),
    "192.0.2.156": (58, 58, 58, 58, 57),
    "203.0.113.89": (40, 40, 40, 40, 41),
    "198.51.100.23": (36, 36, 36, 35, 35),
}
# Blocked clients, and how much of their block is left.
BLOCKED = {
    "198.51.100.7": 60 * MINUTE - 108 * SECOND,
    "192.0.2.77": 37 * MINUTE,
    "198.51.100.200": 12 * MINUTE,
}
RPC_MS = 850.0


class Prediction(NamedTuple):
    """A prediction that the specification names.

    Attributes:
        age: seconds before the end of an hour.
        name: what its transaction's identifier begins with.
        score: of the model.
        is_fraud: what its label says.
        wallet: of the buyer.
        features: that are not `ORDINARY`; the first is the most unusual.
    """

    age: float
    name: str
    score: float
    is_fraud: bool
    wallet: str
    features: Mapping[str, float]


class Event(NamedTuple):
    """A security event that the specification names; ``age`` in seconds before the end of a quarter of an hour."""

    age: float
    severity: Severity
    event_type: str
    message: str
    account: str | None
    source_ip: str | None


# A buyer of whom nothing stands out.
ORDINARY: Mapping[str, float] = {
    "wallet_age_days": 120,
    "txn_velocity_1h": 0,
    "price_deviation_ratio": 0.1,
    "geo_velocity_flag": 0,
    "avg_ticket_hold_time": 480,
    "event_popularity_score": 0.3,
    "cross_event_attendance": 2,
    "payment_method_diversity": 1,
    "social_graph_centrality": 0.1,
    "time_to_first_resale": 72,
}

PREDICTIONS = (
    Prediction(18, "txn_a7f3", 0.91, True, "0x742d35Cc6634C0532925a3b844Bc454e4438f44e", {"txn_velocity_1h": 12}),
    Prediction(
        90, "txn_b2e1", 0.78, False, "0x51f8a2c97d0b36e4819f5a7c2d60b3e8f41c9a07", {"price_deviation_ratio": 2.3}
    ),
    Prediction(166, "txn_c9d4", 0.69, False, "0x9be04d716fa8c2350e7d1b94a6c83f52d07e61b8", {"wallet_age_days": 0.5}),
    Prediction(251, "txn_d1a8", 0.88, True, "0x2c7fe95a084bd613c6a9f0e872d541b39f6c80da", {"geo_velocity_flag": 1}),
)

EVENTS = (
    Event(
        23, "HIGH", "account_locked",
        "5 failed admin login attempts from IP 203.0.113.99 → Account locked", "admin", "203.0.113.99",
    ),
    Event(
        108, "MEDIUM", "rate_limit_exceeded",
        "Rate limit exceeded: IP 198.51.100.7 blocked for 60 minutes", None, "198.51.100.7",
    ),
    Event(
        201, "MEDIUM", "fraud_blocked",
        "Fraud model blocked txn_a7f3 (score: 0.91) - wallet 0x742d35Cc...", None, None,
    ),
    Event(300, "LOW", "certificate_renewed", "SSL certificate renewal successful (expires: 2026-02-28)", None, None),
    Event(445, "MEDIUM", "feature_drift", "Feature drift score: 0.12 (threshold: 0.15) - monitoring", None, None),
)  # fmt: skip
