"""Seasonality of a workload: its hour-of-week profile, and how much that explains.

Strength is ``F = 1 - Var(R) / Var(S + R)`` (Wang, Smith and Hyndman 2006; Hyndman and
Athanasopoulos, Forecasting, 3rd ed., 4.3), with each variance divided by its degrees of freedom:
two weeks have two values for each of 168 hours, and without it noise alone would score one half.
0 is none, 1 is all. Hours are UTC; 0 is Monday 00:00.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rightsizing.profile.rows import BoolArray, FloatArray, in_blocks, row_median

HOURS_PER_WEEK = 168
_DAYS_FOR_DAILY, _DAYS_FOR_WEEKLY = 3, 14
_ROUNDING = 1e-12  # of the squares: a variation of a millionth is that of float32, not of demand
_EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday; Monday is 0
HourArray = NDArray[np.float32] | FloatArray


@dataclass(frozen=True, slots=True)
class HourOfWeek:
    """(W, 168) per hour of the week from Monday 00:00 UTC; NaN where never measured."""

    maximum: FloatArray  # largest interval ever seen in that hour
    mean: FloatArray  # mean of the hours' means


@dataclass(frozen=True, slots=True)
class Strengths:
    """(W,) strength of seasonality, 0 to 1; NaN with fewer than 3 (daily) or 14 (weekly) days.

    ``weekly`` is what the hour of the week explains beyond the hour of the day.
    """

    daily: FloatArray
    weekly: FloatArray


def weekdays(first_day: int, days: int) -> NDArray[np.int64]:
    """Weekday (Monday 0) of ``days`` columns from ``first_day``, in days since 1970-01-01."""
    return (np.arange(days, dtype=np.int64) + first_day + _EPOCH_WEEKDAY) % 7


def hour_of_week(hour_max: HourArray, hour_mean: HourArray, first_day: int) -> HourOfWeek:
    """Fold hourly maxima and means (W, D, 24) into weeks."""
    rows, days, _ = hour_max.shape
    maximum = np.full((rows, 7, 24), np.nan)
    mean = np.full((rows, 7, 24), np.nan)
    of_column = weekdays(first_day, days)
    for weekday in range(7):
        columns = np.flatnonzero(of_column == weekday)
        if not len(columns):
            continue
        maximum[:, weekday] = np.fmax.reduce(hour_max[:, columns], axis=1)
        values = hour_mean[:, columns]
        known = np.isfinite(values)
        count: FloatArray = known.sum(axis=1, dtype=np.float64)
        total = np.where(known, values, 0.0).sum(axis=1, dtype=np.float64)
        mean[:, weekday] = np.where(count > 0, total / np.maximum(count, 1.0), np.nan)
    return HourOfWeek(maximum.reshape(rows, HOURS_PER_WEEK), mean.reshape(rows, HOURS_PER_WEEK))


def strengths_of(hour_mean: HourArray) -> Strengths:
    """Daily and weekly strength of hourly means (W, D, 24); NaN = not measured.

    Daily: of what differs from the day's own mean, the share that the hour of the day explains.
    Weekly: of what differs from a straight line, the week's own mean and the hour of the day's, the
    share that the hour of the week explains; weeks are counted back from the last day. So neither
    reads a trend or a level shift between days (between weeks) as a season.
    """
    rows, days, _ = hour_mean.shape
    daily, weekly = np.full(rows, np.nan), np.full(rows, np.nan)
    weeks = days // 7
    for block in in_blocks(rows, days * 24 * 6):
        hours = np.asarray(hour_mean[block], dtype=np.float64)
        measured: BoolArray = np.isfinite(hours).sum(axis=2) > 0
        enough = measured.sum(axis=1) >= _DAYS_FOR_DAILY
        daily[block] = np.where(enough, _daily(hours), np.nan)
        if weeks >= 2:
            recent = hours[:, days - 7 * weeks :]
            enough = measured[:, days - 7 * weeks :].sum(axis=1) >= _DAYS_FOR_WEEKLY
            weekly[block] = np.where(enough, _weekly(recent, weeks), np.nan)
    return Strengths(daily, weekly)


def _daily(hours: FloatArray) -> FloatArray:
    departure, groups = _without_mean(hours, axis=2)
    return _explained(departure, axis=1, spent=groups, size=_squares(hours))


def _weekly(hours: FloatArray, weeks: int) -> FloatArray:
    rows = len(hours)
    hours = _without_line(hours)
    departure, groups = _without_mean(hours.reshape(rows, weeks, HOURS_PER_WEEK), axis=2)
    by_day = departure.reshape(rows, weeks * 7, 24)
    without_daily, phases = _without_mean(by_day, axis=1)
    return _explained(
        without_daily.reshape(rows, weeks, HOURS_PER_WEEK),
        axis=1,
        spent=groups + np.maximum(phases - 1, 0),
        nested=np.maximum(phases - 1, 0),
        size=_squares(hours),
    )


def _squares(values: FloatArray) -> FloatArray:
    """Sum of squares of the measured values of each row."""
    squares: FloatArray = np.nansum(values**2, axis=(1, 2))
    return squares


def _without_line(hours: FloatArray) -> FloatArray:
    """Hours less a straight line through the days.

    Its slope is the smaller of two medians, between days a week apart and between neighbours: a
    level shift moves one of the two, a weekday pattern none, a line both.
    """
    known = np.isfinite(hours)
    count = known.sum(axis=2)
    total = np.where(known, hours, 0.0).sum(axis=2)
    level = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    by_week = np.nan_to_num(row_median(level[:, 7:] - level[:, :-7])) / 7
    by_day = np.nan_to_num(row_median(np.diff(level, axis=1)))
    slope = np.where(by_week * by_day > 0, np.minimum(np.abs(by_week), np.abs(by_day)), 0.0)
    slope = slope * np.sign(by_week)
    line: FloatArray = hours - slope[:, None, None] * np.arange(hours.shape[1])[None, :, None]
    return line


def _without_mean(values: FloatArray, axis: int) -> tuple[FloatArray, FloatArray]:
    """Departures from the mean along an axis, and how many means that took (W,)."""
    known = np.isfinite(values)
    count = known.sum(axis=axis, keepdims=True)
    total = np.where(known, values, 0.0).sum(axis=axis, keepdims=True)
    mean = total / np.maximum(count, 1)
    return values - mean, (count > 0).reshape(len(values), -1).sum(axis=1).astype(np.float64)


def _explained(
    departure: FloatArray,
    axis: int,
    *,
    spent: FloatArray,
    size: FloatArray,
    nested: FloatArray | None = None,
) -> FloatArray:
    """Share of the variance of departures that their means along ``axis`` explain.

    ``spent`` are the degrees of freedom already used; ``nested`` those of a coarser season within
    this one, which its means do not use again. ``size`` are the squares of the hours themselves.
    """
    rest, phases = _without_mean(departure, axis)
    n = np.isfinite(departure).reshape(len(departure), -1).sum(axis=1)
    before, after = _squares(departure), _squares(rest)
    used = np.maximum(phases - 1, 0) - (0.0 if nested is None else nested)
    flat = before <= _ROUNDING * size
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (after / (n - spent - used)) / (before / (n - spent))
    known = (n - spent - used > 0) & ~flat
    strength: FloatArray = np.where(known, np.clip(1 - ratio, 0.0, 1.0), 0.0)
    return strength
