"""Scored demand of all workloads on the schedule's calendar, and what hindsight would have given.

Workloads of one grid step form a block of shape (W, D, I): D scored days of I steps. What is not
measured, or lies before a workload joins, is NaN and never scored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from rightsizing.backtest.schedule import DAYS_PER_WEEK, Schedule
from rightsizing.backtest.series import DemandSeries, FloatArray

ORACLE_QUANTILE = 0.999  # what hindsight gives a week: two 5-minute steps of it may be short


@dataclass(frozen=True, eq=False)
class DemandBlock:
    """The scored days of the workloads in ``rows``, all of one grid step."""

    rows: NDArray[np.int64]  # positions in the series the block was made from
    step_s: int
    cpu: FloatArray  # (W, D, I) cores; the largest use in each step
    cpu_mean: FloatArray  # (W, D, I)
    memory: FloatArray  # (W, D, I) bytes
    memory_capacity: FloatArray  # (W, D) in force when the day began; NaN unknown

    @property
    def weeks(self) -> int:
        """Scored weeks."""
        return int(self.cpu.shape[1]) // DAYS_PER_WEEK

    def by_week(self, values: FloatArray) -> FloatArray:
        """(W, D, I) as (W, K, 7 * I)."""
        return values.reshape(len(self.rows), self.weeks, -1)

    @property
    def oracle_cpu(self) -> FloatArray:
        """(W, K) each week's own 99.9th percentile (linear, as numpy's); NaN unmeasured."""
        return self._week_quantiles[0]

    @property
    def cpu_p99(self) -> FloatArray:
        """(W, K) each week's own 99th percentile; NaN unmeasured."""
        return self._week_quantiles[1]

    @cached_property
    def _week_quantiles(self) -> tuple[FloatArray, FloatArray]:
        ordered = np.sort(self.by_week(self.cpu), axis=2)
        return quantile_of_sorted(ordered, ORACLE_QUANTILE), quantile_of_sorted(ordered, 0.99)

    @cached_property
    def oracle_memory(self) -> FloatArray:
        """(W, K) each week's own peak; NaN unmeasured."""
        return np.asarray(np.fmax.reduce(self.by_week(self.memory), axis=2))

    @classmethod
    def of(cls, series: Sequence[DemandSeries], rows: Sequence[int], schedule: Schedule) -> Self:
        """The block of ``rows`` of ``series``, which have one grid step."""
        chosen = [series[row] for row in rows]
        step_s = chosen[0].interval_s
        shape = (len(chosen), schedule.days, chosen[0].intervals_per_day)
        cpu, mean, memory = (np.full(shape, np.nan) for _ in range(3))
        capacity = np.full(shape[:2], np.nan)
        joins = schedule.joins(chosen)
        for place, item in enumerate(chosen):
            offset = item.first_day - schedule.first_day
            first = schedule.start + int(joins[place]) * DAYS_PER_WEEK
            part = item.between(first - offset, schedule.end - offset)
            days = slice(first - schedule.start, first - schedule.start + part.days)
            cpu[place, days] = part.by_day(part.cpu_cores)
            mean[place, days] = part.by_day(part.cpu_mean_cores)
            memory[place, days] = part.by_day(part.memory_bytes)
            capacity[place] = _capacity_each_morning(item.capacity_memory_bytes, item, schedule)
        return cls(np.asarray(rows, dtype=np.int64), step_s, cpu, mean, memory, capacity)


def demand_blocks(
    series: Sequence[DemandSeries], schedule: Schedule, *, workloads_a_block: int = 64
) -> tuple[DemandBlock, ...]:
    """All series as blocks of at most ``workloads_a_block``, so that scratch space stays small."""
    by_step: dict[int, list[int]] = {}
    for row, item in enumerate(series):
        by_step.setdefault(item.interval_s, []).append(row)
    return tuple(
        DemandBlock.of(series, rows[start : start + workloads_a_block], schedule)
        for _step, rows in sorted(by_step.items())
        for start in range(0, len(rows), workloads_a_block)
    )


def quantile_of_sorted(ordered: FloatArray, quantile: float) -> FloatArray:
    """Linear quantile along the last axis of sorted values with NaN last; NaN without values."""
    count = (~np.isnan(ordered)).sum(axis=-1)
    place = np.maximum(count - 1, 0) * quantile
    low = np.floor(place).astype(np.int64)
    high = np.minimum(low + 1, np.maximum(count - 1, 0))
    lower = np.take_along_axis(ordered, low[..., None], axis=-1)[..., 0]
    upper = np.take_along_axis(ordered, high[..., None], axis=-1)[..., 0]
    found: FloatArray = lower + (upper - lower) * (place - low)
    return found


def _capacity_each_morning(
    capacity: FloatArray, series: DemandSeries, schedule: Schedule
) -> FloatArray:
    """(D,) the last value stated before each scored day; NaN where there is none."""
    stated = np.flatnonzero(~np.isnan(capacity))
    mornings = np.arange(schedule.start, schedule.end) + schedule.first_day - series.first_day
    before = np.searchsorted(stated, mornings * series.intervals_per_day) - 1
    found = np.full(len(mornings), np.nan)
    known = before >= 0
    found[known] = capacity[stated[before[known]]]
    return found
