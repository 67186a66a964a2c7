"""The CPU rule against brute force, and what must hold for every history."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightsizing.decide.cpu import LEAST_VALUE_CORES, CpuTargets, cpu_targets
from rightsizing.decide.risk import Risk, RiskPreset
from rightsizing.errors import ConfigError
from rightsizing.model.cpudays import CpuDays

CAPACITY = 8.0
DEFAULT = Risk(0.005)


def days_of(days: list[list[float]], capacity: float = CAPACITY) -> CpuDays:
    """One workload's days by definition: floor(200 x cores / capacity), NaN-free samples."""
    bins = [[math.floor(200 * value / capacity) for value in day] for day in days]
    width = max((max(day, default=0) for day in bins), default=0) + 1
    counts = np.zeros((1, len(days), width), dtype=np.uint16)
    for index, day in enumerate(bins):
        for bin_index in day:
            counts[0, index, bin_index] += 1
    return CpuDays(
        capacity_cores=np.array([capacity]),
        counts=counts,
        samples=np.array([[len(day) for day in days]]),
        sum_cores=np.array([[sum(day) for day in days]]),
        max_cores=np.array([[max(day, default=math.nan) for day in days]]),
    )


def brute_force(days: list[list[float]], risk: Risk, capacity: float = CAPACITY) -> float:
    """Every bin edge tried, each sample weighed by itself."""
    weighted = [
        (2.0 ** (-(len(days) - 1 - index) / 14), value)
        for index, day in enumerate(days)
        for value in day
    ]
    total = sum(weight for weight, _ in weighted)
    mean = sum(weight * value for weight, value in weighted) / total
    peak = max(value for _, value in weighted)
    best, target = math.inf, math.nan
    for bin_index in range(math.floor(200 * peak / capacity) + 1):
        level = min((bin_index + 1) * capacity / 200, peak)
        above = sum(w for w, v in weighted if math.floor(200 * v / capacity) > bin_index) / total
        cost = level + risk.price * max(mean, LEAST_VALUE_CORES) * above
        if above <= risk.short_ratio and cost < best * (1 - 1e-9):
            best, target = cost, level
    return target * (1 + risk.margin_ratio)


def target_of(found: CpuTargets) -> float:
    """The only row's target."""
    return float(found.target_cores[0])


demands = st.lists(
    st.lists(st.floats(0, 10, allow_nan=False), min_size=1, max_size=12), min_size=1, max_size=10
)
risks = st.floats(1e-4, 0.9).map(Risk)


def test_a_steady_workload_gets_its_peak() -> None:
    """Two cores at all times: the bin [2.00, 2.04) ends above the peak, so the peak is the size."""
    found = cpu_targets(days_of([[2.0] * 24] * 14), DEFAULT)
    assert target_of(found) == pytest.approx(2.0)
    assert found.short_ratio[0] == 0.0


def test_a_rare_burst_is_not_bought() -> None:
    """1 of 1,000 intervals at 8 cores, the rest at 0.5.

    Up to 8: 8 cores. Up to 0.5 (bin edge 0.52): 0.52 + 594 x 0.5075 x 0.001 = 0.82 cores.
    """
    day = [0.5] * 999 + [8.0]
    found = cpu_targets(days_of([day]), DEFAULT)
    assert target_of(found) == pytest.approx(0.52)
    assert found.short_ratio[0] == pytest.approx(0.001)


def test_a_burst_more_frequent_than_the_risk_is_bought() -> None:
    """1 of 100 intervals at 8 cores is more than 0.5 % of time, whatever it costs."""
    assert target_of(cpu_targets(days_of([[0.1] * 99 + [8.0]]), DEFAULT)) == pytest.approx(8.0)


def test_an_old_peak_weighs_less() -> None:
    """A burst of 0.8 % of a day is bought the day after, and not 60 days later.

    60 days on, its day weighs 2^(-60/14) = 0.05 of the newest: well under the risk of 0.5 %.
    """
    burst, calm = [0.5] * 992 + [8.0] * 8, [0.5] * 1000
    assert target_of(cpu_targets(days_of([burst]), DEFAULT)) == pytest.approx(8.0)
    assert target_of(cpu_targets(days_of([burst] + [calm] * 60), DEFAULT)) < 1


def test_margin_grows_where_history_is_too_short() -> None:
    """Risk 0.03 % is a tenth of the 0.3 % that history shows: 3 % above the peak."""
    found = cpu_targets(days_of([[2.0] * 24]), Risk(0.0003))
    assert target_of(found) == pytest.approx(2.0 * 1.03)


@given(demands, risks)
def test_equals_brute_force(days: list[list[float]], risk: Risk) -> None:
    """The vectorised rule and every level tried one by one give the same target."""
    assert target_of(cpu_targets(days_of(days), risk)) == pytest.approx(
        brute_force(days, risk), rel=1e-6, abs=1e-12
    )


@given(demands, risks)
def test_bounds_enclose_the_target(days: list[list[float]], risk: Risk) -> None:
    """Lower <= target <= upper."""
    found = cpu_targets(days_of(days), risk)
    assert found.lower_cores[0] <= found.target_cores[0] <= found.upper_cores[0]


@given(demands, risks, risks)
def test_more_risk_never_costs_more(days: list[list[float]], one: Risk, two: Risk) -> None:
    """Targets fall as the risk rises."""
    safer, bolder = sorted((one, two), key=lambda risk: risk.short_ratio)
    demand = days_of(days)
    assert target_of(cpu_targets(demand, bolder)) <= target_of(cpu_targets(demand, safer)) * (
        1 + 1e-9
    )


@given(
    st.lists(
        st.lists(st.floats(1, 8, allow_nan=False), min_size=1, max_size=12), min_size=1, max_size=8
    ),
    risks,
    st.integers(1, 6),
)
def test_scaling_demand_scales_the_target(
    days: list[list[float]], risk: Risk, doublings: int
) -> None:
    """Demand and capacity times k: target times k (powers of two, so that bins stay exact)."""
    k = 2.0**doublings
    scaled = [[value * k for value in day] for day in days]
    once = target_of(cpu_targets(days_of(days), risk))
    assert target_of(cpu_targets(days_of(scaled, CAPACITY * k), risk)) == pytest.approx(k * once)


@given(
    st.lists(
        st.lists(st.floats(1, 8, allow_nan=False), min_size=1, max_size=12), min_size=1, max_size=8
    ),
    st.sampled_from([0.2, 0.1, 0.01, 0.001]),
    st.floats(1.0, 3.0),
)
def test_scaling_demand_alone_scales_up_to_a_bin(
    days: list[list[float]], short_ratio: float, k: float
) -> None:
    """Without a larger capacity what the rule minimises is k times as large, up to a bin.

    A level that holds x holds k x when it is k times as large and rounded up to the next edge, and
    the other way round, so neither optimum is further than a bin from the other's image.
    """
    risk = Risk(short_ratio)
    scaled = [[value * k for value in day] for day in days]

    def cost(found: CpuTargets) -> float:
        shortage = risk.price * found.mean_cores[0] * found.short_ratio[0]
        return float(found.target_cores[0] / (1 + risk.margin_ratio) + shortage)

    once, times_k = cost(cpu_targets(days_of(days), risk)), cost(cpu_targets(days_of(scaled), risk))
    assert times_k == pytest.approx(k * once, abs=(1 + k) * CAPACITY / 200)


@given(demands, st.randoms(use_true_random=False))
def test_order_within_a_day_is_irrelevant(days: list[list[float]], random: object) -> None:
    """Shuffled samples give the same target."""
    shuffled = [sorted(day) for day in days]
    assert target_of(cpu_targets(days_of(shuffled), DEFAULT)) == pytest.approx(
        target_of(cpu_targets(days_of(days), DEFAULT)), rel=1e-9
    )


@given(demands, demands)
def test_history_before_the_regime_does_not_matter(
    old: list[list[float]], new: list[list[float]]
) -> None:
    """Days before the accepted change point change nothing."""
    joined = cpu_targets(days_of(old + new), DEFAULT, np.array([len(old)]))
    alone = cpu_targets(days_of(new), DEFAULT)
    assert target_of(joined) == pytest.approx(target_of(alone), rel=1e-9)


def test_no_measurements_give_no_target() -> None:
    """NaN, never zero."""
    found = cpu_targets(days_of([[], []]), DEFAULT)
    assert math.isnan(target_of(found))
    assert math.isnan(found.peak_cores[0])
    assert math.isnan(found.last_day_max_cores[0])


def test_the_newest_measured_day_is_the_last_day() -> None:
    """A day without measurements is skipped."""
    assert cpu_targets(days_of([[1.0], [3.0], []]), DEFAULT).last_day_max_cores[0] == 3.0


@pytest.mark.parametrize(
    ("text", "ratio"), [("0.5", 0.005), ("2%", 0.02), ("default", 0.005), ("max-savings", 0.05)]
)
def test_risk_is_a_percentage_or_a_preset(text: str, ratio: float) -> None:
    """Percent of time, with or without the sign, or a name."""
    assert Risk.parse(text).short_ratio == pytest.approx(ratio)


@pytest.mark.parametrize("text", ["", "much", "nan", "95", "-1", "0", "inf"])
def test_a_risk_out_of_bounds_is_refused(text: str) -> None:
    """One sentence that names the presets."""
    with pytest.raises(ConfigError, match="max-performance"):
        Risk.parse(text)


def test_presets_are_ordered() -> None:
    """From most to least savings."""
    ratios = [Risk.parse(preset).short_ratio for preset in RiskPreset]
    assert ratios == sorted(ratios, reverse=True)
