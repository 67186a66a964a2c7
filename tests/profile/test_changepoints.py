"""Change points: what is accepted, what is not, and that only what follows is used."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightsizing.profile.changepoints import last_changes
from rightsizing.profile.rows import FloatArray, row_median

WEEKEND = np.log(0.3)  # Saturdays and Sundays at 30 % of the other days


def _noise(rows: int, days: int, rho: float, sigma: float, seed: int = 1) -> FloatArray:
    """Stationary AR(1) noise with standard deviation ``sigma``."""
    shocks = np.random.default_rng(seed).normal(size=(rows, days + 50))
    noise = np.zeros_like(shocks)
    for day in range(1, days + 50):
        noise[:, day] = rho * noise[:, day - 1] + np.sqrt(1 - rho**2) * shocks[:, day]
    return sigma * noise[:, 50:]


def _weekend(days: int) -> FloatArray:
    return np.where(np.arange(days) % 7 >= 5, WEEKEND, 0.0)


@pytest.mark.parametrize("days", [14, 28, 93])
@pytest.mark.parametrize(("rho", "most"), [(0.0, 0.005), (0.3, 0.01), (0.6, 0.035)])
def test_noise_is_rarely_a_change(days: int, rho: float, most: float) -> None:
    """Autocorrelated noise of 30 % a day is taken for a shift in few workloads.

    At rho 0.6 the level does wander: 14 days of it hold about four independent days.
    """
    found = last_changes(np.exp(_noise(2000, days, rho, 0.3)))
    assert (found.first_day > 0).mean() <= most


@pytest.mark.parametrize("days", [14, 17, 21, 28, 60])
def test_a_weekend_is_no_change(days: int) -> None:
    """Weekends at 30 % are a season, wherever in the week the history ends."""
    for start in range(7):
        season = np.exp(_noise(300, days, 0.3, 0.05) + np.roll(_weekend(700), start)[:days])
        found = last_changes(season)
        assert (found.first_day > 0).mean() <= 0.01
        assert found.pending.mean() <= 0.01


@pytest.mark.parametrize("ratio", [2.0, 0.5])
@pytest.mark.parametrize("after", [7, 10, 25])
def test_a_shift_is_found_in_both_directions(ratio: float, after: int) -> None:
    """A doubling or halving is found to two days, under noise of 10 % and weekends."""
    days = 42
    step = np.where(np.arange(days) >= days - after, np.log(ratio), 0.0)
    found = last_changes(np.exp(_noise(500, days, 0.3, 0.1) + step + _weekend(days)))
    assert (np.abs(found.first_day - (days - after)) <= 2).mean() >= 0.97
    assert np.median(found.level_ratio) == pytest.approx(ratio, rel=0.1)


def test_the_last_of_several_shifts_counts() -> None:
    """Up on day 20 and back down on day 40 of 60: the second one, though the level is the first."""
    level = np.where((np.arange(60) >= 20) & (np.arange(60) < 40), np.log(3.0), 0.0)
    found = last_changes(np.exp(_noise(200, 60, 0.3, 0.1) + level))
    assert (np.abs(found.first_day - 40) <= 1).mean() >= 0.97
    assert np.median(found.level_ratio) == pytest.approx(1 / 3, rel=0.1)


def test_fewer_than_seven_days_are_pending() -> None:
    """A doubling five days ago is not accepted, but reported."""
    step = np.where(np.arange(30) >= 25, np.log(2.0), 0.0)
    found = last_changes(np.exp(_noise(200, 30, 0.0, 0.05) + step))
    assert (found.first_day == 0).all()
    assert found.pending.mean() >= 0.97


def test_a_lone_spike_is_no_change() -> None:
    """Single days at ten times the level, one in ten, neither shift nor pend."""
    spikes = np.random.default_rng(3).random((1000, 42)) < 0.1
    found = last_changes(np.exp(_noise(1000, 42, 0.0, 0.1) + np.log(10) * spikes))
    assert (found.first_day > 0).mean() <= 0.02
    assert found.pending.mean() <= 0.01


def test_a_small_shift_is_left() -> None:
    """10 % more, without any noise, is below the smallest shift of 20 %."""
    daily = np.where(np.arange(40) >= 20, 1.1, 1.0)[None, :]
    assert last_changes(daily).first_day[0] == 0


def test_steady_growth_is_a_trend() -> None:
    """3 % a day without noise is a line, not two levels."""
    daily = np.exp(0.03 * np.arange(28))[None, :]
    assert last_changes(daily).first_day[0] == 0


def test_gaps_do_not_move_the_day() -> None:
    """Unmeasured days are skipped; the first day is a column of the table given."""
    daily = np.where(np.arange(40) >= 22, 4.0, 1.0)[None, :] * np.exp(_noise(1, 40, 0, 0.03))
    daily[0, [3, 4, 5, 18, 25, 26, 33]] = np.nan
    assert last_changes(daily).first_day[0] == 22


def test_only_what_follows_is_left() -> None:
    """``after`` blanks the days before an accepted change and keeps all others."""
    daily = np.vstack([np.where(np.arange(30) >= 15, 4.0, 1.0), np.ones(30)])
    daily *= np.exp(_noise(2, 30, 0, 0.02))
    left = last_changes(daily).after(daily)
    assert np.isnan(left[0, :15]).all()
    np.testing.assert_array_equal(left[0, 15:], daily[0, 15:])
    np.testing.assert_array_equal(left[1], daily[1])


@pytest.mark.parametrize("days", [0, 1, 6, 13])
def test_short_histories_have_no_change(days: int) -> None:
    """Under 14 days there are no seven on each side."""
    found = last_changes(np.ones((3, days)))
    assert (found.first_day == 0).all()
    assert (found.level_ratio == 1).all()


def test_bad_figures_count_as_not_measured() -> None:
    """Infinities and negative days change nothing against the same history with gaps."""
    clean = np.exp(_noise(1, 40, 0.3, 0.1))
    clean[0, 20:] *= 3
    gaps, bad = clean.copy(), clean.copy()
    gaps[0, [5, 9, 30]] = np.nan
    bad[0, [5, 9, 30]] = np.inf, -1.0, -np.inf
    first, second = last_changes(gaps), last_changes(bad)
    assert first.first_day[0] == second.first_day[0] == 20
    assert first.level_ratio[0] == second.level_ratio[0]


@settings(max_examples=40, deadline=None)
@given(
    days=st.integers(14, 60),
    at=st.integers(0, 59),
    ratio=st.floats(0.2, 5.0),
    scale=st.sampled_from([2.0**-20, 0.5, 1024.0, 2.0**30]),
    seed=st.integers(0, 1000),
)
def test_the_unit_does_not_matter(
    days: int, at: int, ratio: float, scale: float, seed: int
) -> None:
    """Figures times k give the same days and, up to rounding, the same ratio."""
    daily = np.exp(_noise(3, days, 0.4, 0.2, seed)) * np.where(np.arange(days) >= at, ratio, 1.0)
    found, scaled = last_changes(daily), last_changes(daily * scale)
    np.testing.assert_array_equal(found.first_day, scaled.first_day)
    np.testing.assert_allclose(found.level_ratio, scaled.level_ratio, rtol=1e-9)


def test_each_workload_is_judged_alone() -> None:
    """Rows in any company and order give the same answer."""
    daily = np.exp(_noise(50, 42, 0.5, 0.3))
    daily[::3, 25:] *= 3
    order = np.random.default_rng(0).permutation(50)
    together = last_changes(daily)
    np.testing.assert_array_equal(together.first_day[order], last_changes(daily[order]).first_day)
    alone = [int(last_changes(daily[row : row + 1]).first_day[0]) for row in range(50)]
    assert together.first_day.tolist() == alone


def test_row_median_is_numpys() -> None:
    """The vectorised median equals ``nanmedian``, row by row; an empty row has none."""
    values = np.random.default_rng(5).normal(size=(200, 9))
    values[np.random.default_rng(6).random(values.shape) < 0.3] = np.nan
    values[0] = np.nan
    expected = [
        np.median(row[np.isfinite(row)]) if np.isfinite(row).any() else np.nan for row in values
    ]
    np.testing.assert_allclose(row_median(values), expected)
