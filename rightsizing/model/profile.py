"""What measurements say about one workload: integer histograms and daily maxima, all mergeable.

CPU demand is kept in bins of 0.5 % of the capacity it was measured under, memory in 1 % log bins.
The numbers are plain; the arithmetic on them is in ``rightsizing.profile``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique

from rightsizing.model.base import NoData
from rightsizing.model.cpudays import CpuDays
from rightsizing.model.memorydays import MemoryDays


@unique
class Grade(StrEnum):
    """Evidence grade from day blocks (research: 95 % sure the max of daily maxima covers a share
    of days: 7 d .652, 14 d .807, 32 d .911, 93 d .968)."""

    NONE = "none"  # nothing usable
    WEAK = "weak"  # under 7 days, or only averages of unknown window
    FAIR = "fair"  # 7 to 13 days
    GOOD = "good"  # 14 to 31 days
    STRONG = "strong"  # 32 days and more

    @property
    def rank(self) -> int:
        """0 (none) to 4 (strong), for comparing."""
        return list(Grade).index(self)


@dataclass(frozen=True, slots=True)
class CpuProfile:
    """CPU demand per instance.

    ``histogram`` maps bin index (0.5 % of ``capacity_cores`` each, upper edge exclusive) to a
    count of intervals; ``daily_max_cores`` has one value a measured day, oldest first. ``days`` has
    one row and a column for every day from the first to the last that measured CPU.
    """

    capacity_cores: float
    histogram: tuple[tuple[int, int], ...]
    samples: int
    mean_cores: float
    peak_cores: float
    daily_max_cores: tuple[float, ...]
    at_limit_ratio: float  # share of intervals at 98 % of capacity and more: demand is censored
    throttled_ratio: float | NoData
    credit_exhausted_ratio: float | NoData
    days: CpuDays
    averages_only: bool = False  # no interval gave its peak, so the means stand in for it


@dataclass(frozen=True, slots=True)
class MemoryProfile:
    """Memory in use per instance. Peaks are what sizes it; it is never read from a percentile.

    ``days`` has one row and a column for every day from the first to the last that measured memory.
    """

    capacity_bytes: float
    histogram: tuple[tuple[int, int], ...]
    samples: int
    mean_bytes: float
    peak_bytes: float
    daily_max_bytes: tuple[float, ...]
    near_limit_ratio: float  # share of intervals at 95 % of capacity and more
    oom_kills: int  # under the capacity in force; kills under a smaller limit were answered by it
    days: MemoryDays
    oom_limit_bytes: float | None = None  # largest limit that broke; None: none, or none known


@dataclass(frozen=True, slots=True)
class RatePeaks:
    """High quantiles (q99.5) of rates per instance, compared with a shape's baseline figures."""

    network_bytes_per_s: float | NoData
    disk_bytes_per_s: float | NoData
    disk_ops_per_s: float | NoData


@dataclass(frozen=True, slots=True)
class Evidence:
    """How much the profile can be trusted, in one grade and one sentence."""

    grade: Grade
    days: float  # days that hold at least half of their expected samples
    samples: int
    expected_samples: int
    interval_s: int
    start_ms: int
    end_ms: int
    statement: str


@dataclass(frozen=True, slots=True)
class Profile:
    """Everything known about one workload's demand."""

    workload: str
    evidence: Evidence
    cpu: CpuProfile | NoData
    memory: MemoryProfile | NoData
    rates: RatePeaks
    instances_mean: float | NoData
    instances_max: float | NoData
