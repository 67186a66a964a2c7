"""Daily statistics of many workloads as dense numpy arrays: what a decision over a fleet reads.

Row w is a workload, column d the UTC day ``first_day + d``. Where a workload has several resources,
each interval holds the busiest of them. In float arrays NaN says "not measured"; in counts and
sums 0 does. Counts are integers and sums are exact to a fixed binary step, so the same measurements
give the same table in any order and on any engine.

``until`` gives the table as it was known on an earlier day, ``take`` some of its workloads. Tables
of a large fleet come in parts (``profile.build.build_day_tables``), each with its own days and
bins. A table for a test is made by ``DayTable.blank`` and ``dataclasses.replace``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from rightsizing.model.cpudays import CpuDays
from rightsizing.profile.bincounts import BinCounts, DayCounts
from rightsizing.profile.histograms import CPU_BINS_PER_CAPACITY, rebinned
from rightsizing.profile.rows import last_known

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
CountArray = npt.NDArray[Any]  # uint16; uint32 in a table where one count passes 65,535

HOURS_PER_DAY = 24
_PER_WORKLOAD = frozenset({"interval_s", "cpu_capacity_cores", "memory_capacity_bytes"})


@dataclass(frozen=True, slots=True, eq=False)
class DayTable:
    """Daily statistics of W workloads over D consecutive UTC days, dense; busiest resource of a
    workload per interval. A "sample" is one interval."""

    workloads: tuple[str, ...]  # W keys, sorted
    first_day: int  # days since 1970-01-01 of column 0
    interval_s: IntArray  # (W,) most frequent interval, of equals the longer; 0: no samples
    samples: IntArray  # (W, D) intervals with CPU or memory
    start_ms: IntArray  # (W, D) start of the day's first sample; 0 where samples is 0
    end_ms: IntArray  # (W, D) end of the day's last sample; 0 where samples is 0
    capacity_cores: FloatArray  # (W, D) in force at the day's end; NaN where the day states none
    capacity_memory_bytes: FloatArray  # (W, D) likewise

    cpu_capacity_cores: FloatArray  # (W,) in force on the last day that states one; NaN unknown
    cpu_samples: IntArray  # (W, D) intervals with CPU
    cpu_without_capacity: IntArray  # (W, D) of them, those whose capacity is unknown: in no bin
    # (W, D, B) intervals by bin of 0.5 % of cpu_capacity_cores; a sample taken under another
    # capacity is in the bin whose upper edge is the first not below its own bin's. B is the highest
    # bin in use + 1, at least 1; it passes 200 with turbo, or where the capacity became smaller.
    cpu_counts: CountArray
    cpu_max_cores: FloatArray  # (W, D)
    cpu_sum_cores: FloatArray  # (W, D) sum of interval means; / cpu_samples is the mean
    cpu_hour_max_cores: npt.NDArray[np.float32]  # (W, D, 24)
    cpu_hour_mean_cores: npt.NDArray[np.float32]  # (W, D, 24)
    cpu_peak_samples: IntArray  # (W, D) intervals that gave their CPU peak, not only their mean
    cpu_at_limit: IntArray  # (W, D) intervals at 98 % of capacity and more
    throttled_sum: FloatArray  # (W, D) sum of the throttled share of periods
    throttled_samples: IntArray  # (W, D)
    credits_exhausted: IntArray  # (W, D) intervals with less than one CPU credit
    credit_samples: IntArray  # (W, D)

    memory_capacity_bytes: FloatArray  # (W,) in force on the last day that states one; NaN unknown
    memory_samples: IntArray  # (W, D)
    memory_max_bytes: FloatArray  # (W, D)
    memory_sum_bytes: FloatArray  # (W, D) sum of interval means
    memory_near_limit: IntArray  # (W, D) intervals at 95 % of capacity and more
    oom_kills: FloatArray  # (W, D)
    memory_bins: BinCounts  # (W, D) cells of 1 % log bins
    network_bins: BinCounts  # the busier direction, bytes/s
    disk_bytes_bins: BinCounts  # reads and writes, bytes/s
    disk_ops_bins: BinCounts  # reads and writes, 1/s

    instances_sum: FloatArray  # (W, D)
    instances_samples: IntArray  # (W, D)
    instances_max: FloatArray  # (W, D)

    # What the dense arrays cannot hold, by (row, day, value, bin): kills by memory limit, and, only
    # of workloads with several, counts by capacity in cores and by interval in s.
    kills_by_limit: DayCounts  # value: limit in bytes, NaN unknown
    cpu_by_capacity: DayCounts  # value: capacity in cores; bin: bin under that capacity
    samples_by_interval: DayCounts  # value: interval in s

    @property
    def days(self) -> int:
        """D, the number of columns."""
        return int(self.samples.shape[1])

    @property
    def cpu_level_cores(self) -> FloatArray:
        """(W, B) upper edge of each CPU bin, cores; NaN where the capacity is unknown."""
        edges = np.arange(1, self.cpu_counts.shape[2] + 1, dtype=np.float64)
        levels: FloatArray = edges * self.cpu_capacity_cores[:, None] / CPU_BINS_PER_CAPACITY
        return levels

    @classmethod
    def blank(cls, workloads: Sequence[str], first_day: int, days: int, bins: int = 1) -> Self:
        """A table of this shape in which nothing was measured."""
        rows = len(workloads)
        made: dict[str, Any] = {}
        for field in fields(cls):
            shape: tuple[int, ...] = (rows,) if field.name in _PER_WORKLOAD else (rows, days)
            match field.type:
                case "IntArray":
                    made[field.name] = np.zeros(shape, dtype=np.int64)
                case "FloatArray":
                    counted = field.name.endswith(("_sum", "oom_kills")) or "_sum_" in field.name
                    made[field.name] = np.full(shape, 0.0 if counted else np.nan)
                case "BinCounts":
                    made[field.name] = BinCounts.blank(rows, days)
                case "DayCounts":
                    made[field.name] = DayCounts.blank()
        hours = np.full((rows, days, HOURS_PER_DAY), np.nan, dtype=np.float32)
        return cls(
            workloads=tuple(workloads),
            first_day=first_day,
            cpu_counts=np.zeros((rows, days, bins), dtype=np.uint16),
            cpu_hour_max_cores=hours,
            cpu_hour_mean_cores=hours.copy(),
            **made,
        )

    def take(self, rows: Sequence[int] | IntArray) -> DayTable:
        """The workloads at these rows, in this order."""
        chosen = np.asarray(rows, dtype=np.int64)
        changed: dict[str, Any] = {"workloads": tuple(self.workloads[row] for row in chosen)}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                changed[field.name] = value[chosen]
            elif isinstance(value, BinCounts | DayCounts):
                changed[field.name] = value.take(chosen)
        return replace(self, **changed)

    def until(self, day_index: int) -> DayTable:
        """Columns [0, day_index): what was known at the start of that day.

        Capacities and the most frequent interval are those known then, and the CPU bins are of
        that capacity.
        """
        changed: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray) and field.name not in _PER_WORKLOAD:
                changed[field.name] = value[:, :day_index]
            elif isinstance(value, BinCounts | DayCounts):
                changed[field.name] = value.until(day_index)
        then = replace(self, **changed)
        return replace(
            then,
            interval_s=_known_interval(then),
            memory_capacity_bytes=last_known(then.capacity_memory_bytes),
            **_known_cpu(then),
        )


def cpu_days_of(table: DayTable) -> CpuDays:
    """The part of a day table that CPU rules read; nothing is copied."""
    return CpuDays(
        capacity_cores=table.cpu_capacity_cores,
        counts=table.cpu_counts,
        samples=table.cpu_samples,
        sum_cores=table.cpu_sum_cores,
        max_cores=table.cpu_max_cores,
    )


def most_frequent_interval(counts: DayCounts, rows: int) -> IntArray:
    """(W,) the interval with most samples, of equals the longer, which expects fewer; 0: none."""
    found = np.zeros(rows, dtype=np.int64)
    keys, totals = counts.totals_by_value()
    order = np.lexsort((keys[:, 1], totals))  # the last write of a row is its most frequent
    found[keys[order, 0].astype(np.int64)] = keys[order, 1].astype(np.int64)
    return found


def _known_interval(then: DayTable) -> IntArray:
    """Most frequent interval of the days left; workloads that ever had one interval keep it."""
    found = np.where(then.samples.any(axis=1), then.interval_s, 0)
    mixed = most_frequent_interval(then.samples_by_interval, len(found))
    return np.where(mixed > 0, mixed, found)


def _known_cpu(then: DayTable) -> dict[str, Any]:
    """Capacity in force in the days left, and the CPU bins moved to it where it differs."""
    capacity = last_known(then.capacity_cores)
    moved = np.flatnonzero(~np.isnan(capacity) & (capacity != then.cpu_capacity_cores))
    counts = then.cpu_counts
    if len(moved):
        exact = then.cpu_by_capacity.take(moved)
        known = np.isin(np.arange(len(moved)), exact.row)
        rest = _dense_entries(then, moved, np.flatnonzero(~known))
        entries = DayCounts.joined((exact, rest))
        bins = rebinned(entries.bin, entries.value, capacity[moved][entries.row])
        highest = max(int(bins.max(initial=0)) + 1, counts.shape[2])
        counts = np.pad(counts, ((0, 0), (0, 0), (0, highest - counts.shape[2])))
        counts[moved] = 0
        np.add.at(
            counts,
            (moved[entries.row], entries.day, bins),
            entries.count.astype(counts.dtype),
        )
    return {"cpu_capacity_cores": capacity, "cpu_counts": trimmed(counts)}


def _dense_entries(then: DayTable, moved: IntArray, rows: IntArray) -> DayCounts:
    """Entries of rows (of ``moved``) whose counts by capacity were not kept: as they are binned."""
    row, day, bin_index = np.nonzero(then.cpu_counts[moved[rows]])
    return DayCounts(
        row=rows[row],
        day=day,
        value=then.cpu_capacity_cores[moved[rows]][row],
        bin=bin_index,
        count=then.cpu_counts[moved[rows]][row, day, bin_index].astype(np.float64),
    )


def trimmed(counts: CountArray) -> CountArray:
    """(W, D, B) without the empty bins at the top; at least one bin is kept."""
    used = np.flatnonzero(counts.any(axis=(0, 1)))
    return counts[:, :, : (int(used[-1]) + 1 if len(used) else 1)]
