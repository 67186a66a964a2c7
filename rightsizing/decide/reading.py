"""What the rules read off a workload's days, computed once for all that decides from it.

The costly part of a recommendation: change points, targets at three risks, forecasts. For many
workloads it is computed in arrays, those of equally many days and bins together, so that a figure
is to the last bit what it would be for the workload alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from rightsizing.decide.cpu import CpuTargets, cpu_targets
from rightsizing.decide.memory import memory_targets
from rightsizing.decide.policy import SizingPolicy
from rightsizing.decide.regime import cpu_regime
from rightsizing.model.base import NoData
from rightsizing.model.cpudays import CpuDays
from rightsizing.model.memorydays import MemoryDays
from rightsizing.model.profile import Profile


@dataclass(frozen=True, slots=True)
class CpuReading:
    """CPU of one workload, in cores; see ``decide.cpu.CpuTargets``."""

    start: int  # first column of its days that counts
    is_moving: bool  # the level moved too recently to be used alone
    target_cores: float
    lower_cores: float
    upper_cores: float
    short_ratio: float
    peak_cores: float
    last_day_max_cores: float


@dataclass(frozen=True, slots=True)
class MemoryReading:
    """Memory of one workload, in bytes; see ``decide.memory.MemoryTargets``. NaN: none in use."""

    target_bytes: float
    lower_bytes: float
    upper_bytes: float
    floor_bytes: float
    last_day_max_bytes: float


@dataclass(frozen=True, slots=True)
class Reading:
    """One workload; None where a resource was not measured."""

    cpu: CpuReading | None
    memory: MemoryReading | None

    @property
    def of_cpu(self) -> CpuReading:
        """That of CPU. Raises ValueError where the profile it was made of has none."""
        if self.cpu is None:
            raise ValueError("the reading is of a profile without CPU")
        return self.cpu

    @property
    def of_memory(self) -> MemoryReading:
        """That of memory. Raises ValueError where the profile it was made of has none."""
        if self.memory is None:
            raise ValueError("the reading is of a profile without memory")
        return self.memory


def read_profile(
    profile: Profile, policy: SizingPolicy, *, memory_reference_bytes: float | None = None
) -> Reading:
    """The reading of one profile."""
    (found,) = read_profiles([profile], policy, memory_reference_bytes=memory_reference_bytes)
    return found


def read_profiles(
    profiles: Sequence[Profile],
    policy: SizingPolicy,
    *,
    memory_reference_bytes: float | None = None,
) -> list[Reading]:
    """The reading of each profile, in their order.

    ``memory_reference_bytes``: see ``decide.memory.fleet_reference_bytes``.
    """
    cpu: dict[int, CpuReading] = {}
    for places, days in stacked_cpu(profiles):
        cpu |= zip(places, _cpu(days, policy), strict=True)
    memory: dict[int, MemoryReading] = {}
    for places, peaks in _stacked_memory(profiles):
        found = _memory(peaks, policy, memory_reference_bytes)
        memory |= zip(places, found, strict=True)
    return [Reading(cpu.get(place), memory.get(place)) for place in range(len(profiles))]


def stacked_cpu(profiles: Sequence[Profile]) -> Iterator[tuple[list[int], CpuDays]]:
    """CPU days of profiles that measured CPU, those of one shape together, and their places."""
    held = [
        (place, profile.cpu.days)
        for place, profile in enumerate(profiles)
        if not isinstance(profile.cpu, NoData)
    ]
    for places, days in _by_shape((place, item, item.counts.shape[1:]) for place, item in held):
        yield (
            places,
            CpuDays(
                **{
                    field.name: np.concatenate([getattr(item, field.name) for item in days])
                    for field in fields(CpuDays)
                    if field.name != "hour_mean_cores"
                }
            ),
        )


def _stacked_memory(profiles: Sequence[Profile]) -> Iterator[tuple[list[int], MemoryDays]]:
    held = [
        (place, profile.memory.days)
        for place, profile in enumerate(profiles)
        if not isinstance(profile.memory, NoData)
    ]
    shaped = ((place, item, item.daily_max_bytes.shape[1:]) for place, item in held)
    for places, days in _by_shape(shaped):
        yield (
            places,
            MemoryDays(
                **{
                    field.name: np.concatenate([getattr(item, field.name) for item in days])
                    for field in fields(MemoryDays)
                }
            ),
        )


def _by_shape(
    items: Iterable[tuple[int, Any, Hashable]],
) -> Iterator[tuple[list[int], list[Any]]]:
    groups: defaultdict[Hashable, list[tuple[int, Any]]] = defaultdict(list)
    for place, item, shape in items:
        groups[shape].append((place, item))
    for group in groups.values():
        yield [place for place, _item in group], [item for _place, item in group]


def _cpu(days: CpuDays, policy: SizingPolicy) -> Iterator[CpuReading]:
    regime = cpu_regime(days)
    found = cpu_targets(days, policy.risk, regime.start)
    # Where no bin was filled since the change all days are used.
    unfilled = np.isnan(found.target_cores)
    if unfilled.any():
        everything = cpu_targets(days, policy.risk)
        found = CpuTargets(
            **{
                field.name: np.where(
                    unfilled, getattr(everything, field.name), getattr(found, field.name)
                )
                for field in fields(CpuTargets)
            }
        )
    for row in range(len(days.capacity_cores)):
        yield CpuReading(
            start=int(regime.start[row]),
            is_moving=bool(regime.pending[row]),
            target_cores=float(found.target_cores[row]),
            lower_cores=float(found.lower_cores[row]),
            upper_cores=float(found.upper_cores[row]),
            short_ratio=float(found.short_ratio[row]),
            peak_cores=float(found.peak_cores[row]),
            last_day_max_cores=float(found.last_day_max_cores[row]),
        )


def _memory(
    days: MemoryDays, policy: SizingPolicy, reference_bytes: float | None
) -> Iterator[MemoryReading]:
    found = memory_targets(days, price=policy.risk.memory_price, reference_bytes=reference_bytes)
    for row in range(days.rows):
        yield MemoryReading(
            target_bytes=float(found.target_bytes[row]),
            lower_bytes=float(found.lower_bytes[row]),
            upper_bytes=float(found.upper_bytes[row]),
            floor_bytes=float(found.floor_bytes[row]),
            last_day_max_bytes=float(found.last_day_max_bytes[row]),
        )
