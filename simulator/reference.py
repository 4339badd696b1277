"""The model in use and the training distribution of its features."""

from typing import NamedTuple

import numpy as np
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from simulator import transactions
from simulator.features import FEATURES, Feature, Floats
from simulator.instants import DAY, moment, next_sunday_2am
from simulator.keyed import generator

MODEL_VERSION = "xgb-2.4.0"
#: What the model reached in training. On ordinary days its precision is 0.61 (see `transactions.draw`), give or take
#: 0.05 over the hundred blocks of a day that are labelled: with the same in training, or a little less, chance alone
#: would now and then be taken for a drop of 8 %.
BASELINE_PRECISION, BASELINE_RECALL = 0.55, 0.89
TRAINING_ROWS = 100_000


class FeatureReference(NamedTuple):
    """One row of ``platform.feature_reference``: ``ref_counts`` has one bin more, the last, for unknown."""

    feature: str
    kind: str
    cuts: list[float] | None
    ref_counts: list[int]


def training_sample(seed: int) -> transactions.Rows:
    """Draw what the model was trained on, shape (100000,)."""
    rng = generator(seed, "training", 0)
    return transactions.draw(rng, np.zeros(TRAINING_ROWS, np.int64))


def describe(feature: Feature, values: Floats) -> FeatureReference:
    """Bin the training values of one feature, shape (n,); NaN is unknown."""
    known = values[~np.isnan(values)]
    unknown = len(values) - len(known)
    if feature.kind == "boolean":
        ones = int(known.sum())
        return FeatureReference(feature.name, feature.kind, None, [len(known) - ones, ones, unknown])
    cuts = np.unique(np.quantile(known, np.arange(1, 10) / 10))
    counts = bin_counts(cuts, known)
    return FeatureReference(feature.name, feature.kind, cuts.tolist(), [*counts, unknown])


def bin_counts(cuts: Floats, known: Floats) -> list[int]:
    """Count values by bin as ``width_bucket(x, cuts)`` does: ``len(cuts) + 1`` bins."""
    bins = np.searchsorted(cuts, known, side="right")
    counts: list[int] = np.bincount(bins, minlength=len(cuts) + 1).tolist()
    return counts


def write(cursor: Cursor, now: int, seed: int, precision: float) -> None:
    """Insert the active model with its precision in training, its predecessor, and the reference of each feature."""
    sunday = next_sunday_2am(now)
    f1 = 2 * precision * BASELINE_RECALL / (precision + BASELINE_RECALL)
    for version, trained_at, active in (
        ("xgb-2.3.1", sunday - 35 * DAY, False),
        (MODEL_VERSION, sunday - 7 * DAY, True),
    ):
        cursor.execute(
            "INSERT INTO platform.model_versions VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                version,
                moment(trained_at),
                active,
                precision,
                BASELINE_RECALL,
                f1,
                transactions.REVIEW_THRESHOLD,
                transactions.BLOCK_THRESHOLD,
                moment(sunday) if active else None,
            ),
        )
    sample = training_sample(seed)
    for feature in FEATURES:
        row = describe(feature, sample[feature.name])
        cursor.execute(
            "INSERT INTO platform.feature_reference (model_version, feature, kind, cuts, ref_counts)"
            " VALUES (%s, %s, %s, %s::float8[], %s::bigint[])",
            (MODEL_VERSION, row.feature, row.kind, row.cuts, row.ref_counts),
        )
