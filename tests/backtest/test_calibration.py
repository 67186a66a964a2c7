"""Checks of predicted shortage on forecasts whose truth is known."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from rightsizing.backtest.calibration import Calibration, calibrate, quasi_poisson_slopes
from rightsizing.backtest.forecast import Forecasts, WeekForecast
from rightsizing.backtest.scores import Outcome
from rightsizing.model.base import NoData
from rightsizing.units import MINUTES_PER_MONTH

STEPS = 2016
WORKLOADS, WEEKS = 400, 8


def outcome_of(exceeded: np.ndarray) -> Outcome:
    """Full weeks with these exceeded steps (W, K)."""
    columns = {field.name: np.zeros(exceeded.shape) for field in fields(Outcome)}
    columns["steps"] = np.full(exceeded.shape, STEPS)
    columns["exceeded"] = exceeded
    return Outcome(**columns)


def forecast_weeks(
    rate: np.ndarray, generator: np.random.Generator, factor: float = 1.0
) -> list[WeekForecast]:
    """Poisson predictions with ``rate * factor`` exceeded steps a week for (W,) workloads."""
    found = []
    for week in range(WEEKS):
        draws = generator.poisson(rate[:, None] * factor, size=(len(rate), 199)) / STEPS
        forecasts = Forecasts(
            expected_ratio=rate * factor / STEPS,
            upper_ratio=np.quantile(draws, 0.9, axis=1, method="inverted_cdf"),
            draws=draws,
        )
        found.append(WeekForecast(week, np.arange(len(rate)), forecasts))
    return found


def checked(factor: float) -> Calibration:
    """Forecasts that are off by a factor, against Poisson counts."""
    generator = np.random.default_rng(12)
    rate = np.exp(generator.uniform(np.log(0.05), np.log(40.0), WORKLOADS))
    exceeded = generator.poisson(rate[:, None], size=(WORKLOADS, WEEKS))
    weeks = forecast_weeks(rate, generator, factor)
    found = calibrate("rule", weeks, outcome_of(exceeded), seed=1)
    assert isinstance(found, Calibration)
    return found


def test_forecasts_that_are_right_pass() -> None:
    """Bound held at least 90 %, every fifth 85 to 95 %, slope about 1, observed as expected."""
    found = checked(1.0)
    assert found.workload_weeks == WORKLOADS * WEEKS
    assert found.bound_held_ratio >= 0.9
    for fifth in found.fifths:
        assert 0.85 <= fifth.covered_ratio <= 0.95
        assert fifth.covered_low <= fifth.covered_ratio <= fifth.covered_high
    assert found.reliability_slope == pytest.approx(1.0, abs=0.05)
    assert found.observed_over_expected == pytest.approx(1.0, abs=0.05)


def test_forecasts_of_half_the_truth_fail() -> None:
    """Large rates are covered hardly ever, and twice as much is observed."""
    found = checked(0.5)
    assert found.fifths[-1].covered_ratio < 0.3
    assert found.observed_over_expected == pytest.approx(2.0, abs=0.1)


def test_only_predictions_over_five_minutes_a_month_are_in_fifths() -> None:
    """Their number by hand: the expected share times the minutes of a month."""
    found = checked(1.0)
    generator = np.random.default_rng(12)
    rate = np.exp(generator.uniform(np.log(0.05), np.log(40.0), WORKLOADS))
    over = (rate / STEPS * MINUTES_PER_MONTH > 5).sum() * WEEKS
    assert found.over_five_minutes == over
    assert sum(fifth.workload_weeks for fifth in found.fifths) == over
    assert found.fifths[0].lowest_minutes > 5


def test_a_bound_of_ties_is_randomised() -> None:
    """All draws and observations are 0: the bound always holds, the transform is uniform.

    Of 199 draws none is below and all are at most 0, so the place is uniform in 0..200 of 200.
    """
    count = 2000
    forecasts = Forecasts(np.full(count, 1e-3), np.zeros(count), np.zeros((count, 199)))
    weeks = [WeekForecast(0, np.arange(count), forecasts)]
    found = calibrate("rule", weeks, outcome_of(np.zeros((count, 1), dtype=np.int64)), seed=2)
    assert isinstance(found, Calibration)
    assert found.bound_held_ratio == 1.0
    covered = np.mean([fifth.covered_ratio for fifth in found.fifths])
    # 0.9 with a standard error of sqrt(0.09 / 2000) = 0.0067.
    assert covered == pytest.approx(0.9, abs=0.02)
    assert isinstance(found.reliability_slope, NoData)


def test_no_forecasts_no_figures() -> None:
    """A rule that predicts nothing is not checked."""
    assert isinstance(calibrate("rule", [], outcome_of(np.zeros((2, 1))), seed=1), NoData)


def test_quasi_poisson_slope_of_exact_powers() -> None:
    """y = 3 x ** 1.5 has slope 1.5 whatever the weights."""
    x = np.log(np.array([1.0, 2.0, 5.0, 9.0]))
    y = 3 * np.exp(1.5 * x)
    weights = np.array([[1.0, 1, 1, 1], [2, 0, 1, 3]])
    np.testing.assert_allclose(quasi_poisson_slopes(x, y, weights), 1.5, rtol=1e-6)
