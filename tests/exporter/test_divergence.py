"""KL divergence and its noise floor against known values and their defining properties."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.divergence import chi2_isf, divergence, noise_floor

counts = st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 10_000)), min_size=2, max_size=20).filter(
    lambda pairs: sum(c for c, _ in pairs) > 0 and sum(r for _, r in pairs) > 0
)


@pytest.mark.parametrize(
    ("current", "reference", "alpha", "expected"),
    [
        ([10, 20, 30, 25, 15], [20] * 5, 0, 0.06495839133724005),
        ([120, 80, 100, 90, 110, 95, 105, 130, 70, 100], [1000] * 10, 0.5, 0.01427415574337881),
        ([10, 45, 45], [0, 50, 50], 0.5, 0.22147520843915947),
        ([10, 45, 45], [0, 50, 50], 0, math.inf),
        ([9700, 300], [98000, 2000], 0.5, 0.0022322633842605265),
    ],
)
def test_oracles(current: list[int], reference: list[int], alpha: float, expected: float) -> None:
    assert divergence(current, reference, alpha) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@given(counts)
def test_it_is_never_negative_and_zero_for_equal_proportions(pairs: list[tuple[int, int]]) -> None:
    current, reference = zip(*pairs, strict=True)
    assert divergence(current, reference) >= -1e-12
    assert divergence(reference, reference) == pytest.approx(0, abs=1e-12)


@given(counts)
def test_bins_with_no_count_on_either_side_change_nothing(pairs: list[tuple[int, int]]) -> None:
    current, reference = map(list, zip(*pairs, strict=True))
    assert divergence([*current, 0], [*reference, 0]) == divergence(current, reference)
    assert noise_floor([0, *current], [0, *reference]) == noise_floor(current, reference)


@given(counts)
def test_the_order_of_bins_does_not_matter(pairs: list[tuple[int, int]]) -> None:
    current, reference = zip(*pairs, strict=True)
    in_order_current, in_order_reference = zip(*sorted(pairs), strict=True)
    assert divergence(in_order_current, in_order_reference) == pytest.approx(
        divergence(current, reference), rel=1e-9, abs=1e-12
    )


def test_it_punishes_new_behaviour_more_than_what_has_gone() -> None:
    assert divergence([500, 500], [990, 10]) > divergence([990, 10], [500, 500])


@pytest.mark.parametrize(("current", "reference"), [([1], [1, 2]), ([0, 0], [1, 1]), ([1, 1], [0, 0])])
def test_what_cannot_be_compared_is_refused(current: list[int], reference: list[int]) -> None:
    for function in (divergence, noise_floor):
        with pytest.raises(ValueError, match=r"bins|counts"):
            function(current, reference)


# From tables of the χ² distribution (upper tail 0.001 and 0.05).
@pytest.mark.parametrize(
    ("probability", "degrees", "expected"),
    [
        (0.001, 1, 10.8276),
        (0.001, 2, 13.8155),
        (0.001, 9, 27.8772),
        (0.001, 10, 29.5883),
        (0.001, 30, 59.7031),
        (0.001, 100, 149.4493),
        (0.001, 1000, 1143.9171),
        (0.05, 1, 3.8415),
        (0.05, 4, 9.4877),
        (0.05, 19, 30.1435),
    ],
)
def test_chi_squared_quantiles(probability: float, degrees: int, expected: float) -> None:
    assert chi2_isf(probability, degrees) == pytest.approx(expected, abs=1e-4)


def test_noise_floor_is_the_quantile_over_twice_the_harmonic_sample_size() -> None:
    assert noise_floor([100] * 10, [1000] * 10) == pytest.approx(27.877164 / 2 * (1 / 1000 + 1 / 10000), rel=1e-6)
    assert noise_floor([5, 0], [7, 0]) == 0


@pytest.mark.parametrize("bins", [258, 259, 260, 301, 1000])
def test_hundreds_of_bins_are_no_matter(bins: int) -> None:
    # About normal by then, with the skew of Wilson and Hilferty's approximation.
    degrees = bins - 1
    quantile = degrees * (1 - 2 / (9 * degrees) + 3.0902 * math.sqrt(2 / (9 * degrees))) ** 3
    assert noise_floor([100] * bins, [100] * bins) == pytest.approx(quantile / 2 * 2 / (100 * bins), rel=1e-3)
