"""Series as a day table, in plain numpy: what a rule over a fleet decides from in a back-test.

The table is the one ``profile.build`` makes from the store, read off the grid instead; a test holds
the two against each other. A series does not say what throttled it, how many instances there were
or what was killed, so those stay unmeasured here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rightsizing.backtest.series import DemandSeries, FloatArray
from rightsizing.profile.bincounts import BinCounts, DayCounts
from rightsizing.profile.daytable import HOURS_PER_DAY, DayTable, IntArray
from rightsizing.profile.histograms import (
    AT_LIMIT_RATIO,
    CPU_BINS_PER_CAPACITY,
    LOG_BIN_RATIO,
    rebinned,
)
from rightsizing.profile.intervals import NEAR_LIMIT_RATIO
from rightsizing.profile.rows import last_known
from rightsizing.units import MILLISECONDS_PER_DAY

_MOST_IN_UINT16 = 65_535


def day_table_of(series: Sequence[DemandSeries]) -> DayTable:
    """The day table of these series, sorted by workload; days run from the earliest to the latest.

    Raises ValueError when there are no series or a workload appears twice.
    """
    ordered = sorted(series, key=lambda item: item.workload)
    keys = [item.workload for item in ordered]
    if not keys or len(set(keys)) != len(keys):
        raise ValueError("a day table needs series, and one of each workload")
    first = min(item.first_day for item in ordered)
    days = max(item.first_day + item.days for item in ordered) - first
    rows = [_Row.of(item, item.first_day - first, days) for item in ordered]
    capacity = np.stack([row.capacity_cores for row in rows])
    known = last_known(capacity)
    entries = [_entries(row, index) for index, row in enumerate(rows)]
    memory_capacity = np.stack([row.capacity_memory_bytes for row in rows])
    copied: dict[str, Any] = {
        name: np.stack([getattr(row, name) for row in rows]) for name in _COPIED
    }
    return replace(
        DayTable.blank(keys, first, days),
        interval_s=np.array(
            [
                item.interval_s * bool(row.samples.any())
                for item, row in zip(ordered, rows, strict=True)
            ],
            dtype=np.int64,
        ),
        capacity_cores=capacity,
        capacity_memory_bytes=memory_capacity,
        cpu_capacity_cores=known,
        cpu_counts=_dense(entries, known, days),
        memory_capacity_bytes=last_known(memory_capacity),
        memory_bins=_memory_bins(rows, days),
        cpu_by_capacity=DayCounts.joined(
            [DayCounts.blank(), *(item for item in entries if len(set(item.value)) > 1)]
        ),
        **copied,
    )


_COPIED = (
    "samples",
    "start_ms",
    "end_ms",
    "cpu_samples",
    "cpu_without_capacity",
    "cpu_max_cores",
    "cpu_sum_cores",
    "cpu_hour_max_cores",
    "cpu_hour_mean_cores",
    "cpu_peak_samples",
    "cpu_at_limit",
    "memory_samples",
    "memory_max_bytes",
    "memory_sum_bytes",
    "memory_near_limit",
)


@dataclass(frozen=True, slots=True, eq=False)
class _Row:
    """One workload's cells, (D,) unless said otherwise; the grid arrays are (D, intervals)."""

    cpu: FloatArray
    interval_capacity: FloatArray
    memory: FloatArray
    samples: IntArray
    start_ms: IntArray
    end_ms: IntArray
    capacity_cores: FloatArray
    capacity_memory_bytes: FloatArray
    cpu_samples: IntArray
    cpu_without_capacity: IntArray
    cpu_max_cores: FloatArray
    cpu_sum_cores: FloatArray
    cpu_hour_max_cores: NDArray[np.float32]  # (D, 24)
    cpu_hour_mean_cores: NDArray[np.float32]  # (D, 24)
    cpu_peak_samples: IntArray
    cpu_at_limit: IntArray
    memory_samples: IntArray
    memory_max_bytes: FloatArray
    memory_sum_bytes: FloatArray
    memory_near_limit: IntArray

    @classmethod
    def of(cls, series: DemandSeries, offset: int, days: int) -> _Row:
        """The series put at ``offset`` of a calendar of ``days``."""

        def grid(values: FloatArray) -> FloatArray:
            placed = np.full((days, series.intervals_per_day), np.nan)
            placed[offset : offset + series.days] = series.by_day(values)
            return placed

        cpu, means = grid(series.cpu_cores), grid(series.cpu_mean_cores)
        memory, capacity = grid(series.memory_bytes), grid(series.capacity_cores)
        memory_capacity = grid(series.capacity_memory_bytes)
        usable = ~(np.isnan(cpu) & np.isnan(memory))
        any_day = usable.any(axis=1)
        day_ms = (series.first_day - offset + np.arange(days)) * MILLISECONDS_PER_DAY
        step_ms = series.interval_s * 1000
        last = series.intervals_per_day - np.argmax(usable[:, ::-1], axis=1)
        # A series does not say which intervals gave their peak: any that is above its mean tells.
        has_peaks = bool((cpu > means).any())
        cpu_samples = (~np.isnan(cpu)).sum(axis=1)
        return cls(
            cpu=cpu,
            interval_capacity=capacity,
            memory=memory,
            samples=usable.sum(axis=1),
            start_ms=np.where(any_day, day_ms + np.argmax(usable, axis=1) * step_ms, 0),
            end_ms=np.where(any_day, day_ms + last * step_ms, 0),
            capacity_cores=last_known(capacity),
            capacity_memory_bytes=last_known(memory_capacity),
            cpu_samples=cpu_samples,
            cpu_without_capacity=(~np.isnan(cpu) & np.isnan(capacity)).sum(axis=1),
            cpu_max_cores=_maximum(cpu),
            cpu_sum_cores=np.nansum(means, axis=1),
            cpu_hour_max_cores=_by_hour(cpu, largest=True),
            cpu_hour_mean_cores=_by_hour(means, largest=False),
            cpu_peak_samples=cpu_samples if has_peaks else np.zeros(days, dtype=np.int64),
            cpu_at_limit=(cpu >= capacity * AT_LIMIT_RATIO).sum(axis=1),
            memory_samples=(~np.isnan(memory)).sum(axis=1),
            memory_max_bytes=_maximum(memory),
            memory_sum_bytes=np.nansum(memory, axis=1),
            memory_near_limit=(memory >= memory_capacity * NEAR_LIMIT_RATIO).sum(axis=1),
        )


def _maximum(grid: FloatArray) -> FloatArray:
    largest = np.fmax.reduce(grid, axis=1)
    return np.asarray(largest, dtype=np.float64)


def _by_hour(grid: FloatArray, *, largest: bool) -> NDArray[np.float32]:
    """(D, 24) float32. A step longer than an hour counts for the hour it starts in."""
    days, steps = grid.shape
    hours = np.full((days, HOURS_PER_DAY), np.nan)
    starts = np.arange(steps) * HOURS_PER_DAY // steps
    for hour in np.unique(starts):
        part = grid[:, starts == hour]
        if largest:
            hours[:, hour] = _maximum(part)
        else:
            measured = (~np.isnan(part)).sum(axis=1)
            total = np.nansum(part, axis=1)
            np.divide(total, measured, out=hours[:, hour], where=measured > 0)
    return hours.astype(np.float32)


def _entries(row: _Row, index: int) -> DayCounts:
    """CPU counts of one workload by day, capacity then in force, and bin under that capacity."""
    known = ~np.isnan(row.cpu) & (row.interval_capacity > 0)
    day = np.nonzero(known)[0]
    capacity = row.interval_capacity[known]
    bins = np.floor(row.cpu[known] * CPU_BINS_PER_CAPACITY / capacity).astype(np.int64)
    values, value = np.unique(capacity, return_inverse=True)
    width = int(bins.max(initial=0)) + 1
    cells = (day * max(len(values), 1) + value) * width + bins
    distinct, counts = np.unique(cells, return_counts=True)
    rest, bin_index = np.divmod(distinct, width)
    days, which = np.divmod(rest, max(len(values), 1))
    return DayCounts(
        row=np.full(len(distinct), index, dtype=np.int64),
        day=days,
        value=values[which] if len(values) else np.zeros(0),
        bin=bin_index,
        count=counts.astype(np.float64),
    )


def _dense(entries: Sequence[DayCounts], capacity: FloatArray, days: int) -> NDArray[np.uint16]:
    """(W, D, B) counts, bins moved to the capacity in force at the end."""
    bins = [
        rebinned(item.bin, item.value, capacity[index]) if len(item.bin) else item.bin
        for index, item in enumerate(entries)
    ]
    highest = max(int(found.max(initial=0)) for found in bins)
    counts = np.zeros((len(entries), days, highest + 1), dtype=np.uint32)
    for index, (item, found) in enumerate(zip(entries, bins, strict=True)):
        np.add.at(counts[index], (item.day, found), item.count.astype(np.uint32))
    # A grid has at most 288 steps a day, so a day's count always fits.
    assert counts.max(initial=0) <= _MOST_IN_UINT16
    return counts.astype(np.uint16)


def _memory_bins(rows: Sequence[_Row], days: int) -> BinCounts:
    sizes: list[NDArray[np.int64]] = []
    bins: list[NDArray[np.int64]] = []
    counts: list[NDArray[np.int64]] = []
    for row in rows:
        known = ~np.isnan(row.memory)
        day = np.nonzero(known)[0]
        found = np.floor(np.log(np.maximum(row.memory[known], 1.0)) / np.log(LOG_BIN_RATIO))
        width = int(found.max(initial=0)) + 1
        distinct, count = np.unique(day * width + found.astype(np.int64), return_counts=True)
        sizes.append(np.bincount(distinct // width, minlength=days))
        bins.append(distinct % width)
        counts.append(count)
    size = np.stack(sizes).astype(np.int64)
    start = (np.cumsum(size) - size.ravel()).reshape(size.shape)
    return BinCounts(
        start=start,
        size=size,
        bin=np.concatenate(bins).astype(np.int32),
        count=np.concatenate(counts).astype(np.uint32),
    )
