"""The memory rule: buy bytes while the next one costs less than the failures it avoids.

Memory is not compressible: one interval above the limit is a kill. For each workload the limit is
the size L, never below the largest use of the lookback, that minimises

    L + price x value x P(next week's peak > L),    value = sqrt(own peak x reference)

(newsvendor; ``P`` from ``memoryforecast``). A failure of a large workload is worth more than one of
a small workload, though less than in proportion, so small workloads get a generous margin, which
costs the fleet next to nothing, and large ones a calculated one.

Only days after the last accepted change point of the daily peaks count. Missing memory gives NaN,
which never shrinks anything; a kill asks for 1.2 times the limit that broke.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum, unique
from typing import Self

import numpy as np

from rightsizing.decide.memoryforecast import MemoryForecast, forecast_of
from rightsizing.model.memorydays import MemoryDays
from rightsizing.profile.changepoints import ChangePoints, last_changes
from rightsizing.profile.daytable import DayTable
from rightsizing.profile.rows import BoolArray, FloatArray, IntArray, in_blocks, last_known
from rightsizing.units import HOURS_PER_MONTH

WEEKS_PER_MONTH = HOURS_PER_MONTH / 168
BOUND_FACTOR = 3.0  # the bounds are the targets at a third and three times the price
NEAR_CAPACITY_RATIO = 0.95  # a peak this near the capacity may have been cut off by it
ALARM_RATIO = 0.95  # a day's peak above this share of the limit raises it the next day
HYSTERESIS_RATIO = 0.10  # smallest reduction worth a change
MINIMUM_DAYS = 7  # measured days before anything is lowered
# VPA's OOM bump-up ratio (autoscaler: vertical-pod-autoscaler/pkg/recommender/model), applied to
# the limit that proved too small.
OOM_BUMP_RATIO = 1.2
# Margins tried, on the log axis: 1 % steps from none to 3.3 times the peak.
_MARGINS = np.arange(0, 121) * 0.01
_TIE = 1e-12  # relative: equal objectives take the smaller size


@unique
class MemoryBinding(IntEnum):
    """What decided a target."""

    NOT_MEASURED = 0  # nothing known: keep the size
    PEAK = 1  # the largest use of the lookback, no margin is worth its price
    RISK = 2  # the margin at which a further byte costs more than the failures it avoids
    KILLED = 3  # 1.2 times the limit that broke
    CAPACITY = 4  # what it has, which it never came near to filling


@dataclass(frozen=True, slots=True, eq=False)
class MemoryTargets:
    """What the rule says of W workloads; NaN where memory was not measured.

    ``floor <= lower <= target <= upper``. A higher price never gives a smaller target.
    """

    target_bytes: FloatArray  # (W,)
    lower_bytes: FloatArray  # (W,) target at a third of the price
    upper_bytes: FloatArray  # (W,) target at three times the price
    floor_bytes: FloatArray  # (W,) largest use of the lookback since the last change point
    failure_ratio: FloatArray  # (W,) predicted probability of a failure within a month of 730 h
    weekly_failure_ratio: FloatArray  # (W,) likewise within a week
    last_day_max_bytes: FloatArray  # (W,) largest use of the newest measured day
    measured_days: IntArray  # (W,) that counted
    changed_day: IntArray  # (W,) column from which days counted; 0: no change point
    is_moving: BoolArray  # (W,) the level moved within the last 3 to 6 days
    binding: IntArray  # (W,) of MemoryBinding

    def clear_of_alarm(self) -> MemoryTargets:
        """For limits: sizes at which a peak like the largest seen raises no alarm.

        A limit that use fills to 95 % is measured as demand cut off, which forbids every later
        reduction. Types leave room by their steps, so for them this is not asked.
        """
        least = self.floor_bytes / ALARM_RATIO
        return replace(
            self,
            target_bytes=np.maximum(self.target_bytes, least),
            lower_bytes=np.maximum(self.lower_bytes, least),
            upper_bytes=np.maximum(self.upper_bytes, least),
        )


def memory_days_of(table: DayTable) -> MemoryDays:
    """The part of a day table that the rule reads."""
    stated = np.isfinite(table.capacity_memory_bytes)
    steady = ~stated | (table.capacity_memory_bytes == table.memory_capacity_bytes[:, None])
    broken = np.full(len(table.workloads), np.nan)
    kills = table.kills_by_limit
    # A kill under an unknown limit is held against the capacity in force.
    limits = np.where(np.isnan(kills.value), table.memory_capacity_bytes[kills.row], kills.value)
    counted = (kills.count > 0) & np.isfinite(limits)
    np.fmax.at(broken, kills.row[counted], limits[counted])
    return MemoryDays(
        daily_max_bytes=table.memory_max_bytes,
        capacity_bytes=table.memory_capacity_bytes,
        is_capacity_stable=steady.all(axis=1) & stated.any(axis=1),
        broken_limit_bytes=broken,
    )


def fleet_reference_bytes(days: MemoryDays) -> float:
    """Mean over workloads of the largest use of the lookback; NaN when none was measured.

    The size at which one price means the same for every workload of a fleet.
    """
    peaks = forecast_of(days.daily_max_bytes).peak_bytes
    known = np.isfinite(peaks)
    return float(peaks[known].mean()) if known.any() else float("nan")


def memory_targets(
    days: MemoryDays, *, price: float, reference_bytes: float | None = None
) -> MemoryTargets:
    """Targets of W workloads.

    Args:
        days: daily peaks, capacities and kills.
        price: what a certain failure next week is worth, in sizes of a workload of the reference
            size; above zero. At 1.4 about 11 % of weeks of very restless machines fail (Bitbrains;
            15 % under the maximum of 14 days and 15 %, which takes more memory), at 5 about 7 %.
        reference_bytes: see ``fleet_reference_bytes``; without one each workload is its own
            reference, so that its target does not depend on others, at a higher cost for a fleet.

    Raises:
        ValueError: the price is not above zero.
    """
    return MemoryOutlook.of(days).targets(price=price, reference_bytes=reference_bytes)


@dataclass(frozen=True, slots=True, eq=False)
class MemoryOutlook:
    """What is read of the days before anything is priced; it serves every price."""

    days: MemoryDays
    changes: ChangePoints
    forecast: MemoryForecast

    @classmethod
    def of(cls, days: MemoryDays) -> Self:
        """The outlook of W workloads."""
        changes = last_changes(days.daily_max_bytes)
        return cls(days, changes, forecast_of(changes.after(days.daily_max_bytes)))

    def targets(self, *, price: float, reference_bytes: float | None) -> MemoryTargets:
        """``memory_targets`` at one price."""
        return _targets(self, price, reference_bytes)


def _targets(outlook: MemoryOutlook, price: float, reference_bytes: float | None) -> MemoryTargets:
    if not price > 0:
        raise ValueError(f"a price of {price} buys no safety; give one above zero")
    days, changes, forecast = outlook.days, outlook.changes, outlook.forecast
    peak = forecast.peak_bytes
    reference = peak if reference_bytes is None else np.full(days.rows, reference_bytes)
    prices = price / BOUND_FACTOR, price, price * BOUND_FACTOR
    wanted = _wanted(forecast, np.sqrt(reference / peak), prices)
    lower, target, upper = (_within_limits(size, peak, days) for size in wanted)
    weekly = _above_ratio(forecast, target)
    return MemoryTargets(
        target_bytes=target,
        lower_bytes=lower,
        upper_bytes=upper,
        floor_bytes=peak,
        failure_ratio=1.0 - (1.0 - weekly) ** WEEKS_PER_MONTH,
        weekly_failure_ratio=weekly,
        last_day_max_bytes=last_known(days.daily_max_bytes),
        measured_days=forecast.measured_days,
        changed_day=changes.first_day,
        is_moving=changes.pending,
        binding=_binding(wanted[1], target, peak),
    )


def held_bytes(
    current_bytes: FloatArray, targets: MemoryTargets, *, is_review_day: bool
) -> FloatArray:
    """The limits (W,) in force from now on, given those that are; NaN: none yet.

    Raised at once after a day whose peak passed 95 % of the limit; otherwise changed on review days
    only, and lowered only by at least 10 % and on at least 7 measured days of a level that is not
    moving. Where memory was not measured the limit stays.
    """
    target = targets.target_bytes
    known = np.isfinite(target)
    with np.errstate(invalid="ignore"):
        alarmed = targets.last_day_max_bytes > ALARM_RATIO * current_bytes
        raised = known & (target > current_bytes) & (alarmed | is_review_day)
        lowered = (
            known
            & (target <= current_bytes * (1 - HYSTERESIS_RATIO))
            & (targets.measured_days >= MINIMUM_DAYS)
            & ~targets.is_moving
            & is_review_day
        )
    changes = raised | lowered | (known & np.isnan(current_bytes))
    held: FloatArray = np.where(changes, target, current_bytes)
    return held


def _wanted(
    forecast: MemoryForecast, value: FloatArray, prices: tuple[float, ...]
) -> tuple[FloatArray, ...]:
    """Sizes (W,) at each price, which share the probabilities. ``value`` is in peaks."""
    rows = len(value)
    sizes = tuple(np.full(rows, np.nan) for _ in prices)
    growth = np.exp(_MARGINS)
    for block in in_blocks(rows, len(growth) * 6):
        part = _rows_of(forecast, block)
        peak = part.peak_bytes
        above = part.above_ratio(peak[:, None] * growth)
        for size, price in zip(sizes, prices, strict=True):
            cost = growth + price * value[block, None] * above
            best = cost.min(axis=1, keepdims=True)
            size[block] = peak * growth[np.argmax(cost <= best * (1 + _TIE), axis=1)]
    return sizes


def _within_limits(wanted: FloatArray, peak: FloatArray, days: MemoryDays) -> FloatArray:
    """At most a capacity that never was nearly filled, at least what a kill asks for."""
    broken = days.broken_limit_bytes
    with np.errstate(invalid="ignore"):
        is_enough = (
            days.is_capacity_stable
            & (_largest(days.daily_max_bytes) < NEAR_CAPACITY_RATIO * days.capacity_bytes)
            & np.isnan(broken)
        )
        capped = np.where(is_enough, np.minimum(wanted, days.capacity_bytes), wanted)
    sized: FloatArray = np.fmax(capped, broken * OOM_BUMP_RATIO)
    sized[np.isnan(peak)] = np.nan
    return sized


def _binding(wanted: FloatArray, target: FloatArray, peak: FloatArray) -> IntArray:
    binding = np.full(len(target), MemoryBinding.NOT_MEASURED, dtype=np.int64)
    binding[np.isfinite(target)] = MemoryBinding.RISK
    binding[target <= peak] = MemoryBinding.PEAK
    binding[target < wanted] = MemoryBinding.CAPACITY
    binding[target > wanted] = MemoryBinding.KILLED
    return binding


def _above_ratio(forecast: MemoryForecast, size_bytes: FloatArray) -> FloatArray:
    return forecast.above_ratio(size_bytes[:, None])[:, 0]


def _rows_of(forecast: MemoryForecast, block: slice) -> MemoryForecast:
    return MemoryForecast(
        peak_bytes=forecast.peak_bytes[block],
        recent_bytes=forecast.recent_bytes[block],
        measured_days=forecast.measured_days[block],
        scale=forecast.scale[block],
        growth=forecast.growth[block],
        week_bytes=forecast.week_bytes[block],
        week_weight=forecast.week_weight,
    )


def _largest(daily: FloatArray) -> FloatArray:
    largest: FloatArray = np.fmax.reduce(daily, axis=1, initial=np.nan)
    return largest
