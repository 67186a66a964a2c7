"""Quantiles of a histogram and their distribution-free upper confidence limits.

For n independent samples the j-th smallest is an upper limit of the p-quantile with confidence c,
where j = BinomInv(c; n, p) + 1 (order statistics; e.g. David and Nagaraja, Order Statistics, 7.1):

    n = 4,032 (14 days at 5 minutes)   p .95 -> #3,854   p .99 -> #4,003   p .995 -> #4,020

Samples of one day resemble each other, so the limit is never read alone: ``covered_day_share``
says how large a share of days the observed maxima vouch for.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from scipy.special import bdtr, bdtrik

from rightsizing.model.base import NoData
from rightsizing.profile.histograms import Histogram, samples_in


def quantile_rank(samples: int, quantile: float) -> int:
    """1-based rank of the q-quantile, the smallest j with j / n >= q. ``samples`` above zero."""
    return min(max(math.ceil(round(samples * quantile, 9)), 1), samples)


def upper_limit_rank(samples: int, quantile: float, confidence: float) -> int | NoData:
    """1-based rank of the order statistic that bounds the quantile from above.

    NoData when even the largest of the samples does not: ``1 - quantile ** samples < confidence``.
    """
    if samples == 0:
        return NoData("no samples")
    rank = _binomial_quantile(confidence, samples, quantile) + 1
    if rank > samples:
        needed = math.ceil(math.log(1 - confidence) / math.log(quantile))
        return NoData(
            f"{samples} samples cannot bound the {quantile:.1%} quantile with {confidence:.0%} "
            f"confidence; {needed} are needed"
        )
    return rank


def _binomial_quantile(confidence: float, trials: int, chance: float) -> int:
    """Smallest k with P(X <= k) >= confidence; ``scipy.stats`` has it, but is slow to import."""
    found = max(math.ceil(float(bdtrik(confidence, trials, chance))), 0)
    while found > 0 and bdtr(found - 1, trials, chance) >= confidence:
        found -= 1
    while bdtr(found, trials, chance) < confidence:
        found += 1
    return found


def value_at_rank(histogram: Histogram, rank: int, upper_edge: Callable[[int], float]) -> float:
    """Upper edge of the bin that holds the rank-th smallest sample (rank from 1)."""
    seen = 0
    for bin_index, count in histogram:
        seen += count
        if seen >= rank:
            return upper_edge(bin_index)
    raise ValueError(f"rank {rank} is beyond the {seen} samples of the histogram")


def quantile_of(
    histogram: Histogram, quantile: float, upper_edge: Callable[[int], float]
) -> float | NoData:
    """The q-quantile, read at the upper edge of its bin."""
    samples = samples_in(histogram)
    if samples == 0:
        return NoData("no samples")
    return value_at_rank(histogram, quantile_rank(samples, quantile), upper_edge)


def covered_day_share(days: int, confidence: float) -> float:
    """Share of days that, with this confidence, do not exceed the largest of the daily maxima.

    ``(1 - confidence) ** (1 / days)``: at 95 % 7 days give .652, 14 .807, 32 .911, 93 .968; no days
    give 0.
    """
    return 0.0 if days <= 0 else float((1 - confidence) ** (1 / days))
