"""Counts that are too sparse for a dense array: bins of a (workload, day), and counts by a value.

``BinCounts`` holds the histogram of every cell of a (W, D) grid one after the other; ``DayCounts``
holds a few entries (row, day, value, bin, count) in no order. Both are numpy only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from rightsizing.profile.histograms import Histogram

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class BinCounts:
    """Histograms of the cells of a (W, D) grid; cell (w, d) has the entries
    ``[start[w, d], start[w, d] + size[w, d])``, each bin once, in no order. Entries that belong to
    no cell are those of rows and days left out by ``take`` and ``until``, which copy no entries."""

    start: IntArray  # (W, D)
    size: IntArray  # (W, D)
    bin: npt.NDArray[np.int32]  # (N,)
    count: npt.NDArray[np.uint32]  # (N,)

    @classmethod
    def blank(cls, rows: int, days: int) -> Self:
        """A grid of empty histograms."""
        return cls(
            start=np.zeros((rows, days), dtype=np.int64),
            size=np.zeros((rows, days), dtype=np.int64),
            bin=np.zeros(0, dtype=np.int32),
            count=np.zeros(0, dtype=np.uint32),
        )

    def histogram(self, row: int) -> Histogram:
        """All days of one row added up."""
        entries = np.concatenate(
            [
                np.arange(start, start + size)
                for start, size in zip(self.start[row], self.size[row], strict=True)
            ]
            or [np.zeros(0, dtype=np.int64)]
        )
        bins, where = np.unique(self.bin[entries], return_inverse=True)
        totals = np.bincount(where, weights=self.count[entries])  # exact below 2 ** 53
        return tuple(zip(bins.tolist(), totals.astype(np.int64).tolist(), strict=True))

    def take(self, rows: IntArray) -> BinCounts:
        """The rows at these positions, in this order."""
        return BinCounts(self.start[rows], self.size[rows], self.bin, self.count)

    def until(self, day_index: int) -> BinCounts:
        """Columns [0, day_index)."""
        return BinCounts(self.start[:, :day_index], self.size[:, :day_index], self.bin, self.count)


@dataclass(frozen=True, slots=True, eq=False)
class DayCounts:
    """Entries of equal length N, in no order; ``bin`` is 0 where the value alone says it."""

    row: IntArray
    day: IntArray  # column of the table
    value: FloatArray
    bin: IntArray
    count: FloatArray

    @classmethod
    def blank(cls) -> Self:
        """No entries."""
        none = np.zeros(0, dtype=np.int64)
        return cls(none, none, np.zeros(0), none, np.zeros(0))

    @classmethod
    def joined(cls, parts: Sequence[DayCounts]) -> Self:
        """All entries of all parts."""
        columns: dict[str, Any] = {
            field.name: np.concatenate([getattr(part, field.name) for part in parts])
            for field in fields(cls)
        }
        return cls(**columns)

    def take(self, rows: IntArray) -> DayCounts:
        """Entries of these rows, which are distinct, numbered by their place in ``rows``."""
        highest = max(int(rows.max(initial=-1)), int(self.row.max(initial=-1)))
        place = np.full(highest + 1, -1, dtype=np.int64)
        place[rows] = np.arange(len(rows))
        return self._where(place[self.row] >= 0, place[self.row])

    def only(self, rows: IntArray) -> DayCounts:
        """Entries of these rows, numbered as they are."""
        return self._where(np.isin(self.row, rows), self.row)

    def until(self, day_index: int) -> DayCounts:
        """Entries of days before this column."""
        return self._where(self.day < day_index, self.row)

    def totals_by_value(self) -> tuple[FloatArray, FloatArray]:
        """(M, 2) distinct (row, value) and (M,) their counts added up."""
        keys = np.stack((self.row.astype(np.float64), self.value), axis=1)
        distinct, where = np.unique(keys, axis=0, return_inverse=True)
        totals = np.bincount(where.ravel(), weights=self.count, minlength=len(distinct))
        return distinct, totals.astype(np.float64)

    def _where(self, kept: npt.NDArray[np.bool_], row: IntArray) -> DayCounts:
        return DayCounts(
            row=row[kept],
            day=self.day[kept],
            value=self.value[kept],
            bin=self.bin[kept],
            count=self.count[kept],
        )
