"""How many minutes of a month CPU demand will exceed a size, with an interval from day blocks.

The rate is counted on the profile's daily tails. Its interval is a bootstrap over whole days, as
the samples of a day resemble each other: months are drawn from days drawn from those that were
seen. That cannot show what no day showed, so worse days come on top of the upper end: of all days
a share of 1 - 0.05 ** (1 / days) may exceed everything seen (95 %), each for as long as the busiest
day spent in the pooled top half percent. That last step is our choice; nothing measured supports a
figure there.

Nominally 95 %. Simulated (sizes at the P95 to P99.5 of four weeks, 200 runs each), the next month
falls inside in 92 % of runs when days vary by a tenth, and in 74 to 94 % when they vary by a third
and more: rare busy days cannot be predicted from four weeks.
"""

from __future__ import annotations

import numpy as np

from rightsizing.model.base import NoData
from rightsizing.model.profile import CpuProfile, Profile
from rightsizing.model.recommendation import Exceedance
from rightsizing.profile.histograms import above, cpu_upper_edge, samples_in
from rightsizing.profile.quantiles import covered_day_share, quantile_rank, value_at_rank
from rightsizing.units import MINUTES_PER_MONTH

CONFIDENCE = 0.95
RESAMPLES = 1000
MINIMUM_DAYS = 7  # fewer blocks make an interval meaningless
TOP_SHARE_QUANTILE = 0.995
MINUTES_PER_DAY = 24 * 60


def predict_exceedance(profile: Profile, capacity_cores: float, seed: int) -> Exceedance | NoData:
    """Minutes of 730 hours in which CPU demand exceeds ``capacity_cores``.

    NoData when CPU was not measured, when fewer than MINIMUM_DAYS days were, or when the capacity
    lies below the tail that is kept by day (the answer would then be: most of the time).
    """
    cpu = profile.cpu
    if isinstance(cpu, NoData):
        return cpu
    days = len(cpu.daily_tail)
    if days < MINIMUM_DAYS:
        return NoData(f"{days} days are too few to predict from; {MINIMUM_DAYS} are needed")
    lowest = min((tail[0][0] for tail in cpu.daily_tail if tail), default=0)
    if capacity_cores < cpu_upper_edge(lowest - 1, cpu.capacity_cores):
        return NoData(
            f"{capacity_cores:g} cores are below the 95th percentile of demand: "
            f"exceeded most of the time"
        )
    minutes_per_sample = MINUTES_PER_MONTH / cpu.samples
    days_a_month = round(MINUTES_PER_MONTH / MINUTES_PER_DAY)
    exceeding = _exceeding_by_day(cpu, capacity_cores)
    generator = np.random.default_rng(seed)
    # Twice: other days might have been measured, and the month ahead is yet another draw of them.
    measured = generator.integers(0, days, size=(RESAMPLES, days))
    ahead = generator.integers(0, days, size=(RESAMPLES, days_a_month))
    drawn = np.take_along_axis(measured, ahead, axis=1)
    totals = exceeding[drawn].mean(axis=1) * days * minutes_per_sample
    tail = (1 - CONFIDENCE) / 2
    lower, upper = (float(edge) for edge in np.quantile(totals, [tail, 1 - tail]))
    return Exceedance(
        minutes_per_month=float(exceeding.sum() * minutes_per_sample),
        lower=lower,
        upper=upper + _unseen_minutes(cpu, days),
        confidence=CONFIDENCE,
    )


def _exceeding_by_day(cpu: CpuProfile, cores: float) -> np.ndarray:
    """Samples above ``cores`` on each day; shape (days,), integers."""
    if cores >= cpu.peak_cores:  # the peak's bin reaches above it; nothing was seen there
        return np.zeros(len(cpu.daily_tail), dtype=np.int64)
    return np.array([above(tail, cpu.capacity_cores, cores) for tail in cpu.daily_tail])


def _unseen_minutes(cpu: CpuProfile, days: int) -> float:
    rank = quantile_rank(cpu.samples, TOP_SHARE_QUANTILE)
    top = value_at_rank(
        cpu.histogram, rank, lambda bin_index: cpu_upper_edge(bin_index, cpu.capacity_cores)
    )
    busiest = max(above(tail, cpu.capacity_cores, top) for tail in cpu.daily_tail)
    samples_a_day = samples_in(cpu.histogram) / days
    unseen_minutes = (1 - covered_day_share(days, CONFIDENCE)) * MINUTES_PER_MONTH
    return unseen_minutes * busiest / samples_a_day
