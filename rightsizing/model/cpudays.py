"""CPU demand of several workloads day by day: the arrays that the sizing rule reads.

One calendar for all rows: column d is the d-th day, the last column the newest. A fleet's table and
a single profile both give these arrays, so that one rule sizes both.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class CpuDays:
    """Daily CPU demand of W workloads over D consecutive UTC days."""

    capacity_cores: FloatArray  # (W,) what the bins are shares of; NaN unknown
    counts: npt.NDArray[Any]  # (W, D, B) intervals by bin of 0.5 % of the capacity
    samples: IntArray  # (W, D) intervals with CPU
    sum_cores: FloatArray  # (W, D) sum of the intervals' means
    max_cores: FloatArray  # (W, D) largest interval; NaN where nothing was measured
    # (W, D, 24) mean of each UTC hour, NaN where not measured; None: use over time is not kept
    hour_mean_cores: npt.NDArray[np.float32] | None = None

    @property
    def days(self) -> int:
        """D, the number of columns."""
        return int(self.samples.shape[1])

    def take(self, row: int) -> CpuDays:
        """One workload, with arrays of one row."""
        kept: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        for name, array in kept.items():
            if array is not None:
                kept[name] = array[row : row + 1]
        return CpuDays(**kept)

    def __eq__(self, other: object) -> bool:
        """Equal arrays; NaN equals NaN."""
        if not isinstance(other, CpuDays):
            return NotImplemented
        return all(
            _equal(getattr(self, field.name), getattr(other, field.name)) for field in fields(self)
        )

    def __hash__(self) -> int:
        return hash((self.samples.tobytes(), self.max_cores.tobytes()))


def _equal(left: npt.NDArray[Any] | None, right: npt.NDArray[Any] | None) -> bool:
    if left is None or right is None:
        return left is right
    return np.array_equal(left, right, equal_nan=True)
