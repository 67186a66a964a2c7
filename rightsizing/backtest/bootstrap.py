"""Paired bootstrap over workloads, and Holm's correction for many comparisons.

A resample draws as many workloads as there are, with replacement, and takes all weeks of each, so
that weeks of one workload are never counted as independent. The same draws serve every rule, which
is what pairs them. (Efron and Tibshirani, An Introduction to the Bootstrap, 1993; Holm, A simple
sequentially rejective multiple test procedure, Scand. J. Statist. 6, 1979.)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import norm

from rightsizing.backtest.series import FloatArray

RESAMPLES = 2_000


def draw_counts(workloads: int, seed: int, resamples: int = RESAMPLES) -> FloatArray:
    """(resamples, workloads) how often each workload is drawn; rows add up to ``workloads``."""
    generator = np.random.default_rng(seed)
    shares = np.full(workloads, 1 / workloads)
    return generator.multinomial(workloads, shares, size=resamples).astype(np.float64)


def upper_bound(draws: FloatArray, confidence: float = 0.95) -> float:
    """One-sided upper bound: the percentile of the resampled figures."""
    return float(np.quantile(draws, confidence))


def p_at_least(log_ratio: float, log_draws: FloatArray, log_margin: float) -> float:
    """p-value of "the ratio is at least the margin", from the resampled log ratios.

    The larger of the share of resamples at or above the margin and the normal tail of the bootstrap
    standard error: the share alone cannot be below one in the number of resamples, which Holm's
    correction over many comparisons needs it to be.
    """
    share = float(np.mean(log_draws >= log_margin))
    spread = float(np.std(log_draws))
    if spread == 0:
        return 1.0 if log_ratio >= log_margin else 0.0
    return max(share, float(norm.cdf((log_ratio - log_margin) / spread)))


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Holm's adjusted p-values, in the order given."""
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return tuple(adjusted)
