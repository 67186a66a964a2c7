"""The class of a workload's demand: what kind of history it has, for reports and back-tests.

One class a workload, the first that applies in the order of ``DemandClass``. It names, it does not
size: no limit depends on it. Deterministic; the thresholds below are ours but where a source is
given.
"""

from __future__ import annotations

from enum import StrEnum, unique

import numpy as np

from rightsizing.profile.changepoints import last_changes
from rightsizing.profile.dailyquantile import daily_quantile
from rightsizing.profile.daytable import DayTable, cpu_days_of
from rightsizing.profile.rows import BoolArray, FloatArray, row_median
from rightsizing.profile.seasonality import strengths_of
from rightsizing.profile.trend import trends_of

MINIMUM_DAYS = 7  # measured days of CPU; with fewer the class is unknown
IDLE_PEAK_RATIO = 0.05  # Compute Optimizer calls an instance idle whose peak CPU is under 5 %
IDLE_CORES = 0.02  # likewise where the capacity is not known
LEAK_RISE_RATIO = 1.25  # memory from the day after a reset to the day before the next
LEAK_RESET_RATIO = 0.85  # a reset leaves at most this of the day before
LEAK_RISING_DAYS = 4  # a rise takes at least so many days: a daily batch is no leak
LEAK_LEGS = 2  # rises that end in a reset, at least
LEAK_RISING_SHARE = 0.8  # of the day-to-day changes between resets are upwards
LEAK_DAY_SHARE = 0.5  # of the measured days lie in such rises: it is what memory mostly does
STEP_RATIO = 1.5  # accepted level shift of the daily p95, up or down
GROWTH_RATIO = 1.2  # trend line at the last day over that at the first; significant
SEASONAL_STRENGTH = 0.4  # of hourly means; 0.6 is usual for monthly means, hours are noisier
SPIKY_RATIO = 4.0  # a usual day's maximum over its p95
SPIKY_DAY_RATIO = 3.0  # 95th percentile of daily maxima over their median


@unique
class DemandClass(StrEnum):
    """In order of precedence: of several that apply, the first."""

    UNKNOWN = "unknown"  # fewer than 7 measured days
    LEAK = "leak"  # memory climbs for days and falls back at restarts
    IDLE = "idle"
    STEP = "step"  # the level moved, and stayed
    GROWTH = "growth"
    WEEKLY = "weekly"  # the weekday matters beyond the hour
    DIURNAL = "diurnal"
    SPIKY = "spiky"
    STEADY = "steady"


def classify(table: DayTable) -> tuple[DemandClass, ...]:
    """The class of each workload of the table, in its order."""
    p95 = daily_quantile(cpu_days_of(table))
    measured = np.isfinite(p95)
    applies: dict[DemandClass, BoolArray] = {
        DemandClass.UNKNOWN: measured.sum(axis=1) < MINIMUM_DAYS,
        DemandClass.LEAK: is_leaking(table.memory_max_bytes),
        DemandClass.IDLE: _is_idle(table),
        DemandClass.STEP: _has_step(p95),
        DemandClass.GROWTH: _is_growing(p95),
    }
    strength = strengths_of(table.cpu_hour_mean_cores)
    # Comparisons with NaN (too few days) are False.
    applies[DemandClass.WEEKLY] = strength.weekly >= SEASONAL_STRENGTH
    applies[DemandClass.DIURNAL] = strength.daily >= SEASONAL_STRENGTH
    applies[DemandClass.SPIKY] = _is_spiky(table.cpu_max_cores, p95)
    chosen = np.select(list(applies.values()), range(len(applies)), len(applies))
    names = (*applies, DemandClass.STEADY)
    return tuple(names[index] for index in chosen)


def is_leaking(memory_max_bytes: FloatArray) -> BoolArray:
    """True where daily memory maxima (W, D) climb and fall back, at least twice.

    A leg runs from one reset (a day at most 0.85 of the day before) to the next. It counts when it
    ends in a reset, takes at least 4 days, at least four fifths of its daily changes are upwards,
    and it ends at least 1.25 times as high as it began. Legs that count, and the rise since the
    last reset, must make up half of the measured days. Unmeasured days are skipped.
    """
    rows, days = memory_max_bytes.shape
    legs = np.zeros(rows, dtype=np.int64)
    rising_days = np.zeros(rows)
    start = np.full(rows, np.nan)
    previous = np.full(rows, np.nan)
    steps, ups = np.zeros(rows), np.zeros(rows)
    for day in range(days):
        value = memory_max_bytes[:, day]
        known = np.isfinite(value)
        reset = known & (value <= LEAK_RESET_RATIO * previous)
        complete = (
            (steps >= LEAK_RISING_DAYS)
            & (ups >= LEAK_RISING_SHARE * steps)
            & (previous >= LEAK_RISE_RATIO * start)
        )
        legs += reset & complete
        rising_days += np.where(reset & complete, steps + 1, 0.0)
        begins = reset | (known & np.isnan(previous))
        goes_on = known & ~begins
        steps = np.where(begins, 0.0, steps + goes_on)
        ups = np.where(begins, 0.0, ups + (goes_on & (value > previous)))
        start = np.where(begins, value, start)
        previous = np.where(known, value, previous)
    unfinished = np.where(ups >= LEAK_RISING_SHARE * steps, steps + 1, 0.0)
    measured = np.isfinite(memory_max_bytes).sum(axis=1)
    leaking: BoolArray = (legs >= LEAK_LEGS) & (
        rising_days + unfinished >= LEAK_DAY_SHARE * measured
    )
    return leaking


def _is_idle(table: DayTable) -> BoolArray:
    """The 95th percentile of daily maxima is under 5 % of the capacity: one odd day may be more."""
    usual = _row_quantile(table.cpu_max_cores, 0.95)
    limit = table.cpu_capacity_cores * IDLE_PEAK_RATIO
    idle: BoolArray = usual < np.where(np.isfinite(limit), limit, IDLE_CORES)
    return idle


def _has_step(p95: FloatArray) -> BoolArray:
    ratio = last_changes(p95).level_ratio
    step: BoolArray = np.maximum(ratio, 1 / ratio) >= STEP_RATIO
    return step


def _is_growing(p95: FloatArray) -> BoolArray:
    if p95.shape[1] == 0:
        return np.zeros(len(p95), dtype=np.bool_)
    trend = trends_of(p95)
    first = np.argmax(np.isfinite(p95), axis=1)
    span = p95.shape[1] - 1 - first
    begin = trend.level - trend.slope_per_day * span
    growing: BoolArray = (
        trend.significant
        & (trend.slope_per_day > 0)
        & (trend.level >= GROWTH_RATIO * np.maximum(begin, 0.0))
    )
    return growing


def _is_spiky(cpu_max_cores: FloatArray, p95: FloatArray) -> BoolArray:
    """A usual day's maximum stands far above its p95, or some days' maxima above the usual."""
    with np.errstate(divide="ignore", invalid="ignore"):
        within_day = row_median(np.where(p95 > 0, cpu_max_cores / p95, np.nan))
        between_days = _row_quantile(cpu_max_cores, 0.95) / row_median(cpu_max_cores)
    spiky: BoolArray = (within_day >= SPIKY_RATIO) | (between_days >= SPIKY_DAY_RATIO)
    return spiky


def _row_quantile(values: FloatArray, quantile: float) -> FloatArray:
    """(W,) smallest measured value not below the given share of the row's; NaN without any."""
    if values.shape[1] == 0:
        return np.full(len(values), np.nan)
    ordered = np.sort(values, axis=1)  # NaN last
    count = np.isfinite(values).sum(axis=1)
    rank = np.maximum(np.ceil(count * quantile - 1e-9).astype(np.int64), 1)
    found: FloatArray = np.take_along_axis(ordered, rank[:, None] - 1, axis=1)[:, 0]
    return found
