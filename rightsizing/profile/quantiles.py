"""Quantiles of a histogram, and for how large a share of days the observed maxima vouch."""

from __future__ import annotations

import math
from collections.abc import Callable

from rightsizing.model.base import NoData
from rightsizing.profile.histograms import Histogram, samples_in


def quantile_rank(samples: int, quantile: float) -> int:
    """1-based rank of the q-quantile, the smallest j with j / n >= q. ``samples`` above zero."""
    return min(max(math.ceil(round(samples * quantile, 9)), 1), samples)


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
