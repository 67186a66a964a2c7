"""What the rules of a workload kind found, and the recommendation written from it."""

from __future__ import annotations

from dataclasses import dataclass

from rightsizing.model.base import NoData
from rightsizing.model.price import MonthlyCost
from rightsizing.model.profile import Profile
from rightsizing.model.recommendation import (
    Decision,
    Exceedance,
    Excuse,
    Finding,
    FrontierPoint,
    ReasonCode,
    Recommendation,
)
from rightsizing.model.size import Size
from rightsizing.model.workload import Workload
from rightsizing.units import format_usd

_UNDERPROVISIONED = frozenset(
    {
        ReasonCode.CPU_UNDERPROVISIONED,
        ReasonCode.MEMORY_UNDERPROVISIONED,
        ReasonCode.NETWORK_UNDERPROVISIONED,
        ReasonCode.EBS_THROUGHPUT_UNDERPROVISIONED,
        ReasonCode.EBS_IOPS_UNDERPROVISIONED,
    }
)
_OVERPROVISIONED = frozenset({ReasonCode.CPU_OVERPROVISIONED, ReasonCode.MEMORY_OVERPROVISIONED})
_BLOCKED = frozenset(
    {
        ReasonCode.NO_MEASUREMENTS,
        ReasonCode.EVIDENCE_TOO_WEAK,
        ReasonCode.MEMORY_UNMEASURED,
        ReasonCode.DEMAND_CENSORED,
    }
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Sizes around the target: at a looser risk, and at a tighter one."""

    uncapped: Size
    lower: Size
    upper: Size


@dataclass(frozen=True, slots=True)
class Capacity:
    """CPU and memory of one instance of the target, in cores of what was measured."""

    cores: float
    memory_bytes: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of the rules, before it is put in words."""

    decision: Decision
    target: Size
    bounds: Bounds
    capacity: Capacity
    reasons: tuple[ReasonCode, ...]
    binding: str
    cost_before: MonthlyCost | NoData
    cost_after: MonthlyCost | NoData
    missing_evidence: tuple[str, ...]
    excuses: tuple[Excuse, ...] = ()
    frontier: tuple[FrontierPoint, ...] = ()


def recommendation_of(
    workload: Workload,
    current: Size,
    profile: Profile,
    outcome: Outcome,
    exceedance: Exceedance | NoData,
) -> Recommendation:
    """Write the recommendation: projected utilisation, finding, sentence.

    ``exceedance`` is what is predicted of the outcome's capacity.
    """
    cpu, memory = profile.cpu, profile.memory
    cores, memory_bytes = outcome.capacity.cores, outcome.capacity.memory_bytes
    return Recommendation(
        workload=workload.key,
        kind=workload.kind,
        decision=outcome.decision,
        finding=_finding(outcome),
        reasons=outcome.reasons,
        current=current,
        target=outcome.target,
        uncapped_target=outcome.bounds.uncapped,
        lower_bound=outcome.bounds.lower,
        upper_bound=outcome.bounds.upper,
        binding=outcome.binding,
        exceedance=exceedance,
        projected_cpu_mean_ratio=cpu if isinstance(cpu, NoData) else cpu.mean_cores / cores,
        projected_cpu_peak_ratio=cpu if isinstance(cpu, NoData) else cpu.peak_cores / cores,
        projected_memory_peak_ratio=(
            memory if isinstance(memory, NoData) else memory.peak_bytes / memory_bytes
        ),
        cost_before=outcome.cost_before,
        cost_after=outcome.cost_after,
        evidence=profile.evidence,
        sentence=_sentence(workload.key, current, outcome),
        missing_evidence=outcome.missing_evidence,
        excuses=outcome.excuses,
        frontier=outcome.frontier,
    )


def _finding(outcome: Outcome) -> Finding:
    reasons = set(outcome.reasons)
    if reasons & _UNDERPROVISIONED:
        return Finding.UNDERPROVISIONED
    if reasons & _OVERPROVISIONED:
        return Finding.OVERPROVISIONED
    if outcome.decision is Decision.REFUSE or reasons & _BLOCKED:
        return Finding.UNKNOWN
    return Finding.OPTIMIZED


def _sentence(key: str, current: Size, outcome: Outcome) -> str:
    match outcome.decision:
        case Decision.KEEP:
            return f"{key}: keep {current} ({_words(outcome.reasons)}); {outcome.binding}"
        case Decision.REFUSE:
            return (
                f"{key}: keep {current}, as the evidence forbids the reduction to "
                f"{outcome.bounds.uncapped} ({_words(outcome.reasons)})"
            )
        case Decision.DOWNSIZE | Decision.UPSIZE:
            return f"{key}: {current} -> {outcome.target}{_money(outcome)}; {outcome.binding}"


def _words(reasons: tuple[ReasonCode, ...]) -> str:
    return ", ".join(reasons) or "it fits"


def _money(outcome: Outcome) -> str:
    before, after = outcome.cost_before, outcome.cost_after
    if isinstance(before, NoData) or isinstance(after, NoData):
        return ", cost unknown"
    saving = before.usd_per_month - after.usd_per_month
    verb = "saves" if saving >= 0 else "costs another"
    return f", {verb} {format_usd(abs(saving))} a month"
