"""Scoring against arithmetic done by hand, and against a loop over every step."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from rightsizing.backtest.demand import ORACLE_QUANTILE, demand_blocks
from rightsizing.backtest.replay import Held
from rightsizing.backtest.schedule import Schedule
from rightsizing.backtest.scores import Outcome, Supply, score
from rightsizing.backtest.series import DemandSeries, FloatArray
from rightsizing.backtest.summary import summarise
from rightsizing.model.base import NoData

MakeSeries = Callable[..., DemandSeries]
GIB = 1024.0**3


def scored(
    series: Sequence[DemandSeries],
    cpu_limits: FloatArray,
    memory_limits: FloatArray | None = None,
    workloads_a_block: int = 64,
) -> Outcome:
    """The outcome of these limits by day, continuous, 14 days of history."""
    schedule = Schedule.of(series, history_days=14)
    blocks = demand_blocks(series, schedule, workloads_a_block=workloads_a_block)
    shape = (len(series), schedule.days)
    cpu, memory = np.full(shape, np.nan), np.full(shape, np.nan)
    for block in blocks:
        cpu[block.rows] = np.repeat(block.oracle_cpu, 7, axis=1)
        memory[block.rows] = np.repeat(block.oracle_memory, 7, axis=1)
    limits = np.full(shape, np.nan) if memory_limits is None else memory_limits
    nothing = np.zeros(shape, dtype=bool)
    held = Held("test", cpu_limits, limits, nothing, nothing)
    supply = Supply.continuous(cpu_limits, limits)
    return score(blocks, held, supply, Supply.continuous(cpu, memory))


def test_one_week_by_hand(make_series: MakeSeries) -> None:
    """Twelve steps a day (2 h each), one core, two steps of 3 cores; the limit is 2 cores.

    84 steps, 2 of them short: 240 minutes; each 1 core short for 120 minutes: 240 core-minutes.
    Held 2 cores x 168 h = 336 core-hours. The oracle is the 99.9th percentile of 82 ones and 2
    threes: place 83 x 0.999 = 82.917, between two threes, so 3 cores x 168 h = 504.
    Used (82 x 1 + 2 x 3) x 2 h = 176 core-hours. The 99th percentile is at place 82.17: 3, so 50 %
    more than the limit: slack -0.5.
    """
    cpu = np.ones((21, 12))
    cpu[15, 3] = cpu[18, 0] = 3.0
    outcome = scored([make_series(cpu)], np.full((1, 7), 2.0))
    assert outcome.steps.tolist() == [[84]]
    assert outcome.exceeded.tolist() == [[2]]
    assert outcome.exceeded_minutes.tolist() == [[240.0]]
    assert outcome.severity_core_minutes.tolist() == [[240.0]]
    assert outcome.cost.tolist() == [[336.0]]
    assert outcome.oracle_cost[0, 0] == pytest.approx(504.0)
    assert outcome.used_core_hours.tolist() == [[176.0]]
    assert outcome.slack_p99[0, 0] == pytest.approx(-0.5)
    assert outcome.changes.tolist() == [[0]]


def test_demand_equal_to_the_limit_is_not_short(make_series: MakeSeries) -> None:
    """A limit of exactly the peak holds."""
    outcome = scored([make_series(np.full((21, 12), 0.1 + 0.2))], np.full((1, 7), 0.1 + 0.2))
    assert outcome.exceeded.sum() == 0


def test_memory_by_hand(make_series: MakeSeries) -> None:
    """1 GiB all week but for one step of 3 GiB; the limit is 2 GiB.

    One step of 84 fails; held 2 GiB x 168 h = 336 GiB-hours, the oracle 3 GiB x 168 h = 504.
    """
    memory = np.full((21, 12), GIB)
    memory[20, 11] = 3 * GIB
    series = [make_series(np.ones((21, 12)), memory=memory)]
    outcome = scored(series, np.full((1, 7), 2.0), np.full((1, 7), 2 * GIB))
    assert (outcome.memory_steps[0, 0], outcome.memory_failed[0, 0]) == (84, 1)
    assert outcome.memory_gib_hours[0, 0] == pytest.approx(336.0)
    assert outcome.oracle_memory_gib_hours[0, 0] == pytest.approx(504.0)
    assert summarise(outcome).memory_failed_weeks == 1


def test_a_moved_limit_is_a_change_and_the_first_is_not(make_series: MakeSeries) -> None:
    """Limits 2, 2, 3, 3, 3, 2, 2: up on the third day, down on the sixth."""
    limits = np.array([[2.0, 2, 3, 3, 3, 2, 2]])
    outcome = scored([make_series(np.ones((21, 12)))], limits)
    assert outcome.changes.tolist() == [[2]]
    # 2 changes in the 6 days that could have one, a month of 730 / 24 days.
    assert summarise(outcome).changes_per_month == pytest.approx(2 / 6 * 730 / 24)


def test_unmeasured_steps_are_neither_scored_nor_paid(make_series: MakeSeries) -> None:
    """Of 84 steps half were measured."""
    cpu = np.ones((21, 12))
    cpu[14:, 6:] = np.nan
    outcome = scored([make_series(cpu)], np.full((1, 7), 2.0))
    assert outcome.steps.tolist() == [[42]]
    assert outcome.cost.tolist() == [[2.0 * 84]]


@pytest.mark.parametrize("workloads_a_block", [1, 2, 64])
def test_the_vectorised_score_equals_a_loop_over_every_step(
    make_series: MakeSeries, workloads_a_block: int
) -> None:
    """Random demand with gaps, limits that move daily, two grids, against plain Python."""
    generator = np.random.default_rng(3)
    series = []
    for number, steps in enumerate((12, 24, 12)):
        cpu = generator.gamma(1.0, 1.0, size=(35, steps))
        cpu[generator.random(cpu.shape) < 0.2] = np.nan
        memory = generator.uniform(1, 4, size=(35, steps)) * GIB
        memory[generator.random(memory.shape) < 0.3] = np.nan
        series.append(make_series(cpu, key=f"w{number}", memory=memory))
    limits = generator.uniform(0.5, 3.0, size=(3, 21))
    memory_limits = generator.uniform(1, 4, size=(3, 21)) * GIB
    outcome = scored(series, limits, memory_limits, workloads_a_block)
    for row, item in enumerate(series):
        step_minutes = item.interval_s / 60
        for week in range(3):
            exceeded = severity = cost = used = failed = steps = memory_hours = 0.0
            ratios, demands, peaks = [], [], []
            for day in range(7 * week, 7 * week + 7):
                for step in range(item.intervals_per_day):
                    at = (14 + day) * item.intervals_per_day + step
                    demand, memory_use = item.cpu_cores[at], item.memory_bytes[at]
                    if not np.isnan(demand):
                        steps += 1
                        demands.append(demand)
                        ratios.append(demand / limits[row, day])
                        exceeded += demand > limits[row, day]
                        severity += max(demand - limits[row, day], 0.0) * step_minutes
                        cost += limits[row, day] * step_minutes / 60
                        used += demand * step_minutes / 60
                    if not np.isnan(memory_use):
                        peaks.append(memory_use)
                        failed += memory_use > memory_limits[row, day]
                        memory_hours += memory_limits[row, day] / GIB * step_minutes / 60
            assert outcome.steps[row, week] == steps
            assert outcome.exceeded[row, week] == exceeded
            assert outcome.severity_core_minutes[row, week] == pytest.approx(severity)
            assert outcome.cost[row, week] == pytest.approx(cost)
            oracle = np.quantile(demands, ORACLE_QUANTILE) * steps * step_minutes / 60
            assert outcome.oracle_cost[row, week] == pytest.approx(oracle)
            assert outcome.used_core_hours[row, week] == pytest.approx(used)
            slack = 1 - np.quantile(ratios, 0.99)
            assert outcome.slack_p99[row, week] == pytest.approx(slack)
            assert outcome.memory_failed[row, week] == failed
            assert outcome.memory_gib_hours[row, week] == pytest.approx(memory_hours)
            peak = max(peaks) / GIB * len(peaks) * step_minutes / 60
            assert outcome.oracle_memory_gib_hours[row, week] == pytest.approx(peak)


def test_pooled_figures_by_hand(make_series: MakeSeries) -> None:
    """Two workloads of 84 steps of 2 h: 1 core held at 2, and 3 cores held at 3 and short once.

    Cost 2 x 168 + 3 x 168 = 840 over 1 x 168 + the oracle of the second. Its one step of 4 among
    83 threes is at place 83 of 83: 99.9 % is at 82.917, so 3 + 0.917 = 3.917 cores. Geometric mean
    of 2 / 1 and 3 / 3.917 is sqrt(1.5318). One step of 168 is short: 120 minutes in 336 hours.
    """
    one, three = np.ones((21, 12)), np.full((21, 12), 3.0)
    three[16, 5] = 4.0
    limits = np.stack([np.full(7, 2.0), np.full(7, 3.0)])
    found = summarise(scored([make_series(one), make_series(three, key="b")], limits))
    assert found.workloads == 2
    assert found.workload_weeks == 2
    assert found.cost_ratio == pytest.approx(5 / 4.917)
    assert found.cost_ratio_geometric == pytest.approx(np.sqrt(2 * 3 / 3.917))
    assert found.exceedance_ratio == pytest.approx(1 / 168)
    assert found.exceeded_minutes_per_1000_h == pytest.approx(120 / 336 * 1000)
    assert found.regret == pytest.approx((5 - 4.917) / 2)
    assert isinstance(found.memory_cost_ratio, NoData)
    # Used 1 x 168 + (83 x 3 + 4) x 2 = 674 of 840 core-hours held.
    assert found.slack_mean_ratio == pytest.approx(1 - 674 / 840)


def test_joined_outcomes_pad_the_shorter_with_nothing(make_series: MakeSeries) -> None:
    """A trace of one week beside one of two: its missing week has no steps and no cost."""
    short = scored([make_series(np.ones((21, 12)))], np.full((1, 7), 2.0))
    long = scored([make_series(np.ones((28, 12)), key="b")], np.full((1, 14), 2.0))
    both = Outcome.joined([short, long])
    assert both.steps.tolist() == [[84, 0], [84, 84]]
    assert both.cost.sum() == short.cost.sum() + long.cost.sum()
    assert summarise(both).workload_weeks == 3
