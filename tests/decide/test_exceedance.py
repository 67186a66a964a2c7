"""Predicted minutes of too little CPU."""

from __future__ import annotations

import numpy as np
import pytest

from rightsizing.decide.exceedance import predict_exceedance
from rightsizing.model.base import NoData
from rightsizing.units import MINUTES_PER_MONTH


def test_minutes_are_the_share_of_intervals_above(make_profile, make_cpu) -> None:
    """One interval of 288 above 3 cores on each of 14 days: 43,800 / 288 = 152 minutes a month.

    Every day is alike, so the bootstrap has no spread.
    """
    day = [1.0] * 287 + [3.5]
    found = predict_exceedance(make_profile(cpu=make_cpu(day * 14, 4.0)), 3.0, seed=0)
    assert found.minutes_per_month == pytest.approx(MINUTES_PER_MONTH / 288)
    assert found.lower == pytest.approx(found.minutes_per_month)
    assert found.upper >= found.minutes_per_month


def test_nothing_seen_is_not_nothing_possible(make_profile, make_cpu) -> None:
    """At the peak itself nothing exceeds, but 14 days do not vouch for all days."""
    day = [1.0] * 287 + [3.5]
    found = predict_exceedance(make_profile(cpu=make_cpu(day * 14, 4.0)), 3.5, seed=0)
    assert found.minutes_per_month == found.lower == 0.0
    # At most 19.3 % of days (1 - 0.05 ** (1 / 14)) are worse; each as long as the worst seen: one
    # interval of 288 above the pooled top half percent.
    assert found.upper == pytest.approx(0.1926 * MINUTES_PER_MONTH / 288, rel=1e-3)


def test_days_that_differ_widen_the_interval(make_profile, make_cpu) -> None:
    """The same minutes on one day of 14 instead of all: the interval reaches down to zero."""
    quiet, busy = [1.0] * 288, [1.0] * 274 + [3.5] * 14
    found = predict_exceedance(make_profile(cpu=make_cpu(quiet * 13 + busy, 4.0)), 3.0, seed=0)
    assert found.minutes_per_month == pytest.approx(MINUTES_PER_MONTH / 288)
    assert found.lower < found.minutes_per_month < found.upper
    assert found.lower == 0.0


def test_a_larger_size_is_never_short_for_longer(make_profile, make_cpu) -> None:
    """Minutes fall as capacity grows, and are zero above the peak."""
    values = np.random.default_rng(5).gamma(2, 0.5, 20 * 288).clip(0.01, 7.9).tolist()
    profile = make_profile(cpu=make_cpu(values, 8.0), days=20)
    minutes = [
        predict_exceedance(profile, capacity, seed=0).minutes_per_month
        for capacity in (2.5, 3.0, 4.0, 6.0, 8.0)
    ]
    assert minutes == sorted(minutes, reverse=True)
    assert minutes[-1] == 0.0


def test_the_interval_covers_the_month_that_follows(make_profile, make_cpu) -> None:
    """100 workloads whose days vary by a tenth: nine of ten next months lie in the interval.

    Measured .92; binomial standard error at 100 draws .027, three of them below.
    """
    generator = np.random.default_rng(11)
    covered = 0
    for _ in range(100):
        level = generator.lognormal(0, 0.1, size=(28 + 30, 1))
        load = np.minimum(level * generator.gamma(40, 1 / 40, size=(58, 288)), 3.99)
        past, future = load[:28], load[28:]
        capacity = float(np.quantile(past, 0.99))
        profile = make_profile(cpu=make_cpu(past.ravel().tolist(), 4.0), days=28)
        found = predict_exceedance(profile, capacity, seed=1)
        minutes = (future > capacity).mean() * MINUTES_PER_MONTH
        covered += found.lower <= minutes <= found.upper
    assert covered >= 84


def test_what_cannot_be_predicted_is_no_data(make_profile, make_cpu) -> None:
    """No CPU, too few days, or a capacity below almost all demand."""
    assert isinstance(predict_exceedance(make_profile(), 1.0, seed=0), NoData)
    short = predict_exceedance(make_profile(cpu=make_cpu([1.0] * 288 * 3, 4.0)), 2.0, seed=0)
    assert isinstance(short, NoData)
    assert "3 days" in short.reason
    low = predict_exceedance(make_profile(cpu=make_cpu([2.0] * 288 * 14, 4.0)), 0.5, seed=0)
    assert isinstance(low, NoData)
    assert "most of the time" in low.reason
