"""Predicted shortage of the coming week."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightsizing.decide.prediction import MINIMUM_DAYS, predict_shortage
from rightsizing.model.cpudays import CpuDays, FloatArray
from rightsizing.units import MINUTES_PER_MONTH

CAPACITY = 8.0
WEEK = 7


def days_of(values: FloatArray, capacity_cores: float = CAPACITY) -> CpuDays:
    """Daily demand from (W, D, intervals) cores; NaN = not measured."""
    rows, days, _ = values.shape
    measured = np.isfinite(values)
    bins = np.ceil(np.nan_to_num(values) / (capacity_cores / 200) - 1e-9).astype(int) - 1
    bins = np.maximum(bins, 0)
    highest = int(bins.max()) + 1
    counts = np.zeros((rows, days, highest), dtype=np.uint16)
    row, day, _ = np.nonzero(measured)
    np.add.at(counts, (row, day, bins[measured]), 1)
    return CpuDays(
        capacity_cores=np.full(rows, capacity_cores),
        counts=counts,
        samples=measured.sum(axis=2),
        sum_cores=np.where(measured, values, 0.0).sum(axis=2),
        max_cores=np.where(
            measured.any(axis=2), np.where(measured, values, -np.inf).max(axis=2), np.nan
        ),
    )


def independent_days(seed: int, workloads: int, days: int) -> FloatArray:
    """Hourly demand whose level is drawn anew every day."""
    generator = np.random.default_rng(seed)
    level = generator.lognormal(0.0, 0.3, (workloads, days, 1))
    noise = generator.lognormal(0.0, 0.2, (workloads, days, 24))
    return np.minimum(level * noise, CAPACITY)


def bad_weeks(seed: int, workloads: int, days: int) -> FloatArray:
    """Demand that doubles in spells: a Markov chain by day, a spell every 20 days for 5 days."""
    generator = np.random.default_rng(seed)
    bad = np.zeros((workloads, days), dtype=bool)
    now = generator.random(workloads) < 0.2
    for day in range(days):
        now = np.where(now, generator.random(workloads) < 0.8, generator.random(workloads) < 1 / 20)
        bad[:, day] = now
    noise = generator.lognormal(0.0, 0.3, (workloads, days, 24))
    return np.minimum(np.where(bad, 2.0, 1.0)[:, :, None] * noise, CAPACITY)


def growth(seed: int, workloads: int, days: int) -> FloatArray:
    """Demand that grows by half a percent a day."""
    return np.minimum(
        independent_days(seed, workloads, days) * 1.005 ** np.arange(days)[None, :, None], CAPACITY
    )


def shortage_minutes(ahead: FloatArray, limits: FloatArray) -> FloatArray:
    """What followed, as minutes a month."""
    found: FloatArray = (ahead > limits[:, None, None]).mean(axis=(1, 2)) * MINUTES_PER_MONTH
    return found


def highest(past: FloatArray) -> FloatArray:
    """The limit that the past just did not exceed: chosen on the data the prediction uses."""
    found: FloatArray = past.max(axis=(1, 2))
    return found


def quantile(past: FloatArray) -> FloatArray:
    """The 99th percentile of the past."""
    found: FloatArray = np.quantile(past, 0.99, axis=(1, 2))
    return found


@pytest.mark.parametrize("choose", [highest, quantile])
@pytest.mark.parametrize("days", [14, 42])
@pytest.mark.parametrize("process", [independent_days, bad_weeks])
def test_the_upper_bound_holds_nine_weeks_in_ten(process, days, choose) -> None:
    """Limits chosen on the past itself, 500 workloads: at least .9 but for sampling error.

    Binomial standard error at .9 and 500 draws .0134; three of them below .9 is .86.
    """
    values = process(7, 500, days + WEEK)
    past, ahead = values[:, :days], values[:, days:]
    limits = choose(past)
    found = predict_shortage(days_of(past), limits)
    assert (shortage_minutes(ahead, limits) <= found.upper_minutes + 1e-6).mean() >= 0.86


@pytest.mark.parametrize("days", [14, 42])
def test_steady_growth_costs_the_bound_some_of_its_coverage(days) -> None:
    """Half a percent a day, limits at the highest use: records come more often than predicted.

    Measured .862 after 14 days and .936 after 42 (standard error .015): a limit that ignores a
    trend is not saved by its prediction.
    """
    values = growth(7, 500, days + WEEK)
    past, ahead = values[:, :days], values[:, days:]
    limits = highest(past)
    found = predict_shortage(days_of(past), limits)
    assert (shortage_minutes(ahead, limits) <= found.upper_minutes + 1e-6).mean() >= 0.80


def test_a_record_is_as_likely_as_exchangeability_says() -> None:
    """A limit at the highest of 14 exchangeable days is exceeded within 7 with 7 / 21 = 1 / 3.

    The prediction says a little more, as older days count less: 7 / (7 + sum 2 ** (-age / 14)) =
    7 / (7 + 10.4) = .40. Standard error at 2000 draws .011.
    """
    values = independent_days(3, 2000, 14 + WEEK)
    past, ahead = values[:, :14], values[:, 14:]
    limits = highest(past)
    exceeded = (shortage_minutes(ahead, limits) > 0).mean()
    found = predict_shortage(days_of(past), limits, draws=200)
    predicted = (found.draw_minutes > 0).mean()
    assert exceeded == pytest.approx(1 / 3, abs=0.04)
    assert predicted == pytest.approx(7 / (7 + (2.0 ** (-np.arange(14) / 14)).sum()), abs=0.005)


def test_the_mean_is_that_of_the_weeks_seen_where_all_are_alike() -> None:
    """One interval of 24 above 3 cores every day: at least 1 / 24 of the time is predicted.

    A seen week gives exactly that, a worse one more.
    """
    day = np.array([1.0] * 23 + [3.5])
    values = np.broadcast_to(day, (1, 28, 24))
    found = predict_shortage(days_of(values), np.array([3.0]))
    assert found.lower_minutes[0] == pytest.approx(MINUTES_PER_MONTH / 24)
    assert found.mean_minutes[0] > MINUTES_PER_MONTH / 24
    assert found.upper_minutes[0] >= found.mean_minutes[0]


def test_more_history_without_shortage_predicts_less() -> None:
    """The same quiet day 7, 14, 28, 56 times: less and less to be expected of the next week."""
    means = []
    for days in (7, 14, 28, 56):
        values = np.broadcast_to(np.linspace(0.5, 3.0, 24), (1, days, 24))
        found = predict_shortage(days_of(values), np.array([3.0]))
        means.append(found.mean_minutes[0])
        assert found.lower_minutes[0] == 0.0
    assert means == sorted(means, reverse=True)
    assert means[0] > 2 * means[-1]


def test_more_history_narrows_the_interval() -> None:
    """Weeks that are alike: the upper bound comes down as they are confirmed."""
    values = np.tile(independent_days(1, 200, 7), (1, 8, 1))
    limits = quantile(values)
    widths = [
        np.mean(found.upper_minutes - found.lower_minutes)
        for found in (
            predict_shortage(days_of(values[:, :days]), limits) for days in (7, 14, 28, 56)
        )
    ]
    assert widths == sorted(widths, reverse=True)


@given(seed=st.integers(0, 50), days=st.integers(7, 30))
def test_a_higher_limit_never_predicts_more(seed: int, days: int) -> None:
    """Mean, bounds and every quantile fall with the limit, from below the median to above capacity.

    All 60 limits are predicted at once, for copies of one workload.
    """
    values = np.repeat(bad_weeks(seed, 1, days), 60, axis=0)
    limits = np.linspace(0.05, 1.2 * CAPACITY, 60)
    found = predict_shortage(days_of(values), limits, draws=20)
    for minutes in (found.mean_minutes, found.lower_minutes, found.upper_minutes):
        assert (np.diff(minutes) <= 1e-6).all()
    assert (np.diff(found.draw_minutes, axis=0) <= 1e-6).all()


def test_rows_do_not_depend_on_each_other_nor_on_the_run() -> None:
    """The same figures alone, among others and again."""
    values = bad_weeks(5, 30, 21)
    limits = quantile(values)
    together = predict_shortage(days_of(values), limits)
    again = predict_shortage(days_of(values), limits)
    alone = predict_shortage(days_of(values).take(11), limits[11:12])
    np.testing.assert_array_equal(together.mean_minutes, again.mean_minutes)
    assert alone.mean_minutes[0] == together.mean_minutes[11]
    assert alone.upper_minutes[0] == together.upper_minutes[11]


def test_a_fleet_in_blocks_is_predicted_as_one() -> None:
    """20,000 workloads, more than one block holds, each like the first."""
    one = independent_days(2, 1, 14)
    single = days_of(one)
    fleet = CpuDays(
        capacity_cores=np.repeat(single.capacity_cores, 20_000),
        counts=np.repeat(single.counts, 20_000, axis=0),
        samples=np.repeat(single.samples, 20_000, axis=0),
        sum_cores=np.repeat(single.sum_cores, 20_000, axis=0),
        max_cores=np.repeat(single.max_cores, 20_000, axis=0),
    )
    limit = quantile(one)
    found = predict_shortage(fleet, np.repeat(limit, 20_000))
    expected = predict_shortage(single, limit)
    np.testing.assert_array_equal(found.mean_minutes, expected.mean_minutes[0])
    np.testing.assert_array_equal(found.upper_minutes, expected.upper_minutes[0])


def test_usage_and_limit_scaled_together_change_nothing() -> None:
    """Twice the demand on twice the capacity at twice the limit."""
    values = bad_weeks(4, 50, 28)
    limits = quantile(values)
    found = predict_shortage(days_of(values), limits)
    doubled = predict_shortage(days_of(2 * values, 2 * CAPACITY), 2 * limits)
    np.testing.assert_allclose(doubled.mean_minutes, found.mean_minutes, rtol=1e-9)


def test_days_before_the_regime_do_not_count() -> None:
    """A change point on day 14: as if the earlier days had never been measured."""
    values = bad_weeks(6, 20, 35)
    limits = quantile(values)
    start = np.full(20, 14)
    found = predict_shortage(days_of(values), limits, regime_start=start)
    unmeasured = values.copy()
    unmeasured[:, :14] = np.nan
    expected = predict_shortage(days_of(unmeasured), limits)
    np.testing.assert_allclose(found.mean_minutes, expected.mean_minutes)
    np.testing.assert_allclose(found.upper_minutes, expected.upper_minutes)


def test_too_few_days_predict_nothing() -> None:
    """Six full days, or seven of which one is nearly empty: NaN throughout."""
    values = independent_days(8, 3, MINIMUM_DAYS)
    values[0, 0] = np.nan
    values[1, 3, 5:] = np.nan
    limits = np.full(3, 2.0)
    found = predict_shortage(days_of(values), limits, draws=3)
    assert np.isnan(found.mean_minutes).tolist() == [True, True, False]
    assert np.isnan(found.upper_minutes).tolist() == [True, True, False]
    assert np.isnan(found.draw_minutes).all(axis=1).tolist() == [True, True, False]


def test_no_limit_and_no_capacity_predict_nothing() -> None:
    """NaN in, NaN out, for that workload only."""
    days = days_of(independent_days(8, 3, 14))
    days.capacity_cores[1] = np.nan
    found = predict_shortage(days, np.array([np.nan, 2.0, 2.0]))
    assert np.isnan(found.mean_minutes).tolist() == [True, True, False]


def test_capacity_cannot_be_exceeded_unless_it_was() -> None:
    """At the capacity in force nothing is predicted; with turbo seen above it, something is."""
    within = np.broadcast_to(np.linspace(1.0, 7.9, 24), (1, 14, 24))
    turbo = np.broadcast_to(np.linspace(1.0, 8.3, 24), (1, 14, 24))
    limit = np.array([CAPACITY])
    assert predict_shortage(days_of(within), limit).upper_minutes[0] == 0.0
    assert predict_shortage(days_of(turbo), limit).mean_minutes[0] > 0.0


def test_raising_the_day_after_shortens_worse_weeks_only() -> None:
    """The weeks seen stay as they are, what lies beyond them shrinks; records stay as likely."""
    days = days_of(bad_weeks(9, 200, 28))
    limits = np.full(200, 2.5)
    held = predict_shortage(days, limits, draws=100)
    raised = predict_shortage(days, limits, raised_daily=True, draws=100)
    assert (raised.mean_minutes < held.mean_minutes).all()
    assert (raised.upper_minutes <= held.upper_minutes + 1e-6).all()
    np.testing.assert_array_equal(raised.lower_minutes, held.lower_minutes)
    np.testing.assert_array_equal(raised.draw_minutes > 0, held.draw_minutes > 0)


def test_the_horizon_only_scales() -> None:
    """The week's share of time, stated for any length."""
    days = days_of(bad_weeks(9, 5, 28))
    limits = np.full(5, 2.0)
    month = predict_shortage(days, limits)
    week = predict_shortage(days, limits, horizon_minutes=7 * 24 * 60)
    np.testing.assert_allclose(
        month.mean_minutes / MINUTES_PER_MONTH, week.mean_minutes / (7 * 24 * 60)
    )


def test_limits_must_match_the_workloads() -> None:
    """One limit for two workloads is a programming error."""
    with pytest.raises(ValueError, match="2 limits are needed"):
        predict_shortage(days_of(independent_days(8, 2, 14)), np.ones(1))
