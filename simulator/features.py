"""The ten features the fraud model sees: their distributions, their text, and which one stands out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.void]


@dataclass(frozen=True)
class Feature:
    """How one feature is named, stored and explained.

    Attributes:
        name: key in the ``features`` JSON.
        decimals: digits kept; a feature with none is an integer.
        label: name used in ``top_feature``.
        unit: suffix used in ``top_feature``.
        kind: ``numeric`` or ``boolean``, as in ``feature_reference``.
    """

    name: str
    decimals: int
    label: str
    unit: str = ""
    kind: str = "numeric"


FEATURES = (
    Feature("wallet_age_days", 3, "wallet_age", "d"),
    Feature("txn_velocity_1h", 0, "txn_velocity_1h"),
    Feature("price_deviation_ratio", 4, "price_deviation"),
    Feature("geo_velocity_flag", 0, "geo_velocity", kind="boolean"),
    Feature("avg_ticket_hold_time", 2, "avg_ticket_hold_time", "h"),
    Feature("event_popularity_score", 4, "event_popularity"),
    Feature("cross_event_attendance", 0, "cross_event_attendance"),
    Feature("payment_method_diversity", 0, "payment_method_diversity"),
    Feature("social_graph_centrality", 4, "social_graph_centrality"),
    Feature("time_to_first_resale", 2, "time_to_first_resale", "h"),
)
FEATURE_NAMES = tuple(feature.name for feature in FEATURES)


def velocity(rng: np.random.Generator, mean: Floats | float, size: int) -> Floats:
    """Draw transactions of one wallet in the last hour: negative binomial, r = 1.2, of the given mean."""
    return rng.poisson(rng.gamma(1.2, 1.0, size) * (np.asarray(mean) / 1.2)).astype(np.float64)


def fill(rng: np.random.Generator, rows: Rows, suspicious: NDArray[np.bool_]) -> None:
    """Draw all features of the rows in place.

    Args:
        rng: where the numbers come from.
        rows: structured array with one float field a feature, shape (n,).
        suspicious: rows that look like fraud, whether they are or not, shape (n,).
    """
    n = len(rows)
    rows["wallet_age_days"] = rng.lognormal(np.log(120.0), 1.4, n) * np.where(suspicious, 0.12, 1.0)
    rows["txn_velocity_1h"] = velocity(rng, np.where(suspicious, 6.0, 0.9), n)
    rows["price_deviation_ratio"] = np.abs(rng.standard_t(4, n)) * np.where(suspicious, 0.9, 0.25)
    rows["geo_velocity_flag"] = rng.random(n) < np.where(suspicious, 0.30, 0.015)
    rows["avg_ticket_hold_time"] = rng.lognormal(np.log(480.0), 0.8, n) * np.where(suspicious, 0.25, 1.0)
    rows["event_popularity_score"] = rng.beta(2.0, 2.0, n)
    rows["cross_event_attendance"] = rng.poisson(np.where(suspicious, 0.6, 2.4), n)
    rows["payment_method_diversity"] = 1 + rng.poisson(np.where(suspicious, 1.4, 0.5), n)
    rows["social_graph_centrality"] = rng.beta(1.5, np.where(suspicious, 40.0, 12.0), n)
    resale = rng.lognormal(np.log(72.0), 1.0, n) * np.where(suspicious, 0.1, 1.0)
    # Most wallets never resold a ticket: the feature is unknown for them.
    never_resold = rng.random(n) < np.where(suspicious, 0.3, 0.6)
    rows["time_to_first_resale"] = np.where(never_resold, np.nan, resale)
    round_stored(rows)


def round_stored(rows: Rows) -> None:
    """Round features to the digits that are stored, so that they bin alike before and after storage."""
    for feature in FEATURES:
        rows[feature.name] = np.round(rows[feature.name], feature.decimals)


def json_texts(rows: Rows) -> list[str]:
    """Return the ``features`` JSON of each row; an unknown value is null."""
    columns = [_texts(rows[feature.name], feature) for feature in FEATURES]
    template = "{" + ", ".join(f'"{name}": %s' for name in FEATURE_NAMES) + "}"
    return [template % values for values in zip(*columns, strict=True)]


def top_texts(rows: Rows) -> list[str]:
    """Return ``top_feature`` of each row, such as ``txn_velocity_1h=12``: its most unusual feature.

    Surprise is on one scale for all: about the number of standard deviations in the suspicious direction.
    """
    surprise = np.stack(
        [
            -np.log(np.maximum(rows["wallet_age_days"], 0.01) / 120.0) / 1.4,
            np.log1p(rows["txn_velocity_1h"]) * 1.2,
            rows["price_deviation_ratio"] * 1.4,
            rows["geo_velocity_flag"] * 2.6,
            -np.log(np.maximum(rows["avg_ticket_hold_time"], 0.1) / 480.0) / 1.1,
            rows["event_popularity_score"],
            0.6 - 0.2 * rows["cross_event_attendance"],
            (rows["payment_method_diversity"] - 1.5) * 0.7,
            1.0 - 9.0 * np.nan_to_num(rows["social_graph_centrality"], nan=0.1),
            -np.log(np.nan_to_num(rows["time_to_first_resale"], nan=72.0) / 72.0 + 1e-3) / 1.3,
        ]
    )
    chosen = surprise.argmax(axis=0)
    return [
        f"{FEATURES[i].label}={_short(float(rows[FEATURES[i].name][row]), FEATURES[i])}"
        for row, i in enumerate(chosen.tolist())
    ]


def _texts(values: Floats, feature: Feature) -> list[str]:
    if feature.kind == "boolean":
        return ["true" if value else "false" for value in values.tolist()]
    if feature.decimals == 0:
        return [str(int(value)) for value in values.tolist()]
    return ["null" if value != value else str(value) for value in values.tolist()]


def _short(value: float, feature: Feature) -> str:
    if feature.kind == "boolean":
        return "true" if value else "false"
    if feature.decimals == 0:
        return f"{value:.0f}{feature.unit}"
    return f"{value:.1f}{feature.unit}" if value >= 0.1 else f"{value:.2g}{feature.unit}"
