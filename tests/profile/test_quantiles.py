"""Quantiles against brute force, and the share of days that maxima vouch for."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightsizing.model.base import NoData
from rightsizing.profile.histograms import merge
from rightsizing.profile.quantiles import (
    covered_day_share,
    quantile_of,
    quantile_rank,
    value_at_rank,
)


def test_no_samples_have_no_quantile() -> None:
    """Zero samples are no data, not rank zero."""
    assert isinstance(quantile_of((), 0.99, float), NoData)


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
