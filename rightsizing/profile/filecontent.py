"""What a store's files hold, read from the statistics in their footers: no data is touched.

Footers say nothing of NaN; the store refuses it, so files of the store hold none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow.parquet as pq

from rightsizing.profile.intervals import RANGES, Content


def content_of_files(paths: Sequence[Path]) -> Content:
    """Content of some of a store's Parquet files, without its workloads.

    Raises OSError or pyarrow.ArrowException when a footer cannot be read.
    """
    measured: set[str] = set()
    whole = set(RANGES)
    shortest, longest = float("inf"), float("-inf")
    for group in _row_groups(paths):
        for index in range(group.num_columns):
            column = group.column(index)
            name = column.path_in_schema
            statistics = column.statistics
            if name == "interval_s":
                known = statistics is not None and statistics.has_min_max
                shortest = min(shortest, statistics.min if known else 0)
                longest = max(longest, statistics.max if known else 0)
            elif name in RANGES:
                found, complete = _held(statistics, name, group.num_rows)
                if found:
                    measured.add(name)
                if not complete:
                    whole.discard(name)
    return Content(
        measured=frozenset(measured),
        whole=frozenset(whole & measured),
        mixed_intervals=shortest != longest or shortest <= 0,
    )


def _row_groups(paths: Sequence[Path]) -> Iterator[pq.RowGroupMetaData]:
    for path in paths:
        metadata = pq.read_metadata(path)
        for index in range(metadata.num_row_groups):
            yield metadata.row_group(index)


def _held(statistics: pq.Statistics | None, name: str, rows: int) -> tuple[bool, bool]:
    """Whether any row, and whether every row, holds a reading; unknown counts as some."""
    if statistics is None or not statistics.has_null_count:
        return True, False
    if statistics.null_count == rows:
        return False, False
    lowest, highest = RANGES[name]
    complete = (
        statistics.null_count == 0
        and statistics.has_min_max
        and statistics.min >= lowest
        and statistics.max <= highest
    )
    return True, complete
