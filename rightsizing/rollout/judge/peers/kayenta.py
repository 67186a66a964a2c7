"""Kayenta's judge: Mann-Whitney on the arms' per-minute values, again and again without correction.

High when the lower end of the 98 % interval of the Hodges-Lehmann shift is over a quarter of the
shift's estimate and the ratio of means is at least the allowed increase (1.0); a baseline mean of 0
skips the second condition. The interval is R's ``wilcox.test`` with continuity correction:
the shift at which the standardised rank sum passes the normal quantile. Source: Kayenta
``MannWhitneyClassifier`` and ``MannWhitney``, re-implemented from their description.

The score of one metric is 100 or 0, so pass and marginal thresholds do not matter here: a failed
interval fails the canary at once, the last interval has to pass.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm, rankdata

from rightsizing.rollout.judge.likelihood import FloatArray
from rightsizing.rollout.judge.peers.run import Answer

CONFIDENCE = 0.98
TOLERANCE = 0.25
ALLOWED_RATIO = 1.0
SHIFT_PRECISION = 1e-4  # of the root search


@dataclass(frozen=True, slots=True)
class ShiftInterval:
    """Hodges-Lehmann shift of the canary over the baseline, with its confidence interval."""

    low: float
    estimate: float
    high: float


def shift_interval(
    canary: FloatArray, baseline: FloatArray, confidence: float = CONFIDENCE
) -> ShiftInterval:
    """The interval of one comparison, by root search as in Kayenta and R, ties included.

    Raises ValueError when all observations are tied.
    """
    lowest = float(canary.min() - baseline.max())
    highest = float(canary.max() - baseline.min())

    def standardised(shift: float, quantile: float) -> float:
        return _rank_sum(canary, baseline, shift) - quantile

    def root(quantile: float) -> float:
        if standardised(lowest, quantile) <= 0:
            return lowest
        if standardised(highest, quantile) >= 0:
            return highest
        found = brentq(standardised, lowest, highest, args=(quantile,), xtol=SHIFT_PRECISION)
        return float(found)

    quantile = float(norm.isf((1 - confidence) / 2))
    return ShiftInterval(low=root(quantile), estimate=root(0.0), high=root(-quantile))


def is_high(canary: FloatArray, baseline: FloatArray) -> bool:
    """Kayenta's classification of one metric where an increase is bad."""
    if np.array_equal(np.sort(canary), np.sort(baseline)):
        return False
    interval = shift_interval(canary, baseline)
    mean = float(baseline.mean())
    enough = mean == 0 or float(canary.mean()) / mean >= ALLOWED_RATIO
    return interval.low > TOLERANCE * abs(interval.estimate) and enough


def high_runs(canary: FloatArray, baseline: FloatArray) -> np.ndarray:
    """As ``is_high`` for many runs at once, (points, runs) each.

    The root is found among the ordered pairwise differences, where the rank sum steps: with n
    points an arm, the k-th largest with k the least whole number of at least
    n^2 / 2 + 1/2 + z n sqrt((2 n + 1) / 12). Without the correction for ties, which few values
    share here.
    """
    points, runs = canary.shape
    pairs = points * points
    differences = (canary.T[:, :, None] - baseline.T[:, None, :]).reshape(runs, pairs)
    deviation = np.sqrt(pairs / 12 * (2 * points + 1))
    above = pairs / 2 + 0.5 + float(norm.isf((1 - CONFIDENCE) / 2)) * deviation
    rank = pairs - int(np.ceil(above))
    middle = (pairs - 1) // 2, pairs // 2
    wanted = sorted({max(rank, 0), *middle})
    part = np.partition(differences, wanted, axis=1)
    estimate = (part[:, middle[0]] + part[:, middle[1]]) / 2
    low = part[:, max(rank, 0)]
    mean = baseline.mean(axis=0)
    enough = (mean == 0) | (canary.mean(axis=0) >= ALLOWED_RATIO * mean)
    same = (np.sort(canary, axis=0) == np.sort(baseline, axis=0)).all(axis=0)
    high: np.ndarray = (low > TOLERANCE * np.abs(estimate)) & enough & ~same
    return high


def kayenta(canary: FloatArray, baseline: FloatArray, interval_looks: int) -> Answer:
    """Judge all values so far at the end of every interval; (looks, runs) per-minute values."""
    looks, runs = canary.shape
    failed = np.full(runs, np.inf)
    passed_last = np.zeros(runs, dtype=bool)
    for end in range(interval_looks, looks + 1, interval_looks):
        high = high_runs(canary[:end], baseline[:end])
        failed = np.where(high & np.isinf(failed), end, failed)
        passed_last = ~high
    promoted = np.where(passed_last & np.isinf(failed), float(looks), np.inf)
    return Answer(rolled_back=failed, promoted=promoted)


def _rank_sum(canary: FloatArray, baseline: FloatArray, shift: float) -> float:
    n, m = len(canary), len(baseline)
    ranks = rankdata(np.concatenate([canary - shift, baseline]))
    excess = float(ranks[:n].sum()) - n * (n + 1) / 2 - n * m / 2
    _, ties = np.unique(ranks, return_counts=True)
    tied = float((ties.astype(np.float64) ** 3 - ties).sum()) / ((n + m) * (n + m - 1))
    variance = n * m / 12 * ((n + m + 1) - tied)
    if variance == 0:
        raise ValueError("every observation of both arms is the same; there is no interval")
    return float((excess - np.sign(excess) * 0.5) / np.sqrt(variance))
