"""Other judges' rules, against published vectors and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import betabinom, binom, mannwhitneyu

from rightsizing.rollout.judge.peers.kayenta import high_runs, is_high, kayenta, shift_interval
from rightsizing.rollout.judge.peers.run import Streams
from rightsizing.rollout.judge.peers.sequential import (
    bernoulli,
    bernoulli_log_evidence,
    normal_mixture,
    sprt,
)
from rightsizing.rollout.judge.peers.thresholds import argo, flagger


def test_kayentas_interval_is_its_own_published_one() -> None:
    """Kayenta's suite: 10-40 against 1-4 at 95 % gives 6 to 39 around 22.5 (R's root search)."""
    interval = shift_interval(
        np.array([10.0, 20.0, 30.0, 40.0]), np.array([1.0, 2.0, 3.0, 4.0]), 0.95
    )
    assert interval.low == pytest.approx(6.0, abs=1e-3)
    assert interval.high == pytest.approx(39.0, abs=1e-3)
    # the estimate may be any root of a step: between the middle differences of 16
    assert 17.0 <= interval.estimate <= 27.0


def test_the_interval_inverts_the_rank_test() -> None:
    """At the lower end scipy's p-value is the tail's; just below it is smaller."""
    rng = np.random.default_rng(1)
    canary, baseline = rng.normal(1.0, 1, 60), rng.normal(0, 1, 50)
    low = shift_interval(canary, baseline).low
    inside = mannwhitneyu(canary - low - 1e-3, baseline, method="asymptotic").pvalue
    below = mannwhitneyu(canary - low + 1e-3, baseline, method="asymptotic").pvalue
    assert below < 0.02 <= inside + 2e-3


@pytest.mark.parametrize("shift", [0.0, 0.3, 1.0])
def test_many_runs_at_once_agree_with_one(shift: float) -> None:
    """60 comparisons of 30 points, by order statistics and by root search."""
    rng = np.random.default_rng(2)
    canary, baseline = rng.gamma(4, 1, (30, 60)) + shift, rng.gamma(4, 1, (30, 60))
    together = high_runs(canary, baseline)
    one_by_one = [is_high(canary[:, run], baseline[:, run]) for run in range(60)]
    assert np.mean(together == one_by_one) >= 0.98


def test_many_runs_agree_on_sparse_counts_too() -> None:
    """Two failures a minute among 400 requests: one value in seven is 0, and tied."""
    rng = np.random.default_rng(5)
    baseline = rng.poisson(2, (60, 60)) / rng.poisson(400, (60, 60))
    canary = rng.poisson(3.5, (60, 60)) / rng.poisson(400, (60, 60))
    one_by_one = [is_high(canary[:, run], baseline[:, run]) for run in range(60)]
    assert 0.1 < np.mean(one_by_one) < 0.98
    assert np.mean(high_runs(canary, baseline) == one_by_one) >= 0.95


def test_kayenta_passes_identical_data_and_skips_a_zero_baseline() -> None:
    """Equal values pass; a baseline mean of 0 leaves the ratio condition out."""
    flat = np.arange(10.0)
    assert not is_high(flat, flat[::-1])
    assert is_high(np.arange(1.0, 31.0), np.zeros(30))


def test_kayenta_is_asked_at_the_end_of_every_interval() -> None:
    """Ten times the errors fail at the first interval; equal arms pass at the last."""
    rng = np.random.default_rng(3)
    baseline = rng.gamma(10, 1, (60, 1))
    bad = kayenta(10 * rng.gamma(10, 1, (60, 1)), baseline, 20)
    same = kayenta(baseline, baseline, 20)
    assert (bad.rolled_back[0], bad.promoted[0]) == (20.0, np.inf)
    assert (same.rolled_back[0], same.promoted[0]) == (np.inf, 60.0)


def test_flagger_counts_failed_checks_not_in_a_row() -> None:
    """Fail, pass, fail, then nothing measured: the third failure is at look 4."""
    figure = np.array([[0.02], [0.0], [0.02], [np.nan], [0.0]])
    assert flagger(figure, 0.01, threshold=3).rolled_back[0] == 4.0
    assert flagger(figure, 0.01, threshold=4, steps=2).promoted[0] == 5.0


def test_argo_fails_past_its_limit_and_errs_after_five_in_a_row() -> None:
    """Defaults: one failure is too many; more than four errors in a row abort."""
    assert argo(np.array([[0.0], [0.02], [0.0]]), 0.01).rolled_back[0] == 2.0
    assert argo(np.array([[0.0], [0.02], [0.0]]), 0.01, 1).promoted[0] == 3.0
    assert argo(np.full((6, 1), np.nan), 0.01).rolled_back[0] == 5.0


def test_the_bernoulli_evidence_is_beta_binomial_over_binomial() -> None:
    """scipy: BetaBinomial(n, k theta, k (1 - theta)) over Binomial(n, theta)."""
    canary, baseline, share = np.array([7.0]), np.array([25.0]), 0.1
    expected = betabinom.logpmf(7, 32, 2.0, 18.0) - binom.logpmf(7, 32, 0.1)
    assert bernoulli_log_evidence(canary, baseline, share)[0] == pytest.approx(expected)


def _equal(runs: int, ratio: float = 1.0) -> Streams:
    rng = np.random.default_rng(4)
    requests = np.full((120, runs), 1000.0)
    return Streams(
        rng.poisson(10 * ratio, (120, runs)).astype(np.float64),
        requests,
        rng.poisson(10, (120, runs)).astype(np.float64),
        requests,
    )


def test_sequential_peers_hold_alpha_on_independent_streams() -> None:
    """600 runs: 5 % is 30, the 99.9 % bound 48; and all find a doubling."""
    bound = binom.ppf(0.999, 600, 0.05)
    for rule in (
        lambda s: sprt(s, 1.5, 0.05, 0.05),
        lambda s: bernoulli(s, 0.5, 0.05, 1.25),
        lambda s: normal_mixture(
            np.log((s.canary_events + 0.5) / (s.baseline_events + 0.5)),
            1 / (s.canary_events + 0.5) + 1 / (s.baseline_events + 0.5),
            0.05,
        ),
    ):
        assert np.isfinite(rule(_equal(600)).rolled_back).sum() <= bound
        assert np.isfinite(rule(_equal(50, 2.0)).rolled_back).all()


def test_sprt_is_walds_walk() -> None:
    """One look of 3 and 1 events at even odds: 3 log(2 theta) + log(2 (1 - theta)), theta 2/3."""
    streams = Streams(*(np.array([[value]]) for value in (3.0, 100.0, 1.0, 100.0)))
    step = 3 * np.log(4 / 3) + np.log(2 / 3)  # 0.458
    assert sprt(streams, 2.0, 0.65, 0.01).rolled_back[0] == 1.0  # log(0.99 / 0.65) = 0.42
    assert np.isinf(sprt(streams, 2.0, 0.6, 0.01).rolled_back[0])  # log(0.99 / 0.6) = 0.50
    assert 0.42 < step < 0.50
