"""Five-line rules and hindsight, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightsizing.backtest.peers.oracle import CLAIRVOYANT_MAXIMUM, ORACLE
from rightsizing.backtest.peers.orderstatistics import (
    block_maxima,
    quantile_of,
    weighted_quantile_of,
)
from rightsizing.backtest.peers.static import (
    FADING_MAXIMA,
    FADING_MAXIMA_PLUS_10,
    MAXIMUM_14_DAYS,
    MAXIMUM_14_DAYS_PLUS_5,
    P95_PLUS_20,
    PEAK_SO_FAR,
    FadingDailyMaxima,
)
from rightsizing.model.base import NoData


def test_static_percentile(track) -> None:
    """1 to 4,032 in any order: P95 is the ceil(3,830.4) = 3,831st; x 1.2 = 4,597.2."""
    values = np.random.default_rng(3).permutation(np.arange(1.0, 4033.0))
    series = track(cpu=values, memory=values)
    limits = P95_PLUS_20.propose([series])[0]
    assert limits.cpu_cores == pytest.approx(4597.2)
    assert limits.memory_bytes == pytest.approx(4032 * 1.15)


def test_maxima_look_back_as_far_as_they_say(track) -> None:
    """5 cores 15 days ago, 2 since: 2 for 14 days, 2.1 with 5 %, 5 so far."""
    cpu = np.concatenate([np.full(288, 5.0), np.full(14 * 288, 2.0)])
    series = track(cpu=cpu, memory=cpu)
    assert MAXIMUM_14_DAYS.propose([series])[0].cpu_cores == 2.0
    assert MAXIMUM_14_DAYS_PLUS_5.propose([series])[0].cpu_cores == pytest.approx(2.1)
    assert PEAK_SO_FAR.propose([series])[0].cpu_cores == 5.0
    assert PEAK_SO_FAR.propose([series])[0].memory_bytes == pytest.approx(5.75)


@pytest.mark.parametrize(("quantile", "expected"), [(0.5, 2.0), (0.8, 4.0), (0.95, 8.0)])
def test_daily_maxima_fade(track, quantile, expected) -> None:
    """Maxima 8, 4, 2, oldest first, half-life a day: weights 1/8, 1/4, 1/2 of 7/8.

    The share at or below 2 is 4/7 = .571, at or below 4 is 6/7 = .857.
    """
    rule = FadingDailyMaxima("test", cpu_quantile=quantile, half_life_days=1.0)
    cpu = np.repeat([8.0, 4.0, 2.0], 288)
    assert rule.propose([track(cpu=cpu)])[0].cpu_cores == expected


def test_the_factor_multiplies(track) -> None:
    """The second fading rule is the first times 1.1."""
    series = track(cpu=np.random.default_rng(5).gamma(2.0, 1.0, 30 * 288))
    plain = FADING_MAXIMA.propose([series])[0].cpu_cores
    assert FADING_MAXIMA_PLUS_10.propose([series])[0].cpu_cores == pytest.approx(1.1 * plain)


def test_days_without_measurements_age_too(track) -> None:
    """A gap of 100 days fades the 8 of before it below 5 %: 2^(-102/28) of the weight is left."""
    cpu = np.full(103 * 288, np.nan)
    cpu[:288], cpu[-2 * 288 :] = 8.0, 2.0
    assert FADING_MAXIMA.propose([track(cpu=cpu)])[0].cpu_cores == 2.0
    assert FADING_MAXIMA.propose([track(cpu=np.repeat([8.0, 2.0, 2.0], 288))])[0].cpu_cores == 8.0


def test_the_oracle_reads_the_period_itself(track) -> None:
    """2,016 values 1 to 2,016: rank ceil(2,013.984) = 2,014; the maximum is 2,016."""
    values = np.arange(1.0, 2017.0)
    series = track(cpu=values, memory=values)
    assert ORACLE.propose_for([series])[0].cpu_cores == 2014.0
    assert ORACLE.propose_for([series])[0].memory_bytes == 2016.0
    assert CLAIRVOYANT_MAXIMUM.propose_for([series])[0].cpu_cores == 2016.0


def test_the_oracle_abstains_without_measurements(track) -> None:
    """Nothing measured in the period: nothing to know."""
    limits = ORACLE.propose_for([track(days=7)])[0]
    assert isinstance(limits.cpu_cores, NoData)
    assert isinstance(limits.memory_bytes, NoData)


@given(
    values=st.lists(st.floats(0, 1e6), min_size=1, max_size=300),
    quantile=st.floats(0.01, 1.0),
)
def test_quantiles_are_numpys_inverted_cdf(values, quantile) -> None:
    """Smallest value that the share does not exceed; equal weights change nothing."""
    array = np.array(values)
    share = round(quantile, 3)
    found = quantile_of(array, share)
    assert found == np.quantile(array, share, method="inverted_cdf") or (
        np.mean(array <= found) >= share - 1e-9 and np.mean(array < found) < share
    )
    assert weighted_quantile_of(array, np.full(len(values), 0.25), share) == found


@given(
    values=st.lists(st.floats(0, 100) | st.just(float("nan")), max_size=100),
    per_block=st.integers(1, 12),
)
def test_block_maxima_are_those_of_plain_slices(values, per_block) -> None:
    """Block by block, absent where a block holds nothing."""
    array = np.array(values, dtype=float)
    expected = []
    for start in range(0, len(values), per_block):
        known = [value for value in values[start : start + per_block] if not math.isnan(value)]
        expected.append(max(known) if known else float("nan"))
    np.testing.assert_array_equal(block_maxima(array, per_block), np.array(expected, dtype=float))
