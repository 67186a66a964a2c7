"""Rows kept as matrices give the tables that the lists give, whatever the lists hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightsizing.profile.bincounts import BinCounts, DayCounts
from rightsizing.profile.dayquery import DAY_SCHEMA, PACKED
from rightsizing.profile.daytable import DayTable
from rightsizing.profile.densecounts import DENSE_SCHEMA, densified
from rightsizing.profile.tableassembly import day_tables

BINS = st.dictionaries(
    st.one_of(st.integers(0, 254), st.sampled_from([255, 256, 300, 65_535, 70_000])),
    st.one_of(st.integers(1, 300), st.sampled_from([65_535, 65_536, 86_400])),
    max_size=4,
)
LISTS = st.dictionaries(st.sampled_from([1.0, 2.0, 4.0]), BINS, max_size=2)
HOURS = st.dictionaries(st.integers(0, 23), st.tuples(st.floats(0, 9, width=32)), max_size=3)
CELLS = st.tuples(st.sampled_from(["api", "job", "web"]), st.integers(0, 3))
ROWS = st.dictionaries(CELLS, st.tuples(LISTS, HOURS), min_size=1, max_size=8)


def rows_of(drawn: dict[tuple[str, int], tuple[dict[float, dict[int, int]], Any]]) -> pa.Table:
    """Rows of ``DAY_SCHEMA``; an empty list of bins or hours is null, as from an outer join."""
    made = []
    for (workload, day), (by_cores, hours) in drawn.items():
        held = {cores: bins for cores, bins in by_cores.items() if bins}
        samples = sum(sum(bins.values()) for bins in held.values()) or 1
        made.append(
            {
                "workload": workload,
                "day": day,
                "samples": samples,
                "cpu_samples": samples,
                "interval_s": 300,
                "capacity_cores": max(held, default=None),
                "cpu_max": 1.0,
                "cpu_bins": [
                    {"value": cores, "counts": [bin_ * PACKED + n for bin_, n in bins.items()]}
                    for cores, bins in held.items()
                ]
                or None,
                "hours": [
                    {"hour": hour, "max": value, "mean": value / 2}
                    for hour, (value,) in hours.items()
                ]
                or None,
            }
        )
    filled = [{name: row.get(name) for name in DAY_SCHEMA.names} for row in made]
    return pa.Table.from_pylist(filled, schema=DAY_SCHEMA)


def assert_same(left: Sequence[DayTable], right: Sequence[DayTable]) -> None:
    """Equal in every bit; sparse entries in any order."""
    assert len(left) == len(right)
    for mine, other in zip(left, right, strict=True):
        for field in fields(DayTable):
            one, two = getattr(mine, field.name), getattr(other, field.name)
            if isinstance(one, np.ndarray):
                assert one.dtype == two.dtype, field.name
                np.testing.assert_array_equal(one, two, err_msg=field.name)
            elif isinstance(one, DayCounts):
                assert entries(one) == entries(two), field.name
            elif not isinstance(one, BinCounts):
                assert one == two, field.name


def entries(counts: DayCounts) -> list[tuple[Any, ...]]:
    """Entries as sorted tuples."""
    columns = (counts.row, counts.day, counts.value, counts.bin, counts.count)
    return sorted(zip(*(column.tolist() for column in columns), strict=True))


@settings(deadline=None, max_examples=150)
@given(ROWS)
def test_matrices_give_the_tables_of_the_lists(drawn) -> None:
    """Several capacities, high bins, large counts, resized workloads, days without CPU."""
    rows = rows_of(drawn)
    dense = densified(rows)
    assert dense.schema.equals(DENSE_SCHEMA)
    assert_same(list(day_tables(dense)), list(day_tables(rows)))


@settings(deadline=None, max_examples=50)
@given(ROWS, st.integers(0, 8))
def test_slices_and_chunks_say_the_same(drawn, cut: int) -> None:
    """A range of a file's rows, put together of two pieces, as the cache reads it."""
    rows = rows_of(drawn)
    dense = densified(rows)
    pieces = pa.concat_tables([dense.slice(0, cut), dense.slice(cut)])
    assert_same(list(day_tables(pieces)), list(day_tables(rows)))


def test_ordinary_rows_leave_no_list() -> None:
    """One capacity, bins under 256: the row is a matrix alone, and a wide one stays a list."""
    drawn = {
        ("a", 0): ({4.0: {3: 5, 199: 1}}, {7: (1.5,)}),
        ("b", 0): ({4.0: {256: 5}}, {}),
    }
    dense = densified(rows_of(drawn))
    assert dense.column("cpu_bins").is_null().to_pylist() == [True, False]
    assert dense.column("cpu_matrix").is_null().to_pylist() == [False, True]
    assert dense.column("hours").null_count == 2
    # Bin 3 holds 5 and bin 199 one: the bytes at 6 and 398, low byte first.
    held = dense.column("cpu_matrix")[0].as_py()
    assert (held[6], held[398], sum(held)) == (5, 1, 6)


def test_no_rows_are_no_rows() -> None:
    """A partition in which nothing was measured."""
    dense = densified(DAY_SCHEMA.empty_table())
    assert dense.num_rows == 0
    assert list(day_tables(dense)) == []


@pytest.mark.parametrize("name", ["cpu_matrix", "hours_matrix"])
def test_widths_are_fixed(name: str) -> None:
    """Files of any partition can be put together: 256 counts of 2 bytes, 48 of 4."""
    assert DENSE_SCHEMA.field(name).type.byte_width == {"cpu_matrix": 512}.get(name, 192)
