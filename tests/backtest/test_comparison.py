"""Ours against a baseline at the baseline's own exceedance."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from rightsizing.backtest.comparison import ALL_WORKLOADS, Verdict, compare
from rightsizing.backtest.frontier import cost_at
from rightsizing.backtest.scores import Outcome

STEPS = 2016


def outcome(exceeded: list[int], cost: list[float], oracle: list[float] | None = None) -> Outcome:
    """One week a workload with these sums; what a comparison does not read is 0."""
    workloads = len(exceeded)
    columns = {field.name: np.zeros((workloads, 1)) for field in fields(Outcome)}
    columns["steps"] = np.full((workloads, 1), STEPS)
    columns["exceeded"] = np.array(exceeded)[:, None]
    columns["cost"] = np.array(cost)[:, None]
    columns["oracle_cost"] = np.array(oracle or [1.0] * workloads)[:, None]
    return Outcome(**columns)


def test_the_quotient_by_hand() -> None:
    """Ours costs 2 at 9.5 of 20,161 (shifted) and 1 at 90.5; the baseline costs 2 at 29.5.

    In logarithms 29.5 lies ln(29.5 / 9.5) / ln(90.5 / 9.5) of the way, so ours is 2 ** (1 - that).
    """
    ours = [outcome([9] + [0] * 9, [2.0] * 10), outcome([90] + [0] * 9, [1.0] * 10)]
    (found,) = compare(ours, {"peer": outcome([29] + [0] * 9, [2.0] * 10)}, {}, seed=1)
    way = np.log(29.5 / 9.5) / np.log(90.5 / 9.5)
    assert found.our_cost_ratio == pytest.approx(2 ** (1 - way))
    assert found.cost_quotient == pytest.approx(2 ** (1 - way) / 2)
    assert found.exceedance_ratio == pytest.approx(29 / (10 * STEPS))
    assert (found.group, found.workloads) == (ALL_WORKLOADS, 10)


def test_a_clear_win_a_clear_loss_and_a_tie() -> None:
    """A baseline that costs twice, half, and about the same as ours at the same exceedance."""
    generator = np.random.default_rng(2)
    size = generator.uniform(1, 3, 40)
    short = generator.integers(1, 20, 40).tolist()
    ours = [outcome(short, size.tolist())]
    baselines = {
        "dear": outcome(short, (2 * size).tolist()),
        "cheap": outcome(short, (size / 2).tolist()),
        "same": outcome(short, (size * generator.uniform(0.8, 1.2, 40)).tolist()),
    }
    found = {item.baseline: item for item in compare(ours, baselines, {}, seed=1)}
    assert found["dear"].verdict is Verdict.WIN
    assert found["cheap"].verdict is Verdict.LOSS
    assert found["same"].verdict is Verdict.TIE
    assert found["dear"].within_margin
    assert not found["cheap"].within_margin


def test_a_baseline_safer_than_all_risks_is_out_of_reach() -> None:
    """It is short never, ours at least in 9 steps."""
    ours = [outcome([9] * 10, [2.0] * 10), outcome([90] * 10, [1.0] * 10)]
    (found,) = compare(ours, {"safe": outcome([0] * 10, [9.0] * 10)}, {}, seed=1)
    assert found.verdict is Verdict.OUT_OF_REACH


def test_a_riskier_baseline_is_compared_with_our_riskiest() -> None:
    """Short more often than our riskiest: cheaper still, it is out of reach; dearer, it lost."""
    ours = [outcome([9] * 10, [2.0] * 10), outcome([90] * 10, [1.0] * 10)]
    baselines = {
        "cheaper": outcome([900] * 10, [0.5] * 10),
        "dearer": outcome([900] * 10, [1.5] * 10),
    }
    found = {item.baseline: item for item in compare(ours, baselines, {}, seed=1)}
    assert found["cheaper"].our_cost_ratio == pytest.approx(1.0)
    assert found["cheaper"].verdict is Verdict.OUT_OF_REACH
    assert found["dearer"].verdict is Verdict.WIN


def test_classes_of_ten_and_more_are_compared() -> None:
    """Nine workloads say too little."""
    ours = [outcome([5] * 19, [1.0] * 19)]
    groups = {"steady": list(range(10)), "spiky": list(range(10, 19))}
    found = compare(ours, {"peer": outcome([5] * 19, [2.0] * 19)}, groups, seed=1)
    assert [(item.group, item.workloads) for item in found] == [(ALL_WORKLOADS, 19), ("steady", 10)]
    assert [item.margin for item in found] == [1.00, 1.03]


def test_resampling_equals_a_loop() -> None:
    """The vectorised bound equals drawing, pooling and interpolating resample by resample."""
    generator = np.random.default_rng(8)
    size = generator.uniform(1, 3, 12)
    ours = [
        outcome(generator.integers(0, 6, 12).tolist(), (size * 1.3).tolist(), size.tolist()),
        outcome(generator.integers(5, 60, 12).tolist(), size.tolist(), size.tolist()),
        outcome(generator.integers(60, 300, 12).tolist(), (size * 0.7).tolist(), size.tolist()),
    ]
    baseline = outcome(generator.integers(5, 80, 12).tolist(), (size * 1.1).tolist(), size.tolist())
    (found,) = compare(ours, {"peer": baseline}, {}, seed=4, resamples=200)
    draws = np.random.default_rng(4).multinomial(12, np.full(12, 1 / 12), size=200)
    logs = []
    for counts in draws:
        rows = np.repeat(np.arange(12), counts)
        drawn = [item.take(rows) for item in (*ours, baseline)]
        short = [(item.exceeded.sum() + 0.5) / (item.steps.sum() + 1) for item in drawn]
        cost = [item.cost.sum() / item.oracle_cost.sum() for item in drawn]
        mine = cost_at(np.array(short[:3]), np.array(cost[:3]), np.array(short[3]))
        logs.append(np.log(float(mine.cost) / cost[3]))
    assert found.upper_quotient == pytest.approx(np.exp(np.quantile(logs, 0.95)))
    assert found.lower_quotient == pytest.approx(np.exp(np.quantile(logs, 0.05)))


def test_the_same_seed_gives_the_same_bounds() -> None:
    """A comparison is reproducible."""
    ours = [outcome(list(range(20)), [1.0 + index / 9 for index in range(20)])]
    baselines = {"peer": outcome(list(range(20, 0, -1)), [1.5] * 20)}
    assert compare(ours, baselines, {}, seed=5) == compare(ours, baselines, {}, seed=5)
    assert compare(ours, baselines, {}, seed=5) != compare(ours, baselines, {}, seed=6)


def test_nothing_scored_is_not_compared() -> None:
    """Without an oracle's cost there is no ratio."""
    empty = outcome([0] * 3, [0.0] * 3, [0.0] * 3)
    assert compare([empty], {"peer": empty}, {}, seed=1) == ()
