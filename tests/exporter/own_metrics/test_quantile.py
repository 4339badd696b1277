"""Quantiles by buckets lie in the bucket of the exact one, as PromQL's do."""

from __future__ import annotations

import math
from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.own_metrics.quantile import quantile

BOUNDS = (-1.0, 0.0, 1.0, 2.5, 10.0)


@given(st.lists(st.floats(-5, 20), min_size=1), st.floats(0.01, 0.99))
def test_it_lies_in_the_bucket_of_the_exact_one(observed: list[float], share: float) -> None:
    counts = [0] * (len(BOUNDS) + 1)
    for value in observed:
        counts[bisect_left(BOUNDS, value)] += 1
    exact = sorted(observed)[math.ceil(share * len(observed)) - 1]
    found, bucket = quantile(share, BOUNDS, counts), bisect_left(BOUNDS, exact)
    assert found is not None
    if bucket == len(BOUNDS):
        assert found == BOUNDS[-1]
    elif bucket == 0:
        assert found == BOUNDS[0]
    else:
        assert BOUNDS[bucket - 1] <= found <= BOUNDS[bucket]


@pytest.mark.parametrize(
    ("share", "counts", "expected"),
    [
        (0.5, [0, 0, 0], None),
        (0.5, [4, 0, 0], 5.0),
        (0.5, [0, 4, 0], 15.0),
        (0.25, [0, 4, 0], 12.5),
        (0.9, [1, 1, 8], 20.0),
    ],
)
def test_it_is_what_promql_says(share: float, counts: list[int], expected: float | None) -> None:
    assert quantile(share, (10.0, 20.0), counts) == expected
