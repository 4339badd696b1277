"""What several tests of the simulator need."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import psycopg2

from simulator.clock import Clock
from simulator.episodes import EPISODES, Episode
from simulator.features import FEATURES
from simulator.instants import HOUR, MINUTE, micros
from simulator.reference import FeatureReference, bin_counts, describe, training_sample
from simulator.source import OrdinaryDays
from simulator.transactions import Rows
from simulator.world import World

SEED = 7
# A Wednesday noon: no launch near.
NOON = micros(datetime(2026, 3, 4, 12, 0, 30, tzinfo=UTC))


class StillClock(Clock):
    """A clock that stands until it is set."""

    def __init__(self, instant: int = NOON) -> None:
        super().__init__(0)
        self.instant = instant

    def now(self) -> int:
        return self.instant


def world(*episodes: Episode, rate_per_hour: float | None = None) -> World:
    """A world of ordinary days with some episodes."""
    return World(OrdinaryDays(SEED, rate_per_hour), episodes)


def episode(name: str, minutes: float = 20.0, starts_at: int = NOON, **overrides: float | str) -> Episode:
    """An episode with its defaults but for the overrides."""
    parameters = {**EPISODES[name].parameters, **overrides}
    return Episode(name, starts_at, starts_at + int(minutes * MINUTE), parameters)


def references() -> list[FeatureReference]:
    """The reference of each feature."""
    sample = training_sample(SEED)
    return [describe(feature, sample[feature.name]) for feature in FEATURES]


def divergence(rows: Rows, reference: FeatureReference) -> float:
    """KL(rows ‖ reference) in nats, as the exporter defines it."""
    values = rows[reference.feature]
    known = values[~np.isnan(values)]
    if reference.cuts is None:
        ones = int(known.sum())
        bins = [len(known) - ones, ones]
    else:
        bins = bin_counts(np.array(reference.cuts), known)
    current = np.array([*bins, len(values) - len(known)], dtype=float)
    trained = np.array(reference.ref_counts, dtype=float)
    kept = (current > 0) | (trained > 0)
    current, trained = current[kept], trained[kept]
    p = (current + 0.5) / (current.sum() + 0.5 * len(current))
    q = (trained + 0.5) / (trained.sum() + 0.5 * len(trained))
    return float((p * np.log(p / q)).sum())


def query(dsn: str, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """The rows of one query."""
    connection = psycopg2.connect(dsn, connect_timeout=5, options="-c statement_timeout=20000 -c timezone=UTC")
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchall()
    finally:
        connection.close()


def day(number: int) -> tuple[int, int]:
    """(after, until] of a whole day, ``number`` days after the Wednesday."""
    first = NOON - 12 * HOUR - MINUTE // 2 + number * 24 * HOUR
    return first, first + 24 * HOUR


def assert_same(first: Rows, second: Rows) -> None:
    """Fail unless the rows are the same to the last bit; NaN equals NaN."""
    assert first["transaction_id"].tolist() == second["transaction_id"].tolist()
    assert first.tobytes() == second.tobytes()
