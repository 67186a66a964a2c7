"""The memory rule: against a plain loop, its bounds and floors, and what it must never do."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightsizing.decide.memory import (
    MemoryBinding,
    MemoryTargets,
    fleet_reference_bytes,
    held_bytes,
    memory_days_of,
    memory_targets,
)
from rightsizing.decide.risk import Risk
from rightsizing.model.memorydays import MemoryDays
from rightsizing.profile.bincounts import DayCounts
from rightsizing.profile.daytable import DayTable
from rightsizing.profile.rows import FloatArray

GIB = 2.0**30


def _days(daily: FloatArray, capacity: float = math.nan, broken: float = math.nan) -> MemoryDays:
    rows = len(daily)
    return MemoryDays(
        daily_max_bytes=daily,
        capacity_bytes=np.full(rows, capacity),
        is_capacity_stable=np.full(rows, not math.isnan(capacity)),
        broken_limit_bytes=np.full(rows, broken),
    )


def _walk(rows: int = 20, days: int = 40, sigma: float = 0.1, seed: int = 1) -> FloatArray:
    """Daily peaks of different sizes with independent noise."""
    rng = np.random.default_rng(seed)
    size = np.exp(rng.normal(0, 1.5, size=(rows, 1)))
    return GIB * size * np.exp(sigma * rng.normal(size=(rows, days)))


def _loop_target(daily: list[float], price: float, reference: float) -> float:
    """The rule written out for one workload without gaps or shifts, in scalars."""
    window = daily[-14:]
    peak, recent = max(window), max(daily[-3:])
    logs = [math.log(value) for value in window]
    mean = sum(logs) / len(logs)
    deviation = math.sqrt(sum((value - mean) ** 2 for value in logs) / len(logs))
    scale = min(max(deviation / 0.10, 0.1), 1.0)
    weeks = [
        max(daily[max(len(daily) - 7 * (k + 1), 0) : len(daily) - 7 * k])
        for k in range((len(daily) + 3) // 7)  # a week of fewer than 4 days has no peak
    ]
    best_cost, best_size = math.inf, math.nan
    for step in range(121):
        size = peak * math.exp(0.01 * step)
        x3, x14 = math.log(size / recent), math.log(size / peak)
        over3 = 0.335 * math.exp(-x3 / (0.134 * scale)) + 0.385 * math.exp(-x3 / 0.529)
        over14 = 0.27 * math.exp(-x14 / (0.08 * scale)) + 0.11 * math.exp(-x14 / 0.85)
        total, weight = 4.0 * (over3 + over14) / 2, 4.0
        for age, week in enumerate(weeks):
            own = 0.5 ** (7 * age / 56)
            excess = math.log(size / week) / (0.05 * scale)
            total += own * (0.5 * math.exp(-excess) if excess > 0 else 1 - 0.5 * math.exp(excess))
            weight += own
        cost = size + price * math.sqrt(peak * reference) * total / weight
        if cost < best_cost * (1 - 1e-12):
            best_cost, best_size = cost, size
    return best_size


@pytest.mark.parametrize("price", [0.3, 1.0, 4.0])
def test_target_equals_a_plain_loop(price: float) -> None:
    """Vectorised targets are those of the formula written out in scalars."""
    daily = _walk(sigma=0.07)
    found = memory_targets(_days(daily), price=price, reference_bytes=2 * GIB)
    assert (found.changed_day == 0).all()
    expected = [_loop_target(list(row), price, 2 * GIB) for row in daily]
    np.testing.assert_allclose(found.target_bytes, expected, rtol=1e-9)


def test_floor_is_the_peak_of_the_lookback() -> None:
    """The largest of the last 14 days; the day before them is out."""
    daily = np.full((1, 30), GIB) * (1 + 0.01 * (np.arange(30) % 3))
    daily[0, 30 - 14] = 1.5 * GIB
    assert memory_targets(_days(daily), price=0.01).floor_bytes[0] == 1.5 * GIB
    daily[0, 30 - 14], daily[0, 30 - 15] = GIB, 1.5 * GIB
    assert memory_targets(_days(daily), price=0.01).floor_bytes[0] < 1.03 * GIB


@settings(max_examples=60, deadline=None)
@given(
    days=st.integers(1, 60),
    sigma=st.floats(0.0, 1.0),
    price=st.floats(0.01, 50.0),
    gaps=st.floats(0.0, 0.9),
    seed=st.integers(0, 10_000),
)
def test_never_below_a_recent_peak(
    days: int, sigma: float, price: float, gaps: float, seed: int
) -> None:
    """``floor <= lower <= target <= upper`` and the floor holds every day that counts."""
    daily = _walk(8, days, sigma, seed)
    daily[np.random.default_rng(seed).random(daily.shape) < gaps] = np.nan
    found = memory_targets(_days(daily), price=price, reference_bytes=GIB)
    for row in range(8):
        window = daily[row, max(found.changed_day[row], days - 14) :]
        counted = window[np.isfinite(window)].tolist()
        if not np.isfinite(daily[row]).any():
            assert np.isnan(found.target_bytes[row])
            continue
        if counted:
            assert found.floor_bytes[row] >= max(counted)
        assert found.floor_bytes[row] <= found.lower_bytes[row]
        assert found.lower_bytes[row] <= found.target_bytes[row] <= found.upper_bytes[row]
        assert 0 <= found.weekly_failure_ratio[row] <= found.failure_ratio[row] <= 1


@settings(max_examples=30, deadline=None)
@given(
    scale=st.sampled_from([2.0**-10, 0.5, 2.0, 3.0, 1000.0]),
    price=st.floats(0.05, 10.0),
    seed=st.integers(0, 1000),
)
def test_scaling_use_scales_targets(scale: float, price: float, seed: int) -> None:
    """Bytes times k in a whole fleet, or in one workload that is its own reference."""
    daily = _walk(10, 30, 0.2, seed)
    first, second = _days(daily), _days(daily * scale)
    for reference, scaled_reference in (
        (fleet_reference_bytes(first), fleet_reference_bytes(second)),
        (None, None),
    ):
        found = memory_targets(first, price=price, reference_bytes=reference)
        scaled = memory_targets(second, price=price, reference_bytes=scaled_reference)
        # Rounding may tip a tie between two margins of 1 %.
        np.testing.assert_allclose(scaled.target_bytes, scale * found.target_bytes, rtol=0.0101)
        np.testing.assert_allclose(scaled.failure_ratio, found.failure_ratio, atol=0.03, rtol=0.05)


@settings(max_examples=30, deadline=None)
@given(low=st.floats(0.01, 20.0), factor=st.floats(1.0, 20.0), seed=st.integers(0, 1000))
def test_a_higher_price_never_gives_less(low: float, factor: float, seed: int) -> None:
    """More safety never costs less, workload by workload, nor fails more often."""
    days = _days(_walk(10, 40, 0.3, seed), capacity=40 * GIB)
    cheap = memory_targets(days, price=low, reference_bytes=GIB)
    dear = memory_targets(days, price=low * factor, reference_bytes=GIB)
    assert (dear.target_bytes >= cheap.target_bytes).all()
    assert (dear.failure_ratio <= cheap.failure_ratio + 1e-12).all()


def test_history_before_a_change_does_not_matter() -> None:
    """Whatever lay before an accepted shift, the target is that of the days after it."""
    daily = _walk(30, 40, 0.05)
    daily[:, :20] *= 4
    found = memory_targets(_days(daily), price=1.0, reference_bytes=GIB)
    assert (found.changed_day == 20).mean() >= 0.95
    changed = found.changed_day == 20
    other = daily.copy()
    other[:, :20] *= 1.7
    again = memory_targets(_days(other), price=1.0, reference_bytes=GIB)
    both = changed & (again.changed_day == 20)
    assert both.mean() >= 0.9
    np.testing.assert_array_equal(found.target_bytes[both], again.target_bytes[both])
    assert (found.target_bytes[both] < 0.6 * daily[both, :20].min(axis=1)).all()


def test_a_recent_fall_is_not_yet_believed() -> None:
    """Five days at a quarter leave the floor at the level before, and nothing is lowered."""
    daily = np.full((1, 30), 4 * GIB) * (1 + 0.01 * (np.arange(30) % 4))
    daily[0, 25:] /= 4
    found = memory_targets(_days(daily), price=1.0)
    assert found.is_moving[0]
    assert found.floor_bytes[0] >= 4 * GIB
    held = held_bytes(np.array([100 * GIB]), found, is_review_day=True)
    assert held[0] == 100 * GIB


def test_missing_memory_never_shrinks() -> None:
    """No measured day: no target, no floor, no probability, and the limit stays."""
    found = memory_targets(_days(np.full((2, 20), np.nan)), price=1.0, reference_bytes=GIB)
    assert np.isnan(found.target_bytes).all()
    assert np.isnan(found.failure_ratio).all()
    assert (found.binding == MemoryBinding.NOT_MEASURED).all()
    held = held_bytes(np.array([8 * GIB, np.nan]), found, is_review_day=True)
    assert held[0] == 8 * GIB
    assert np.isnan(held[1])


def test_few_days_never_shrink() -> None:
    """Six measured days may raise a limit, not lower it."""
    found = memory_targets(_days(np.full((2, 6), GIB)), price=1.0)
    held = held_bytes(np.array([8 * GIB, 0.5 * GIB]), found, is_review_day=True)
    assert held[0] == 8 * GIB
    assert held[1] == found.target_bytes[1]


def test_a_switched_off_workload_keeps_its_needs() -> None:
    """A history that ends early is read as of its last measured day."""
    daily = _walk(5, 40)
    later = np.concatenate((daily, np.full((5, 20), np.nan)), axis=1)
    now = memory_targets(_days(daily), price=1.0, reference_bytes=GIB)
    then = memory_targets(_days(later), price=1.0, reference_bytes=GIB)
    np.testing.assert_array_equal(now.target_bytes, then.target_bytes)


def test_bad_figures_are_not_measurements() -> None:
    """Zero, negative and infinite days count as gaps."""
    daily = _walk(4, 30)
    holed, bad = daily.copy(), daily.copy()
    holed[:, [3, 12, 20, 28]] = np.nan
    bad[:, 3], bad[:, 12], bad[:, 20], bad[:, 28] = np.inf, -GIB, np.nan, -np.inf
    first = memory_targets(_days(holed), price=1.0, reference_bytes=GIB)
    second = memory_targets(_days(bad), price=1.0, reference_bytes=GIB)
    np.testing.assert_array_equal(first.target_bytes, second.target_bytes)


def test_small_workloads_get_the_larger_margin() -> None:
    """Of two with the same pattern the one of a hundredth of the size has more room, relatively."""
    pattern = 1 + 0.05 * np.sin(np.arange(30))
    daily = GIB * np.vstack([0.1 * pattern, 10 * pattern])
    found = memory_targets(_days(daily), price=1.0, reference_bytes=GIB)
    margin = found.target_bytes / found.floor_bytes
    assert margin[0] > margin[1]


def test_steady_memory_needs_less_margin() -> None:
    """A workload that moves by 0.5 % gets less than one that moves by 10 %."""
    steady = memory_targets(_days(_walk(30, 60, 0.005)), price=0.5)
    restless = memory_targets(_days(_walk(30, 60, 0.1)), price=0.5)
    margins = [np.median(item.target_bytes / item.floor_bytes) for item in (steady, restless)]
    assert margins[0] < margins[1]


def test_a_kill_asks_for_a_fifth_more() -> None:
    """1.2 times the limit that broke, in all bounds; a generous target stays."""
    daily = np.full((1, 20), GIB)
    killed = memory_targets(_days(daily, broken=4 * GIB), price=1.0)
    assert killed.target_bytes[0] == pytest.approx(4.8 * GIB)
    assert killed.lower_bytes[0] == killed.upper_bytes[0] == killed.target_bytes[0]
    assert killed.binding[0] == MemoryBinding.KILLED
    old = memory_targets(_days(daily, broken=0.5 * GIB), price=1.0)
    assert old.target_bytes[0] == memory_targets(_days(daily), price=1.0).target_bytes[0]


def test_a_capacity_never_filled_is_enough() -> None:
    """A peak of 90 % of a stable capacity asks for no more than that capacity; one of 96 % may."""
    daily = 9 * GIB * np.exp(-0.3 * np.random.default_rng(0).random((1, 30)))
    daily[0, -1] = 9 * GIB
    kept = memory_targets(_days(daily, capacity=10 * GIB), price=5.0)
    assert kept.target_bytes[0] == 10 * GIB
    assert kept.binding[0] == MemoryBinding.CAPACITY
    daily[0, -1] = 9.6 * GIB
    raised = memory_targets(_days(daily, capacity=10 * GIB), price=5.0)
    assert raised.target_bytes[0] > 10 * GIB
    assert raised.binding[0] == MemoryBinding.RISK
    moved = replace(_days(daily, capacity=10 * GIB), is_capacity_stable=np.array([False]))
    assert memory_targets(moved, price=5.0).target_bytes[0] == raised.target_bytes[0]


def test_a_worthless_failure_buys_no_margin() -> None:
    """At a price near zero the peak itself binds."""
    found = memory_targets(_days(_walk(5, 30)), price=1e-6)
    np.testing.assert_array_equal(found.target_bytes, found.floor_bytes)
    assert (found.binding == MemoryBinding.PEAK).all()


@pytest.mark.parametrize("price", [0.0, -1.0, math.nan])
def test_a_price_is_above_zero(price: float) -> None:
    """Other prices are a programmer's error."""
    with pytest.raises(ValueError, match="above zero"):
        memory_targets(_days(_walk(1, 20)), price=price)


def test_month_is_weeks_of_the_same_risk() -> None:
    """730 h are 4.345 weeks: at p a week, 1 - (1 - p) ** 4.345 a month."""
    found = memory_targets(_days(_walk(5, 30)), price=1.0)
    expected = 1 - (1 - found.weekly_failure_ratio) ** (730 / 168)
    np.testing.assert_allclose(found.failure_ratio, expected)


def _targets(target: float, last_day: float, measured_days: int = 14) -> MemoryTargets:
    found = memory_targets(_days(np.full((1, 20), GIB)), price=1.0)
    return replace(
        found,
        target_bytes=np.array([target * GIB]),
        last_day_max_bytes=np.array([last_day * GIB]),
        measured_days=np.array([measured_days]),
    )


@pytest.mark.parametrize(
    ("target", "last_day", "is_review_day", "held"),
    [
        (12.0, 9.6, False, 12.0),  # 96 % of 10: raised the next day
        (12.0, 9.4, False, 10.0),  # 94 %: waits for the review
        (12.0, 9.4, True, 12.0),
        (8.0, 5.0, False, 10.0),  # never lowered between reviews
        (8.0, 5.0, True, 8.0),
        (9.5, 5.0, True, 10.0),  # 5 % less is not worth a change
        (9.0, 5.0, True, 9.0),  # 10 % is
        (9.0, 9.9, True, 9.0),
    ],
)
def test_when_limits_change(
    target: float, last_day: float, is_review_day: bool, held: float
) -> None:
    """From a limit of 10 GiB: the fast way up, the weekly way down, and hysteresis."""
    found = held_bytes(
        np.array([10 * GIB]), _targets(target, last_day), is_review_day=is_review_day
    )
    assert found[0] == held * GIB


def test_own_output_is_kept() -> None:
    """A limit that is the target already stays, on any day."""
    found = memory_targets(_days(_walk(20, 30)), price=1.0)
    for is_review_day in (True, False):
        held = held_bytes(found.target_bytes, found, is_review_day=is_review_day)
        np.testing.assert_array_equal(held, found.target_bytes)


def test_order_and_company_do_not_matter() -> None:
    """With a given reference each workload's target is its own."""
    daily = _walk(40, 30)
    order = np.random.default_rng(0).permutation(40)
    together = memory_targets(_days(daily), price=1.0, reference_bytes=GIB).target_bytes
    shuffled = memory_targets(_days(daily[order]), price=1.0, reference_bytes=GIB).target_bytes
    alone = [
        memory_targets(_days(row[None, :]), price=1.0, reference_bytes=GIB).target_bytes[0]
        for row in daily
    ]
    np.testing.assert_array_equal(together[order], shuffled)
    np.testing.assert_array_equal(together, alone)


def test_reference_is_the_mean_peak() -> None:
    """Unmeasured workloads are left out; a fleet without memory has none."""
    daily = np.vstack([np.full(20, GIB), np.full(20, 3 * GIB), np.full(20, np.nan)])
    assert fleet_reference_bytes(_days(daily)) == 2 * GIB
    assert math.isnan(fleet_reference_bytes(_days(daily[2:])))


@pytest.mark.parametrize("days", [0, 1, 6, 8])
def test_any_length_of_history(days: int) -> None:
    """From no day on, without an error; targets exist from the first day on."""
    found = memory_targets(_days(np.full((2, days), GIB)), price=1.0)
    assert np.isfinite(found.target_bytes).all() == (days > 0)


def test_days_of_a_table() -> None:
    """Capacity, its stability, and the largest limit that broke; an unknown one is today's."""
    table = DayTable.blank(["a", "b", "c"], 20_000, 3)
    capacity = np.array([[GIB, GIB, GIB], [GIB, np.nan, 2 * GIB], [np.nan] * 3])
    kills = DayCounts(
        row=np.array([0, 1, 1]),
        day=np.array([0, 0, 1]),
        value=np.array([math.nan, GIB, 0.5 * GIB]),
        bin=np.zeros(3, dtype=np.int64),
        count=np.ones(3),
    )
    days = memory_days_of(
        replace(
            table,
            memory_max_bytes=np.ones((3, 3)),
            capacity_memory_bytes=capacity,
            memory_capacity_bytes=np.array([GIB, 2 * GIB, math.nan]),
            kills_by_limit=kills,
        )
    )
    assert days.is_capacity_stable.tolist() == [True, False, False]
    np.testing.assert_array_equal(days.broken_limit_bytes, [GIB, GIB, math.nan])
    np.testing.assert_array_equal(days.capacity_bytes, [GIB, 2 * GIB, math.nan])


def test_predicted_failures_happen_as_often() -> None:
    """On simulated restless memory the predicted share of failing weeks is about the observed one.

    400 workloads, log peaks of AR(1) with rho 0.8 and a deviation of 25 %, eight weeks of history.
    """
    rng = np.random.default_rng(12)
    shocks = rng.normal(size=(400, 113))
    level = np.zeros_like(shocks)
    for day in range(1, 113):
        level[:, day] = 0.8 * level[:, day - 1] + 0.6 * shocks[:, day]
    daily = GIB * np.exp(0.25 * level[:, 50:])
    found = memory_targets(_days(daily[:, :56]), price=1.0)
    observed = (daily[:, 56:].max(axis=1) > found.target_bytes).mean()
    assert 0.3 * observed <= found.weekly_failure_ratio.mean() <= observed * 3


def test_growth_is_carried_forward() -> None:
    """3 % a day: the target is above what a week brings, exp(0.21), and noise adds nothing."""
    growing = GIB * np.exp(0.03 * np.arange(30))[None, :]
    found = memory_targets(_days(growing), price=1.0)
    assert found.target_bytes[0] > growing[0, -1] * math.exp(7 * 0.03)
    falling = growing[:, ::-1]
    margin = memory_targets(_days(falling), price=1.0)
    assert margin.target_bytes[0] / margin.floor_bytes[0] < math.exp(7 * 0.03)


def test_a_limit_clear_of_the_alarm() -> None:
    """A peak that never moved: at least 1 / 0.95 of it, and no smaller where more was wanted."""
    found = memory_targets(_days(np.full((1, 30), GIB)), price=0.01)
    assert found.target_bytes[0] < GIB / 0.95
    clear = found.clear_of_alarm()
    assert clear.target_bytes[0] == clear.lower_bytes[0] == pytest.approx(GIB / 0.95)
    assert clear.floor_bytes[0] == GIB
    restless = memory_targets(_days(_walk(20, 40, 0.3)), price=5.0)
    wanted = np.maximum(restless.target_bytes, restless.floor_bytes / 0.95)
    np.testing.assert_array_equal(restless.clear_of_alarm().target_bytes, wanted)
    held = held_bytes(clear.target_bytes, clear, is_review_day=True)
    assert held[0] == clear.target_bytes[0]


def test_memory_is_priced_by_the_risk() -> None:
    """1.4 at 0.5 %; a hundredth of the risk ten times as much, up to 10; at 90 % 0.104."""
    assert Risk(0.005).memory_price == pytest.approx(1.4)
    assert Risk(0.0005).memory_price == pytest.approx(1.4 * math.sqrt(10))
    assert Risk(0.00001).memory_price == 10.0
    assert Risk(0.9).memory_price == pytest.approx(1.4 * math.sqrt(1 / 180))
