"""Least capacity by the clock: scheduled actions learnt from past days, and predictive scaling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rightsizing.decide.autoscaling.load import MINUTES_PER_DAY, Load
from rightsizing.decide.autoscaling.policies import SLOT_MINUTES, Floors
from rightsizing.decide.autoscaling.tracking import ROUNDING

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
SLOTS_PER_DAY = MINUTES_PER_DAY // SLOT_MINUTES
SLOTS_PER_HOUR = 60 // SLOT_MINUTES
DAYS_PER_WEEK = 7
# Amazon EC2 Auto Scaling guide, predictive scaling: at least 24 hours of history, 14 days used.
PREDICTIVE_DAYS = 14
WORKDAYS = ((0, 1, 2, 3, 4), (5, 6))
EVERY_DAY = ((0, 1, 2, 3, 4, 5, 6),)


@dataclass(frozen=True, slots=True)
class Timetable:
    """Least instances by kind of day and time of day, as scheduled actions repeat them.

    ``groups`` are weekdays (0 is Monday) that share a row; ``least`` has one row a group and one
    entry a period of ``period_minutes``; hours are UTC.
    """

    groups: tuple[tuple[int, ...], ...]
    period_minutes: int
    least: tuple[tuple[int, ...], ...]

    @property
    def actions(self) -> int:
        """Scheduled actions it takes: one for each change within a week of its groups' days."""
        return sum(
            max(sum(1 for a, b in zip(row, (*row[1:], row[0]), strict=True) if a != b), 1)
            for row in self.least
        )

    def floors(self, load: Load, lead_minutes: int, label: str) -> Floors:
        """Over the load's days. Raised capacity is asked for ``lead_minutes`` before its period."""
        rows = {day: row for row, days in zip(self.least, self.groups, strict=True) for day in days}
        repeat = self.period_minutes // SLOT_MINUTES
        weeks = [
            np.repeat(np.array(rows[load.weekday_of(day)], dtype=np.float64), repeat)
            for day in range(load.days)
        ]
        return Floors(_led(np.concatenate(weeks), lead_minutes), label)


@dataclass(frozen=True, slots=True)
class TimetableSpec:
    """How a timetable is learnt: kinds of day, length of a period, and which minute of past days
    of the same period it must carry (a quantile, 0 to 1)."""

    groups: tuple[tuple[int, ...], ...]
    period_minutes: int
    quantile: float

    def __str__(self) -> str:
        days = "every day" if len(self.groups) == 1 else "workdays and weekends"
        if self.period_minutes == MINUTES_PER_DAY:
            return f"one minimum for {days} (q{self.quantile * 100:g})"
        return f"{self.period_minutes} min periods, {days} (q{self.quantile * 100:g})"


def learn_timetables(
    load: Load,
    specs: Sequence[TimetableSpec],
    *,
    capacity: float,
    least: int,
    most: int,
    without: BoolArray | None = None,
) -> dict[TimetableSpec, Timetable]:
    """Least instances from quantiles of the minutes of the same period in past days.

    Args:
        load: the past days.
        specs: what to learn; their periods divide a day and are multiples of ``SLOT_MINUTES``.
        capacity: load one instance may carry.
        least, most: bounds of every entry. A period never measured gets the largest of its group.
        without: days to leave out, shape (days,).
    """
    weekday = np.array([load.weekday_of(day) for day in range(load.days)])
    usable = np.ones(load.days, dtype=bool) if without is None else ~without
    found = {}
    for layout in sorted({(spec.groups, spec.period_minutes) for spec in specs}):
        groups, period = layout
        own = [spec for spec in specs if (spec.groups, spec.period_minutes) == layout]
        quantiles = np.array([spec.quantile for spec in own])
        rows = [
            _group_rows(load, np.isin(weekday, group) & usable, period, quantiles)
            for group in groups
        ]
        table = np.ceil(np.array(rows) / capacity - ROUNDING)  # (groups, specs, periods)
        largest = np.nanmax(table, axis=(0, 2), initial=0.0)
        table = np.where(np.isnan(table), largest[np.newaxis, :, np.newaxis], table)
        table = np.clip(table, least, most)
        for index, spec in enumerate(own):
            found[spec] = Timetable(
                groups,
                period,
                tuple(tuple(int(value) for value in row) for row in table[:, index]),
            )
    return found


def _group_rows(
    load: Load, days: BoolArray, period_minutes: int, quantiles: FloatArray
) -> FloatArray:
    """Quantiles of each period's minutes over some days, shape (quantiles, periods); NaN: unseen.

    The order statistic at or above the quantile: nothing is interpolated below what was seen.
    """
    periods = MINUTES_PER_DAY // period_minutes
    own = load.values.reshape(load.days, periods, period_minutes)[days]
    minutes = np.sort(own.transpose(1, 0, 2).reshape(periods, -1), axis=1)  # NaN last
    known = np.isfinite(minutes).sum(axis=1)
    if minutes.shape[1] == 0:
        return np.full((len(quantiles), periods), np.nan)
    at = np.ceil(quantiles[:, np.newaxis] * (known - 1) - ROUNDING).astype(int)
    values = minutes[np.arange(periods), np.maximum(at, 0)]
    return np.where(known > 0, values, np.nan)


def predicted_floors(
    load: Load, *, capacity: float, target: float, lead_minutes: int, label: str
) -> Floors:
    """Predictive scaling as replayed: each hour holds the largest mean of that hour in 14 days.

    AWS does not publish its forecast; this stands in for it with the inputs AWS documents (hourly
    means, 14 days, 24 hours to begin with). Forecasts never use the hour itself or later ones.
    """
    hours = load.values.reshape(load.days, 24, 60)
    known = np.isfinite(hours)
    count = known.sum(axis=2)
    means = np.where(count > 0, np.nansum(hours, axis=2) / np.maximum(count, 1), -np.inf)
    largest = np.full((load.days, 24), -np.inf)
    for back in range(1, PREDICTIVE_DAYS + 1):
        if back < load.days:
            np.maximum(largest[back:], means[:-back], out=largest[back:])
    needed = np.ceil(np.maximum(largest, 0.0) / (capacity * target) - ROUNDING)
    by_slot = np.repeat(np.maximum(needed, 0.0).ravel(), SLOTS_PER_HOUR)
    return Floors(_led(by_slot, lead_minutes), label, predicted=True)


def _led(least: FloatArray, lead_minutes: int) -> FloatArray:
    """Each slot's least, or that of the slots that begin within the lead."""
    led = least.copy()
    for ahead in range(1, -(-lead_minutes // SLOT_MINUTES) + 1):
        np.maximum(led[:-ahead], least[ahead:], out=led[:-ahead])
    return led
