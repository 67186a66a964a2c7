"""Evidence that may be read at any look: validity, monotonicity, confidence sequences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from rightsizing.rollout.judge.calibration import simulate_ratio
from rightsizing.rollout.judge.eprocess import (
    HARM_WEIGHTS,
    SAFE_WEIGHTS,
    count_interval,
    count_paths,
    gauge_paths,
    rate_paths,
)
from rightsizing.rollout.judge.likelihood import ArmNoise, FloatArray, first_look

STEADY = ArmNoise(0.0, 0.0)
WANDERING = ArmNoise(0.15, 0.9, 0.02)
COUNTS = st.lists(st.integers(0, 40), min_size=6, max_size=6)


def _column(values: list[int]) -> FloatArray:
    return np.array(values, dtype=np.float64)[:, None]


def test_weights_are_distributions() -> None:
    """A mixture that sums to more than 1 would not be an e-value."""
    assert HARM_WEIGHTS.sum() == pytest.approx(1.0)
    assert SAFE_WEIGHTS.sum() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("ratio", "side"), [(1.0, "harm"), (0.8, "harm"), (1.25, "safe"), (2.0, "safe")]
)
def test_the_mean_under_the_null_is_at_most_one(ratio: float, side: str) -> None:
    """Summed over all splits of 30 events; exactly 1 at the null's edge, less inside it."""
    canary = np.arange(31.0)[None, :]
    odds = np.full(canary.shape, np.log(0.5))
    paths = count_paths(canary, 30 - canary, odds, STEADY, 1.25)
    evidence = np.exp(getattr(paths, side)[0])
    share = 0.5 * ratio / (1 + 0.5 * ratio)
    mean = float(binom.pmf(np.arange(31), 30, share) @ evidence)
    assert mean == pytest.approx(1.0) if ratio in {1.0, 1.25} else mean < 1


@pytest.mark.parametrize("noise", [STEADY, ArmNoise(0.15, 0.5), ArmNoise(0.15, 0.9)])
def test_false_alarms_and_wrong_promotions_stay_under_alpha(noise: ArmNoise) -> None:
    """800 watched runs of 120 looks; 5 % of 800 is 40, its 99.9 % binomial bound is 60."""
    rng = np.random.default_rng(7)
    shape = (120, 800)
    rate = 15 * np.exp(0.3 * rng.standard_normal((120, 1)))
    baseline = rng.poisson(rate, shape).astype(np.float64)
    for ratio, side, alpha in ((1.0, "harm", 0.05), (1.25, "safe", 0.05)):
        wander = simulate_ratio(noise, *shape, rng)
        canary = rng.poisson(rate * ratio * np.exp(wander)).astype(np.float64)
        paths = count_paths(canary, baseline, np.zeros(shape), noise, 1.25)
        crossed = np.isfinite(first_look(getattr(paths, side) >= np.log(1 / alpha))).sum()
        assert crossed <= binom.ppf(0.999, 800, alpha)


def test_a_gauge_with_heavy_tails_keeps_its_promise() -> None:
    """Student t with 3 degrees of freedom, fitted as scatter of the same spread."""
    rng = np.random.default_rng(8)
    log_ratio = 0.1 * (rng.standard_t(3, (120, 800)) - rng.standard_t(3, (120, 800)))
    # the variance of each t is 3, of the difference 6
    paths = gauge_paths(log_ratio, ArmNoise(0.0, 0.0, 0.1 * np.sqrt(6)), 1.25)
    assert (paths.harm.max(axis=0) >= np.log(20)).sum() <= binom.ppf(0.999, 800, 0.05)


@settings(max_examples=40, deadline=None)
@given(COUNTS, COUNTS, COUNTS, st.sampled_from([STEADY, WANDERING]))
def test_more_harm_is_never_safer(
    canary: list[int], baseline: list[int], more: list[int], noise: ArmNoise
) -> None:
    """Events added to the canary in any looks raise harm and lower safety at every look."""
    odds = np.zeros((6, 1))
    plain = count_paths(_column(canary), _column(baseline), odds, noise, 1.25)
    worse = _column([a + b for a, b in zip(canary, more, strict=True)])
    harmed = count_paths(worse, _column(baseline), odds, noise, 1.25)
    assert (harmed.harm >= plain.harm - 1e-9).all()
    assert (harmed.safe <= plain.safe + 1e-9).all()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(-2, 2), min_size=6, max_size=6),
    st.lists(st.floats(0, 3), min_size=6, max_size=6),
)
def test_a_slower_gauge_is_never_safer(values: list[float], more: list[float]) -> None:
    """The same for a gauge's log ratio."""
    noise = ArmNoise(0.2, 0.8, 0.1)
    plain = gauge_paths(np.array(values)[:, None], noise, 1.25)
    harmed = gauge_paths((np.array(values) + np.array(more))[:, None], noise, 1.25)
    assert (harmed.harm >= plain.harm - 1e-9).all()
    assert (harmed.safe <= plain.safe + 1e-9).all()


def test_an_absolute_rate_is_tested_whatever_the_traffic_did() -> None:
    """Rates that jump about under the limit: 400 runs, 5 % of 400 is 20, 99.9 % bound 35."""
    rng = np.random.default_rng(9)
    exposure = rng.integers(1, 400, (120, 400)).astype(np.float64)
    share = rng.uniform(0.0, 0.02, (120, 400))
    events = rng.binomial(exposure.astype(np.int64), share).astype(np.float64)
    crossed = (rate_paths(events, exposure, 0.02).max(axis=0) >= np.log(20)).sum()
    assert crossed <= binom.ppf(0.999, 400, 0.05)


def test_an_absolute_breach_is_found() -> None:
    """1,000 requests a look at 2 % against a limit of 1 %: certain within 10 looks."""
    events, exposure = np.full((10, 1), 20.0), np.full((10, 1), 1000.0)
    assert rate_paths(events, exposure, 0.01)[-1, 0] >= np.log(20)


def test_absolute_evidence_has_mean_one_at_the_limit() -> None:
    """Summed over all counts of three looks of 2, 3 and 2 requests at the limit itself: exactly 1.

    So it is an e-value; below the limit its mean is less.
    """
    sizes = np.array([2, 3, 2])
    cases = np.stack(np.meshgrid(*(np.arange(size + 1) for size in sizes)), -1).reshape(-1, 3).T
    exposure = np.broadcast_to(sizes[:, None], cases.shape).astype(np.float64)
    evidence = np.exp(rate_paths(cases.astype(np.float64), exposure, 0.2)[-1])
    means = [
        float((binom.pmf(cases, sizes[:, None], share).prod(axis=0) * evidence).sum())
        for share in (0.2, 0.1)
    ]
    assert means[0] == pytest.approx(1.0)
    assert means[1] < 1.0


def test_good_hours_are_no_credit_against_a_late_breach() -> None:
    """Four hours at 0.5 % of 800, a limit of 1 %, then 3 %: found within three looks.

    A look at 3 % weighs 24 ln 3 - 800 ln(1.02 / 1) = 10.6 at ratio 3; to have begun at look 241
    costs ln(241 x 242) = 11.0 and that ratio's weight ln 10 = 2.3; ln 20 = 3.0 are needed.
    """
    events = np.concatenate([np.full(240, 4.0), np.full(3, 24.0)])[:, None]
    path = rate_paths(events, np.full_like(events, 800.0), 0.01)
    assert (path[:240] < np.log(20)).all()
    assert path[-1, 0] >= np.log(20)


def test_the_confidence_sequence_covers_the_truth_at_every_look() -> None:
    """100 runs watched at 5 looks each; misses at any look: at most the 99.9 % bound of 5 %."""
    rng = np.random.default_rng(10)
    missed = 0
    for _ in range(100):
        canary = rng.poisson(30.0, 20).astype(np.float64)
        baseline = rng.poisson(20.0, 20).astype(np.float64)
        found = [
            count_interval(canary[:n], baseline[:n], np.zeros(n), STEADY, 0.05)
            for n in (1, 3, 6, 12, 20)
        ]
        missed += any(not item.low <= 1.5 <= item.high for item in found)
    assert missed <= binom.ppf(0.999, 100, 0.05)
    assert found[-1].high / found[-1].low < 2
