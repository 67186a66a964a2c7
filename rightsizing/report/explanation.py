"""Everything behind one recommendation, so that a person can follow it and repeat it.

The samples shown are stored rows, not figures of the profile: whoever doubts the choice can look
them up. ``EvidenceBundle`` names all that the decision depends on; with the same data, settings and
catalog the same version decides the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rightsizing.catalog.capacity import SizeCapacity
from rightsizing.model.base import NoData
from rightsizing.model.recommendation import Excuse, ExcuseCode, Recommendation
from rightsizing.profile.demandhistory import DemandHistory
from rightsizing.profile.fingerprint import Fingerprint
from rightsizing.profile.peaksamples import DayPeak, Dimension, PeakSample

_CPU_CODES = frozenset({ExcuseCode.CPU_TOO_SMALL, ExcuseCode.LATENCY, ExcuseCode.BURST_CREDITS})


@dataclass(frozen=True, slots=True)
class SizeCapacities:
    """Capacity of one instance at each size of the recommendation."""

    current: SizeCapacity | NoData
    target: SizeCapacity | NoData
    uncapped: SizeCapacity | NoData
    lower: SizeCapacity | NoData
    upper: SizeCapacity | NoData


@dataclass(frozen=True, slots=True)
class DimensionEvidence:
    """The samples of CPU or memory: the highest of all, and the highest of each day."""

    dimension: Dimension
    highest: tuple[PeakSample, ...]
    days: tuple[DayPeak, ...]
    above_current: int | NoData  # intervals above the current size
    above_target: int | NoData

    @property
    def intervals(self) -> int:
        """How many intervals were measured."""
        return sum(day.intervals for day in self.days)


@dataclass(frozen=True, slots=True)
class EvidenceBundle:
    """What the decision was made from. ``settings`` are those that differ from their defaults."""

    version: str  # of this toolkit
    data: Fingerprint
    lookback_days: int | None  # None: all history
    settings: Mapping[str, str]
    scope: str
    catalog: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """A recommendation with the samples, the history and the bundle behind it."""

    recommendation: Recommendation
    capacities: SizeCapacities
    binding: tuple[Dimension, ...]  # what decided, most important first; empty: unmeasured
    cpu: DimensionEvidence | NoData
    memory: DimensionEvidence | NoData
    history: DemandHistory | NoData
    bundle: EvidenceBundle

    @property
    def evidence_by_weight(self) -> tuple[DimensionEvidence | NoData, ...]:
        """CPU and memory, the binding one first."""
        found = (self.cpu, self.memory)
        return found[::-1] if self.binding[:1] == (Dimension.MEMORY,) else found


@dataclass(frozen=True, slots=True)
class ExcuseGroup:
    """Alternatives that lost for the same reason, in the order they are told: nearest first."""

    code: ExcuseCode
    excuses: tuple[Excuse, ...]


def binding_dimensions(recommendation: Recommendation) -> tuple[Dimension, ...]:
    """Which dimensions decided, most important first.

    A dimension decides when candidates were too small in it. Where none was (the smallest size, or
    limits that are chosen each on its own) the one whose peak fills more of the target comes first.
    Dimensions that nobody measured are left out.
    """
    filled = {
        Dimension.CPU: recommendation.projected_cpu_peak_ratio,
        Dimension.MEMORY: recommendation.projected_memory_peak_ratio,
    }
    known = {name: ratio for name, ratio in filled.items() if not isinstance(ratio, NoData)}
    ordered = sorted(known, key=lambda name: -known[name])
    codes = {excuse.code for excuse in recommendation.excuses}
    short = set()
    if codes & _CPU_CODES:
        short.add(Dimension.CPU)
    if ExcuseCode.MEMORY_TOO_SMALL in codes:
        short.add(Dimension.MEMORY)
    deciding = [name for name in ordered if name in short]
    return tuple(deciding or ordered)


def excuse_groups(excuses: Sequence[Excuse]) -> tuple[ExcuseGroup, ...]:
    """Excuses by reason; reasons and candidates stay in the order given."""
    groups: dict[ExcuseCode, list[Excuse]] = {}
    for excuse in excuses:
        groups.setdefault(excuse.code, []).append(excuse)
    return tuple(ExcuseGroup(code, tuple(found)) for code, found in groups.items())
