"""A recommendation: from size to size, with its reasons, risk, money and excuses."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum, unique

from rightsizing.model.base import NoData
from rightsizing.model.price import MonthlyCost
from rightsizing.model.profile import Evidence
from rightsizing.model.size import Size
from rightsizing.model.workload import WorkloadKind


@unique
class Finding(StrEnum):
    """Compute Optimizer's words, so that people can compare."""

    UNDERPROVISIONED = "underprovisioned"
    OVERPROVISIONED = "overprovisioned"
    OPTIMIZED = "optimized"
    UNKNOWN = "unknown"  # not enough evidence to say


@unique
class Decision(StrEnum):
    """What the toolkit proposes to do."""

    DOWNSIZE = "downsize"
    UPSIZE = "upsize"
    KEEP = "keep"  # the current size is right, or no change is worth it
    REFUSE = "refuse"  # a change might be right, but the evidence forbids it


@unique
class ReasonCode(StrEnum):
    """Why: the first block as Compute Optimizer spells it, the second our own."""

    CPU_OVERPROVISIONED = "CPUOverprovisioned"
    CPU_UNDERPROVISIONED = "CPUUnderprovisioned"
    MEMORY_OVERPROVISIONED = "MemoryOverprovisioned"
    MEMORY_UNDERPROVISIONED = "MemoryUnderprovisioned"
    NETWORK_UNDERPROVISIONED = "NetworkBandwidthUnderprovisioned"
    EBS_THROUGHPUT_UNDERPROVISIONED = "EBSThroughputUnderprovisioned"
    EBS_IOPS_UNDERPROVISIONED = "EBSIOPSUnderprovisioned"

    NO_MEASUREMENTS = "NoMeasurements"
    EVIDENCE_TOO_WEAK = "EvidenceTooWeak"
    MEMORY_UNMEASURED = "MemoryUnmeasured"
    DEMAND_CENSORED = "DemandCensored"  # at limit, throttled, out of credits, OOM-killed
    PRICE_UNKNOWN = "PriceUnknown"
    CHANGE_TOO_SMALL = "ChangeTooSmall"
    NO_CANDIDATE_FITS = "NoCandidateFits"
    ALREADY_CHEAPEST = "AlreadyCheapest"


@unique
class ExcuseCode(StrEnum):
    """Which test a rejected candidate failed first."""

    CPU_TOO_SMALL = "cpu-too-small"
    LATENCY = "latency-guard"  # too busy for its number of vCPUs to answer in time
    MEMORY_TOO_SMALL = "memory-too-small"
    NETWORK_TOO_SMALL = "network-too-small"
    EBS_TOO_SMALL = "ebs-too-small"
    WRONG_ARCHITECTURE = "wrong-architecture"
    OLD_GENERATION = "old-generation"
    BURST_CREDITS = "burst-credits"
    NOT_GENERAL_PURPOSE = "special-purpose"  # GPU, bare metal, local storage not asked for
    PRICE_UNKNOWN = "price-unknown"
    NOT_OFFERED = "not-offered"
    COSTS_MORE = "costs-more"
    OUT_OF_BOUNDS = "out-of-bounds"


@dataclass(frozen=True, slots=True)
class Excuse:
    """Why a candidate was not chosen: the value, the limit."""

    candidate: str
    code: ExcuseCode
    sentence: str


@dataclass(frozen=True, slots=True)
class Exceedance:
    """Predicted minutes a month in which demand exceeds the target size, with an interval."""

    minutes_per_month: float
    lower: float
    upper: float
    confidence: float


@dataclass(frozen=True, slots=True)
class FrontierPoint:
    """A candidate that no other beats in both price and predicted minutes of shortage.

    ``usd_per_month`` is of one instance. ``exceedance`` counts against its whole CPU. The ratios
    are the figures the decision rests on, over the candidate's capacity. ``sentence``: why a
    cheaper one was not taken, or that it was.
    """

    candidate: str
    usd_per_month: Decimal
    exceedance: Exceedance
    cpu_ratio: float | NoData
    memory_ratio: float | NoData
    chosen: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The decision for one workload. With ``KEEP`` and ``REFUSE`` the target equals the current."""

    workload: str
    kind: WorkloadKind
    decision: Decision
    finding: Finding
    reasons: tuple[ReasonCode, ...]
    current: Size
    target: Size
    uncapped_target: Size  # what the data said before bounds and hysteresis
    lower_bound: Size
    upper_bound: Size
    binding: str  # the dimension that decided, e.g. "memory peak 13.07 GiB on 2026-11-03"
    exceedance: Exceedance | NoData
    projected_cpu_mean_ratio: float | NoData  # of the target's capacity
    projected_cpu_peak_ratio: float | NoData
    projected_memory_peak_ratio: float | NoData
    cost_before: MonthlyCost | NoData
    cost_after: MonthlyCost | NoData
    evidence: Evidence
    sentence: str  # one sentence a person reads first
    missing_evidence: tuple[str, ...]  # what to collect, and what it would allow
    excuses: tuple[Excuse, ...]
    frontier: tuple[FrontierPoint, ...] = ()  # cheapest first; empty where nothing was predicted

    @property
    def saving_usd_per_month(self) -> Decimal | NoData:
        """Before minus after; unknown when either is."""
        if isinstance(self.cost_before, NoData):
            return self.cost_before
        if isinstance(self.cost_after, NoData):
            return self.cost_after
        return self.cost_before.usd_per_month - self.cost_after.usd_per_month
