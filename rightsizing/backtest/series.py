"""What a rule is shown of one workload: measurements on a regular grid of whole UTC days.

Days are counted from the series' own first day (index 0); a slice ``[start, end)`` shares memory
with its series, so showing a rule the past costs nothing. Arrays are read, never written.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rightsizing.units import SECONDS_PER_DAY

FloatArray = NDArray[np.float64]

_ARRAYS = (
    "cpu_cores",
    "cpu_mean_cores",
    "memory_bytes",
    "capacity_cores",
    "capacity_memory_bytes",
)


@dataclass(frozen=True, slots=True)
class DemandSeries:
    """One workload's measurements on a regular grid of whole UTC days; NaN = not measured.

    All arrays have shape ``(days * intervals_per_day,)``. ``ValueError`` when they do not, or when
    the interval does not divide a day.
    """

    workload: str
    first_day: int  # days since 1970-01-01
    interval_s: int  # grid step; 300 for 5-minute data
    cpu_cores: FloatArray  # largest use in the interval where measured, else its mean
    cpu_mean_cores: FloatArray
    memory_bytes: FloatArray  # all NaN: not measured
    capacity_cores: FloatArray
    capacity_memory_bytes: FloatArray

    def __post_init__(self) -> None:
        """Refuse arrays that are not one grid of whole days."""
        if self.interval_s <= 0 or SECONDS_PER_DAY % self.interval_s:
            raise ValueError(f"an interval of {self.interval_s} s does not divide a day")
        lengths = {len(getattr(self, name)) for name in _ARRAYS}
        if len(lengths) != 1 or lengths.pop() % self.intervals_per_day:
            raise ValueError(f"the arrays of {self.workload} are not one grid of whole days")

    @property
    def intervals_per_day(self) -> int:
        """Grid steps in a day: 288 for 5 minutes."""
        return SECONDS_PER_DAY // self.interval_s

    @property
    def days(self) -> int:
        """Whole UTC days of the grid, measured or not."""
        return len(self.cpu_cores) // self.intervals_per_day

    def between(self, start: int, end: int) -> DemandSeries:
        """Days ``[start, end)``, counted from the first; cut to what exists."""
        start = min(max(start, 0), self.days)
        end = min(max(end, start), self.days)
        part = slice(start * self.intervals_per_day, end * self.intervals_per_day)
        return replace(
            self,
            first_day=self.first_day + start,
            cpu_cores=self.cpu_cores[part],
            cpu_mean_cores=self.cpu_mean_cores[part],
            memory_bytes=self.memory_bytes[part],
            capacity_cores=self.capacity_cores[part],
            capacity_memory_bytes=self.capacity_memory_bytes[part],
        )

    def until(self, day_index: int) -> DemandSeries:
        """What was known when day ``day_index`` began: days ``[0, day_index)``."""
        return self.between(0, day_index)

    def last(self, days: int) -> DemandSeries:
        """The last ``days`` days of the grid, or all of it where it is shorter."""
        return self.between(self.days - days, self.days)

    @property
    def times_s(self) -> FloatArray:
        """Start of each interval in seconds since 1970-01-01."""
        index = np.arange(len(self.cpu_cores), dtype=np.float64)
        return index * self.interval_s + float(self.first_day * SECONDS_PER_DAY)

    @property
    def measured_cpu_cores(self) -> FloatArray:
        """CPU of the intervals that have it, in order of time."""
        return self.cpu_cores[~np.isnan(self.cpu_cores)]

    @property
    def measured_memory_bytes(self) -> FloatArray:
        """Memory of the intervals that have it, in order of time."""
        return self.memory_bytes[~np.isnan(self.memory_bytes)]

    @property
    def latest_capacity_cores(self) -> float:
        """CPU capacity of the last interval that states one; NaN where none does."""
        return _latest(self.capacity_cores)

    @property
    def latest_capacity_memory_bytes(self) -> float:
        """Memory capacity of the last interval that states one; NaN where none does."""
        return _latest(self.capacity_memory_bytes)

    def by_day(self, values: FloatArray) -> FloatArray:
        """``values`` of this grid as ``(days, intervals_per_day)``."""
        return values.reshape(self.days, self.intervals_per_day)


def _latest(values: FloatArray) -> float:
    stated = np.flatnonzero(~np.isnan(values))
    return float(values[stated[-1]]) if stated.size else float("nan")
