"""Fitting how two equal arms differ by themselves."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from rightsizing.rollout.judge.calibration import simulate_ratio
from rightsizing.rollout.judge.likelihood import ArmNoise
from rightsizing.rollout.judge.noise import (
    CountHistory,
    fit_count_noise,
    fit_gauge_noise,
    gauge_windows,
    wander_likelihood,
)


def test_the_kalman_filter_is_the_joint_normal_density() -> None:
    """One window of five looks, one of them missing, against scipy's multivariate normal."""
    noise = ArmNoise(0.3, 0.8, 0.1)
    observed = np.array([0.2, -0.1, np.nan, 0.4, 0.3])
    variance = np.array([0.01, 0.02, 0.05, 0.03, 0.01])
    known = np.isfinite(observed)
    lag = np.abs(np.subtract.outer(np.arange(5), np.arange(5)))
    covariance = 0.09 * 0.8**lag + np.diag(variance + 0.01)
    joint = multivariate_normal(cov=covariance[np.ix_(known, known)])
    found = wander_likelihood(observed[:, None], variance[:, None], [noise])[0]
    # the filter leaves out the constant: half log(2 pi) a measured look
    assert found - 2 * np.log(2 * np.pi) == pytest.approx(joint.logpdf(observed[known]))


@pytest.mark.parametrize("noise", [ArmNoise(0.15, 0.9), ArmNoise(0.3, 0.5)])
def test_count_noise_is_recovered(noise: ArmNoise) -> None:
    """7 days of 200 events a minute and arm: what moves 30-look means is known to a third."""
    rng = np.random.default_rng(3)
    wander = simulate_ratio(noise, 10_080, 1, rng)[:, 0]
    requests = np.full(10_080, 4000.0)
    history = CountHistory(
        rng.poisson(200 * np.exp(wander)).astype(np.float64),
        requests,
        rng.poisson(200.0, 10_080).astype(np.float64),
        requests,
    )
    found = fit_count_noise(history.windows(120))
    assert found.variance_of_mean(30) == pytest.approx(noise.variance_of_mean(30), rel=0.34)


def test_equal_arms_without_wander_are_found_so() -> None:
    """Pure counting noise leaves a spread that moves 30-look means by under 1 %."""
    rng = np.random.default_rng(4)
    requests = np.full(10_080, 4000.0)
    arms = rng.poisson(200.0, (2, 10_080)).astype(np.float64)
    found = fit_count_noise(CountHistory(arms[0], requests, arms[1], requests).windows(120))
    assert found.variance_of_mean(30) < 0.01**2


def test_gauge_noise_is_split_into_wander_and_scatter() -> None:
    """Wander of 0.1 that persists under scatter of 0.2."""
    rng = np.random.default_rng(5)
    wander = simulate_ratio(ArmNoise(0.1, 0.95), 20_160, 1, rng)[:, 0]
    found = fit_gauge_noise(gauge_windows(wander + rng.normal(0, 0.2, 20_160), 120))
    assert found.scatter == pytest.approx(0.2, rel=0.1)
    assert found.spread == pytest.approx(0.1, rel=0.4)


def test_looks_without_requests_count_nothing() -> None:
    """An arm that was off for an hour leaves windows without events, not a wild ratio."""
    requests = np.full(120, 100.0)
    requests[30:90] = 0.0
    events = np.full(120, 5.0)
    history = CountHistory(events, np.full(120, 100.0), events, requests)
    windows = history.windows(120)
    assert windows.canary[30:90].sum() == 0
    assert windows.canary.sum() == 5 * 60
