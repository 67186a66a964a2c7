"""From a profile to what a size must hold, per resource.

CPU is compressible: a workload may be short of it for a share of time, at a price (``decide.cpu``).
Memory is not: the peak, with a margin where the failures it avoids are worth more than the bytes
(``decide.memory``), and a bump after an out-of-memory kill. The setting risk prices both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from rightsizing.decide.memory import ALARM_RATIO, OOM_BUMP_RATIO
from rightsizing.decide.policy import SizingPolicy
from rightsizing.decide.reading import CpuReading, MemoryReading, Reading, read_profile
from rightsizing.model.base import NoData
from rightsizing.model.profile import CpuProfile, MemoryProfile, Profile, RatePeaks
from rightsizing.profile.histograms import AT_LIMIT_RATIO

# Share of intervals that may be at a limit before demand counts as cut off by it: what Compute
# Optimizer's P99.5 leaves out.
AT_LIMIT_SHARE = 0.005
CUT_OFF_RATIO = 1.25  # of a capacity that demand fills: 20 % free, Compute Optimizer's default


@dataclass(frozen=True, slots=True)
class Need:
    """Amounts of one resource for one instance, in cores or bytes.

    ``target`` is what a new size must have; ``tolerated`` is what the current size must have to
    stay: less than the target, so that small drifts change nothing, and at least ``lower`` and what
    the newest day used. ``lower`` and ``upper`` are the targets at a looser and a tighter risk.
    ``observed`` is the target without the margin that stands for what history cannot show.
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


def demand_of(profile: Profile, policy: SizingPolicy, reading: Reading | None = None) -> Demand:
    """Translate a profile into needs. Resources that were not measured stay NoData.

    ``reading`` is that of this profile under this policy, None where it was not made before.
    """
    read = reading or read_profile(profile, policy)
    cpu, memory = profile.cpu, profile.memory
    return Demand(
        cpu=cpu if isinstance(cpu, NoData) else cpu_need(cpu, read.of_cpu, policy),
        memory=memory if isinstance(memory, NoData) else memory_need(memory, read.of_memory),
        rates=profile.rates,
    )


def cpu_need(cpu: CpuProfile, found: CpuReading, policy: SizingPolicy) -> Need:
    """CPU: the level at which the next core costs more than the shortage it avoids.

    The current size stays while it is at least the lower bound and the newest day did not exceed
    it: a day that does raises it, up to the target. Demand that the capacity cuts off never shows
    above it; then a quarter more is tried.
    """
    risk = policy.risk
    target = found.target_cores
    observed = target / (1 + risk.margin_ratio)
    tolerated = max(found.lower_cores, min(found.last_day_max_cores, target))
    says = (
        f"CPU {target:.2f} cores (short {_percent(found.short_ratio)} of past time, "
        f"risk {_percent(risk.short_ratio)})"
    )
    if is_cut_off(cpu, found.peak_cores):
        tolerated = target = max(target, cpu.capacity_cores * CUT_OFF_RATIO)
        says = (
            f"CPU at its limit of {cpu.capacity_cores:.2f} cores in {cpu.at_limit_ratio:.1%} of "
            f"intervals, so {target:.2f} are tried"
        )
    return Need(
        observed=observed,
        target=target,
        tolerated=tolerated,
        lower=found.lower_cores,
        upper=max(found.upper_cores, target),
        says=says,
    )


def is_cut_off(cpu: CpuProfile, peak_cores: float) -> bool:
    """Whether demand fills the capacity in force, so that it may be anything above.

    Intervals at a smaller limit of the past, which the present one answered, ask for no more.
    """
    return cpu.at_limit_ratio > AT_LIMIT_SHARE and peak_cores >= AT_LIMIT_RATIO * cpu.capacity_cores


def memory_need(memory: MemoryProfile, found: MemoryReading) -> Need | NoData:
    """Memory: the peak and a priced margin, bytes; after a kill at least 1.2 x the limit it broke.

    The current size stays while it is at least the lower bound and the newest day stayed below 95 %
    of it. A kill that a larger limit has answered asks for no more, but still forbids going back.
    """
    target, peak = found.target_bytes, found.floor_bytes
    if math.isnan(peak):
        return NoData("no memory in use was measured in the last days, only zero")
    tolerated = max(found.lower_bytes, min(target, found.last_day_max_bytes / ALARM_RATIO))
    says = f"memory {_gib(target)} (peak {_gib(peak)})"
    if memory.oom_kills:
        target = max(target, memory.capacity_bytes * OOM_BUMP_RATIO)
        tolerated = target
        says = f"{memory.oom_kills} out-of-memory kills under {_gib(memory.capacity_bytes)}"
    return Need(
        observed=peak,
        target=target,
        tolerated=tolerated,
        lower=found.lower_bytes,
        upper=max(found.upper_bytes, target),
        says=says,
    )


def round_up(amount: float, step: int) -> int:
    """The smallest multiple of ``step`` not below ``amount``, but for a billionth of a step."""
    return math.ceil(round(amount / step, 9)) * step


def _gib(size_bytes: float) -> str:
    return f"{size_bytes / 2**30:.2f} GiB"


def _percent(ratio: float) -> str:
    return f"{ratio * 100:.2f} %"
