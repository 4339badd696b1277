"""One attempted ticket transaction a row: its truth, the model's score, what it is worth, when it is labelled."""

import numpy as np
from numpy.typing import NDArray

from contract.definition import DECISIONS
from simulator import clients, features
from simulator.instants import DAY, HOUR, NEVER

Rows = NDArray[np.void]

PREVALENCE = 160 / 12_000
REVIEW_THRESHOLD = 0.60
BLOCK_THRESHOLD = 0.80
_MIMIC_SHARE = 0.01965  # legitimate buyers who look like fraud: where false positives come from
_REVIEWED_SHARE = 0.9
_PURCHASE_SHARE = 0.55
FEE = 0.05
_WALLETS = 40_000
_WALLET_FACTOR = 0x9E3779B97F4A7C15F39CC0605CEDC8341082276B  # odd: it spreads consecutive numbers over 160 bits

# at, labelled_at: microseconds since the epoch. scored: has a prediction. completed: sold unless blocked.
DTYPE = np.dtype(
    [
        ("at", "i8"),
        ("transaction_id", "U20"),
        ("is_fraud", "?"),
        ("score", "f8"),
        ("wallet", "U42"),
        ("source_ip", "U15"),
        ("scored", "?"),
        ("completed", "?"),
        ("is_purchase", "?"),
        ("amount_cents", "i8"),
        ("fee_cents", "i8"),
        ("labelled_at", "i8"),
        *((name, "f8") for name in features.FEATURE_NAMES),
    ]
)


def empty() -> Rows:
    """Return no rows."""
    return np.zeros(0, DTYPE)


def draw(rng: np.random.Generator, at: NDArray[np.int64]) -> Rows:
    """Draw ordinary rows at the given instants.

    Scores: fraud Beta(13.162, 1.5); legitimate 98.035 % Beta(1.3, 9) and 1.965 % Beta(9, 3). Blocking at
    0.80 then has a precision of about 0.61, a recall of about 0.89, and blocks 1.9 %.

    Args:
        rng: where the numbers come from.
        at: microseconds since the epoch, shape (n,).

    Returns:
        Structured array of ``DTYPE``, shape (n,).
    """
    n = len(at)
    rows = np.zeros(n, DTYPE)
    rows["at"] = at
    rows["transaction_id"] = identifiers(rng, n)
    is_fraud = rng.random(n) < PREVALENCE
    mimic = ~is_fraud & (rng.random(n) < _MIMIC_SHARE)
    rows["is_fraud"] = is_fraud
    rows["score"] = np.round(
        np.where(is_fraud, rng.beta(13.162, 1.5, n), np.where(mimic, rng.beta(9, 3, n), rng.beta(1.3, 9, n))),
        4,
    )
    rows["wallet"] = wallets(rng.integers(0, _WALLETS, n))
    rows["source_ip"] = clients.pick(rng, n)
    rows["scored"] = True
    rows["completed"] = True
    rows["is_purchase"] = rng.random(n) < _PURCHASE_SHARE
    price(rows, rng.lognormal(np.log(14.3), 0.55, n))
    rows["labelled_at"] = _label_instants(rng, at, is_fraud)
    features.fill(rng, rows, is_fraud | mimic)
    return rows


def price(rows: Rows, amount_usd: NDArray[np.float64]) -> None:
    """Set the amounts (US dollars) of the rows in place, and the platform's fee of 5 %."""
    rows["amount_cents"] = np.maximum(np.round(amount_usd * 100), 1)
    rows["fee_cents"] = np.round(rows["amount_cents"] * FEE)


def decisions(rows: Rows, review: float, block: float) -> list[str]:
    """Return the decision for each row under the thresholds in force (scores, 0 to 1)."""
    levels = np.array(DECISIONS)
    chosen: list[str] = levels[np.where(rows["score"] >= block, 2, (rows["score"] >= review) * 1)].tolist()
    return chosen


def identifiers(rng: np.random.Generator, n: int) -> list[str]:
    """Draw ``n`` transaction identifiers such as ``txn_a7f3c81e5b204d96``."""
    digits = rng.bytes(8 * n).hex()
    return [f"txn_{digits[i : i + 16]}" for i in range(0, 16 * n, 16)]


def wallets(numbers: NDArray[np.int64]) -> list[str]:
    """Return the addresses of the wallets with the given numbers: 0x and 40 hexadecimal digits."""
    return [f"0x{(number + 1) * _WALLET_FACTOR % 2**160:040x}" for number in numbers.tolist()]


def _label_instants(rng: np.random.Generator, at: NDArray[np.int64], is_fraud: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return when the truth becomes known: by review, by chargeback, or never; microseconds, shape (n,)."""
    n = len(at)
    reviewed = rng.random(n) < _REVIEWED_SHARE
    review = rng.lognormal(np.log(6.0 * HOUR), 0.9, n)
    chargeback = rng.lognormal(np.log(21.0 * DAY), 0.8, n)
    delay = np.where(reviewed, review, chargeback).astype(np.int64)
    return np.where(reviewed | is_fraud, at + delay, NEVER)


def sold(rows: Rows, block: float) -> NDArray[np.bool_]:
    """Tell which rows became a transaction: all completed ones but those the model blocked."""
    went_through: NDArray[np.bool_] = rows["completed"] & ~(rows["scored"] & (rows["score"] >= block))
    return went_through
