"""Lists of CPU bins and of hours as matrices of fixed width: how a day's rows are kept on disk.

Reading nested lists back and placing each entry cost more than all the rest of opening a cache. A
fixed number of bytes a row is read as one block and copied row by row. What does not fit (several
capacities on one day, a bin from 256 up, a count above 65,535) stays in the list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rightsizing.profile.dayquery import DAY_SCHEMA, PACKED
from rightsizing.profile.daytable import HOURS_PER_DAY

MATRIX_BINS = 256  # what a workload of one capacity fills, with some turbo
_LARGEST_COUNT = PACKED - 1
_MOST_COUNTED = np.iinfo(np.uint16).max
_CPU_BYTES = 2 * MATRIX_BINS
_HOUR_BYTES = 2 * HOURS_PER_DAY * 4  # largest use, then mean, of each hour; NaN not measured

DENSE_SCHEMA = (
    DAY_SCHEMA.append(pa.field("cpu_matrix", pa.binary(_CPU_BYTES)))
    .append(pa.field("cpu_matrix_cores", pa.float64()))  # the capacity its bins are shares of
    .append(pa.field("hours_matrix", pa.binary(_HOUR_BYTES)))
)


@dataclass(frozen=True, slots=True, eq=False)
class ListedBins:
    """CPU bins of N lists: entries [first[n], first[n + 1]) are of list n."""

    row: npt.NDArray[np.int64]  # (N,) row of the table
    cores: npt.NDArray[np.float64]  # (N,) capacity
    first: npt.NDArray[np.int64]  # (N + 1,)
    bin: npt.NDArray[np.int64]
    count: npt.NDArray[np.int64]

    @classmethod
    def of(cls, rows: pa.Table) -> Self:
        """The lists of column ``cpu_bins``."""
        by_row, held = flat(rows, "cpu_bins")
        cores = pc.struct_field(held, "value").to_numpy(zero_copy_only=False)
        first, packed = lists(pc.struct_field(held, "counts"))
        wide = packed.to_numpy(zero_copy_only=False)
        return cls(
            row=np.repeat(np.arange(len(rows)), np.diff(by_row)),
            cores=np.asarray(cores, dtype=np.float64),
            first=first,
            bin=wide >> 32,
            count=wide & _LARGEST_COUNT,
        )


def densified(rows: pa.Table) -> pa.Table:
    """Rows of ``DAY_SCHEMA`` as rows of ``DENSE_SCHEMA``, in the same order."""
    listed = ListedBins.of(rows)
    sizes = np.diff(listed.first)
    of_list = np.repeat(np.arange(len(sizes)), sizes)
    fits = np.bincount(listed.row, minlength=len(rows)) == 1
    wide = (listed.bin >= MATRIX_BINS) | (listed.count > _MOST_COUNTED)
    fits[listed.row[of_list[wide]]] = False
    entry_row = listed.row[of_list]
    kept = fits[entry_row]
    counts = np.zeros((len(rows), MATRIX_BINS), dtype=np.uint16)
    counts[entry_row[kept], listed.bin[kept]] = listed.count[kept]
    cores = np.zeros(len(rows))
    cores[listed.row] = listed.cores
    left = pa.array(np.arange(len(rows)), mask=fits)
    return (
        rows.set_column(
            rows.schema.get_field_index("cpu_bins"),
            DAY_SCHEMA.field("cpu_bins"),
            rows.column("cpu_bins").take(left),
        )
        .set_column(
            rows.schema.get_field_index("hours"),
            DAY_SCHEMA.field("hours"),
            pa.nulls(len(rows), DAY_SCHEMA.field("hours").type),
        )
        .append_column(DENSE_SCHEMA.field("cpu_matrix"), _bytes_of(counts, _CPU_BYTES, fits))
        .append_column(DENSE_SCHEMA.field("cpu_matrix_cores"), pa.array(cores, mask=~fits))
        .append_column(DENSE_SCHEMA.field("hours_matrix"), _hours(rows))
    )


def matrix_of(rows: pa.Table, name: str, dtype: npt.DTypeLike) -> tuple[Any, Any]:
    """(N,) rows that have a matrix, and (N, columns) their values; none without the column."""
    if name not in rows.column_names:
        return np.zeros(0, dtype=np.int64), np.zeros((0, 1), dtype=dtype)
    column = rows.column(name).combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0) if column.num_chunks else pa.array([], column.type)
    width = column.type.byte_width
    data = np.frombuffer(column.buffers()[1] or b"", dtype=np.uint8)
    held = data[column.offset * width :][: len(column) * width].reshape(len(column), width)
    values = held.view(dtype)
    if column.null_count == 0:
        return np.arange(len(column)), values
    known = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))
    return known, values[known]


def flat(rows: pa.Table, name: str) -> tuple[npt.NDArray[np.int64], pa.Array]:
    """(N + 1,) where each row's list begins among all values, and the values."""
    return lists(rows.column(name).combine_chunks())


def lists(column: pa.Array) -> tuple[npt.NDArray[np.int64], pa.Array]:
    """Likewise of an array of lists; a null is an empty list."""
    sizes = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    starts = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(sizes, dtype=np.int64)))
    return starts, column.flatten()


def _hours(rows: pa.Table) -> pa.Array:
    by_row, hours = flat(rows, "hours")
    row = np.repeat(np.arange(len(rows)), np.diff(by_row))
    hour = pc.struct_field(hours, "hour").to_numpy(zero_copy_only=False).astype(np.int64)
    grid = np.full((len(rows), 2, HOURS_PER_DAY), np.nan, dtype=np.float32)
    for place, name in enumerate(("max", "mean")):
        grid[row, place, hour] = pc.struct_field(hours, name).to_numpy(zero_copy_only=False)
    return _bytes_of(grid, _HOUR_BYTES, np.diff(by_row) > 0)


def _bytes_of(values: npt.NDArray[Any], width: int, valid: npt.NDArray[np.bool_]) -> pa.Array:
    """An array of ``width`` bytes a row, null where not valid."""
    mask = pa.array(valid).buffers()[1]
    return pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(width), len(valid), [mask, pa.py_buffer(np.ascontiguousarray(values))]
    )
