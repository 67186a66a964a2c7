"""The likelihood of the ratio, against brute force and closed forms."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from scipy.stats import binom

from rightsizing.rollout.judge import likelihood
from rightsizing.rollout.judge.likelihood import ArmNoise, RatioFilter, rouwenhorst

RATIOS = np.array([1.0, 1.5, 3.0])


@pytest.mark.parametrize("persistence", [0.0, 0.5, 0.9, 0.995])
def test_the_chain_keeps_variance_and_autocorrelation(persistence: float) -> None:
    """Stationary, variance 1, lag-one correlation as asked: Rouwenhorst's promise."""
    levels, transition, start = rouwenhorst(persistence, 25)
    assert transition.sum(axis=1) == pytest.approx(np.ones(25))
    assert start @ transition == pytest.approx(start)
    assert start @ levels**2 == pytest.approx(1.0)
    assert (start * levels) @ transition @ levels == pytest.approx(persistence, abs=1e-12)


def test_without_noise_it_is_the_binomial_likelihood() -> None:
    """Equal arms of a known split: log likelihood ratios are scipy's binomial ones."""
    canary, baseline = np.array([3.0]), np.array([5.0])
    log_odds = np.array([np.log(0.25)])  # a fifth of the traffic
    seen = RatioFilter(RATIOS, ArmNoise(0.0, 0.0), 1)
    seen.count(canary, baseline, log_odds)
    share = 0.25 * RATIOS / (1 + 0.25 * RATIOS)
    expected = binom.logpmf(3, 8, share)
    assert np.diff(seen.log_likelihood[:, 0]) == pytest.approx(np.diff(expected))


def test_with_noise_it_sums_over_every_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three nodes, four looks: 81 hidden paths, each with its probability, add up to the same."""
    monkeypatch.setattr(likelihood, "NODES", 3)
    noise = ArmNoise(0.4, 0.7)
    events = np.array([[1.0, 2.0], [0.0, 1.0], [3.0, 1.0], [2.0, 2.0]])
    seen = RatioFilter(RATIOS, noise, 1)
    for canary, baseline in events:
        seen.count(np.array([canary]), np.array([baseline]), np.zeros(1))
    levels, transition, start = rouwenhorst(0.7, 3)
    # what the grid cannot resolve counts as fewer events: 1 / (1 + T p (1 - p) (0.7 spacing)^2)
    coarse = (0.7 * 0.4 * (levels[1] - levels[0])) ** 2
    for row, ratio in enumerate(RATIOS):
        total = 0.0
        for path in product(range(3), repeat=4):
            chance = start[path[0]]
            for before, after in pairwise(path):
                chance *= transition[before, after]
            for node, (canary, baseline) in zip(path, events, strict=True):
                p = 1 / (1 + np.exp(-np.log(ratio) - 0.4 * levels[node]))
                kept = 1 / (1 + (canary + baseline) * 0.25 * coarse)
                chance *= (p**canary * (1 - p) ** baseline) ** kept
            total += chance
        assert seen.log_likelihood[row, 0] == pytest.approx(np.log(total))


def test_a_gauge_without_data_changes_nothing_but_the_wander() -> None:
    """NaN adds no likelihood to any ratio."""
    seen = RatioFilter(RATIOS, ArmNoise(0.2, 0.9, 0.1), 1)
    seen.gauge(np.array([0.1]))
    before = seen.log_likelihood.copy()
    seen.gauge(np.array([np.nan]))
    assert seen.log_likelihood == pytest.approx(before)


def test_an_absurd_look_stays_finite() -> None:
    """A gauge a million times off is far outside every node and still a number."""
    seen = RatioFilter(RATIOS, ArmNoise(0.2, 0.9, 0.02), 1)
    for value in (14.0, -14.0, 14.0):
        seen.gauge(np.array([value]))
    assert np.isfinite(seen.log_likelihood).all()


def test_variance_of_mean_matches_the_autocovariances() -> None:
    """Brute force: the mean of the covariance matrix of 10 looks."""
    noise = ArmNoise(0.3, 0.8, 0.1)
    lag = np.abs(np.subtract.outer(np.arange(10), np.arange(10)))
    covariance = 0.09 * 0.8**lag + 0.01 * np.eye(10)
    assert noise.variance_of_mean(10) == pytest.approx(covariance.mean())
