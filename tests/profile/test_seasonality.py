"""Hour-of-week profiles against plain loops, and strengths on demand made to order."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from rightsizing.profile.rows import FloatArray
from rightsizing.profile.seasonality import hour_of_week, strengths_of, weekdays

DAYS = 28
DAY_CURVE = 2 * np.sin(np.arange(24) / 24 * 2 * np.pi)
WEEKEND = np.where(np.arange(DAYS) % 7 >= 5, -3.0, 0.0)[None, :, None]


def _noise(rows: int = 300, days: int = DAYS) -> FloatArray:
    return np.random.default_rng(1).normal(size=(rows, days, 24))


def test_weekdays_are_the_calendars() -> None:
    """Monday is 0, as in ``datetime``, from any first day."""
    for first in (0, 1, 15_886, 20_000):
        expected = [(dt.date(1970, 1, 1) + dt.timedelta(first + i)).weekday() for i in range(9)]
        assert weekdays(first, 9).tolist() == expected


def test_folding_equals_a_loop() -> None:
    """Maximum and mean per hour of the week, gaps skipped; 2026-09-30 is a Wednesday."""
    first = (dt.date(2026, 9, 30) - dt.date(1970, 1, 1)).days
    rng = np.random.default_rng(2)
    mean = rng.random((3, 16, 24)).astype(np.float32)
    mean[rng.random(mean.shape) < 0.2] = np.nan
    mean[0, :, 5] = np.nan  # one hour never measured
    largest = mean * 2
    found = hour_of_week(largest, mean, first)
    for row in range(3):
        for weekday in range(7):
            days = [d for d in range(16) if (2 + d) % 7 == weekday]
            for hour in range(24):
                values = [mean[row, d, hour] for d in days if np.isfinite(mean[row, d, hour])]
                at = 24 * weekday + hour
                if not values:
                    assert np.isnan(found.maximum[row, at])
                    assert np.isnan(found.mean[row, at])
                else:
                    assert found.maximum[row, at] == pytest.approx(2 * max(values))
                    assert found.mean[row, at] == pytest.approx(np.mean(values, dtype=float))


def test_noise_has_no_season() -> None:
    """Degrees of freedom are counted: white noise of two weeks scores near nothing, not a half."""
    for days in (14, 28):
        found = strengths_of(_noise(days=days))
        assert found.daily.mean() < 0.02
        assert found.weekly.mean() < 0.06


def test_daily_curve_is_daily() -> None:
    """A sine of variance 2 under noise of variance 1 explains 2 / 3 of the hours."""
    found = strengths_of(_noise() + DAY_CURVE)
    assert found.daily.mean() == pytest.approx(2 / 3, abs=0.03)
    assert found.weekly.mean() < 0.05


def test_weekend_is_weekly() -> None:
    """5 days at 0, 2 at -3: variance 9 x (2 / 7) x (5 / 7) = 1.84, that is 1.84 / 2.84 of all."""
    found = strengths_of(_noise() + WEEKEND)
    assert found.weekly.mean() == pytest.approx(1.84 / 2.84, abs=0.04)
    assert found.daily.mean() < 0.02


@pytest.mark.parametrize(
    "drift", [0.5 * np.arange(DAYS), np.where(np.arange(DAYS) >= 14, 5.0, 0.0)]
)
def test_a_trend_or_step_is_no_season(drift: FloatArray) -> None:
    """What differs between days and weeks without coming back is not counted."""
    found = strengths_of(_noise() + drift[None, :, None])
    assert found.daily.mean() < 0.02
    assert found.weekly.mean() < 0.1


def test_gaps_change_little() -> None:
    """A tenth of the hours missing leaves the strengths where they were."""
    hours = _noise() + DAY_CURVE + WEEKEND
    holed = np.where(np.random.default_rng(4).random(hours.shape) < 0.1, np.nan, hours)
    whole, part = strengths_of(hours), strengths_of(holed)
    assert np.abs(whole.daily - part.daily).max() < 0.1
    assert np.abs(whole.weekly - part.weekly).mean() < 0.05


def test_scale_does_not_matter() -> None:
    """Hours times 2 to any power give the same strengths."""
    hours = _noise(20) + DAY_CURVE
    first, second = strengths_of(hours), strengths_of(hours * 2.0**-20)
    np.testing.assert_allclose(first.daily, second.daily, rtol=1e-9)
    np.testing.assert_allclose(first.weekly, second.weekly, atol=1e-9)


def test_too_few_days_have_no_strength() -> None:
    """Two days have no daily, 13 no weekly strength; constant demand has strength 0, not NaN."""
    assert np.isnan(strengths_of(_noise(2, 2)).daily).all()
    assert np.isnan(strengths_of(_noise(2, 13)).weekly).all()
    flat = strengths_of(np.full((1, 28, 24), 3.7))
    assert flat.daily[0] == 0.0
    assert flat.weekly[0] == 0.0
