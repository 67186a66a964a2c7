"""The CPU rule: buy cores while the next one costs less than the shortage it avoids.

For each workload the target is the level L that minimises

    L + price x value x P(demand > L)      subject to P(demand > L) <= risk

where ``P`` is the share of past intervals above L, each day weighing half of the day
``HALF_LIFE_DAYS`` after it, and ``value`` is the workload's mean use: a minute of shortage spoils
the work that a minute does. A workload that is busy all the time is therefore given room above
nearly all it ever used, while one with a rare tall burst is not sized for the burst, and the share
of time either may be short is bounded by the risk (newsvendor; L is a bin's upper edge, at most
the highest demand seen, plus the risk's margin).

Scaling every demand scales the targets. More risk never gives a larger target.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rightsizing.decide.risk import Risk
from rightsizing.model.cpudays import CpuDays, FloatArray, IntArray
from rightsizing.profile.histograms import CPU_BINS_PER_CAPACITY
from rightsizing.profile.rows import last_known

HALF_LIFE_DAYS = 14.0  # 7 to 28 days give the same cost at equal exceedance within 2 %
# Under a quarter of a core there is next to nothing to save, so safety is bought freely there.
LEAST_VALUE_CORES = 0.25
_TIE = 1e-12  # relative: equal objectives take the smaller level


@dataclass(frozen=True, slots=True, eq=False)
class CpuTargets:
    """What the rule says of W workloads; NaN where nothing was measured. Cores and shares."""

    target_cores: FloatArray  # (W,)
    lower_cores: FloatArray  # (W,) the target at a looser risk
    upper_cores: FloatArray  # (W,) the target at a tighter risk
    short_ratio: FloatArray  # (W,) weighted share of past intervals above the target
    peak_cores: FloatArray  # (W,) largest demand since the regime's start
    mean_cores: FloatArray  # (W,) weighted
    last_day_max_cores: FloatArray  # (W,) largest demand of the newest measured day


@dataclass(frozen=True, slots=True, eq=False)
class WeightedDemand:
    """Recency-weighted demand of W workloads: what levels there are, and what exceeds them."""

    level_cores: FloatArray  # (W, B) ascending; the highest is the peak
    above_ratio: FloatArray  # (W, B) share of weighted intervals above the level
    mean_cores: FloatArray  # (W,)
    peak_cores: FloatArray  # (W,)


def weigh(days: CpuDays, regime_start: IntArray | None = None) -> WeightedDemand:
    """Weighted histogram of each workload from day ``regime_start`` on (all days by default)."""
    rows, bins = len(days.capacity_cores), days.counts.shape[2]
    start = np.zeros(rows, dtype=np.int64) if regime_start is None else regime_start
    weighted = np.zeros((rows, bins))
    work, intervals = np.zeros(rows), np.zeros(rows)
    for day in range(days.days):  # one (W, B) array at a time: no copy of all the counts
        age = days.days - 1 - day
        weight = np.where(day >= start, 2.0 ** (-age / HALF_LIFE_DAYS), 0.0)
        weighted += weight[:, None] * days.counts[:, day]
        work += weight * days.sum_cores[:, day]
        intervals += weight * days.samples[:, day]
    total = weighted.sum(axis=1)
    counted = np.arange(days.days)[None, :] >= start[:, None]
    peak = np.where(counted & ~np.isnan(days.max_cores), days.max_cores, -np.inf).max(
        axis=1, initial=-np.inf
    )
    peak = np.where(total > 0, peak, np.nan)
    edges = np.arange(1, bins + 1) * days.capacity_cores[:, None] / CPU_BINS_PER_CAPACITY
    with np.errstate(invalid="ignore", divide="ignore"):
        above = 1.0 - np.cumsum(weighted, axis=1) / total[:, None]
        mean = np.where(intervals > 0, work / intervals, np.nan)
    level = np.minimum(edges, peak[:, None])
    # No sample lies above the peak, so what is left above it there is only rounding.
    above = np.where(level >= peak[:, None], 0.0, np.maximum(above, 0.0))
    return WeightedDemand(level, above, mean, peak)


def cpu_targets(days: CpuDays, risk: Risk, regime_start: IntArray | None = None) -> CpuTargets:
    """Targets of W workloads.

    Args:
        days: daily demand; column D - 1 is the newest day.
        risk: the largest share of time a workload may be short.
        regime_start: (W,) first day index whose demand still counts (an accepted change point).
    """
    return targets_of(weigh(days, regime_start), days, risk)


def targets_of(demand: WeightedDemand, days: CpuDays, risk: Risk) -> CpuTargets:
    """Targets from demand that was weighed before, which serves every risk."""
    target, short = _choose(demand, risk)
    return CpuTargets(
        target_cores=target,
        lower_cores=_choose(demand, risk.looser)[0],
        upper_cores=_choose(demand, risk.tighter)[0],
        short_ratio=short,
        peak_cores=demand.peak_cores,
        mean_cores=demand.mean_cores,
        last_day_max_cores=last_known(days.max_cores),
    )


def _choose(demand: WeightedDemand, risk: Risk) -> tuple[FloatArray, FloatArray]:
    value = np.maximum(demand.mean_cores, LEAST_VALUE_CORES)
    cost = demand.level_cores + risk.price * value[:, None] * demand.above_ratio
    allowed = demand.above_ratio <= risk.short_ratio
    cost = np.where(allowed, cost, np.inf)
    best = cost.min(axis=1, keepdims=True)
    chosen = np.argmax(cost <= best * (1 + _TIE), axis=1)
    rows = np.arange(len(chosen))
    known = ~np.isnan(demand.peak_cores)
    level = np.where(known, demand.level_cores[rows, chosen], np.nan)
    short = np.where(known, demand.above_ratio[rows, chosen], np.nan)
    return level * (1 + risk.margin_ratio), short
