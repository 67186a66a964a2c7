"""Evidence that grows look by look and may be read at any of them.

An e-process is a likelihood ratio against the edge of a null hypothesis: under the null its mean is
at most 1 at every stopping time, so it passes 1 / alpha with probability at most alpha however
often one looks (Ville's inequality). Two nulls are tested at once on the same looks:

    harm   "the canary is no worse" (ratio <= 1); rejected: roll back
    safe   "the canary is worse by the margin" (ratio >= margin); rejected: promote

Each is a mixture over fixed ratios, weighted before any data. For many ratios at once the same
likelihoods give a confidence sequence of the ratio.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from rightsizing.rollout.judge.likelihood import ArmNoise, FloatArray, RatioFilter

# Harm worth finding soon, and its weight: most on the margin's neighbourhood, where time is lost.
HARM_RATIOS = np.array([1.1, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0])
HARM_WEIGHTS = np.array([0.08, 0.26, 0.26, 0.20, 0.10, 0.07, 0.03])
# A good canary is as good as the baseline; a larger size may be better.
SAFE_RATIOS = np.array([1.0, 0.8, 0.5])
SAFE_WEIGHTS = np.array([0.7, 0.2, 0.1])
SEQUENCE_RATIOS = np.exp(np.linspace(np.log(1 / 16), np.log(16), 97))  # steps of 6 %


@dataclass(frozen=True, slots=True)
class EvidencePaths:
    """Natural logs of both e-values after each look, (looks, streams)."""

    harm: FloatArray
    safe: FloatArray


@dataclass(frozen=True, slots=True)
class RatioInterval:
    """Confidence sequence of the ratio at one look; an infinite end is beyond the grid."""

    estimate: float
    low: float
    high: float


def count_paths(
    canary: FloatArray,
    baseline: FloatArray,
    log_odds: FloatArray,
    noise: ArmNoise,
    margin: float,
    *,
    harm_only: bool = False,
) -> EvidencePaths:
    """Evidence from events of both arms, (looks, streams).

    ``log_odds`` is the log of canary exposure over baseline exposure in each look. Given n failing
    of N requests the split is hypergeometric, which the binomial dominates in convex order
    (Hoeffding 1963), so the test stays valid when failures are not rare.
    """

    def take(ratio: RatioFilter, look: int) -> None:
        ratio.count(canary[look], baseline[look], log_odds[look])

    return _paths(take, canary.shape, noise, margin, harm_only)


def gauge_paths(log_ratio: FloatArray, noise: ArmNoise, margin: float) -> EvidencePaths:
    """Evidence from a gauge: log of canary over baseline, (looks, streams); NaN: no data."""

    def take(ratio: RatioFilter, look: int) -> None:
        ratio.gauge(log_ratio[look])

    return _paths(take, log_ratio.shape, noise, margin, harm_only=False)


def rate_paths(events: FloatArray, exposure: FloatArray, limit: float) -> FloatArray:
    """Evidence that a rate is over an absolute ``limit`` (share of exposure), (looks, streams).

    The null is "at most the limit in every look", whatever it did before: no noise model enters. A
    rate that was good for hours must not have earned a credit by it, so the evidence is a mixture
    over the look s from which the rate is over, weighted 1 / (s (s + 1)) (Shin, Ramdas and Rinaldo,
    E-detectors, 2024); each of them is 1 until its look, so their mixture is an e-process too.
    """
    odds = limit / (1 - limit)
    # log likelihood ratio of one event, and of one unit of exposure, at each ratio of odds
    of_event = np.log(HARM_RATIOS)[:, None]
    of_exposure = (np.log1p(odds * HARM_RATIOS) - np.log1p(odds))[:, None]
    looks, streams = events.shape
    path = np.empty((looks, streams))
    begun = np.full((len(HARM_RATIOS), streams), -np.inf)
    for look in range(looks):
        number = look + 1
        begun = np.logaddexp(begun, -np.log(number * (number + 1)))
        begun = begun + events[look] * of_event - exposure[look] * of_exposure
        # what has not begun yet weighs 1 / (look + 1) in all
        path[look] = np.logaddexp(_mixture(begun, HARM_WEIGHTS), -np.log(number + 1))
    return path


def count_interval(
    canary: FloatArray, baseline: FloatArray, log_odds: FloatArray, noise: ArmNoise, alpha: float
) -> RatioInterval:
    """Confidence sequence at 1 - alpha after the last look of one stream, (looks,) each."""
    ratio = RatioFilter(SEQUENCE_RATIOS, noise, 1)
    for look in range(len(canary)):
        ratio.count(canary[look : look + 1], baseline[look : look + 1], log_odds[look : look + 1])
    return _interval(ratio.log_likelihood[:, 0], alpha)


def gauge_interval(log_ratio: FloatArray, noise: ArmNoise, alpha: float) -> RatioInterval:
    """As ``count_interval``, for a gauge."""
    ratio = RatioFilter(SEQUENCE_RATIOS, noise, 1)
    for look in range(len(log_ratio)):
        ratio.gauge(log_ratio[look : look + 1])
    return _interval(ratio.log_likelihood[:, 0], alpha)


def _interval(log_likelihood: FloatArray, alpha: float) -> RatioInterval:
    # every ratio against an even mixture of all of them; what is not rejected stays
    mixture = logsumexp(log_likelihood) - np.log(len(log_likelihood))
    kept = np.flatnonzero(mixture - log_likelihood < np.log(1 / alpha))
    first, last = int(kept[0]), int(kept[-1])
    return RatioInterval(
        estimate=float(SEQUENCE_RATIOS[int(np.argmax(log_likelihood))]),
        low=float(SEQUENCE_RATIOS[first]) if first > 0 else 0.0,
        high=float(SEQUENCE_RATIOS[last]) if last < len(SEQUENCE_RATIOS) - 1 else np.inf,
    )


def _paths(
    take: Callable[[RatioFilter, int], None],
    shape: tuple[int, ...],
    noise: ArmNoise,
    margin: float,
    harm_only: bool,
) -> EvidencePaths:
    looks, streams = shape
    nulls = np.array([1.0]) if harm_only else np.array([1.0, margin])
    better = SAFE_RATIOS[:0] if harm_only else SAFE_RATIOS[1:]  # 1.0 is the null of harm already
    ratio = RatioFilter(np.concatenate([nulls, HARM_RATIOS, better]), noise, streams)
    harm_rows = slice(len(nulls), len(nulls) + len(HARM_RATIOS))
    safe_rows = [0, *range(harm_rows.stop, harm_rows.stop + len(better))]
    harm = np.empty((looks, streams))
    safe = np.full((looks, streams), -np.inf)
    for look in range(looks):
        take(ratio, look)
        seen = ratio.log_likelihood
        harm[look] = _mixture(seen[harm_rows], HARM_WEIGHTS) - seen[0]
        if not harm_only:
            safe[look] = _mixture(seen[safe_rows], SAFE_WEIGHTS) - seen[1]
    return EvidencePaths(harm, safe)


def _mixture(log_likelihood: FloatArray, weights: FloatArray) -> FloatArray:
    mixed: FloatArray = logsumexp(log_likelihood, axis=0, b=weights[:, None])
    return mixed
