"""Risk and confidence of a phase, from its evidence and from what its changes do.

Risk is the worst level any rule gives; every rule that fired is listed. The rules are chosen by us:

    high     evidence weak or missing
    medium   evidence under 14 days; memory reduced; another instance family; a singleton that has
             to be stopped; predicted exceedance above one hour a month
    low      otherwise

Confidence is the day coverage of the shortest evidence behind the phase (see ``evidence``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum, unique

from rightsizing.model.base import NoData
from rightsizing.model.profile import Grade
from rightsizing.model.recommendation import Exceedance, Recommendation
from rightsizing.model.size import FleetSize, Size
from rightsizing.model.workload import Workload, WorkloadKind
from rightsizing.plan.evidence import day_coverage

EXCEEDANCE_LIMIT_MINUTES = 60.0  # a month, upper end; chosen by us


@unique
class RiskLevel(StrEnum):
    """How much can go wrong."""

    NONE = "none"  # the phase changes nothing
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    @property
    def rank(self) -> int:
        """0 (none) to 3 (high)."""
        return list(RiskLevel).index(self)


@dataclass(frozen=True, slots=True)
class Risk:
    """The worst level and why."""

    level: RiskLevel
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SizeChange:
    """One workload's step at one phase, with the recommendation it came from."""

    workload: Workload
    before: Size
    after: Size
    recommendation: Recommendation


def assess_risk(changes: Sequence[SizeChange]) -> Risk:
    """Apply every rule to every change."""
    found = [item for change in changes for item in _rules(change)]
    level = max(
        (level for level, _ in found),
        key=lambda item: item.rank,
        default=RiskLevel.LOW if changes else RiskLevel.NONE,
    )
    return Risk(level, tuple(dict.fromkeys(reason for _, reason in found)))


def confidence(changes: Sequence[SizeChange]) -> float | NoData:
    """Day coverage, 0-1, of the shortest evidence; NoData when nothing changes or is measured."""
    if not changes:
        return NoData("the phase changes nothing")
    days = min(change.recommendation.evidence.days for change in changes)
    if math.floor(days) < 1:
        return NoData("less than one whole day was measured")
    return day_coverage(days)


def _rules(change: SizeChange) -> list[tuple[RiskLevel, str]]:
    key, evidence = change.workload.key, change.recommendation.evidence
    found = []
    if evidence.grade.rank <= Grade.WEAK.rank:
        found.append((RiskLevel.HIGH, f"{key}: {evidence.grade.value} evidence"))
    elif evidence.grade.rank < Grade.GOOD.rank:
        found.append((RiskLevel.MEDIUM, f"{key}: {evidence.days:.0f} days of measurements"))
    if _memory_falls(change.before, change.after):
        found.append((RiskLevel.MEDIUM, f"{key}: less memory, which is not compressible"))
    if _family_changes(change.before, change.after):
        found.append((RiskLevel.MEDIUM, f"{key}: another instance family"))
    if change.workload.kind is WorkloadKind.CONTAINER and not change.workload.may_run_twice:
        found.append((RiskLevel.MEDIUM, f"{key}: a singleton, stopped before it is replaced"))
    exceedance = change.recommendation.exceedance
    if isinstance(exceedance, Exceedance) and exceedance.upper > EXCEEDANCE_LIMIT_MINUTES:
        found.append(
            (
                RiskLevel.MEDIUM,
                f"{key}: demand may exceed the size for {exceedance.upper:.0f} minutes a month",
            )
        )
    return found


def _memory_falls(before: Size, after: Size) -> bool:
    if isinstance(before, FleetSize) or isinstance(after, FleetSize):
        return False  # a type's memory is the catalog's to know; the family rule covers it
    return after.memory_mib < before.memory_mib


def _family_changes(before: Size, after: Size) -> bool:
    if not (isinstance(before, FleetSize) and isinstance(after, FleetSize)):
        return False
    return before.instance_type.split(".")[0] != after.instance_type.split(".")[0]
