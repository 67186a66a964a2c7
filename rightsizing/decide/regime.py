"""From which day on a workload's CPU demand counts: after its last accepted change point.

A shift up is taken from the daily 95th percentile alone. A shift down must show in the daily maxima
too: a workload whose usual load fell while its peaks stayed still needs room for the peaks. Fewer
than seven days after a shift are not used alone: both sides stay in view until then.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rightsizing.model.cpudays import CpuDays, FloatArray, IntArray
from rightsizing.profile.changepoints import last_changes
from rightsizing.profile.histograms import CPU_BINS_PER_CAPACITY
from rightsizing.profile.rows import BoolArray

DAILY_QUANTILE = 0.95


@dataclass(frozen=True, slots=True, eq=False)
class Regime:
    """Where the present level of each of W workloads began."""

    start: IntArray  # (W,) first day index that counts; 0: all of history
    level_ratio: FloatArray  # (W,) level after over level before; 1.0 without a change
    pending: BoolArray  # (W,) the level moved too recently to be used alone


def cpu_regime(days: CpuDays) -> Regime:
    """The last accepted change of each workload's CPU demand."""
    usual = last_changes(daily_quantile(days, DAILY_QUANTILE))
    peaks = last_changes(days.max_cores)
    rose = usual.level_ratio > 1
    start = np.where(rose, usual.first_day, np.minimum(usual.first_day, peaks.first_day))
    return Regime(
        start=start,
        level_ratio=np.where(start > 0, usual.level_ratio, 1.0),
        pending=usual.pending | peaks.pending,
    )


def daily_quantile(days: CpuDays, quantile: float) -> FloatArray:
    """(W, D) upper edge of the bin of each day's quantile, at most its maximum, in cores.

    NaN where the day measured nothing.
    """
    rows, columns, _bins = days.counts.shape
    found = np.full((rows, columns), np.nan)
    for day in range(columns):  # one (W, B) array at a time
        reached = np.cumsum(days.counts[:, day], axis=1, dtype=np.uint32)
        total = reached[:, -1]
        rank = np.ceil(quantile * total)
        edge = np.argmax(reached >= rank[:, None], axis=1) + 1
        level = edge * days.capacity_cores / CPU_BINS_PER_CAPACITY
        found[:, day] = np.where(total > 0, np.fmin(level, days.max_cores[:, day]), np.nan)
    return found
