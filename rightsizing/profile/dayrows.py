"""The engine's answers as rows of ``DAY_SCHEMA``: lists of bins become histograms.

An answer holds, for each (workload, day), one integer an interval (``dayquery.BIN_LISTS``). Here
they are counted, for all rows of an answer at once: the counts of a row lie between its lowest bin
and its highest, rows one after the other, and one pass adds one to each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rightsizing.profile.dayquery import BIN_LISTS, CODE_BITS, DAY_SCHEMA, PACKED
from rightsizing.profile.histograms import HIGHEST_CPU_BIN

_ALL_BITS = 62  # of the first of several bins
_ENTRIES = 2**17  # counted at once: 1 MB, which stays in the processor's cache
_CELLS = 2**20  # of an array that counts them; beyond it they are sorted

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class ListedIntegers:
    """Lists of integers: entries [first[n], first[n + 1]) are of list n."""

    first: IntArray  # (N + 1,)
    values: IntArray

    @classmethod
    def of(cls, column: pa.Array) -> Self:
        """Those of an array of lists; a null is an empty list."""
        sizes = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
        first = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(sizes, dtype=np.int64)))
        return cls(first, column.flatten().to_numpy(zero_copy_only=False))

    def array(self) -> pa.Array:
        """An array of lists; an empty list is null, as an outer join would leave it."""
        sizes = np.diff(self.first)
        return pa.ListArray.from_arrays(
            pa.array(self.first, pa.int32()), pa.array(self.values), mask=pa.array(sizes == 0)
        )


def conformed(answers: Sequence[pa.Table]) -> pa.Table:
    """Answers to ``day_rows`` as one table of ``DAY_SCHEMA``, sorted by day and workload."""
    tables = []
    for answer in answers:
        held = {name: answer.column(name) for name in answer.column_names}
        held |= _histograms(answer)
        arrays = [
            held[field.name].cast(field.type)
            if field.name in held
            else pa.nulls(answer.num_rows, field.type)
            for field in DAY_SCHEMA
        ]
        tables.append(pa.Table.from_arrays(arrays, schema=DAY_SCHEMA))
    whole = pa.concat_tables(tables).combine_chunks()
    return whole.sort_by([("day", "ascending"), ("workload", "ascending")])


def counted(codes: ListedIntegers, shift: int = 0, bits: int = CODE_BITS) -> ListedIntegers:
    """How often each list holds each bin, bins ascending: bin * PACKED + count.

    The bin is what ``bits`` of the code above ``shift`` say, less one and at most
    ``HIGHEST_CPU_BIN``; one below zero is left out.
    """
    packed, sizes = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for block in _blocks(codes.first):
        entries = codes.values[codes.first[block.start] : codes.first[block.stop]]
        size = np.diff(codes.first[block.start : block.stop + 1])
        bins = np.minimum((entries >> shift) & (2**bits - 1), HIGHEST_CPU_BIN + 1) - 1
        found = _counted(bins, size)
        packed.append(found[0])
        sizes.append(found[1])
    first = np.concatenate(([0], np.cumsum(np.concatenate(sizes))))
    return ListedIntegers(first, np.concatenate(packed))


def _blocks(first: IntArray) -> Iterator[slice]:
    """Lists that are counted together."""
    start, lists = 0, len(first) - 1
    while start < lists:
        stop = int(np.searchsorted(first, first[start] + _ENTRIES, "right")) - 1
        stop = min(max(stop, start + 1), lists)
        yield slice(start, stop)
        start = stop


def _counted(bins: IntArray, sizes: IntArray) -> tuple[IntArray, IntArray]:
    """Bins and counts of a block of lists, packed, and how many of each list."""
    if len(bins) and bins.min() < 0:
        known = bins >= 0
        row = np.repeat(np.arange(len(sizes)), sizes)[known]
        bins, sizes = bins[known], np.bincount(row, minlength=len(sizes))
    filled = np.flatnonzero(sizes)
    if len(filled) == 0:
        return np.zeros(0, dtype=np.int64), sizes
    start = (np.cumsum(sizes) - sizes)[filled]
    low, width = np.zeros_like(sizes), np.zeros_like(sizes)
    low[filled] = np.minimum.reduceat(bins, start)
    width[filled] = np.maximum.reduceat(bins, start) - low[filled] + 1
    ends = np.cumsum(width)
    shift = low - (ends - width)
    place = bins - np.repeat(shift, sizes)
    if ends[-1] <= _CELLS:
        counts = np.bincount(place, minlength=int(ends[-1]))
        used = np.flatnonzero(counts)
        counts = counts[used]
    else:  # a few bins far apart, as broken readings are
        used, counts = np.unique(place, return_counts=True)
    listed = np.diff(np.searchsorted(used, ends), prepend=0)
    return (used + np.repeat(shift, listed)) * PACKED + counts, listed


def _histograms(answer: pa.Table) -> Mapping[str, pa.Array]:
    """Columns of bins out of the columns of codes."""
    found: dict[str, pa.Array] = {}
    for name, columns in BIN_LISTS.items():
        if name not in answer.column_names:
            continue
        codes = ListedIntegers.of(_column(answer, name))
        for place, column in enumerate(reversed(columns)):
            bits = _ALL_BITS if column == columns[0] else CODE_BITS
            found[f"{column}_bins"] = counted(codes, place * CODE_BITS, bits).array()
    if "cpu_codes" in answer.column_names:
        found["cpu_bins"] = _by_capacity(_column(answer, "cpu_codes"))
    elif "cpu_bins" in found:
        found["cpu_bins"] = _under_one(found["cpu_bins"], _column(answer, "capacity_cores"))
    return found


def _under_one(bins: pa.Array, cores: pa.Array) -> pa.Array:
    """The column ``cpu_bins`` of days of one capacity."""
    known = bins.is_valid().to_numpy(zero_copy_only=False)
    held = pa.StructArray.from_arrays(
        [cores.filter(pa.array(known)), bins.drop_null()], names=["value", "counts"]
    )
    first = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(known)))
    return pa.ListArray.from_arrays(pa.array(first, pa.int32()), held, mask=pa.array(~known))


def _by_capacity(column: pa.Array) -> pa.Array:
    """The same of days of several capacities."""
    held = column.flatten()
    bins = counted(ListedIntegers.of(pc.struct_field(held, "codes")), bits=_ALL_BITS).array()
    value = pc.struct_field(held, "value")
    sizes = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    first = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(sizes)))
    return pa.ListArray.from_arrays(
        pa.array(first, pa.int32()),
        pa.StructArray.from_arrays([value, bins], names=["value", "counts"]),
        mask=pa.array(sizes == 0),
    )


def _column(answer: pa.Table, name: str) -> pa.Array:
    column = answer.column(name).combine_chunks()
    return column if isinstance(column, pa.Array) else pa.concat_arrays(column.chunks)
