"""Row statistics of (W, D) arrays with unmeasured days: medians, last values, blocks, array types.

numpy's ``nanmedian`` falls back to one Python call a row; here a sort puts NaN last and the middle
is taken by count, for 100,000 rows at once.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_BLOCK_CELLS = 4_000_000  # cells of scratch space a block may need: 32 MB of float64


def in_blocks(rows: int, cells_a_row: int) -> Iterator[slice]:
    """Slices of rows such that scratch arrays of ``cells_a_row`` each stay small."""
    step = max(_BLOCK_CELLS // max(cells_a_row, 1), 1)
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def row_median(values: FloatArray) -> FloatArray:
    """Median of the measured values of each row (W, D) -> (W,); NaN where there are none."""
    if values.shape[1] == 0:
        return np.full(len(values), np.nan)
    ordered = np.sort(values, axis=1)  # NaN last
    count = np.isfinite(values).sum(axis=1)
    low = np.take_along_axis(ordered, np.maximum(count - 1, 0)[:, None] // 2, axis=1)[:, 0]
    high = np.take_along_axis(ordered, (count // 2)[:, None].clip(max=values.shape[1] - 1), axis=1)
    median: FloatArray = np.where(count > 0, (low + high[:, 0]) / 2, np.nan)
    return median


def last_known(values: FloatArray) -> FloatArray:
    """Last value of each row (W, D) -> (W,) that is not NaN; NaN where there is none."""
    if values.shape[1] == 0:
        return np.full(len(values), np.nan)
    last = values.shape[1] - 1 - np.argmax(~np.isnan(values)[:, ::-1], axis=1)
    found: FloatArray = values[np.arange(len(values)), last]
    return found
