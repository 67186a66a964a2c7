"""Order statistics the peers share: quantiles without interpolation and maxima of blocks of time.

Where a peer does not publish how its percentile is read, it is the smallest measured value that at
least the stated share of the measurements does not exceed: a limit there is kept by that share.
"""

from __future__ import annotations

import math

import numpy as np

from rightsizing.backtest.series import FloatArray
from rightsizing.profile.quantiles import quantile_rank


def quantile_of(values: FloatArray, quantile: float) -> float:
    """Smallest of ``values`` (no NaN, not empty) that a share of ``quantile`` does not exceed."""
    rank = quantile_rank(len(values), quantile)
    return float(np.partition(values, rank - 1)[rank - 1])


def weighted_quantile_of(values: FloatArray, weights: FloatArray, quantile: float) -> float:
    """Smallest of ``values`` whose weight at or below is at least ``quantile`` of all weight.

    Values hold no NaN and are not empty; weights are positive.
    """
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    # A share that is met exactly must not be missed by the rounding of the sum.
    index = int(np.searchsorted(reached, quantile * reached[-1] * (1 - 1e-12)))
    return float(values[order[min(index, len(values) - 1)]])


def block_maxima(values: FloatArray, per_block: int) -> FloatArray:
    """Maximum of each block of ``per_block`` values in a row, NaN where a block has none.

    A last block that is not whole counts as a block.
    """
    blocks = math.ceil(len(values) / per_block)
    padded = np.full(blocks * per_block, -np.inf)
    padded[: len(values)] = np.where(np.isnan(values), -np.inf, values)
    highest = padded.reshape(blocks, per_block).max(axis=1)
    return np.where(np.isneginf(highest), np.nan, highest)


def without_nan(values: FloatArray) -> FloatArray:
    """The measured ones of ``values``, in their order."""
    return values[~np.isnan(values)]
