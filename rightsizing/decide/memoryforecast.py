"""How likely the largest memory use of the coming week passes a given size.

Two sources, weighed by how much each has to say. The workload's own past weeks: the share of them,
recent ones counting more, whose peak was higher. And what workloads in general do, as
``PRIOR_WEEKS`` weeks of further evidence: next week's peak passes the recent peak by a factor whose
excess has two exponential parts, everyday variation, smaller for a workload that is steady, and
jumps (a new release, a restart, a batch), which no steadiness rules out. Both are moved up by a
week's growth where the last 14 days grew beyond noise.

The constants are fits to daily peaks of half of the Bitbrains virtual machines (those whose key
hashes to an even number). On the other half, where the rule's limits were predicted to fail in
16, 10 and 7 % of weeks, 16, 11 and 7 % failed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rightsizing.profile.rows import FloatArray, IntArray
from rightsizing.profile.trend import trends_of

DAYS_PER_WEEK = 7
HALF_LIFE_DAYS = 56.0
PRIOR_WEEKS = 4.0
# An own week's peak stands for peaks near it: a Laplace kernel of this scale on the log axis, half
# of it above, so that the peak itself is passed half the time.
KERNEL_SCALE = 0.05
# Standard deviation of log daily peaks below which everyday variation shrinks in proportion.
STEADY_DEVIATION = 0.10
LEAST_SCALE = 0.1
LOOKBACK_DAYS = 14
MOST_GROWTH = 0.5  # a trend is not believed to add more than 65 % in a week
_RECENT_DAYS = 3
_DAYS_OF_A_WEEK = 4  # measured days from which a week has a peak of its own


@dataclass(frozen=True, slots=True)
class _Excess:
    """``P(log(next week's peak / recent peak) > x) = everyday exp(-x/a) + jumps exp(-x/b)``."""

    everyday: float
    everyday_scale: float
    jumps: float
    jump_scale: float

    def above(self, excess: FloatArray, scale: FloatArray) -> FloatArray:
        everyday_scale = self.everyday_scale * scale
        x = np.maximum(excess, 0.0)
        over = self.everyday * np.exp(-x / everyday_scale) + self.jumps * np.exp(
            -x / self.jump_scale
        )
        # Only growth brings the recent peak above a size: then it is passed the more surely.
        under = 1.0 - (1.0 - self.everyday - self.jumps) * np.exp(
            np.minimum(excess, 0.0) / everyday_scale
        )
        probability: FloatArray = np.where(excess < 0, under, over)
        return probability


_OVER_14_DAYS = _Excess(0.27, 0.08, 0.11, 0.85)
_OVER_3_DAYS = _Excess(0.335, 0.134, 0.385, 0.529)


@dataclass(frozen=True, slots=True, eq=False)
class MemoryForecast:
    """The coming week's peak of W workloads; NaN where nothing was measured."""

    peak_bytes: FloatArray  # (W,) largest use of the lookback: no size is ever below it
    recent_bytes: FloatArray  # (W,) largest use of the last three days, else of the lookback
    measured_days: IntArray  # (W,) that count
    scale: FloatArray  # (W,) of everyday variation, 0.1 to 1
    growth: FloatArray  # (W,) natural logarithm of a week's growth; 0 where it is not beyond noise
    week_bytes: FloatArray  # (W, N) own weekly peaks, newest first; NaN not measured
    week_weight: FloatArray  # (N,)

    def above_ratio(self, size_bytes: FloatArray) -> FloatArray:
        """(W, G) probability that next week's peak passes each of (W, G) sizes, not under the peak.

        Falls as the size grows; the same for all in other units.
        """
        scale = self.scale[:, None]
        growth = self.growth[:, None]
        log_size = np.log(size_bytes) - growth
        over_recent = _OVER_3_DAYS.above(log_size - np.log(self.recent_bytes)[:, None], scale)
        over_peak = _OVER_14_DAYS.above(log_size - np.log(self.peak_bytes)[:, None], scale)
        # Fewer days than the lookback have a peak that is passed more easily; the last three have.
        is_short = (self.measured_days < LOOKBACK_DAYS)[:, None]
        total = PRIOR_WEEKS * np.where(is_short, over_recent, (over_recent + over_peak) / 2)
        weight = np.full_like(total, PRIOR_WEEKS)
        for week in range(self.week_bytes.shape[1]):
            peak = self.week_bytes[:, week, None]
            # Of a workload that grows, weeks before the trend's own say nothing.
            is_told = np.isfinite(peak) & ((growth == 0) | (week < LOOKBACK_DAYS // DAYS_PER_WEEK))
            own = np.where(is_told, self.week_weight[week], 0.0)
            with np.errstate(invalid="ignore"):
                excess = (log_size - np.log(peak) - week * growth) / (KERNEL_SCALE * scale)
            total += own * _laplace_above(np.where(own > 0, excess, 0.0))
            weight += own
        probability: FloatArray = total / weight
        return probability


def forecast_of(daily_max_bytes: FloatArray) -> MemoryForecast:
    """The forecast from daily peaks (W, D): the last column is the newest day, NaN = no day.

    Days before an accepted change point must be NaN already. A history that ends early is read as
    of its last measured day: a workload that is switched off has not changed its needs.
    """
    is_measured = np.isfinite(daily_max_bytes) & (daily_max_bytes > 0)  # no process uses nothing
    newest_last = _ending_today(np.where(is_measured, daily_max_bytes, np.nan))
    rows, days = newest_last.shape
    window = newest_last[:, max(days - LOOKBACK_DAYS, 0) :]
    peak = _row_max(window)
    recent = _row_max(newest_last[:, max(days - _RECENT_DAYS, 0) :])
    weeks = -(-days // DAYS_PER_WEEK)
    padding = np.full((rows, weeks * DAYS_PER_WEEK - days), np.nan)
    by_week = np.concatenate((padding, newest_last), axis=1).reshape(rows * weeks, DAYS_PER_WEEK)
    is_week = np.isfinite(by_week).sum(axis=1) >= _DAYS_OF_A_WEEK
    week_peak = np.where(is_week, _row_max(by_week), np.nan)
    ages = np.arange(weeks, dtype=np.float64) * DAYS_PER_WEEK
    return MemoryForecast(
        peak_bytes=peak,
        recent_bytes=np.where(np.isfinite(recent), recent, peak),
        measured_days=np.isfinite(newest_last).sum(axis=1),
        scale=_scale(window),
        growth=_weekly_growth(window),
        week_bytes=week_peak.reshape(rows, weeks)[:, ::-1],
        week_weight=2.0 ** (-ages / HALF_LIFE_DAYS),
    )


def _scale(window: FloatArray) -> FloatArray:
    """Everyday variation relative to a workload that is not steady; 1 with fewer than 3 days."""
    known = np.isfinite(window)
    n = known.sum(axis=1)
    logs = np.log(np.where(known, window, 1.0))
    mean = logs.sum(axis=1) / np.maximum(n, 1)
    squares = np.where(known, (logs - mean[:, None]) ** 2, 0.0).sum(axis=1)
    deviation = np.sqrt(squares / np.maximum(n, 1))
    scale: FloatArray = np.where(
        n >= 3, np.clip(deviation / STEADY_DEVIATION, LEAST_SCALE, 1.0), 1.0
    )
    return scale


def _weekly_growth(window: FloatArray) -> FloatArray:
    """A week's growth on the log axis along a significant upward trend; at most ``MOST_GROWTH``."""
    trend = trends_of(np.log(window))
    rises = trend.significant & (trend.slope_per_day > 0)
    weekly = np.minimum(trend.slope_per_day * DAYS_PER_WEEK, MOST_GROWTH)
    growth: FloatArray = np.where(rises, weekly, 0.0)
    return growth


def _laplace_above(excess: FloatArray) -> FloatArray:
    tail = 0.5 * np.exp(-np.abs(excess))
    above: FloatArray = np.where(excess > 0, tail, 1.0 - tail)
    return above


def _ending_today(daily: FloatArray) -> FloatArray:
    """Each row moved right so that its last measured day is the last column; NaN fills the left."""
    days = daily.shape[1]
    if days == 0:
        return daily
    late = np.argmax(np.isfinite(daily)[:, ::-1], axis=1)
    source = np.arange(days)[None, :] - late[:, None]
    moved = np.take_along_axis(daily, np.maximum(source, 0), axis=1)
    ended: FloatArray = np.where(source >= 0, moved, np.nan)
    return ended


def _row_max(values: FloatArray) -> FloatArray:
    """Largest measured value of each row; NaN where there is none."""
    if values.shape[1] == 0:
        return np.full(len(values), np.nan)
    largest: FloatArray = np.fmax.reduce(values, axis=1)
    return largest
