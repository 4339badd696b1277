"""The lower bound of a share against an oracle and by its properties."""

from __future__ import annotations

import math
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responder.wilson import Z_95, lower_bound


def test_z_is_that_of_95_percent_on_one_side() -> None:
    assert pytest.approx(NormalDist().inv_cdf(0.95), abs=1e-12) == Z_95


@given(total=st.integers(1, 100000), share=st.floats(0, 1))
def test_the_bound_is_where_the_score_test_just_rejects(total: int, share: float) -> None:
    successes = round(total * share)
    bound = lower_bound(successes, total)
    assert bound is not None
    assert 0 <= bound <= successes / total
    if successes:
        score = (successes / total - bound) / math.sqrt(bound * (1 - bound) / total)
        assert score == pytest.approx(Z_95, rel=1e-6)


@given(total=st.integers(1, 10000), share=st.floats(0, 1), factor=st.integers(2, 50))
def test_more_of_the_same_makes_it_surer(total: int, share: float, factor: int) -> None:
    successes = round(total * share)
    few, many = lower_bound(successes, total), lower_bound(successes * factor, total * factor)
    assert few is not None
    assert many is not None
    assert many >= few - 1e-12


@pytest.mark.parametrize(
    ("successes", "total"), [(0, 0), (-1, 10), (11, 10), (math.nan, 10), (1, math.nan), (1, math.inf)]
)
def test_nonsense_has_no_bound(successes: float, total: float) -> None:
    assert lower_bound(successes, total) is None
