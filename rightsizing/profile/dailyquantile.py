"""A quantile of each day's CPU: the level that changes, classes and trends are read from."""

from __future__ import annotations

import numpy as np

from rightsizing.model.cpudays import CpuDays, FloatArray
from rightsizing.profile.histograms import CPU_BINS_PER_CAPACITY

DAILY_QUANTILE = 0.95  # of a day's intervals: what is usual at its busy time


def daily_quantile(days: CpuDays, quantile: float = DAILY_QUANTILE) -> FloatArray:
    """(W, D) the quantile of each day's CPU, cores: the upper edge of its bin, at most the day's
    maximum; NaN where the day has no CPU sample of known capacity."""
    rows, columns, _bins = days.counts.shape
    found = np.full((rows, columns), np.nan)
    for day in range(columns):  # one (W, B) array at a time
        reached = np.cumsum(days.counts[:, day], axis=1, dtype=np.uint32)
        total = reached[:, -1]
        # The smallest bin that, with those below, holds the share; a billionth guards rounding.
        rank = np.maximum(np.ceil(total * quantile - 1e-9), 1)
        edge = np.argmax(reached >= rank[:, None], axis=1) + 1
        level = edge * days.capacity_cores / CPU_BINS_PER_CAPACITY
        found[:, day] = np.where(total > 0, np.fmin(level, days.max_cores[:, day]), np.nan)
    return found
