"""What forbids a reduction, and which evidence would lift the ban.

Missing data and censored demand (at the limit, throttled, out of credits, killed) never lead to a
smaller size. They do not forbid a larger one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rightsizing.decide.demand import AT_LIMIT_SHARE, memory_need
from rightsizing.decide.policy import SizingPolicy
from rightsizing.decide.reading import CpuReading, Reading, read_profile
from rightsizing.model.base import NoData
from rightsizing.model.profile import CpuProfile, Grade, MemoryProfile, Profile
from rightsizing.model.recommendation import ReasonCode
from rightsizing.profile.changepoints import MINIMUM_DAYS, PENDING_DAYS
from rightsizing.profile.evidence import DAY_COVERAGE
from rightsizing.units import MILLISECONDS_PER_DAY, SECONDS_PER_DAY, format_day


@dataclass(frozen=True, slots=True)
class Guards:
    """Reasons against reducing CPU and against reducing memory; empty: allowed.

    ``anything`` are those that forbid every change that is not needed.
    """

    anything: tuple[ReasonCode, ...]
    cpu: tuple[ReasonCode, ...]
    memory: tuple[ReasonCode, ...]
    missing_evidence: tuple[str, ...]


def guards_of(profile: Profile, policy: SizingPolicy, reading: Reading | None = None) -> Guards:
    """Judge a profile against the policy.

    ``reading`` is that of this profile under this policy, None where it was not made before.
    """
    read = reading or read_profile(profile, policy)
    both: list[ReasonCode] = []
    missing: list[str] = []
    evidence = profile.evidence
    if evidence.grade.rank <= Grade.WEAK.rank or evidence.days < policy.minimum_days:
        both.append(ReasonCode.EVIDENCE_TOO_WEAK)
        missing.append(
            f"{policy.minimum_days} days of measurements at 15 minutes or finer "
            f"({evidence.days:g} at {evidence.interval_s} s are there) would allow a reduction"
        )
    censored = _censored(profile, policy)
    if censored:
        both.append(ReasonCode.DEMAND_CENSORED)
        missing.append(f"{censored}; real demand shows only after the limit is raised")
    cpu, memory = list(both), list(both)
    if isinstance(profile.cpu, NoData):
        cpu.append(ReasonCode.NO_MEASUREMENTS)
        missing.append(f"{profile.cpu.reason}; CPU of each interval would allow fewer cores")
    else:
        days = _days_of(len(profile.cpu.daily_max_cores), profile.cpu.samples, profile)
        if days < policy.minimum_days:
            cpu.append(ReasonCode.EVIDENCE_TOO_WEAK)
            missing.append(f"CPU of {policy.minimum_days} days ({days} are there)")
        moved = _moved(profile.cpu, read.of_cpu, profile)
        if moved is not None:
            cpu.append(ReasonCode.EVIDENCE_TOO_WEAK)
            missing.append(moved)
        if profile.cpu.averages_only:
            missing.append("the CPU peak within each interval (CloudWatch statistic Maximum)")
    used = profile.memory
    needed = (
        used if isinstance(used, NoData) or read.memory is None else memory_need(used, read.memory)
    )
    if isinstance(needed, NoData):
        memory.append(ReasonCode.MEMORY_UNMEASURED)
        missing.append(
            f"{needed.reason}; memory in use (on EC2 by the CloudWatch agent) would allow less "
            f"memory"
        )
    elif isinstance(used, MemoryProfile):
        days = _days_of(len(used.daily_max_bytes), used.samples, profile)
        if days < policy.minimum_days:
            memory.append(ReasonCode.EVIDENCE_TOO_WEAK)
            missing.append(f"memory of {policy.minimum_days} days ({days} are there)")
    return Guards(
        tuple(both),
        tuple(dict.fromkeys(cpu)),
        tuple(dict.fromkeys(memory)),
        tuple(missing),
    )


def _days_of(touched: int, samples: int, profile: Profile) -> int:
    """How many days one resource may count for: a profile's days are those of CPU or memory.

    An agent installed yesterday has measured memory on one day of the fourteen.
    """
    whole = samples * profile.evidence.interval_s / (SECONDS_PER_DAY * DAY_COVERAGE)
    return min(touched, math.floor(whole))


def _moved(cpu: CpuProfile, read: CpuReading, profile: Profile) -> str | None:
    """Why the present level of CPU is too young to reduce on, and from when it is old enough."""
    counted = int(np.count_nonzero(cpu.days.samples[0, read.start :]))
    if read.is_moving:
        counted = PENDING_DAYS  # of the new level there are at least so many
    elif read.start == 0 or counted >= MINIMUM_DAYS:
        return None
    last_day = (profile.evidence.end_ms - 1) // MILLISECONDS_PER_DAY
    usable = format_day(last_day + MINIMUM_DAYS - counted + 1)
    return (
        f"CPU demand moved to another level within the last days; {MINIMUM_DAYS} days of the new "
        f"one, there by {usable}, would allow fewer cores"
    )


def _censored(profile: Profile, policy: SizingPolicy) -> str | None:
    """Why demand is censored, in words; None when it is not."""
    cpu, memory = profile.cpu, profile.memory
    if isinstance(cpu, CpuProfile):
        if cpu.at_limit_ratio > AT_LIMIT_SHARE:
            return f"CPU was at its limit in {cpu.at_limit_ratio:.1%} of intervals"
        if _exceeds(cpu.throttled_ratio, policy.maximum_throttled_ratio):
            return "CPU was throttled"
        if credits_ran_out(profile):
            return "CPU credits were exhausted"
    if isinstance(memory, MemoryProfile):
        if memory.oom_kills:
            return f"{memory.oom_kills} processes were killed for lack of memory"
        if memory.near_limit_ratio > AT_LIMIT_SHARE:
            return f"memory was at its limit in {memory.near_limit_ratio:.1%} of intervals"
    return None


def credits_ran_out(profile: Profile) -> bool:
    """True when CPU credits were exhausted in more than AT_LIMIT_SHARE of intervals."""
    cpu = profile.cpu
    return isinstance(cpu, CpuProfile) and _exceeds(cpu.credit_exhausted_ratio, AT_LIMIT_SHARE)


def _exceeds(ratio: float | NoData, limit: float) -> bool:
    return not isinstance(ratio, NoData) and ratio > limit
