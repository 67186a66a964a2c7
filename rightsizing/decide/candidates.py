"""Tests that an instance type must pass to carry a fleet, and the excuse when it does not.

Demand in cores is translated into the candidate's vCPUs by measured performance. Network and EBS
are compared with baseline figures, never with "up to" ones. A burstable or flex type must carry the
demand over time where that is known, else the CPU limit within its baseline.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rightsizing.catalog.zones import ZoneOfferings
from rightsizing.decide.cpufit import cpu_shortfalls
from rightsizing.decide.policy import SizingPolicy
from rightsizing.decide.requirement import Requirement, Shortfall
from rightsizing.model.base import NoData
from rightsizing.model.recommendation import Excuse, ExcuseCode, ReasonCode
from rightsizing.model.shape import InstanceShape
from rightsizing.model.workload import Workload
from rightsizing.units import MIB_PER_GIB, gib, mib_to_bytes

BYTES_PER_MEGABIT = 125_000  # AWS states bandwidth in decimal megabits


def usable(
    shape: InstanceShape,
    current: InstanceShape,
    workload: Workload,
    policy: SizingPolicy,
    zones: ZoneOfferings,
) -> Excuse | None:
    """Whether the owner's image, wishes, devices and zones allow the type, whatever the demand."""
    name = shape.instance_type
    if name == current.instance_type:
        return None
    if not policy.allows(name):
        return Excuse(name, ExcuseCode.OUT_OF_BOUNDS, "the policy's type patterns leave it out")
    if shape.architecture not in workload.architectures:
        owned = ", ".join(workload.architectures)
        return Excuse(
            name,
            ExcuseCode.WRONG_ARCHITECTURE,
            f"it runs {shape.architecture}; there is an image for {owned}",
        )
    if not shape.current_generation and shape.family != current.family:
        return Excuse(name, ExcuseCode.OLD_GENERATION, "AWS lists it as previous generation")
    lacking = zones.lacking(name, workload.region, workload.zones)
    if not isinstance(lacking, NoData) and lacking:
        return Excuse(name, ExcuseCode.NOT_OFFERED, f"not offered in {', '.join(lacking)}")
    return _special_purpose(shape, current)


def shortfalls(
    shape: InstanceShape, requirement: Requirement, *, with_full_margins: bool
) -> tuple[Shortfall, ...]:
    """Every way in which the type is too small, with the full margins or half of them."""
    return tuple(_each(shape, requirement, with_full_margins=with_full_margins))


def first_shortfall(shape: InstanceShape, requirement: Requirement) -> Shortfall | None:
    """The first of them with full margins, without looking for the rest; None: the type fits."""
    return next(_each(shape, requirement, with_full_margins=True), None)


def _each(
    shape: InstanceShape, requirement: Requirement, *, with_full_margins: bool
) -> Iterator[Shortfall]:
    yield from cpu_shortfalls(shape, requirement, with_full_margins=with_full_margins)
    memory = _memory(shape, requirement, with_full_margins=with_full_margins)
    for found in (memory, _network(shape, requirement), *_ebs(shape, requirement)):
        if found is not None:
            yield found


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
