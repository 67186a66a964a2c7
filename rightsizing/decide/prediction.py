"""Predicted shortage: how long demand will exceed a CPU limit next week, as a distribution.

The past is cut into weeks (circular windows of seven days, each day weighing half of the day
``HALF_LIFE_DAYS`` after it). If weeks were exchangeable, the coming one would be worse than all of
them with probability ``7 / (weighted days + 7)``, whatever the process: the weighted conformal rule
of Barber, Candes, Ramdas and Tibshirani (Conformal prediction beyond exchangeability, Annals of
Statistics 51, 2023). With that probability the prediction is a worse week: the odds of the
``WORST_SHARE`` quantile of those seen times a Pareto factor, plus a Pareto number of intervals, so
that it can start from nothing; otherwise it is one of the weeks seen. Above the highest demand seen
the probability of a record falls with the limit.

A limit chosen on the same days needs no correction: one that was just not exceeded is exceeded
with the probability of a record. Nothing but weights is fitted to a workload. The constants are
properties of records, read off half of 143 Bitbrains virtual machines (keys that hash to an even
number; 5-minute intervals, so that coarser ones are predicted too high, their bounds kept).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rightsizing.model.cpudays import CpuDays, FloatArray, IntArray
from rightsizing.profile.histograms import CPU_BINS_PER_CAPACITY
from rightsizing.profile.rows import BoolArray, in_blocks
from rightsizing.units import MINUTES_PER_MONTH

MINIMUM_DAYS = 7  # measured days of which at least half of the intervals are there
CONFIDENCE = 0.9
HALF_LIFE_DAYS = 14.0
WORST_SHARE = 0.9  # the week that a worse one is measured by: the worst but for old outliers
RATIO_EXPONENT = 1.6  # P(odds of a record week > r x worst seen) = r ** -1.6
INTERVALS_EXPONENT = 0.8  # P(first shortage > n intervals) = n ** -0.8
# P(record above r x the highest demand | record): half are near misses, half are of another kind.
NEAR_EXPONENT, FAR_EXPONENT = 17.0, 1.4
# Share of a worse week's excess over the weeks seen that is left when limits are raised next day.
RAISED_SHARE = 0.6
_RECORDS = 32  # atoms of equal weight that stand for the worse weeks
_WEEK_DAYS = 7
_FULL_DAY = 0.5  # share of the fullest day's intervals that makes a day count
_LEAST_PEAK = 0.01  # of capacity: below, one interval's use says nothing of the next week's peak


@dataclass(frozen=True, slots=True, eq=False)
class ShortagePrediction:
    """Shortage of W workloads in the coming week, as minutes of ``horizon_minutes`` at its rate.

    NaN where fewer than MINIMUM_DAYS days were measured, capacity is unknown or the limit is NaN.
    """

    mean_minutes: FloatArray  # (W,)
    lower_minutes: FloatArray  # (W,) exceeded with probability ``confidence``
    upper_minutes: FloatArray  # (W,) not exceeded with probability ``confidence``
    draw_minutes: FloatArray  # (W, S) quantiles at (s + 1/2) / S of the distribution, ascending
    horizon_minutes: float
    confidence: float


@dataclass(frozen=True, slots=True, eq=False)
class _Mixture:
    """Atoms of W distributions over the share of the week's intervals, ascending."""

    ratio: FloatArray  # (W, A)
    cumulative: FloatArray  # (W, A) probability of at most this atom
    mean: FloatArray  # (W,)

    def quantile(self, probability: float) -> FloatArray:
        """(W,) smallest atom that at least this probability does not exceed."""
        reached = self.cumulative >= probability - 1e-9
        found: FloatArray = self.ratio[np.arange(len(self.ratio)), reached.argmax(axis=1)]
        return found


def predict_shortage(
    days: CpuDays,
    limits_cores: FloatArray,
    *,
    regime_start: IntArray | None = None,
    horizon_minutes: float = MINUTES_PER_MONTH,
    confidence: float = CONFIDENCE,
    raised_daily: bool = False,
    draws: int = 0,
) -> ShortagePrediction:
    """Predict the shortage of each workload at its limit in the seven days after the last column.

    Args:
        days: daily demand; of a table by ``profile.daytable.cpu_days_of``.
        limits_cores: (W,) limits in cores.
        regime_start: (W,) first day index whose demand still counts (an accepted change point).
        horizon_minutes: what the rate is stated for; the distribution is the week's all the same.
        confidence: of each of the two bounds.
        raised_daily: an exceeded limit is raised the day after, not held all week.
        draws: S, how many quantiles of the distribution to return.

    A higher limit never predicts more.
    """
    rows = len(days.capacity_cores)
    if limits_cores.shape != (rows,):
        raise ValueError(f"{rows} limits are needed, found {limits_cores.shape}")
    start = np.zeros(rows, dtype=np.int64) if regime_start is None else regime_start
    mean, lower, upper = (np.full(rows, np.nan) for _ in range(3))
    drawn = np.full((rows, draws), np.nan)
    for block in in_blocks(rows, days.counts.shape[2] + 8 * (days.days + _RECORDS)):
        limit = limits_cores[block]
        samples = _counted(days.samples[block], start[block])
        full = samples >= _FULL_DAY * np.maximum(samples.max(axis=1, initial=1), 1)[:, None]
        known = np.isfinite(limit) & (days.capacity_cores[block] > 0)
        known &= full.sum(axis=1) >= MINIMUM_DAYS
        if not known.any():
            continue
        chosen = block.start + np.flatnonzero(known)
        share = RAISED_SHARE if raised_daily else 1.0
        found = _mixture(days, chosen, limit[known], samples[known], full[known], worse_share=share)
        mean[chosen] = found.mean
        lower[chosen] = found.quantile(1 - confidence)
        upper[chosen] = found.quantile(confidence)
        for index in range(draws):
            drawn[chosen, index] = found.quantile((index + 0.5) / draws)
    return ShortagePrediction(
        mean_minutes=mean * horizon_minutes,
        lower_minutes=lower * horizon_minutes,
        upper_minutes=upper * horizon_minutes,
        draw_minutes=drawn * horizon_minutes,
        horizon_minutes=horizon_minutes,
        confidence=confidence,
    )


def _counted(samples: IntArray, start: IntArray) -> IntArray:
    """Intervals by day, 0 before the regime's start."""
    columns = np.arange(samples.shape[1])
    return np.where(columns[None, :] >= start[:, None], samples, 0)


def _mixture(
    days: CpuDays,
    chosen: IntArray,
    limit: FloatArray,
    samples: IntArray,
    full: BoolArray,
    *,
    worse_share: float,
) -> _Mixture:
    """The distribution of the coming week, one row for each of the workloads ``chosen``."""
    capacity = days.capacity_cores[chosen]
    highest_by_day = np.where(samples > 0, np.nan_to_num(days.max_cores[chosen]), 0.0)
    above = _above(days, chosen, limit, highest_by_day) * (samples > 0)
    weight = 2.0 ** (-np.arange(days.days)[::-1] / HALF_LIFE_DAYS)
    seen, seen_weight = _weeks(above, samples, weight)
    interval = 1.0 / (_WEEK_DAYS * samples.max(axis=1))
    record = _record_probability(
        limit, highest_by_day.max(axis=1), capacity, (full * weight).sum(axis=1)
    )
    order = np.argsort(seen, axis=1, kind="stable")
    body = _Mixture(
        np.take_along_axis(seen, order, axis=1),
        np.cumsum(np.take_along_axis(seen_weight, order, axis=1), axis=1),
        np.zeros(0),
    )
    worst = body.quantile(WORST_SHARE)
    worse = _worse_weeks(worst, interval)
    worse = worst[:, None] + worse_share * (worse - worst[:, None])
    ratio = np.concatenate((seen, worse), axis=1)
    # Shortage comes in whole intervals; a tie with what follows is then a tie.
    ratio = np.minimum(np.round(ratio / interval[:, None]) * interval[:, None], 1.0)
    each = np.repeat(record[:, None] / _RECORDS, _RECORDS, axis=1)
    probability = np.concatenate((seen_weight * (1 - record)[:, None], each), axis=1)
    order = np.argsort(ratio, axis=1, kind="stable")
    ratio = np.take_along_axis(ratio, order, axis=1)
    probability = np.take_along_axis(probability, order, axis=1)
    return _Mixture(ratio, np.cumsum(probability, axis=1), (ratio * probability).sum(axis=1))


def _above(days: CpuDays, chosen: IntArray, limit: FloatArray, highest: FloatArray) -> FloatArray:
    """(W, D) intervals above the limit by day; within the limit's bin by linear interpolation.

    At least one where the day's highest demand is above the limit, none where it is not; and, as
    idle workloads crowd at the lower end of the first bin, no more than Markov's mean over limit.
    """
    bins = days.counts.shape[2]
    width = days.capacity_cores[chosen] / CPU_BINS_PER_CAPACITY
    position = np.round(np.maximum(limit, 0.0) / width, 9)  # an edge, but for rounding, is an edge
    index = np.maximum(np.ceil(position) - 1, 0).astype(np.int64)
    beyond = (np.arange(bins)[None, :] > index[:, None])[:, None, :]
    own = np.minimum(index, bins - 1)[:, None, None]
    top = np.minimum(index[:, None] + 1.0, highest / width[:, None])
    part = (top - position[:, None]) / np.maximum(top - index[:, None], 1e-9)
    part = np.where(index[:, None] < bins, np.clip(part, 0.0, 1.0), 0.0)
    at_most = days.sum_cores[chosen] / np.maximum(limit, 1e-12)[:, None]
    above = np.zeros(highest.shape)
    for some in in_blocks(highest.shape[1], bins * len(chosen)):  # no copy of all the counts
        counts = days.counts[chosen, some]
        more = np.where(beyond, counts, 0).sum(axis=2)
        in_bin = np.take_along_axis(counts, own, axis=2)[:, :, 0] * part[:, some]
        above[:, some] = more + np.minimum(in_bin, np.maximum(at_most[:, some] - more, 0.0))
    exceeded = highest > limit[:, None]
    return np.where(exceeded, np.maximum(above, 1.0), 0.0)


def _weeks(
    above: FloatArray, samples: IntArray, weight: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """(W, D) share of intervals above the limit and weight of each circular week; weights sum to 1.

    Circular, so that the first and the last day are in as many weeks as any other.
    """
    seen = _circular_sum(samples.astype(np.float64))
    share = _circular_sum(above) / np.maximum(seen, 1.0)
    heavy = np.where(seen > 0, _circular_sum(samples * weight), 0.0)
    return share, heavy / heavy.sum(axis=1, keepdims=True)


def _circular_sum(values: FloatArray) -> FloatArray:
    """Sums over seven columns from each column on, the first column following the last."""
    days = values.shape[1]
    total = np.zeros_like(values)
    for ahead in range(_WEEK_DAYS):
        total += np.roll(values, -ahead, axis=1) if ahead % days else values
    return total


def _record_probability(
    limit: FloatArray, highest: FloatArray, capacity: FloatArray, weighted_days: FloatArray
) -> FloatArray:
    """(W,) probability that the coming week is worse than all seen, at this limit.

    Nothing above capacity can be measured, unless it was (turbo): there it is 0.
    """
    record = _WEEK_DAYS / (weighted_days + _WEEK_DAYS)
    room = np.maximum(limit / np.maximum(highest, _LEAST_PEAK * capacity), 1.0)
    reached = 0.5 * room**-NEAR_EXPONENT + 0.5 * room**-FAR_EXPONENT
    unreachable = (limit >= capacity) & (highest <= capacity)
    return np.where(unreachable, 0.0, record * reached)


def _worse_weeks(worst: FloatArray, interval: FloatArray) -> FloatArray:
    """(W, _RECORDS) shares of equal weight that stand for weeks worse than ``worst``."""
    survival = (np.arange(_RECORDS) + 0.5) / _RECORDS
    odds = worst / np.maximum(1.0 - worst, 1e-9)
    grown = odds[:, None] * survival[None, :] ** (-1 / RATIO_EXPONENT)
    extra = survival[None, :] ** (-1 / INTERVALS_EXPONENT)
    # From nothing the first interval is the whole of it; on top of some it is one more.
    already = np.minimum(worst / interval, 1.0)
    share = grown / (1.0 + grown) + interval[:, None] * (extra - already[:, None])
    return np.minimum(share, 1.0)
