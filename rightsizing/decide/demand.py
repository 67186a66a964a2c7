"""From a profile to what a size must hold, per resource.

CPU is compressible: a high quantile's upper confidence limit, with headroom above it. Memory is
not: the peak, with a margin above it, and a bump after an out-of-memory kill.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from rightsizing.decide.policy import SizingPolicy
from rightsizing.model.base import NoData
from rightsizing.model.profile import CpuProfile, MemoryProfile, Profile, RatePeaks
from rightsizing.profile.histograms import cpu_upper_edge
from rightsizing.profile.quantiles import quantile_of, upper_limit_rank, value_at_rank

# VPA's OOM bump-up ratio (autoscaler: vertical-pod-autoscaler/pkg/recommender/model), applied to
# the limit that proved too small.
OOM_BUMP_RATIO = 1.2


@dataclass(frozen=True, slots=True)
class Need:
    """Amounts of one resource for one instance, in cores or bytes.

    ``target`` is what a new size must have; ``tolerated`` is what the current size must have to
    stay, with half the margin used up, so that small drifts change nothing; ``lower`` has no margin
    and ``upper`` a wide one. ``observed`` is the figure all of them come from.
    """

    observed: float
    target: float
    tolerated: float
    lower: float
    upper: float
    says: str


@dataclass(frozen=True, slots=True)
class Demand:
    """What one instance of a workload needs."""

    cpu: Need | NoData
    memory: Need | NoData
    rates: RatePeaks


def demand_of(profile: Profile, policy: SizingPolicy) -> Demand:
    """Translate a profile into needs. Resources that were not measured stay NoData."""
    cpu, memory = profile.cpu, profile.memory
    return Demand(
        cpu=cpu if isinstance(cpu, NoData) else cpu_need(cpu, policy),
        memory=memory if isinstance(memory, NoData) else memory_need(memory, policy),
        rates=profile.rates,
    )


def cpu_need(cpu: CpuProfile, policy: SizingPolicy) -> Need:
    """CPU: ``limit / (1 - headroom)``, cores.

    ``limit`` is the upper confidence limit of the quantile; the peak when there are too few samples
    for one.
    """

    def upper_edge(bin_index: int) -> float:
        # No sample lies above the peak, so an edge above it is only the bin's width.
        return min(cpu_upper_edge(bin_index, cpu.capacity_cores), cpu.peak_cores)

    rank = upper_limit_rank(cpu.samples, policy.cpu_quantile, policy.confidence)
    quantile = quantile_of(cpu.histogram, policy.cpu_quantile, upper_edge)
    assert not isinstance(quantile, NoData)  # a CpuProfile has samples
    if isinstance(rank, NoData):
        limit, says = cpu.peak_cores, f"CPU peak {cpu.peak_cores:.2f} cores ({rank.reason})"
    else:
        limit = value_at_rank(cpu.histogram, rank, upper_edge)
        says = (
            f"CPU {_percentile(policy.cpu_quantile)} at most {limit:.2f} cores "
            f"({policy.confidence:.0%} confidence)"
        )
    free = policy.cpu_headroom_ratio
    return Need(
        observed=limit,
        target=limit / (1 - free),
        tolerated=limit / (1 - free / 2),
        lower=quantile,
        upper=max(cpu.peak_cores, limit) / (1 - free),
        says=says,
    )


def memory_need(memory: MemoryProfile, policy: SizingPolicy) -> Need:
    """Memory: ``peak x (1 + margin)``, bytes; after a kill at least 1.2 x the limit it broke.

    A kill that a larger limit has answered asks for no more, but still forbids going back below.
    """
    peak, margin = memory.peak_bytes, policy.memory_margin_ratio
    target = peak * (1 + margin)
    tolerated = peak * (1 + margin / 2)
    says = f"memory peak {_gib(peak)}"
    broken = memory.oom_limit_bytes
    if broken is not None:
        target = max(target, broken * OOM_BUMP_RATIO)
    if memory.oom_kills:
        target = max(target, memory.capacity_bytes * OOM_BUMP_RATIO)
        tolerated = target
        says = f"{memory.oom_kills} out-of-memory kills under {_gib(memory.capacity_bytes)}"
    return Need(
        observed=peak,
        target=target,
        tolerated=tolerated,
        lower=peak,
        upper=max(peak * (1 + 2 * margin), target),
        says=says,
    )


def round_up(amount: float, step: int) -> int:
    """The smallest multiple of ``step`` not below ``amount``, but for a billionth of a step."""
    return math.ceil(round(amount / step, 9)) * step


def _gib(size_bytes: float) -> str:
    return f"{size_bytes / 2**30:.2f} GiB"


def _percentile(quantile: float) -> str:
    return f"P{quantile * 100:g}"
