"""Autopilot's window against its definition, and the ensemble against plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightsizing.backtest.peers.autopilot import WINDOW, AutopilotWindow
from rightsizing.backtest.peers.autopilotensemble import CAUTIOUS, EXAMPLE, AutopilotEnsemble
from rightsizing.model.base import NoData


def test_steady_use_gets_the_margin(track) -> None:
    """Every percentile of one value is that value: 2 x 1.15."""
    series = track(cpu=np.full(7 * 288, 2.0), memory=np.full(7 * 288, 1e9))
    limits = WINDOW.propose([series])[0]
    assert limits.cpu_cores == pytest.approx(2.3)
    assert limits.memory_bytes == pytest.approx(1.15e9)


@pytest.mark.parametrize(("quantile", "expected"), [(0.45, 1.15), (0.51, 4.6)])
def test_percentiles_are_of_load(track, quantile, expected) -> None:
    """A day at 4 cores, then a day at 1, half-life 12 h.

    The days weigh 3/16 and 3/4, their load is 0.75 each: half of it is at 1 core (48 % as of an
    hour before). By time alone the 80th percentile would still be 1 core.
    """
    cpu = np.repeat([4.0, 1.0], 288)
    rule = AutopilotWindow(cpu_quantile=quantile)
    assert rule.propose([track(cpu=cpu)])[0].cpu_cores == pytest.approx(expected)


def _highest_of_last_hour(values: np.ndarray, quantile: float, half_life: float) -> float:
    """The definition: one percentile as of each of the last twelve intervals, the highest."""
    width = np.nanmax(values) / 400
    highest = 0.0
    for end in range(len(values) - 11, len(values) + 1):
        load: dict[int, float] = {}
        for index in range(end):
            if not math.isnan(values[index]):
                bucket = min(max(math.ceil(values[index] / width), 1), 400)
                weight = 2 ** ((index - end) / half_life)
                load[bucket] = load.get(bucket, 0.0) + weight * bucket
        reached = 0.0
        for bucket in sorted(load):
            reached += load[bucket]
            if reached >= quantile * sum(load.values()) * (1 - 1e-12):
                highest = max(highest, bucket * width)
                break
    return highest


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), gaps=st.floats(0, 0.4))
def test_the_last_hour_is_replayed(track, seed, gaps) -> None:
    """The newest samples added one by one give the same as twelve histograms from scratch."""
    rng = np.random.default_rng(seed)
    cpu = rng.gamma(1.0, 1.0, 2 * 288)
    cpu[rng.random(cpu.size) < gaps] = np.nan
    cpu[-1] = 1.0
    found = WINDOW.propose([track(cpu=cpu)])[0].cpu_cores
    assert found == pytest.approx(1.15 * _highest_of_last_hour(cpu, 0.95, 144.0))


def test_the_window_forgets_after_fourteen_half_lives(track) -> None:
    """CPU of eight days ago is not looked at, memory of 28 days ago is."""
    cpu = np.concatenate([np.full(288, 9.0), np.full(7 * 288, 1.0)])
    memory = np.concatenate([np.full(288, 9e12), np.full(7 * 288, 1.0)])
    limits = WINDOW.propose([track(cpu=cpu, memory=memory)])[0]
    assert limits.cpu_cores == pytest.approx(1.15)
    assert limits.memory_bytes == pytest.approx(9e12 * 1.15)


def test_the_ensemble_follows_steady_use(track) -> None:
    """Steady use is the highest bucket: no overrun, no underrun, no margin pays."""
    limits = EXAMPLE.propose([track(cpu=np.full(10 * 288, 2.0))])[0]
    assert limits.cpu_cores == pytest.approx(2.0)
    assert isinstance(limits.memory_bytes, NoData)


def test_the_ensemble_comes_down_when_it_pays(track) -> None:
    """One day at 2 cores, then ten at 1: the model without memory costs nothing any more."""
    cpu = np.repeat([2.0] + [1.0] * 10, 288)
    assert EXAMPLE.propose([track(cpu=cpu)])[0].cpu_cores == pytest.approx(1.0)


def _loops(shares: np.ndarray, rule: AutopilotEnsemble) -> int:
    """The three equations for one workload, model by model and limit by limit, in plain loops."""
    decays, margins = [step / 10 for step in range(1, 11)], [0, 5, 10]
    limits = shares.shape[1]
    cost = [[0.0] * limits for _ in decays]
    bare = [-1] * len(decays)
    held = [[-1] * 3 for _ in decays]
    score = [[0.0] * 3 for _ in decays]
    model, limit = (-1, -1), -1
    for day in shares * 288:
        if not day.any():
            continue
        own = [
            rule.overrun_cost * day[top + 1 :].sum() + rule.underrun_cost * day[:top].sum()
            for top in range(limits)
        ]
        best, chosen = math.inf, None
        for index, decay in enumerate(decays):
            cost[index] = [
                (1 - decay) * old + decay * new for old, new in zip(cost[index], own, strict=True)
            ]
            total = [
                value + 0.1 * (bare[index] >= 0 and top != bare[index])
                for top, value in enumerate(cost[index][:100])
            ]
            least = min(total)
            if bare[index] < 0 or total[bare[index]] > least:
                bare[index] = total.index(least)
            for place, margin in enumerate(margins):
                now = bare[index] + margin
                change = held[index][place] >= 0 and now != held[index][place]
                score[index][place] = 0.75 * (own[now] + 0.1 * change) + 0.25 * score[index][place]
                held[index][place] = now
        for index in range(len(decays)):
            for place in range(3):
                asked = score[index][place]
                asked += 0.1 * (limit >= 0 and held[index][place] != limit)
                asked += 0.1 * (model[0] >= 0 and (index, place) != model)
                better = asked < best - 1e-12
                if better or (abs(asked - best) <= 1e-12 and (index, place) == model):
                    best, chosen = asked, (index, place)
        assert chosen is not None
        model = chosen
        limit = held[model[0]][model[1]]
    return limit + 1


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), rule=st.sampled_from([EXAMPLE, CAUTIOUS]))
def test_the_ensemble_equals_plain_loops(seed, rule) -> None:
    """Random daily histograms, some days missing; costs are distinct but for ties by design."""
    rng = np.random.default_rng(seed)
    shares = np.zeros((3, 12, 110))
    for workload in range(3):
        for day in range(12):
            if day and rng.random() < 0.2:
                continue
            top = int(rng.integers(5, 100))
            buckets = np.minimum(rng.gamma(2.0, top / 6, 288).astype(int), 99)
            shares[workload, day] = np.bincount(buckets, minlength=110) / 288
    assert rule.replay(shares).tolist() == [_loops(each, rule) for each in shares]
