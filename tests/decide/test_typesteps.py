"""The CPU rule over types: brute force, the continuous limit as a special case, and moves."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightsizing.decide.choice import Option, choose
from rightsizing.decide.cpu import WeightedDemand, targets_of, weigh
from rightsizing.decide.risk import Risk
from rightsizing.decide.typesteps import (
    LEAST_STEP_VALUE_CORES,
    PricedShortage,
    StepNeeds,
    Steps,
    best_steps,
    next_steps,
    step_costs,
)
from rightsizing.model.cpudays import CpuDays
from rightsizing.profile.rows import FloatArray

CAPACITY = 16.0
GIB = 2.0**30
# Two families of four sizes: 2 and 8 GiB a core, the second a third dearer.
CORES = np.array([1.0, 2.0, 4.0, 8.0] * 2)
STEPS = Steps(
    cores=CORES,
    memory_bytes=CORES * GIB * np.repeat([2.0, 8.0], 4),
    cost=CORES * np.repeat([0.03, 0.04], 4),
)


def days_of(rows: list[list[float]]) -> CpuDays:
    """One day of samples for each workload, equally many."""
    values = np.array(rows, dtype=np.float64)
    bins = np.floor(values * 200 / CAPACITY).astype(np.int64)
    counts = np.zeros((len(rows), 1, int(bins.max()) + 1), dtype=np.uint16)
    for row in range(len(rows)):
        np.add.at(counts[row, 0], bins[row], 1)
    return CpuDays(
        capacity_cores=np.full(len(rows), CAPACITY),
        counts=counts,
        samples=np.full((len(rows), 1), values.shape[1]),
        sum_cores=values.sum(axis=1, keepdims=True),
        max_cores=values.max(axis=1, keepdims=True),
    )


def demand_of(rows: list[list[float]]) -> WeightedDemand:
    """Their weighted demand."""
    return weigh(days_of(rows))


def needs_of(shortage: PricedShortage, memory: float = 0.0, *, may_lower: bool = True) -> StepNeeds:
    """Needs with the risk's least cores, tolerated too, and the same memory for all."""
    rows = len(shortage.least_cores)
    return StepNeeds(
        least_cores=shortage.least_cores,
        tolerated_cores=shortage.least_cores,
        memory_bytes=np.full(rows, memory),
        tolerated_bytes=np.full(rows, memory),
        may_lower_memory=np.full(rows, may_lower),
    )


def chosen(values: list[float], risk: Risk, memory: float = 0.0, steps: Steps = STEPS) -> int:
    """The size taken for one workload."""
    shortage = PricedShortage.of(demand_of([values]), risk)
    return int(best_steps(step_costs(shortage, steps), steps, needs_of(shortage, memory))[0])


samples = st.lists(st.floats(0.01, 7.9, allow_nan=False), min_size=4, max_size=40)
risks = st.floats(1e-4, 0.9).map(Risk)


def test_a_step_that_is_not_worth_its_price_is_not_bought() -> None:
    """1 of 1,000 samples at 1.5 cores, the rest at 0.5; the risk is 1 %.

    One core: $0.03 and 0.03 x 294 x 2 x 0.001 = $0.0176; two: $0.06. A limit rounded up is two.
    """
    values = [0.5] * 999 + [1.5]
    assert CORES[chosen(values, Risk(0.01))] == 1
    # At 0.4 % the price is 744: 0.03 + 0.0446 is more than 0.06.
    assert CORES[chosen(values, Risk(0.004))] == 2


def test_never_more_short_than_the_risk() -> None:
    """3 of 100 samples above two cores: within 20 % of time and not within 1 %.

    At 20 % the shortage is worth 0.03 x 9.6 x 2 x 0.03 = $0.017, and four cores cost $0.09 more.
    """
    values = [0.1] * 97 + [2.5] * 3
    assert CORES[chosen(values, Risk(0.2))] == 1
    assert CORES[chosen(values, Risk(0.01))] == 4


def test_memory_is_a_constraint() -> None:
    """7 GiB: one core of the second family costs $0.04, four of the first $0.12."""
    place = chosen([0.5] * 10, Risk(0.01), memory=7 * GIB)
    assert (CORES[place], STEPS.memory_bytes[place]) == (1, 8 * GIB)


def test_more_than_any_size_has_gets_the_largest() -> None:
    """Twelve cores, and 100 GiB."""
    assert CORES[chosen([12.0] * 10, Risk(0.01))] == 8
    assert STEPS.memory_bytes[chosen([1.0] * 10, Risk(0.01), memory=100 * GIB)] == 64 * GIB


@given(samples, risks)
def test_equals_brute_force(values: list[float], risk: Risk) -> None:
    """Every size tried, its shortage counted sample by sample, in bins of 0.08 cores."""
    width = CAPACITY / 200
    peak = max(values)

    def short(cores: float) -> float:
        if cores >= peak:
            return 0.0
        edge = math.floor(round(cores / width, 9))
        return sum(math.floor(value / width) >= edge for value in values) / len(values)

    least = min(
        min((step + 1) * width, peak)
        for step in range(200)
        if sum(math.floor(value / width) > step for value in values) / len(values)
        <= risk.short_ratio
    ) * (1 + risk.margin_ratio)
    value = max(sum(values) / len(values), LEAST_STEP_VALUE_CORES)
    costs = {
        place: STEPS.cost[place] + 0.03 * risk.price * value * short(CORES[place])
        for place in range(8)
        if CORES[place] >= least * (1 - 1e-9)
    }
    found = chosen(values, risk)
    if costs:
        assert costs[found] == pytest.approx(min(costs.values()))
    else:
        assert CORES[found] == 8


@given(
    st.lists(st.floats(2.0, 15.9, allow_nan=False), min_size=4, max_size=40),
    st.floats(0.003, 0.9).map(Risk),
)
def test_the_continuous_limit_is_a_special_case(values: list[float], risk: Risk) -> None:
    """Every level for sale at one rate a core: the size is the limit of ``decide.cpu``."""
    days = days_of([values])
    demand = weigh(days)
    level = np.unique(demand.level_cores[0])
    steps = Steps(level, np.zeros(len(level)), 0.05 * level)
    target = float(targets_of(demand, days, risk).target_cores[0])
    assert level[chosen(values, risk, steps=steps)] == pytest.approx(target)


@given(samples, risks, risks)
def test_more_risk_never_costs_more(values: list[float], one: Risk, two: Risk) -> None:
    """The price paid falls as the risk rises."""
    safer, bolder = sorted((one, two), key=lambda risk: risk.short_ratio)
    assert STEPS.cost[chosen(values, bolder)] <= STEPS.cost[chosen(values, safer)]


@given(
    st.lists(st.floats(0.0, 10.0), min_size=8, max_size=8, unique=True),
    st.floats(0, 9),
    st.floats(0, 9),
    st.floats(0, 40),
    st.booleans(),
)
def test_moves_are_those_of_a_single_choice(
    costs: list[float], least: float, tolerated: float, memory_gib: float, may_lower: bool
) -> None:
    """From each current size the move equals that of ``decide.choice`` over the fitting ones."""
    table: FloatArray = np.array([costs])
    needs = StepNeeds(
        least_cores=np.array([least]),
        tolerated_cores=np.array([tolerated]),
        memory_bytes=np.array([memory_gib * GIB]),
        tolerated_bytes=np.array([memory_gib * GIB / 2]),
        may_lower_memory=np.array([may_lower]),
    )
    moves = next_steps(table, STEPS, needs, minimum_saving_ratio=0.05)[0]
    options = [
        Option(str(place), Decimal(repr(costs[place])), CORES[place], STEPS.memory_bytes[place])
        for place in range(8)
    ]
    for current in range(8):
        floor = 0.0 if may_lower else STEPS.memory_bytes[current]
        fitting = [
            option
            for option in options
            if option.cpu >= least * (1 - 1e-9)
            and option.memory >= max(memory_gib * GIB, floor) * (1 - 1e-9)
        ]
        enough = CORES[current] >= tolerated * (1 - 1e-9) and STEPS.memory_bytes[
            current
        ] >= memory_gib * GIB / 2 * (1 - 1e-9)
        expected = choose(
            options[current], fitting, current_is_enough=enough, minimum_saving_ratio=0.05
        )
        if fitting:
            assert expected is not None
            assert str(moves[current]) == expected.name
        else:  # nothing fits: a back-test gives the largest, a recommendation says so
            assert moves[current] in {7, current}


@given(st.lists(samples, min_size=1, max_size=1), risks)
def test_what_is_taken_stays(rows: list[list[float]], risk: Risk) -> None:
    """The size chosen for a demand is kept on the same demand."""
    shortage = PricedShortage.of(demand_of(rows), risk)
    costs, needs = step_costs(shortage, STEPS), needs_of(shortage)
    first = int(best_steps(costs, STEPS, needs)[0])
    assert next_steps(costs, STEPS, needs, minimum_saving_ratio=0.05)[0, first] == first


def test_sizes_that_differ_by_workload_are_looked_up_alike() -> None:
    """(C,) and the same sizes given for each workload."""
    shortage = PricedShortage.of(demand_of([[0.5, 3.0], [2.5, 7.0]]), Risk(0.1))
    wide = np.tile(CORES, (2, 1))
    np.testing.assert_array_equal(shortage.short_ratio(CORES), shortage.short_ratio(wide))
    # Half of each is above: at one core the 3.0 alone of the first, both of the second.
    assert shortage.short_ratio(np.array([1.0, 4.0])).tolist() == [[0.5, 0.0], [1.0, 0.5]]


def test_what_was_not_measured_is_not_short() -> None:
    """No demand: no shortage, no least size."""
    days = CpuDays(
        capacity_cores=np.array([4.0]),
        counts=np.zeros((1, 1, 3), dtype=np.uint16),
        samples=np.zeros((1, 1), dtype=np.int64),
        sum_cores=np.zeros((1, 1)),
        max_cores=np.full((1, 1), np.nan),
    )
    shortage = PricedShortage.of(weigh(days), Risk(0.01))
    assert np.isnan(shortage.least_cores[0])
    assert (shortage.short_ratio(CORES) == 0).all()
