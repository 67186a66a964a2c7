"""Resampling and Holm's correction."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from rightsizing.backtest.bootstrap import draw_counts, holm, p_at_least, upper_bound


def test_the_same_seed_draws_the_same() -> None:
    """Two runs agree; another seed does not."""
    np.testing.assert_array_equal(draw_counts(20, 3, 50), draw_counts(20, 3, 50))
    assert (draw_counts(20, 3, 50) != draw_counts(20, 4, 50)).any()


def test_every_resample_has_as_many_workloads() -> None:
    """Rows add up to the number of workloads."""
    assert (draw_counts(13, 1, 200).sum(axis=1) == 13).all()


def test_the_standard_error_of_a_mean() -> None:
    """The bootstrap's standard error of a mean is sqrt(((n - 1) / n) s^2 / n) in expectation.

    That is the population variance over n (Efron and Tibshirani 1993, eq. 5.12): here
    var([1..40]) / 40 = 133.25 / 40.
    """
    values = np.arange(1.0, 41.0)
    means = draw_counts(40, 9, 20_000) @ values / 40
    assert float(means.std()) == pytest.approx(np.sqrt(133.25 / 40), rel=0.02)
    normal = 20.5 + norm.ppf(0.95) * np.sqrt(133.25 / 40)
    assert upper_bound(means) == pytest.approx(normal, rel=0.01)


def test_holm_by_hand() -> None:
    """Sorted .005 .01 .03 .04 times 4, 3, 2, 1 is .02 .03 .06 .04; the last is raised to .06."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))


def test_holm_never_passes_one() -> None:
    """Two hopeless comparisons stay at one."""
    assert holm([0.9, 0.8]) == (1.0, 1.0)


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_lies_between_the_plain_value_and_bonferroni(values: list[float]) -> None:
    """A correction never helps, and is never stricter than Bonferroni's."""
    for plain, adjusted in zip(values, holm(values), strict=True):
        assert plain <= adjusted <= min(1.0, len(values) * plain) + 1e-12


def test_p_value_of_normal_draws() -> None:
    """A log ratio of -0.2 with standard error 0.1 lies 2 errors below 0: p is 0.0228."""
    draws = np.random.default_rng(1).normal(-0.2, 0.1, 200_000)
    assert p_at_least(-0.2, draws, 0.0) == pytest.approx(norm.cdf(-2), abs=0.002)


def test_p_value_without_spread() -> None:
    """Resamples that all agree leave no doubt."""
    draws = np.full(10, -0.2)
    assert p_at_least(-0.2, draws, 0.0) == 0.0
    assert p_at_least(-0.2, draws, -0.3) == 1.0
