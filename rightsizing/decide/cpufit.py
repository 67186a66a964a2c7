"""Whether an instance type has the CPU: speed and number of vCPUs, room to answer quickly, credits.

Each test gives the value and the limit when it fails. What the current type shows by carrying the
load today (its credits) is not doubted for what a table says.
"""

from __future__ import annotations

from collections.abc import Iterator

from rightsizing.decide.burst import BurstVerdict
from rightsizing.decide.latency import safe_utilisation
from rightsizing.decide.requirement import Requirement, Shortfall
from rightsizing.model.base import NoData
from rightsizing.model.recommendation import Excuse, ExcuseCode, ReasonCode
from rightsizing.model.shape import InstanceShape

AT_BASELINE_RATIO = 0.95  # use at 95 % of a baseline counts as held down by it (chosen by us)
TOLERATED_STARVED_MINUTES = 1.0  # a month; less is the grain of the simulation
ROUNDING = 1e-9  # of products of ratios


def cpu_shortfalls(
    shape: InstanceShape, requirement: Requirement, *, with_full_margins: bool
) -> Iterator[Shortfall]:
    """Every way in which the type's CPU is too little, with the full margins or half of them."""
    name, reason = shape.instance_type, ReasonCode.CPU_UNDERPROVISIONED
    sentence = _size(shape, requirement, with_full_margins=with_full_margins)
    if sentence is not None:
        yield Shortfall(Excuse(name, ExcuseCode.CPU_TOO_SMALL, sentence), reason)
    sentence = _latency(shape, requirement)
    if sentence is not None:
        yield Shortfall(Excuse(name, ExcuseCode.LATENCY, sentence), reason)
    sentence = _burst(shape, requirement)
    if sentence is not None:
        yield Shortfall(Excuse(name, ExcuseCode.BURST_CREDITS, sentence), reason)


def worth(shape: InstanceShape, requirement: Requirement) -> str:
    """``4 vCPUs``, or ``4 vCPUs worth 3.73 of m5`` where the family's speed differs."""
    plural = "" if shape.vcpus == 1 else "s"
    words = f"{shape.vcpus} vCPU{plural}"
    speed = requirement.speed(shape)
    if speed == 1:
        return words
    return f"{words} worth {shape.vcpus * speed:.2f} of {requirement.measured_on}"


def _size(shape: InstanceShape, requirement: Requirement, *, with_full_margins: bool) -> str | None:
    cpu, least = requirement.demand.cpu, requirement.least_vcpus
    kept = requirement.floor_vcpus(shape) if least else 0.0
    if kept < least * (1 - ROUNDING):
        family = requirement.current.family
        slower = "" if kept == shape.vcpus else f" worth {kept:.2f} of {family}"
        return f"{shape.vcpus} vCPUs{slower}; fewer than {least} are not allowed"
    if isinstance(cpu, NoData):
        return None
    needed = requirement.least_cores(cpu) if with_full_margins else cpu.tolerated
    if requirement.cores(shape) < needed * (1 - ROUNDING):
        return f"{worth(shape, requirement)}; {needed:.2f} are needed"
    return None


def _latency(shape: InstanceShape, requirement: Requirement) -> str | None:
    busy, limit = requirement.busy_cores, requirement.latency_ratio_limit
    if limit is None or isinstance(busy, NoData):
        return None
    utilisation = busy / requirement.cores(shape)
    safe = safe_utilisation(shape.vcpus, limit)
    if utilisation <= safe:
        return None
    return (
        f"{utilisation:.0%} busy in busy minutes; {shape.vcpus} vCPUs answer within {limit:g} "
        f"times the unloaded time up to {safe:.0%}"
    )


def _burst(shape: InstanceShape, requirement: Requirement) -> str | None:
    is_current = shape.instance_type == requirement.current.instance_type
    if is_current and not requirement.credits_ran_out:
        return None  # it proves itself by its measured credits, others by theirs
    baseline = shape.baseline_cpu_ratio
    if isinstance(baseline, NoData):
        return baseline.reason if shape.burstable and not is_current else None
    verdict = requirement.bursts.get(shape.instance_type)
    if verdict is not None and not requirement.credits_ran_out:
        return _starved(shape, verdict)
    sentence = _above_baseline(requirement.cores(shape) * baseline, requirement)
    return f"CPU credits ran out: {sentence}" if is_current and sentence else sentence


def _starved(shape: InstanceShape, verdict: BurstVerdict) -> str | None:
    if verdict.starved_minutes <= TOLERATED_STARVED_MINUTES:
        return None
    lacking = "credits would be gone" if shape.burstable else "full speed would be refused"
    return (
        f"{lacking} for {verdict.starved_minutes:.0f} minutes a month; it sustains "
        f"{verdict.sustained_cores:.2f} cores ({verdict.says})"
    )


def _above_baseline(sustained: float, requirement: Requirement) -> str | None:
    """The rule without use over time: the CPU limit must lie within the baseline."""
    cpu = requirement.demand.cpu
    if isinstance(cpu, NoData):
        return "CPU was not measured, so its baseline may be too little"
    # Without credits demand is cut off at the baseline, so it never shows far above it.
    carries = sustained * AT_BASELINE_RATIO if requirement.credits_ran_out else sustained
    if cpu.observed <= carries:
        return None
    return f"it sustains {sustained:.2f} cores; {cpu.observed:.2f} are used"
