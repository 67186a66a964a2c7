"""Trends: Theil-Sen against scipy, and how often noise is taken for one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau, norm, theilslopes

from rightsizing.profile.rows import FloatArray
from rightsizing.profile.trend import trends_of


def _noise(rows: int, days: int, rho: float, seed: int = 2) -> FloatArray:
    shocks = np.random.default_rng(seed).normal(size=(rows, days + 50))
    noise = np.zeros_like(shocks)
    for day in range(1, days + 50):
        noise[:, day] = rho * noise[:, day - 1] + np.sqrt(1 - rho**2) * shocks[:, day]
    return noise[:, 50:]


@pytest.mark.parametrize("days", [2, 7, 20, 61])
def test_slope_and_level_are_scipys(days: int) -> None:
    """Slope, and the line at the last column, equal ``theilslopes`` on the measured days."""
    rng = np.random.default_rng(days)
    daily = rng.gamma(3.0, 1.0, size=(40, days))
    daily[rng.random(daily.shape) < 0.15] = np.nan
    found = trends_of(daily)
    for row in range(40):
        known = np.flatnonzero(np.isfinite(daily[row]))
        if len(known) < 2:
            continue
        line = theilslopes(daily[row, known], known)
        assert found.slope_per_day[row] == pytest.approx(line.slope, abs=1e-12)
        at_end = line.intercept + line.slope * (days - 1)
        assert found.level[row] == pytest.approx(at_end, abs=1e-9)


def test_statistic_is_mann_kendalls() -> None:
    """Where days do not resemble each other, z equals that of Kendall's tau, ties and all.

    z = (S - sign S) / sqrt(var); scipy's asymptotic p-value omits the continuity correction, so
    its z is S / sqrt(var) and |z| here is smaller by 1 / sqrt(var).
    """
    rng = np.random.default_rng(4)
    compared = 0
    for row in rng.integers(0, 12, size=(200, 30)).astype(float):
        found = trends_of(row[None, :])
        rest = row - found.slope_per_day[0] * np.arange(30)
        rest -= np.median(rest)
        if (rest[1:] * rest[:-1]).sum() > -0.2 * (rest**2).sum():
            continue  # only rows whose autocorrelation is below zero: no enlargement
        tau = kendalltau(np.arange(30), row, method="asymptotic")
        ties = np.unique(row, return_counts=True)[1]
        variance = (30 * 29 * 65 - (ties * (ties - 1) * (2 * ties + 5)).sum()) / 18
        expected = norm.isf(tau.pvalue / 2) * np.sign(tau.statistic)
        expected -= np.sign(expected) / np.sqrt(variance)
        assert found.z[0] == pytest.approx(expected, abs=1e-6)
        compared += 1
    assert compared >= 5


@pytest.mark.parametrize(("rho", "most"), [(0.0, 0.015), (0.3, 0.025), (0.6, 0.045)])
def test_noise_is_rarely_a_trend(rho: float, most: float) -> None:
    """At a nominal 1 % two-sided, 28 days of autocorrelated noise pass seldom."""
    assert trends_of(10 + _noise(2000, 28, rho)).significant.mean() <= most


def test_a_trend_is_found() -> None:
    """A tenth of the noise's deviation a day shows in 93 days."""
    daily = 10 + _noise(500, 93, 0.3) + 0.1 * np.arange(93)
    found = trends_of(daily)
    assert found.significant.mean() >= 0.99
    assert np.median(found.slope_per_day) == pytest.approx(0.1, rel=0.05)


def test_projection_needs_significance() -> None:
    """A clear line is prolonged, noise stays at its level, and nothing falls below zero."""
    days = np.arange(20.0)
    rng = np.random.default_rng(0)
    found = trends_of(np.vstack([5 + days, 100 - 5 * days, rng.permutation(days)]))
    assert found.projected(10)[0] == pytest.approx(5 + 29)  # 5 + (19 + 10)
    assert found.projected(10)[1] == 0.0  # 100 - 5 x 29 = -45
    assert not found.significant[2]
    assert found.projected(10)[2] == found.level[2]


@pytest.mark.parametrize("days", [0, 1, 5])
def test_few_days_have_no_significant_trend(days: int) -> None:
    """Under seven days nothing is significant, whatever the slope."""
    found = trends_of(np.arange(days, dtype=float)[None, :].repeat(2, axis=0))
    assert not found.significant.any()
    assert (found.z == 0).all()


@settings(max_examples=40, deadline=None)
@given(
    days=st.integers(7, 40),
    shift=st.floats(0, 100),
    scale=st.sampled_from([0.25, 2.0, 2.0**20]),
    seed=st.integers(0, 1000),
)
def test_equivariance(days: int, shift: float, scale: float, seed: int) -> None:
    """``k x + c`` has k times the slope and the same verdict."""
    daily = np.random.default_rng(seed).gamma(2.0, 1.0, size=(4, days))
    found, moved = trends_of(daily), trends_of(scale * daily + shift)
    np.testing.assert_allclose(moved.slope_per_day, scale * found.slope_per_day, atol=1e-9 * scale)
    np.testing.assert_allclose(moved.z, found.z, atol=1e-6)
