"""Memory use of several workloads day by day: the arrays that the memory rule reads.

One calendar for all rows: column d is the d-th day, the last column the newest. A fleet's table and
a single profile both give these arrays, so that one rule sizes both.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class MemoryDays:
    """What the rule reads of W workloads over D consecutive UTC days."""

    daily_max_bytes: FloatArray  # (W, D) NaN where not measured
    capacity_bytes: FloatArray  # (W,) in force; NaN unknown
    is_capacity_stable: BoolArray  # (W,) every day that states a capacity states this one
    broken_limit_bytes: FloatArray  # (W,) largest limit under which a process was killed; NaN none

    @property
    def rows(self) -> int:
        """W, the number of workloads."""
        return len(self.daily_max_bytes)

    def __eq__(self, other: object) -> bool:
        """Equal arrays; NaN equals NaN."""
        if not isinstance(other, MemoryDays):
            return NotImplemented
        return all(
            np.array_equal(
                getattr(self, field.name),
                getattr(other, field.name),
                equal_nan=field.name != "is_capacity_stable",
            )
            for field in fields(self)
        )

    def __hash__(self) -> int:
        return hash((self.daily_max_bytes.tobytes(), self.capacity_bytes.tobytes()))
