"""Rows that repeat: the same predictions every day, the same sales every hour, the same events every quarter of it.

A window of exactly one period then holds the same rows at any moment, whenever one looks.
"""

import numpy as np
from numpy.typing import NDArray

from simulator import clients, features, transactions
from simulator.conditions import Conditions, Latencies, api_latencies
from simulator.demand import Launch
from simulator.events import SecurityEvent
from simulator.instants import DAY, HOUR, MINUTE, SECOND
from simulator.keyed import generator
from simulator.preset import figures
from simulator.transactions import Rows

# The hours around the anchor are alike: 500 rows, nine of them blocked, and the four that the specification names the
# last of those that were blocked or reviewed.
_CALM_HOURS = (23, 0, 1, 2, 3)
_CALM_BLOCKED, _CALM_ROWS = 7, 496  # without the four
_RISKY_MINUTES = (15, 55)
_REVIEWS_PER_HOUR = 5
RAMP = 30 * SECOND  # the sales that are more than an hour ago come in this last part of the hour
_EVENTS_EVERY = 15 * MINUTE
_WALLET_AGE_FACTOR = 0.53  # drifted to about 0.09 nats
_PRICE_FACTOR = 1.15

_TOP = [clients.index_of(client) for client in figures.TOP_CLIENTS]
_OTHERS = np.setdiff1d(np.arange(len(clients.CLIENTS)), _TOP)
# Flatter than elsewhere, so that none of them comes among the first five.
_other_weights = np.arange(1, len(_OTHERS) + 1) ** -0.3
_OTHER_SHARES = _other_weights / _other_weights.sum()


class FixedFigures:
    """The source of the specification's figures.

    Args:
        seed: of what the specification leaves open.
        anchor: instant from which the figures hold, microseconds; before, the earlier ones do. So the changes against
            one hour ago hold for an hour.
    """

    def __init__(self, seed: int, anchor: int) -> None:
        self.seed = seed
        self.baseline_precision = figures.BASELINE_PRECISION
        self.anchor = anchor
        self._daily = _predictions(generator(seed, "fixed predictions", 0))
        self._before = _sales(
            generator(seed, "fixed sales", 0), figures.SALES_BEFORE, figures.REVENUE_CENTS_BEFORE, 0, HOUR
        )
        self._added = _sales(
            generator(seed, "fixed sales", 1),
            figures.SALES_PER_HOUR - figures.SALES_BEFORE,
            figures.REVENUE_CENTS - figures.REVENUE_CENTS_BEFORE,
            HOUR - RAMP,
            HOUR,
        )

    def transactions(self, minute: int) -> Rows:
        """Return the rows whose phase falls into the minute."""
        parts = [self._repeat(self._daily, minute, DAY), self._repeat(self._before, minute, HOUR)]
        if (minute + 1) * MINUTE > self.anchor - RAMP:
            added = self._repeat(self._added, minute, HOUR)
            parts.append(added[added["at"] >= self.anchor - RAMP])
        return np.concatenate(parts)

    def requests(self, minute: int) -> clients.Counts:
        """Return the minute as it is once it is over."""
        return self.requests_at_age(minute, 1)

    def requests_at_age(self, minute: int, age: int) -> clients.Counts:
        """Return the requests of a minute that began ``age`` minutes ago."""
        counts = np.zeros(len(clients.CLIENTS), np.int64)
        for client, by_age in figures.TOP_CLIENTS.items():
            counts[clients.index_of(client)] = by_age[max(age - 1, 0) % 5]
        total = figures.REQUESTS_PER_MINUTE - int(counts.sum())
        if minute < self.anchor // MINUTE - 5:
            total = int(total * (0.85 + 0.1 * np.sin(minute / 7)))
        counts[_OTHERS] = np.floor(total * _OTHER_SHARES)
        counts[_OTHERS[: total - int(counts[_OTHERS].sum())]] += 1
        return counts

    def events(self, minute: int) -> list[SecurityEvent]:
        """Return those of the five whose phase falls into the minute."""
        start = minute * MINUTE
        offsets = ((self.anchor - int(event.age * SECOND) - start) % _EVENTS_EVERY for event in figures.EVENTS)
        return [
            SecurityEvent(start + offset, *event[1:])
            for event, offset in zip(figures.EVENTS, offsets, strict=True)
            if offset < MINUTE
        ]

    def latencies(self, minute: int) -> Latencies:
        """Draw ordinary API latencies."""
        return api_latencies(generator(self.seed, "latencies", minute), minute * MINUTE, MINUTE)

    def launches(self, _first: int, _last: int) -> list[Launch]:
        """Return none."""
        return []

    def conditions(self) -> Conditions:
        """Return normal conditions but for the RPC, always equally slow."""
        conditions = Conditions()
        conditions.p95_ms["rpc"] = figures.RPC_MS
        conditions.spread["rpc"] = 0.0
        return conditions

    def _repeat(self, rows: Rows, minute: int, period: int) -> Rows:
        """Return the rows of a period that fall into a minute; their ``at`` is a phase after the anchor."""
        start = minute * MINUTE
        offset = (rows["at"] - (start - self.anchor)) % period
        found = rows[offset < MINUTE].copy()
        found["at"] = start + offset[offset < MINUTE]
        found["labelled_at"] = found["at"]
        number = found["at"] // period % 0x10000
        names = zip(found["transaction_id"].tolist(), number.tolist(), strict=True)
        found["transaction_id"] = [f"{name[:16]}{turn:04x}" for name, turn in names]
        return found


def _predictions(rng: np.random.Generator) -> Rows:
    """Return one day's predictions; ``at`` is a phase within the day."""
    named = _named(rng)
    named_fraud = int(named["is_fraud"].sum())
    frauds_blocked = figures.TRUE_POSITIVES - named_fraud
    blocked = frauds_blocked + figures.FALSE_POSITIVES
    legit = figures.TRUE_NEGATIVES - (len(named) - named_fraud)
    blocked_at = _risky_phases(blocked)
    reviewed_at = np.concatenate([_spread(hour, _REVIEWS_PER_HOUR, *_RISKY_MINUTES) for hour in range(24)])
    calm_at = _calm_phases(blocked + figures.FALSE_NEGATIVES + legit, blocked_at, reviewed_at)

    rows = transactions.draw(rng, np.concatenate([blocked_at, reviewed_at, calm_at]))
    n, b, r = len(rows), len(blocked_at), len(reviewed_at)
    rows["score"] = np.clip(np.round(rng.beta(1.3, 9.0, n), 4), 0.0, 0.58)
    rows["score"][:b] = np.round(rng.uniform(0.80, 0.92, b), 4)
    rows["score"][b : b + r] = np.round(rng.uniform(0.61, 0.79, r), 4)
    missed = b + r + np.linspace(0, len(calm_at) - 1, figures.FALSE_NEGATIVES).astype(int)
    rows["score"][missed] = np.round(rng.uniform(0.25, 0.58, len(missed)), 4)
    rows["is_fraud"] = False
    rows["is_fraud"][rng.permutation(b)[:frauds_blocked]] = True
    rows["is_fraud"][missed] = True
    features.fill(rng, rows, np.arange(n) < b + r)
    rows["wallet_age_days"] *= _WALLET_AGE_FACTOR
    rows["price_deviation_ratio"] *= _PRICE_FACTOR
    features.round_stored(rows)
    rows = np.concatenate([rows, named])
    rows["completed"] = False
    return rows


def _named(rng: np.random.Generator) -> Rows:
    """Return the predictions that the specification names, at the end of each of the calm hours."""
    told = [(hour, prediction) for hour in _CALM_HOURS for prediction in figures.PREDICTIONS]
    ends = np.array([(hour + 1) * HOUR - int(each.age * SECOND) for hour, each in told], np.int64)
    rows = transactions.draw(rng, ends)
    for row, (_, each) in zip(rows, told, strict=True):
        row["transaction_id"] = each.name + str(row["transaction_id"])[len(each.name) :]
        row["score"], row["is_fraud"], row["wallet"] = each.score, each.is_fraud, each.wallet
        for name, value in {**figures.ORDINARY, **each.features}.items():
            row[name] = value
    return rows


def _risky_phases(total: int) -> NDArray[np.int64]:
    """Return the phases of the blocked rows that are not named: few in the calm hours, the rest elsewhere."""
    busy = [hour for hour in range(24) if hour not in _CALM_HOURS]
    rest = total - _CALM_BLOCKED * len(_CALM_HOURS)
    shares = {hour: rest // len(busy) + (i < rest % len(busy)) for i, hour in enumerate(busy)}
    shares |= dict.fromkeys(_CALM_HOURS, _CALM_BLOCKED)
    return np.concatenate([_spread(hour, shares[hour], *_RISKY_MINUTES) for hour in range(24)])


def _calm_phases(total: int, blocked_at: NDArray[np.int64], reviewed_at: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the phases of the other rows, so that each calm hour has 496 rows beside the named."""
    risky = np.bincount(np.concatenate([blocked_at, reviewed_at]) // HOUR, minlength=24)
    rest = total - len(blocked_at) - len(reviewed_at)
    counts = {hour: _CALM_ROWS - int(risky[hour]) for hour in _CALM_HOURS}
    busy = [hour for hour in range(24) if hour not in _CALM_HOURS]
    left = rest - sum(counts.values())
    counts |= {hour: left // len(busy) + (i < left % len(busy)) for i, hour in enumerate(busy)}
    return np.concatenate([_spread(hour, counts[hour], 0, 60) for hour in range(24)])


def _spread(hour: int, n: int, first_minute: int, last_minute: int) -> NDArray[np.int64]:
    """Return ``n`` evenly spaced phases within some minutes of an hour, microseconds."""
    span = (last_minute - first_minute) * MINUTE
    inside: NDArray[np.int64] = ((np.arange(n) + 0.5) * span / max(n, 1)).astype(np.int64)
    return hour * HOUR + first_minute * MINUTE + inside


def _sales(rng: np.random.Generator, n: int, revenue_cents: int, first: int, last: int) -> Rows:
    """Return ``n`` sold rows without predictions, worth ``revenue_cents`` exactly; ``at`` is a phase."""
    rows = transactions.draw(rng, first + ((np.arange(n) + 0.5) * (last - first) / n).astype(np.int64))
    rows["scored"] = False
    for _ in range(2):
        factor = revenue_cents / _revenue(rows)
        transactions.price(rows, rows["amount_cents"] / 100 * factor)
    largest = int(np.argmax(rows["amount_cents"] * rows["is_purchase"]))
    rows["amount_cents"][largest] += revenue_cents - _revenue(rows)
    return rows


def _revenue(rows: Rows) -> int:
    return int((rows["amount_cents"] * rows["is_purchase"] + rows["fee_cents"]).sum())
