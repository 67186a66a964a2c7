"""What the days say about one workload in plain figures: class, trend, change point.

For people who ask why: the same functions feed the decision, over whole fleets at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rightsizing.model.base import NoData
from rightsizing.profile.changepoints import last_changes
from rightsizing.profile.dailyquantile import daily_quantile
from rightsizing.profile.daytable import DayTable, cpu_days_of
from rightsizing.profile.demandclass import DemandClass, classify
from rightsizing.profile.rows import FloatArray
from rightsizing.profile.seasonality import HOURS_PER_WEEK, hour_of_week
from rightsizing.profile.trend import MINIMUM_DAYS, trends_of


@dataclass(frozen=True, slots=True)
class LevelShift:
    """The last accepted change of level; days before it no longer count."""

    day: int  # the first of the new level, days since 1970-01-01
    ratio: float  # median after over median before


@dataclass(frozen=True, slots=True)
class LevelHistory:
    """One dimension's daily figures: CPU by their 95th percentile, memory by their maximum."""

    trend_per_day: float | NoData  # cores or bytes a day; NoData: no trend beyond noise
    shift: LevelShift | NoData
    is_moving: bool  # the level moved within the last 3 to 6 days, too few to size on


@dataclass(frozen=True, slots=True)
class BusiestHour:
    """The hour of the week, UTC, with the highest mean of CPU, cores."""

    weekday: int  # Monday is 0
    hour: int
    mean_cores: float
    max_cores: float  # largest interval ever seen in it


@dataclass(frozen=True, slots=True)
class DemandHistory:
    """Class, busiest hour, and the history of CPU and memory."""

    demand_class: DemandClass
    busiest_hour: BusiestHour | NoData
    cpu: LevelHistory
    memory: LevelHistory


def history_of(table: DayTable) -> DemandHistory:
    """History of the one workload of a table. Raises ValueError for a table of several."""
    if len(table.workloads) != 1:
        raise ValueError(f"a table of one workload is needed, found {len(table.workloads)}")
    (demand_class,) = classify(table)
    return DemandHistory(
        demand_class=demand_class,
        busiest_hour=_busiest_hour(table),
        cpu=_level_history(daily_quantile(cpu_days_of(table)), table.first_day),
        memory=_level_history(table.memory_max_bytes, table.first_day),
    )


def _busiest_hour(table: DayTable) -> BusiestHour | NoData:
    week = hour_of_week(table.cpu_hour_max_cores, table.cpu_hour_mean_cores, table.first_day)
    unmeasured = int(np.isnan(week.mean[0]).sum())
    if unmeasured:
        return NoData(f"CPU of {unmeasured} of the week's {HOURS_PER_WEEK} hours was not measured")
    place = int(np.argmax(week.mean[0]))
    return BusiestHour(
        weekday=place // 24,
        hour=place % 24,
        mean_cores=float(week.mean[0, place]),
        max_cores=float(week.maximum[0, place]),
    )


def _level_history(daily: FloatArray, first_day: int) -> LevelHistory:
    measured = int(np.isfinite(daily).sum())
    if measured < MINIMUM_DAYS:
        few = NoData(f"{measured} measured days; {MINIMUM_DAYS} are needed")
        return LevelHistory(few, few, is_moving=False)
    changes, trends = last_changes(daily), trends_of(daily)
    column, ratio = int(changes.first_day[0]), float(changes.level_ratio[0])
    return LevelHistory(
        trend_per_day=(
            float(trends.slope_per_day[0])
            if trends.significant[0]
            else NoData("no trend that is more than noise")
        ),
        shift=(
            LevelShift(first_day + column, ratio)
            if column
            else NoData("no lasting change of level")
        ),
        is_moving=bool(changes.pending[0]),
    )
