"""Tests that an instance type must pass to carry a fleet, and the excuse when it does not.

Demand in cores is compared with vCPUs one to one, also across families: a core of a newer family is
faster, so this errs on the large side. Network and EBS are compared with baseline figures, never
with "up to" ones. A burstable or flex type must hold the CPU limit within its baseline.
"""

from __future__ import annotations

from dataclasses import dataclass

from rightsizing.decide.demand import Demand
from rightsizing.decide.policy import SizingPolicy
from rightsizing.model.base import NoData
from rightsizing.model.recommendation import Excuse, ExcuseCode, ReasonCode
from rightsizing.model.shape import InstanceShape
from rightsizing.model.workload import Architecture
from rightsizing.units import MIB_PER_GIB, gib, mib_to_bytes

AT_BASELINE_RATIO = 0.95  # use at 95 % of a baseline counts as held down by it (chosen by us)
BYTES_PER_MEGABIT = 125_000  # AWS states bandwidth in decimal megabits


@dataclass(frozen=True, slots=True)
class Requirement:
    """What a type must carry. ``least_*`` are floors that keep dimensions which nobody measured,
    or which the evidence forbids to reduce, as they are."""

    demand: Demand
    least_vcpus: int
    least_memory_mib: int
    current: InstanceShape
    credits_ran_out: bool = False  # on the current type, if it is burstable


@dataclass(frozen=True, slots=True)
class Shortfall:
    """One way in which a type is too small: the excuse, and the finding if it is the current."""

    excuse: Excuse
    reason: ReasonCode


def usable(
    shape: InstanceShape,
    current: InstanceShape,
    architectures: tuple[Architecture, ...],
    policy: SizingPolicy,
) -> Excuse | None:
    """Whether the owner's image, wishes and devices allow the type, whatever the demand."""
    name = shape.instance_type
    if name == current.instance_type:
        return None
    if not policy.allows(name):
        return Excuse(name, ExcuseCode.OUT_OF_BOUNDS, "the policy's type patterns leave it out")
    if shape.architecture not in architectures:
        owned = ", ".join(architectures)
        return Excuse(
            name,
            ExcuseCode.WRONG_ARCHITECTURE,
            f"it runs {shape.architecture}; there is an image for {owned}",
        )
    if not shape.current_generation and shape.family != current.family:
        return Excuse(name, ExcuseCode.OLD_GENERATION, "AWS lists it as previous generation")
    return _special_purpose(shape, current)


def shortfalls(
    shape: InstanceShape, requirement: Requirement, *, with_full_margins: bool
) -> tuple[Shortfall, ...]:
    """Every way in which the type is too small, with the full margins or half of them."""
    found = (
        _cpu(shape, requirement, with_full_margins=with_full_margins),
        _burst(shape, requirement),
        _memory(shape, requirement, with_full_margins=with_full_margins),
        _network(shape, requirement),
        *_ebs(shape, requirement),
    )
    return tuple(shortfall for shortfall in found if shortfall is not None)


def _special_purpose(shape: InstanceShape, current: InstanceShape) -> Excuse | None:
    name = shape.instance_type
    if shape.bare_metal and not current.bare_metal:
        return Excuse(name, ExcuseCode.NOT_GENERAL_PURPOSE, "it is bare metal")
    if shape.gpu_count and not current.gpu_count:
        return Excuse(name, ExcuseCode.NOT_GENERAL_PURPOSE, "it carries accelerators")
    if shape.gpu_count < current.gpu_count:
        return Excuse(
            name,
            ExcuseCode.NOT_GENERAL_PURPOSE,
            f"it has {shape.gpu_count} accelerators, the current type {current.gpu_count}, and "
            f"their use is not measured",
        )
    if shape.local_storage_gb and not current.local_storage_gb:
        return Excuse(name, ExcuseCode.NOT_GENERAL_PURPOSE, "it is priced for local storage")
    if shape.local_storage_gb < current.local_storage_gb:
        return Excuse(
            name,
            ExcuseCode.NOT_GENERAL_PURPOSE,
            f"it has {shape.local_storage_gb} GB of local storage, the current type "
            f"{current.local_storage_gb}, and its use is not measured",
        )
    return None


def _cpu(
    shape: InstanceShape, requirement: Requirement, *, with_full_margins: bool
) -> Shortfall | None:
    cpu, vcpus = requirement.demand.cpu, shape.vcpus
    sentence = None
    if vcpus < requirement.least_vcpus:
        sentence = f"{vcpus} vCPUs; fewer than {requirement.least_vcpus} are not allowed"
    elif not isinstance(cpu, NoData):
        needed = cpu.target if with_full_margins else cpu.tolerated
        if vcpus < needed:
            sentence = f"{vcpus} vCPUs; {needed:.2f} are needed"
    return _shortfall(shape, ExcuseCode.CPU_TOO_SMALL, sentence, ReasonCode.CPU_UNDERPROVISIONED)


def _burst(shape: InstanceShape, requirement: Requirement) -> Shortfall | None:
    cpu, baseline = requirement.demand.cpu, shape.baseline_cpu_ratio
    is_current = shape.instance_type == requirement.current.instance_type
    if is_current and not requirement.credits_ran_out:
        return None  # it proves itself by its measured credits, others by their baseline
    sentence = None
    if isinstance(baseline, NoData):
        sentence = baseline.reason if shape.burstable and not is_current else None
    elif isinstance(cpu, NoData):
        sentence = "CPU was not measured, so its baseline may be too little"
    else:
        sustained = shape.vcpus * baseline
        # Without credits demand is cut off at the baseline, so it never shows far above it.
        carries = sustained * AT_BASELINE_RATIO if requirement.credits_ran_out else sustained
        if cpu.observed > carries:
            sentence = f"it sustains {sustained:.2f} cores; {cpu.observed:.2f} are used"
    if is_current and sentence is not None:
        sentence = f"CPU credits ran out: {sentence}"
    return _shortfall(shape, ExcuseCode.BURST_CREDITS, sentence, ReasonCode.CPU_UNDERPROVISIONED)


def _memory(
    shape: InstanceShape, requirement: Requirement, *, with_full_margins: bool
) -> Shortfall | None:
    memory, least_gib = requirement.demand.memory, requirement.least_memory_mib / MIB_PER_GIB
    sentence = None
    if shape.memory_mib < requirement.least_memory_mib:
        sentence = f"{shape.memory_gib:g} GiB; less than {least_gib:g} is not allowed"
    elif not isinstance(memory, NoData):
        needed = memory.target if with_full_margins else memory.tolerated
        if mib_to_bytes(shape.memory_mib) < needed:
            sentence = f"{shape.memory_gib:g} GiB; {gib(needed):.2f} are needed"
    return _shortfall(
        shape, ExcuseCode.MEMORY_TOO_SMALL, sentence, ReasonCode.MEMORY_UNDERPROVISIONED
    )


def _network(shape: InstanceShape, requirement: Requirement) -> Shortfall | None:
    return _below_baseline(
        shape,
        requirement,
        shape.network_baseline_bytes_per_s,
        requirement.demand.rates.network_bytes_per_s,
        _Rate("Mbit/s of network", BYTES_PER_MEGABIT),
        ExcuseCode.NETWORK_TOO_SMALL,
        ReasonCode.NETWORK_UNDERPROVISIONED,
    )


def _ebs(shape: InstanceShape, requirement: Requirement) -> tuple[Shortfall | None, ...]:
    rates = requirement.demand.rates
    return (
        _below_baseline(
            shape,
            requirement,
            shape.ebs_baseline_bytes_per_s,
            rates.disk_bytes_per_s,
            _Rate("Mbit/s to EBS", BYTES_PER_MEGABIT),
            ExcuseCode.EBS_TOO_SMALL,
            ReasonCode.EBS_THROUGHPUT_UNDERPROVISIONED,
        ),
        _below_baseline(
            shape,
            requirement,
            shape.ebs_baseline_ops_per_s,
            rates.disk_ops_per_s,
            _Rate("EBS operations/s", 1),
            ExcuseCode.EBS_TOO_SMALL,
            ReasonCode.EBS_IOPS_UNDERPROVISIONED,
        ),
    )


@dataclass(frozen=True, slots=True)
class _Rate:
    words: str
    unit: float


def _below_baseline(  # noqa: PLR0917
    shape: InstanceShape,
    requirement: Requirement,
    baseline: float | NoData,
    used: float | NoData,
    rate: _Rate,
    code: ExcuseCode,
    reason: ReasonCode,
) -> Shortfall | None:
    if isinstance(used, NoData):  # not measured: nothing to compare; guards name what is missing
        return None
    sentence = None
    if isinstance(baseline, NoData):
        # What carries the load today is not doubted for lack of a figure.
        if shape.instance_type != requirement.current.instance_type:
            sentence = f"{baseline.reason}; {used / rate.unit:.1f} {rate.words} are used"
    elif used > baseline:
        sentence = (
            f"{baseline / rate.unit:.1f} {rate.words} at its baseline; "
            f"{used / rate.unit:.1f} are used"
        )
    return _shortfall(shape, code, sentence, reason)


def _shortfall(
    shape: InstanceShape, code: ExcuseCode, sentence: str | None, reason: ReasonCode
) -> Shortfall | None:
    if sentence is None:
        return None
    return Shortfall(Excuse(shape.instance_type, code, sentence), reason)
