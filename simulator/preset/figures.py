"""The figures of the specification, as data."""

from typing import NamedTuple
from uuid import UUID

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
RPC_SLOWER = 850 / 200


class PinnedPrediction(NamedTuple):
    """A prediction of a fixed age in seconds. ``features`` are those that differ from an ordinary row."""

    age: float
    transaction_id: str
    score: float
    decision: str
    top_feature: str
    is_fraud: bool
    wallet: str
    features: dict[str, float]


class PinnedEvent(NamedTuple):
    """A security event of a fixed age in seconds; the correlation ID is how it is found again."""

    age: float
    severity: str
    event_type: str
    message: str
    account: str | None
    source_ip: str | None
    correlation_id: UUID


_WALLET = "0x742d35Cc6634C0532925a3b844Bc454e4438f44e"

PREDICTIONS = (
    PinnedPrediction(
        18, "txn_a7f3c81e5b204d96", 0.91, "BLOCKED", "txn_velocity_1h=12", True, _WALLET,
        {"txn_velocity_1h": 12},
    ),
    PinnedPrediction(
        90, "txn_b2e19f6a03c7d548", 0.78, "REVIEW", "price_deviation=2.3", False,
        "0x51f8a2c97d0b36e4819f5a7c2d60b3e8f41c9a07", {"price_deviation_ratio": 2.3},
    ),
    PinnedPrediction(
        166, "txn_c9d45e72b18a06f3", 0.69, "REVIEW", "wallet_age=0.5d", False,
        "0x9be04d716fa8c2350e7d1b94a6c83f52d07e61b8", {"wallet_age_days": 0.5},
    ),
    PinnedPrediction(
        251, "txn_d1a8306c9e5f7b24", 0.88, "BLOCKED", "geo_velocity=true", True,
        "0x2c7fe95a084bd613c6a9f0e872d541b39f6c80da", {"geo_velocity_flag": 1},
    ),
)  # fmt: skip

EVENTS = (
    PinnedEvent(
        23, "HIGH", "account_locked",
        "5 failed admin login attempts from IP 203.0.113.99 → Account locked",
        "admin", "203.0.113.99", UUID(int=0xB1),
    ),
    PinnedEvent(
        108, "MEDIUM", "rate_limit_exceeded",
        "Rate limit exceeded: IP 198.51.100.7 blocked for 60 minutes",
        None, "198.51.100.7", UUID(int=0xB2),
    ),
    PinnedEvent(
        201, "MEDIUM", "fraud_blocked",
        "Fraud model blocked txn_a7f3 (score: 0.91) - wallet 0x742d35Cc...",
        None, None, UUID(int=0xB3),
    ),
    PinnedEvent(
        300, "LOW", "certificate_renewed",
        "SSL certificate renewal successful (expires: 2026-02-28)",
        None, None, UUID(int=0xB4),
    ),
    PinnedEvent(
        445, "MEDIUM", "feature_drift",
        "Feature drift score: 0.12 (threshold: 0.15) - monitoring",
        None, None, UUID(int=0xB5),
    ),
)  # fmt: skip
