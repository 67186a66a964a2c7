"""From which day on a workload's CPU demand counts: after its last accepted change point.

A shift up is taken from the daily 95th percentile alone. A shift down must show in the daily maxima
too: a workload whose usual load fell while its peaks stayed still needs room for the peaks. Fewer
than seven days after a shift up, or fourteen after a shift down, are not used alone: both sides
stay in view until then. A quiet week often ends, and what came before is the only sign of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rightsizing.model.cpudays import CpuDays, FloatArray, IntArray
from rightsizing.profile.changepoints import last_changes
from rightsizing.profile.dailyquantile import daily_quantile
from rightsizing.profile.rows import BoolArray

# Days of a lower level before higher ones are forgotten: what most peers look back. 7 to 28 give
# the same cost within 0.2 % on the development half of the back-test's machines.
FALL_DAYS = 14


@dataclass(frozen=True, slots=True, eq=False)
class Regime:
    """Where the present level of each of W workloads began."""

    start: IntArray  # (W,) first day index that counts; 0: all of history
    level_ratio: FloatArray  # (W,) level after over level before; 1.0 without a change
    pending: BoolArray  # (W,) the level moved too recently to be used alone


def cpu_regime(days: CpuDays) -> Regime:
    """The last accepted change of each workload's CPU demand."""
    usual = last_changes(daily_quantile(days))
    peaks = last_changes(days.max_cores)
    rose = usual.level_ratio > 1
    fell_from = np.minimum(usual.first_day, peaks.first_day)
    has_lasted = days.days - fell_from >= FALL_DAYS
    start = np.where(rose, usual.first_day, np.where(has_lasted, fell_from, 0))
    return Regime(
        start=start,
        level_ratio=np.where(start > 0, usual.level_ratio, 1.0),
        pending=usual.pending | peaks.pending,
    )
