"""Day tables out of the rows that ``profile.dayquery`` gave: where each figure goes in an array.

Workloads are put together so that a table stays within ``CELLS`` bins: those whose days lie far
apart, or whose samples reach far above their capacity, get a table of their own, since a dense
array is as wide as its widest row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rightsizing.profile.bincounts import BinCounts, DayCounts
from rightsizing.profile.dayquery import PACKED
from rightsizing.profile.daytable import (
    HOURS_PER_DAY,
    CountArray,
    DayTable,
    FloatArray,
    IntArray,
    most_frequent_interval,
)
from rightsizing.profile.densecounts import MATRIX_BINS, ListedBins, flat, matrix_of
from rightsizing.profile.histograms import HIGHEST_CPU_BIN, rebinned
from rightsizing.profile.intervals import SUM_STEPS
from rightsizing.profile.rows import last_known

CELLS = 80_000_000  # bins of a table: 160 MB, 25,000 workloads of 14 days
ORDINARY_BINS = MATRIX_BINS
_MOST_COUNTED = np.iinfo(np.uint16).max
_LARGEST_COUNT = PACKED - 1


def day_tables(rows: pa.Table, cells: int = CELLS) -> Iterator[DayTable]:
    """The tables of these rows (``DAY_SCHEMA``, any order), each of at most ``cells`` bins or one
    workload. Workloads without a sample of CPU or memory are left out."""
    keys = rows.column("workload").combine_chunks().dictionary_encode()
    names = np.array(keys.dictionary.to_pylist(), dtype=object)
    order = np.argsort(names)
    rank = np.empty(len(names), dtype=np.int64)
    rank[order] = np.arange(len(names))
    names = names[order]
    row_workload = rank[keys.indices.to_numpy()]
    row_day = rows.column("day").to_numpy()
    measured = np.zeros(len(names), dtype=bool)
    measured[row_workload[_integers(rows, "samples") > 0]] = True
    shape = _Shape.of(rows, row_workload, row_day, len(names))
    for chosen in shape.groups(np.flatnonzero(measured), cells):
        place = np.full(len(names), -1, dtype=np.int64)
        place[chosen] = np.arange(len(chosen))
        kept = place[row_workload] >= 0
        own = rows if kept.all() else rows.filter(pa.array(kept))
        yield _Assembly(own, tuple(names[chosen]), place[row_workload[kept]], row_day[kept]).table()


@dataclass(frozen=True, slots=True)
class _Shape:
    """How wide each workload's part of a dense array would be."""

    first_day: IntArray
    last_day: IntArray
    bins: IntArray

    @classmethod
    def of(cls, rows: pa.Table, workload: IntArray, day: IntArray, workloads: int) -> _Shape:
        first = np.full(workloads, np.iinfo(np.int64).max)
        last = np.full(workloads, -1)
        bins = np.full(workloads, ORDINARY_BINS)
        np.minimum.at(first, workload, day)
        np.maximum.at(last, workload, day)
        cores, cpu_max = _floats(rows, "capacity_cores"), _floats(rows, "cpu_max")
        least = np.full(workloads, np.inf)
        most = np.zeros(workloads)
        np.fmin.at(least, workload, cores)
        np.fmax.at(most, workload, cpu_max)
        wide = most > least * (ORDINARY_BINS / 200)
        with np.errstate(over="ignore"):
            highest = np.minimum(most[wide] * 200 / least[wide] + 1, HIGHEST_CPU_BIN + 1)
        bins[wide] = highest.astype(np.int64)
        return cls(first, last, bins)

    def groups(self, chosen: IntArray, cells: int) -> Iterator[IntArray]:
        """Rows of each table, ascending; with one workload more it would pass ``cells``."""
        if len(chosen) == 0:
            return
        if self._fitting(chosen, cells) == len(chosen):
            yield chosen
            return
        ordinary = (self.bins[chosen] <= ORDINARY_BINS) & self._common_days(chosen)
        others = chosen[~ordinary]
        for order in (chosen[ordinary], others[self._by_width(others)]):
            start = 0
            while start < len(order):
                size = self._fitting(order[start:], cells)
                yield np.sort(order[start : start + size])
                start += size

    def _common_days(self, chosen: IntArray) -> npt.NDArray[np.bool_]:
        """Workloads within the days of nearly all, and half of that before and after."""
        first, last = self.first_day[chosen], self.last_day[chosen]
        low, high = np.quantile(first, 0.01), np.quantile(last, 0.99)
        margin = (high - low + 1) / 2
        return np.asarray((first >= low - margin) & (last <= high + margin))

    def _by_width(self, part: IntArray) -> IntArray:
        return np.lexsort((self.last_day[part], self.first_day[part], self.bins[part]))

    def _fitting(self, order: IntArray, cells: int) -> int:
        """How many of the first workloads fit in one table; at least one."""
        days = np.maximum.accumulate(self.last_day[order]) + 1
        days -= np.minimum.accumulate(self.first_day[order])
        width = days * np.maximum.accumulate(self.bins[order])
        return max(int(np.searchsorted(width * np.arange(1, len(order) + 1), cells, "right")), 1)


class _Assembly:
    """One table: rows with the place of their workload and their day."""

    def __init__(
        self, rows: pa.Table, names: tuple[str, ...], workload: IntArray, day: IntArray
    ) -> None:
        self._rows = rows
        self._names = names
        self._first_day = int(day.min())
        self._shape = (len(names), int(day.max()) - self._first_day + 1)
        self._cell = workload * self._shape[1] + day - self._first_day

    def table(self) -> DayTable:
        """The table, whole."""
        capacity, memory = self._grid("capacity_cores"), self._grid("capacity_memory")
        samples, interval_s, by_interval = self._intervals()
        cpu_capacity = last_known(capacity)
        cpu_counts, by_capacity = self._cpu(cpu_capacity)
        hour_max, hour_mean = self._hours()
        return DayTable(
            workloads=self._names,
            first_day=self._first_day,
            interval_s=interval_s,
            samples=samples,
            start_ms=self._counts("start_ms"),
            end_ms=self._counts("end_ms"),
            capacity_cores=capacity,
            capacity_memory_bytes=memory,
            cpu_capacity_cores=cpu_capacity,
            cpu_samples=self._counts("cpu_samples"),
            cpu_without_capacity=self._counts("cpu_without_capacity"),
            cpu_counts=cpu_counts,
            cpu_max_cores=self._grid("cpu_max"),
            cpu_sum_cores=self._counts("cpu_sum") / SUM_STEPS,
            cpu_hour_max_cores=hour_max,
            cpu_hour_mean_cores=hour_mean,
            cpu_peak_samples=self._counts("cpu_peak_samples"),
            cpu_at_limit=self._counts("cpu_at_limit"),
            throttled_sum=self._counts("throttled_sum") / SUM_STEPS,
            throttled_samples=self._counts("throttled_samples"),
            credits_exhausted=self._counts("credits_exhausted"),
            credit_samples=self._counts("credit_samples"),
            memory_capacity_bytes=last_known(memory),
            memory_samples=self._counts("memory_samples"),
            memory_max_bytes=self._grid("memory_max"),
            memory_sum_bytes=self._counts("memory_sum").astype(np.float64),
            memory_near_limit=self._counts("memory_near_limit"),
            oom_kills=self._grid("oom_kills", missing=0.0),
            memory_bins=self._bins("memory_bins"),
            network_bins=self._bins("network_bins"),
            disk_bytes_bins=self._bins("disk_bytes_bins"),
            disk_ops_bins=self._bins("disk_ops_bins"),
            instances_sum=self._counts("instances_sum") / SUM_STEPS,
            instances_samples=self._counts("instances_samples"),
            instances_max=self._grid("instances_max") / SUM_STEPS,
            kills_by_limit=self._kills(),
            cpu_by_capacity=by_capacity,
            samples_by_interval=by_interval,
        )

    def _counts(self, name: str) -> IntArray:
        found = np.zeros(self._shape, dtype=np.int64)
        if self._held(name):
            found.ravel()[self._cell] = _integers(self._rows, name)
        return found

    def _grid(self, name: str, missing: float = np.nan) -> FloatArray:
        found = np.full(self._shape, missing)
        if self._held(name):
            values = _floats(self._rows, name)
            found.ravel()[self._cell] = np.where(np.isnan(values), missing, values)
        return found

    def _held(self, name: str) -> bool:
        column = self._rows.column(name)
        return bool(column.null_count < len(column))

    def _intervals(self) -> tuple[IntArray, IntArray, DayCounts]:
        """Samples, the most frequent interval, and counts by interval where there are several."""
        samples = self._counts("samples")
        lists, packed = flat(self._rows, "intervals")
        listed = np.diff(lists) > 0
        alone = ~listed & (_integers(self._rows, "samples") > 0)
        cell = np.concatenate((self._cell[alone], np.repeat(self._cell, np.diff(lists))))
        interval, count = np.divmod(packed.to_numpy(zero_copy_only=False), PACKED)
        entries = self._entries(
            cell,
            np.concatenate((_integers(self._rows, "interval_s")[alone], interval)),
            np.concatenate((_integers(self._rows, "samples")[alone], count)),
        )
        lowest = np.full(self._shape[0], np.inf)
        highest = np.zeros(self._shape[0])
        np.minimum.at(lowest, entries.row, entries.value)
        np.maximum.at(highest, entries.row, entries.value)
        mixed = np.flatnonzero(lowest < highest)
        kept = entries.only(mixed)
        found = highest.astype(np.int64)
        found[mixed] = most_frequent_interval(kept, self._shape[0])[mixed]
        return samples, found, kept

    def _entries(
        self, cell: IntArray, value: npt.NDArray[Any], count: npt.NDArray[Any]
    ) -> DayCounts:
        row, day = np.divmod(cell, self._shape[1])
        return DayCounts(
            row=row,
            day=day,
            value=value.astype(np.float64),
            bin=np.zeros(len(cell), dtype=np.int64),
            count=count.astype(np.float64),
        )

    def _cpu(self, capacity: FloatArray) -> tuple[CountArray, DayCounts]:
        """Counts by bin of the capacity in force, and by capacity where it changed."""
        listed = ListedBins.of(self._rows)
        matrix_row, matrix = matrix_of(self._rows, "cpu_matrix", np.uint16)
        matrix_cell = self._cell[matrix_row]
        matrix_cores = np.zeros(0)
        if len(matrix_row):
            matrix_cores = _floats(self._rows, "cpu_matrix_cores")[matrix_row]
        days = self._shape[1]
        listed_cell = self._cell[listed.row]
        differs = listed.cores != capacity[listed_cell // days]
        matrix_differs = matrix_cores != capacity[matrix_cell // days]
        resized = np.zeros(self._shape[0], dtype=bool)
        resized[listed_cell[differs] // days] = True
        resized[matrix_cell[matrix_differs] // days] = True
        # Rows of workloads that changed size are moved bin by bin, the others copied whole.
        apart = resized[matrix_cell // days]
        sizes = np.diff(listed.first)
        row, bins = np.nonzero(matrix[apart])
        entry_cell = np.concatenate((np.repeat(listed_cell, sizes), matrix_cell[apart][row]))
        value = np.concatenate((np.repeat(listed.cores, sizes), matrix_cores[apart][row]))
        count = np.concatenate((listed.count, matrix[apart][row, bins].astype(np.int64)))
        bins = np.concatenate((listed.bin, bins))
        by_capacity = DayCounts.blank()
        any_resized = bool(resized.any())
        if any_resized:
            kept = resized[entry_cell // days]
            entry_row, day = np.divmod(entry_cell[kept], days)
            by_capacity = DayCounts(
                row=entry_row,
                day=day,
                value=value[kept],
                bin=bins[kept],
                count=count[kept].astype(np.float64),
            )
            moved = value != capacity[entry_cell // days]
            to = capacity[entry_cell[moved] // days]
            bins[moved] = rebinned(bins[moved], value[moved], to)
        np.minimum(bins, HIGHEST_CPU_BIN, out=bins)
        whole = matrix if not apart.any() else matrix[~apart]
        used = _used_columns(whole)
        width = max(int(bins.max(initial=0)) + 1, used)
        by_day = _integers(self._rows, "cpu_samples").max(initial=0)
        kind = np.uint16 if by_day <= _MOST_COUNTED else np.uint32
        dense = np.zeros((*self._shape, width), dtype=kind)
        dense.reshape(-1, width)[matrix_cell[~apart], :used] = whole[:, :used]
        place = entry_cell * width + bins
        if any_resized or width > HIGHEST_CPU_BIN:
            np.add.at(dense.ravel(), place, count.astype(kind))
        else:
            dense.ravel()[place] = count
        return dense, by_capacity

    def _hours(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        by_row, hours = flat(self._rows, "hours")
        cell = np.repeat(self._cell, np.diff(by_row)) * HOURS_PER_DAY
        cell += pc.struct_field(hours, "hour").to_numpy(zero_copy_only=False).astype(np.int64)
        matrix_row, matrix = matrix_of(self._rows, "hours_matrix", np.float32)
        matrix_cell = self._cell[matrix_row]
        found = []
        for place, name in enumerate(("max", "mean")):
            grid = np.full((*self._shape, HOURS_PER_DAY), np.nan, dtype=np.float32)
            if len(matrix_row):
                first = place * HOURS_PER_DAY
                grid.reshape(-1, HOURS_PER_DAY)[matrix_cell] = matrix[
                    :, first : first + HOURS_PER_DAY
                ]
            grid.ravel()[cell] = pc.struct_field(hours, name).to_numpy(zero_copy_only=False)
            found.append(grid)
        return found[0], found[1]

    def _bins(self, name: str) -> BinCounts:
        if not self._held(name):
            return BinCounts.blank(*self._shape)
        by_row, packed = flat(self._rows, name)
        start = np.zeros(self._shape, dtype=np.int64)
        size = np.zeros(self._shape, dtype=np.int64)
        start.ravel()[self._cell] = by_row[:-1]
        size.ravel()[self._cell] = np.diff(by_row)
        wide = packed.to_numpy(zero_copy_only=False)
        return BinCounts(
            start, size, (wide >> 32).astype(np.int32), (wide & _LARGEST_COUNT).astype(np.uint32)
        )

    def _kills(self) -> DayCounts:
        by_row, kills = flat(self._rows, "kills")
        return self._entries(
            np.repeat(self._cell, np.diff(by_row)),
            pc.struct_field(kills, "value").to_numpy(zero_copy_only=False),
            pc.struct_field(kills, "kills").to_numpy(zero_copy_only=False),
        )


def _integers(rows: pa.Table, name: str) -> IntArray:
    """A column of counts; null is 0."""
    filled = pc.fill_null(rows.column(name), 0)
    return np.asarray(filled.to_numpy(), dtype=np.int64)


def _floats(rows: pa.Table, name: str) -> FloatArray:
    """A column of amounts; null is NaN."""
    return np.asarray(rows.column(name).to_numpy(), dtype=np.float64)


def _used_columns(matrix: npt.NDArray[np.uint16]) -> int:
    """Columns up to the last that holds a count."""
    used = np.flatnonzero(matrix.any(axis=0))
    return int(used[-1]) + 1 if len(used) else 0
