"""What another recommender says about a resource, as it says it.

Today the only such recommender is AWS Compute Optimizer. Its words are kept (findings, reason
codes, ranks, the performance risk of 0 to 4), so that people find them again in its console; what
it left out is ``NoData``. Money is the saving it states itself, in dollars a month.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum, unique

from rightsizing.model.base import NoData
from rightsizing.model.workload import WorkloadKind


@unique
class PeerFinding(StrEnum):
    """Compute Optimizer's findings; groups know only optimized and not optimized."""

    OVERPROVISIONED = "overprovisioned"
    UNDERPROVISIONED = "underprovisioned"
    OPTIMIZED = "optimized"
    NOT_OPTIMIZED = "not optimized"
    UNKNOWN = "unknown"  # a word this version does not know


@dataclass(frozen=True, slots=True)
class PeerType:
    """An instance type, or the types of a mixed group. ``names`` is never empty."""

    names: tuple[str, ...]

    def __str__(self) -> str:
        return " + ".join(self.names)


@dataclass(frozen=True, slots=True)
class PeerTask:
    """CPU (1024 units are one vCPU) and memory of one task; None where the answer has neither."""

    cpu_units: int | None
    memory_mib: int | None

    def __str__(self) -> str:
        cpu = "? vCPU" if self.cpu_units is None else f"{self.cpu_units / 1024:g} vCPU"
        memory = "? MiB" if self.memory_mib is None else f"{self.memory_mib} MiB"
        return f"{cpu}, {memory}"


PeerSize = PeerType | PeerTask


@dataclass(frozen=True, slots=True)
class PeerUtilisation:
    """One utilisation figure: percent for CPU and memory, else the unit is in the metric's name.

    For services a projection is a range; otherwise both ends are equal.
    """

    metric: str  # as spelt in the answer: Cpu, Memory, NETWORK_IN_BYTES_PER_SECOND
    statistic: str  # Maximum or Average
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class PeerOption:
    """One proposal. ``rank`` 1 is the best."""

    rank: int
    size: PeerSize
    projected: tuple[PeerUtilisation, ...]
    performance_risk: float | NoData  # 0 (always enough) to 4, the worst dimension's
    migration_effort: str | NoData
    saving_usd_per_month: Decimal | NoData  # by on-demand list prices
    saving_after_discounts_usd_per_month: Decimal | NoData


@dataclass(frozen=True, slots=True)
class PeerPreferences:
    """The rule in force for the resource, as far as the answer states it."""

    lookback: str | NoData  # DAYS_14, DAYS_32 or DAYS_93
    cpu_threshold: str | NoData  # P90, P95 or P99_5
    cpu_headroom: str | NoData  # PERCENT_0, PERCENT_20 or PERCENT_30
    memory_headroom: str | NoData


@dataclass(frozen=True, slots=True)
class PeerAdvice:
    """What was said about one resource: an Auto Scaling group, an instance or a service."""

    kind: WorkloadKind
    resource_id: str  # group name, instance id or cluster/service
    name: str | None  # an instance's Name tag
    group: str | None  # the Auto Scaling group an instance belongs to, when its tags say so
    workload: str | None  # the workload tag, when the answer carries tags
    finding: PeerFinding
    reasons: tuple[str, ...]
    current: PeerSize
    used: tuple[PeerUtilisation, ...]
    current_risk: str | NoData  # VeryLow, Low, Medium or High
    lookback_days: float | NoData
    refreshed_at: datetime | NoData
    preferences: PeerPreferences
    options: tuple[PeerOption, ...]  # by rank

    @property
    def best(self) -> PeerOption | None:
        """The option of rank 1; None when nothing is proposed."""
        return self.options[0] if self.options else None


@dataclass(frozen=True, slots=True)
class PeerReport:
    """Everything a recommender said, and a sentence for each part that could not be read."""

    peer: str  # its name
    advice: tuple[PeerAdvice, ...]
    failures: tuple[str, ...] = ()
