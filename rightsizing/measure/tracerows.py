"""Rows of a trace file turned into rows of the store, a batch at a time, by whole columns.

A fault of one cell (NaN, text in a number column) makes that cell "not measured". A fault of a row
(negative use, unreadable time, more memory than there is) leaves the row out. Both are counted with
the place of the first. A fault of the file (impossible unit) raises BadTrace.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rightsizing.errors import BadTrace
from rightsizing.measure.tally import Tally
from rightsizing.measure.trace import (
    COPIED_COLUMNS,
    MAX_CAPACITY_CORES,
    MAX_CPU_RATIO,
    MAX_INTERVAL_SECONDS,
    MAX_MEMORY_RATIO,
    NUMBER_COLUMNS,
    REQUESTS_METRIC,
    TraceColumns,
    workload_key,
)
from rightsizing.measure.tracecells import read_numbers
from rightsizing.measure.tracetime import TimestampReader
from rightsizing.measure.traceunits import UnitEvidence

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]
_Mask = npt.NDArray[np.bool_]

_AGREEMENT_RATIO = 0.05  # of capacity: how far cpu_cores and cpu_pct may differ by rounding
_MOST_FAULTY_ROWS = 0.5  # share of a file's rows; more means the file is not what it claims


@dataclass(slots=True)
class _Batch:
    """One batch in numpy; NaN is "not measured". ``keep`` loses a row at its first fault."""

    codes: _Ints
    timestamps_ms: _Ints
    numbers: dict[str, _Floats]
    keep: _Mask
    place: Callable[[int], str]
    store: dict[str, pa.Array] = field(default_factory=dict)

    def get(self, name: str) -> _Floats:
        """A number column; all NaN when the file has none."""
        found = self.numbers.get(name)
        return np.full(len(self.codes), np.nan) if found is None else found


class TraceMapper:
    """Maps the batches of one file; ``finish`` settles what only the whole file can tell.

    Args:
        file: name for messages.
        columns: the checked header.
        prefix: put before each resource id to make the workload key.
        place: names a row by its number from 0, e.g. ``line 2``.
        defaults: values for empty cells of a column, None for none.
    """

    def __init__(
        self,
        file: str,
        columns: TraceColumns,
        *,
        prefix: str,
        place: Callable[[int], str],
        defaults: Mapping[str, float | None],
    ) -> None:
        self._file = file
        self._columns = columns
        self._prefix = prefix
        self._place = place
        self._defaults = {name: value for name, value in defaults.items() if value is not None}
        self._times = TimestampReader(file)
        self._units = UnitEvidence()
        self._resources: dict[str, int] = {}
        self._keys: list[str] = []
        self._last_ms = np.zeros(0, dtype=np.int64)
        self._interval_s: float | None = None
        self._disagreements = 0
        self.rows = 0
        self.row_faults = Tally()  # one count a row
        self.benign_rows = Tally()  # left out, but nothing is wrong with the file
        self.cell_faults = Tally()  # one count a cell
        self.notes = Tally()  # rows that are stored

    @property
    def resources(self) -> int:
        """Distinct resources so far."""
        return len(self._resources)

    def map(self, rows: pa.Table) -> pa.Table:
        """Rows for the store, faulty ones left out. Raises BadTrace for a fault of the file."""
        batch = self._begin(rows)
        self._drop_negative(batch)
        self._drop_powered_off(batch)
        self._convert_cpu(batch)
        self._convert_memory(batch)
        self._convert_rest(batch, rows)
        self._count_out_of_order(batch)
        return self._finish_batch(batch)

    def finish(self) -> None:
        """Check the file as a whole; raise BadTrace. To be called before anything is committed."""
        if self.rows == 0:
            raise BadTrace(f"{self._file} has no rows")
        resources = list(self._resources)
        read = self._columns.read
        pairs = (("cpu_pct", "cpu_cores"), ("mem_pct", "mem_bytes"))
        proven = {percent for percent, absolute in pairs if absolute in read}
        self._units.check(self._file, resources, proven)
        lost = self.row_faults.total + self.benign_rows.total
        if lost == self.rows or self.row_faults.total > _MOST_FAULTY_ROWS * self.rows:
            tallies = (self.row_faults, self.cell_faults, self.benign_rows)
            cause = next(tally.first() for tally in tallies if tally.total)
            raise BadTrace(
                f"{self._file}: {lost} of {self.rows} rows cannot be used: {cause}; "
                f"nothing was stored"
            )

    def _begin(self, rows: pa.Table) -> _Batch:
        start = self.rows
        self.rows += rows.num_rows

        def place(index: int) -> str:
            return self._place(start + index)

        keep = np.ones(rows.num_rows, dtype=bool)
        codes = self._resource_codes(rows.column("resource_id"), keep, place)
        times = self._times.read(rows.column("timestamp"), place(0))
        self.notes.add("timestamp without an offset, taken as UTC", times.naive)
        numbers = {
            name: read_numbers(self._file, name, rows.column(name), place, self.cell_faults)
            for name in self._columns.read
            if name in NUMBER_COLUMNS
        }
        for name, value in self._defaults.items():
            given = numbers.get(name, np.full(rows.num_rows, np.nan))
            numbers[name] = np.where(np.isnan(given), value, given)
        batch = _Batch(codes, times.values_ms, numbers, keep, place)
        bad_times = ~times.valid
        shown = rows.column("timestamp")
        self._drop(batch, bad_times, "timestamp cannot be read", lambda i: repr(shown[i].as_py()))
        self._read_intervals(batch)
        return batch

    def _resource_codes(
        self, column: pa.ChunkedArray, keep: _Mask, place: Callable[[int], str]
    ) -> _Ints:
        names = pc.utf8_trim_whitespace(column.cast(pa.string())).combine_chunks()
        encoded = pc.fill_null(names, "").dictionary_encode()
        mapping = np.zeros(len(encoded.dictionary), dtype=np.int64)
        for position, name in enumerate(encoded.dictionary.to_pylist()):
            if name not in self._resources and name:
                self._resources[name] = len(self._resources)
                self._keys.append(workload_key(name, self._prefix))
            mapping[position] = self._resources.get(name, -1)
        added = len(self._resources) - len(self._last_ms)
        self._last_ms = np.concatenate([self._last_ms, np.full(added, -1, dtype=np.int64)])
        codes: _Ints = mapping[encoded.indices.to_numpy()]
        nameless = np.flatnonzero(codes < 0)
        if len(nameless):
            self.row_faults.add("resource_id is empty", len(nameless), place(int(nameless[0])))
            keep[nameless] = False
            codes = np.where(codes < 0, 0, codes)
        return codes

    def _drop(
        self,
        batch: _Batch,
        bad: _Mask,
        reason: str,
        value: Callable[[int], str],
        *,
        benign: bool = False,
    ) -> None:
        """Leave out rows that are still kept and bad, counted under one reason."""
        found = np.flatnonzero(bad & batch.keep)
        if len(found):
            first = int(found[0])
            tally = self.benign_rows if benign else self.row_faults
            tally.add(reason, len(found), f"{value(first)} in {batch.place(first)}")
            batch.keep[found] = False

    def _read_intervals(self, batch: _Batch) -> None:
        if "interval_s" in batch.numbers:
            interval = np.round(batch.numbers["interval_s"])
        else:
            if self._interval_s is None:
                self._interval_s = self._usual_step_s(batch)
                self.notes.add(
                    f"no interval_s column, taken as the usual step of {self._interval_s:.0f} s", 1
                )
            interval = np.full(len(batch.codes), self._interval_s)
        wrong = ~((interval >= 1) & (interval <= MAX_INTERVAL_SECONDS))
        self._drop(
            batch,
            wrong,
            f"interval_s is not between 1 and {MAX_INTERVAL_SECONDS}",
            lambda i: f"{interval[i]:g}",
        )
        batch.numbers["interval_s"] = np.where(wrong, 1, interval)

    def _usual_step_s(self, batch: _Batch) -> float:
        order = np.lexsort((batch.timestamps_ms, batch.codes))
        steps = np.diff(batch.timestamps_ms[order])
        steps = steps[(np.diff(batch.codes[order]) == 0) & (steps > 0)]
        if not len(steps):
            raise BadTrace(
                f"{self._file} has no column 'interval_s', and no resource has two rows to tell "
                f"the interval from; add the column"
            )
        return max(1.0, round(float(np.median(steps)) / 1000))

    def _drop_negative(self, batch: _Batch) -> None:
        for name, values in batch.numbers.items():
            if name != "interval_s":
                self._drop(batch, values < 0, f"{name} is negative", _shown(values))

    def _drop_powered_off(self, batch: _Batch) -> None:
        cores = batch.get("capacity_cores")
        self._drop(
            batch, cores == 0, "powered off (capacity_cores is 0)", lambda _: "0", benign=True
        )
        too_many = np.flatnonzero(batch.keep & (cores > MAX_CAPACITY_CORES))
        if len(too_many):
            first = int(too_many[0])
            raise BadTrace(
                f"{self._file} {batch.place(first)}: capacity_cores is {cores[first]:g}, over "
                f"{MAX_CAPACITY_CORES}; are these millicores? Give cores"
            )

    def _convert_cpu(self, batch: _Batch) -> None:
        percent, cores = batch.get("cpu_pct"), batch.get("cpu_cores")
        capacity, peak_percent = batch.get("capacity_cores"), batch.get("cpu_pct_max")
        kept = batch.keep
        self._units.add("cpu_pct", batch.codes[kept], percent[kept], self.resources)
        ratio = np.where(np.isfinite(percent), percent / 100, cores / capacity)
        for name, values in (("cpu_pct", ratio), ("cpu_pct_max", peak_percent / 100)):
            self._refuse_impossible(batch, name, values, percent, cores)
        from_percent = percent / 100 * capacity
        self._drop(
            batch,
            np.abs(cores - from_percent) > _AGREEMENT_RATIO * np.maximum(capacity, cores),
            "cpu_cores and cpu_pct of capacity_cores disagree",
            lambda i: f"{cores[i]:g} and {percent[i]:g} % of {capacity[i]:g}",
        )
        above = batch.keep & (ratio > 1)
        self.notes.add("CPU above 100 % of provisioned (turbo or burst)", int(above.sum()))
        no_capacity = batch.keep & np.isfinite(percent) & ~np.isfinite(capacity)
        no_capacity &= ~np.isfinite(cores)
        self._count_cells(batch, no_capacity, "cpu_pct without capacity_cores; give the capacity")
        batch.numbers["cpu_cores_mean"] = np.where(np.isfinite(cores), cores, from_percent)
        batch.numbers["cpu_cores_max"] = peak_percent / 100 * capacity

    def _refuse_impossible(
        self, batch: _Batch, name: str, ratio: _Floats, percent: _Floats, cores: _Floats
    ) -> None:
        found = np.flatnonzero(batch.keep & (ratio > MAX_CPU_RATIO))
        if not len(found):
            return
        first = int(found[0])
        given = f"{name} is {ratio[first] * 100:g}"
        if name == "cpu_pct" and not np.isfinite(percent[first]):
            given = f"cpu_cores is {cores[first]:g}, {ratio[first] * 100:g} % of capacity_cores"
        raise BadTrace(
            f"{self._file} {batch.place(first)}: {given}, over the limit of "
            f"{MAX_CPU_RATIO * 100:g} % of provisioned CPU; is it the sum over cores, millicores, "
            f"or relative to a soft limit? Give percent of capacity_cores; nothing was stored"
        )

    def _convert_memory(self, batch: _Batch) -> None:
        used, percent = batch.get("mem_bytes"), batch.get("mem_pct")
        capacity = batch.get("capacity_mem_bytes")
        capacity = np.where(capacity > 0, capacity, np.nan)
        batch.numbers["capacity_mem_bytes"] = capacity
        kept = batch.keep
        self._units.add("mem_bytes", batch.codes[kept], used[kept], self.resources)
        self._units.add("mem_pct", batch.codes[kept], percent[kept], self.resources)
        used = np.where(np.isfinite(used), used, percent / 100 * capacity)
        over = batch.keep & (used > MAX_MEMORY_RATIO * capacity)
        self._units.add_over_capacity(batch.codes[over], used[over], capacity[over], self.resources)
        self._drop(
            batch,
            over,
            f"memory use is over {MAX_MEMORY_RATIO:.0%} of capacity_mem_bytes",
            lambda i: f"{used[i]:.4g} of {capacity[i]:.4g}",
        )
        no_capacity = batch.keep & np.isfinite(percent) & ~np.isfinite(used)
        self._count_cells(
            batch, no_capacity, "mem_pct without capacity_mem_bytes; give the capacity"
        )
        batch.numbers["memory_bytes_mean"] = used
        batch.numbers["memory_bytes_max"] = batch.get("mem_pct_max") / 100 * capacity

    def _convert_rest(self, batch: _Batch, rows: pa.Table) -> None:
        batch.numbers["requests"] = np.full(len(batch.codes), np.nan)
        if "other_metric" in self._columns.read and "other_value" in self._columns.read:
            is_requests = pc.fill_null(
                pc.equal(rows.column("other_metric").cast(pa.string()), REQUESTS_METRIC), False
            ).to_numpy()
            values = batch.get("other_value")
            batch.numbers["requests"] = np.where(is_requests, values, np.nan)
            other = batch.keep & np.isfinite(values) & ~is_requests
            self._count_cells(batch, other, f"other_metric other than {REQUESTS_METRIC!r}")
        for name in self._columns.ignored:
            filled = rows.num_rows - rows.column(name).null_count
            self.cell_faults.add(f"column {name!r} has no place in the store", filled)

    def _count_cells(self, batch: _Batch, found: _Mask, reason: str) -> None:
        cells = np.flatnonzero(found)
        if len(cells):
            self.cell_faults.add(reason, len(cells), batch.place(int(cells[0])))

    def _count_out_of_order(self, batch: _Batch) -> None:
        """Rows earlier than the row before them of the same resource; the store sorts them."""
        codes, times = batch.codes[batch.keep], batch.timestamps_ms[batch.keep]
        if not len(codes):
            return
        order = np.argsort(codes, kind="stable")
        codes, times = codes[order], times[order]
        first = np.ones(len(codes), dtype=bool)
        first[1:] = codes[1:] != codes[:-1]
        before = np.empty_like(times)
        before[1:] = times[:-1]
        before[first] = self._last_ms[codes[first]]
        self.notes.add("out of order in the file, sorted", int((times < before).sum()))
        last = np.append(np.flatnonzero(first)[1:] - 1, len(codes) - 1)
        self._last_ms[codes[last]] = times[last]

    def _finish_batch(self, batch: _Batch) -> pa.Table:
        columns = {
            "cpu_cores_mean": "cpu_cores_mean",
            "cpu_cores_max": "cpu_cores_max",
            "capacity_cores": "capacity_cores",
            "memory_bytes_mean": "memory_bytes_mean",
            "memory_bytes_max": "memory_bytes_max",
            "capacity_memory_bytes": "capacity_mem_bytes",
            "requests": "requests",
            **{stored: given for given, stored in COPIED_COLUMNS.items()},
        }
        values = {stored: batch.get(given) for stored, given in columns.items()}
        nothing = np.ones(len(batch.codes), dtype=bool)
        for stored, numbers in values.items():
            if not stored.startswith("capacity_"):
                nothing &= np.isnan(numbers)
        self._drop(batch, nothing, "nothing measured", lambda _: "all empty", benign=True)
        kept = batch.keep
        codes = pa.array(batch.codes[kept])
        table = {
            "workload": pa.array(self._keys, pa.string()).take(codes),
            "resource_id": pa.array(list(self._resources), pa.string()).take(codes),
            "timestamp_ms": pa.array(batch.timestamps_ms[kept]),
            "interval_s": pa.array(batch.numbers["interval_s"][kept].astype(np.int64)),
        }
        for stored, numbers in values.items():
            table[stored] = pa.array(numbers[kept], from_pandas=True)  # NaN becomes null
        return pa.table(table)


def _shown(values: _Floats) -> Callable[[int], str]:
    return lambda index: f"{values[index]:g}"
