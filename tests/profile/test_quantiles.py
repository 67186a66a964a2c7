"""Quantiles and their confidence limits against published ranks and brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from rightsizing.model.base import NoData
from rightsizing.profile.histograms import merge
from rightsizing.profile.quantiles import (
    covered_day_share,
    quantile_of,
    quantile_rank,
    upper_limit_rank,
    value_at_rank,
)


@pytest.mark.parametrize(
    ("quantile", "rank"), [(0.95, 3854), (0.99, 4003), (0.995, 4020), (0.999, 4032)]
)
def test_ranks_of_fourteen_days(quantile: float, rank: int) -> None:
    """14 days at 5 minutes, 95 % confidence: the order statistics of the literature."""
    assert upper_limit_rank(4032, quantile, 0.95) == rank


@pytest.mark.parametrize(
    ("quantile", "needed"), [(0.90, 29), (0.95, 59), (0.99, 299), (0.995, 598), (0.999, 2995)]
)
def test_smallest_sample_that_bounds_a_quantile(quantile: float, needed: int) -> None:
    """The maximum of n covers the p-quantile with confidence 1 - p**n; one fewer does not do."""
    assert upper_limit_rank(needed, quantile, 0.95) == needed
    too_few = upper_limit_rank(needed - 1, quantile, 0.95)
    assert isinstance(too_few, NoData)
    assert f"{needed} are needed" in too_few.reason


def test_no_samples_have_no_limit() -> None:
    """Zero samples are no data, not rank zero."""
    assert isinstance(upper_limit_rank(0, 0.99, 0.95), NoData)
    assert isinstance(quantile_of((), 0.99, float), NoData)


@given(
    samples=st.integers(1, 5000),
    quantile=st.sampled_from([0.5, 0.9, 0.95, 0.99, 0.995]),
    confidence=st.sampled_from([0.9, 0.95, 0.99]),
)
def test_the_rank_is_the_smallest_with_that_confidence(
    samples: int, quantile: float, confidence: float
) -> None:
    """P(X_(j) >= quantile) = P(Binomial(n, p) <= j - 1) reaches the confidence at j, not before."""
    rank = upper_limit_rank(samples, quantile, confidence)
    if isinstance(rank, NoData):
        assert quantile**samples > 1 - confidence - 1e-12
        return
    assert binom.cdf(rank - 1, samples, quantile) >= confidence
    assert rank == 1 or binom.cdf(rank - 2, samples, quantile) < confidence


def test_the_limit_covers_the_quantile_as_often_as_it_says() -> None:
    """2,000 uniform samples of 700: the limit lies above the true .99 quantile in 95 % and more."""
    generator = np.random.default_rng(3)
    rank = upper_limit_rank(700, 0.99, 0.95)
    assert isinstance(rank, int)
    samples = np.sort(generator.random((2000, 700)), axis=1)
    covered = np.mean(samples[:, rank - 1] >= 0.99)
    # Binomial standard error at .95 and 2,000 draws: .005; three of them below.
    assert covered >= 0.95 - 0.015


@given(st.lists(st.integers(0, 50), min_size=1, max_size=300), st.floats(0.01, 0.99))
def test_a_quantile_is_an_order_statistic(values: list[int], quantile: float) -> None:
    """Against sorting: the smallest value with at least that share at or below it."""
    histogram = merge((value, 1) for value in values)
    got = quantile_of(histogram, quantile, float)
    rank = math.ceil(len(values) * quantile - 1e-9)
    assert got == sorted(values)[max(rank, 1) - 1]
    assert quantile_rank(len(values), quantile) == max(rank, 1)


def test_a_rank_beyond_the_samples_is_an_error() -> None:
    """Asking for the fourth of three is a slip of the caller."""
    with pytest.raises(ValueError, match="rank 4 is beyond the 3 samples"):
        value_at_rank(((0, 3),), 4, float)


@pytest.mark.parametrize(
    ("days", "share"), [(7, 0.652), (14, 0.807), (32, 0.911), (59, 0.950), (93, 0.968), (0, 0.0)]
)
def test_share_of_days_covered(days: int, share: float) -> None:
    """95 % sure that this share of days stays below the largest daily maximum."""
    assert covered_day_share(days, 0.95) == pytest.approx(share, abs=5e-4)
