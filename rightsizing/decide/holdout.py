"""What held-back measurements say: recommend on the past, look at the days after.

Each workload's last days are hidden, a size is recommended from the rest, and the hidden days are
counted against it. Demand was measured under the old size, so a breach here means "would have been
short of CPU" or "would have run out of memory", not that anything did.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import ibis
import pyarrow as pa
from ibis import _
from ibis.expr import types as ir

from rightsizing.catalog.catalog import Catalog
from rightsizing.decide.memory import fleet_reference_bytes
from rightsizing.decide.policy import Scope, SizingPolicy
from rightsizing.decide.recommend import recommend
from rightsizing.errors import ConfigError
from rightsizing.model.base import NoData
from rightsizing.model.price import Rates
from rightsizing.model.profile import Profile
from rightsizing.model.recommendation import Decision, Recommendation
from rightsizing.model.size import FleetSize, Size
from rightsizing.model.workload import Workload, WorkloadKind
from rightsizing.profile.build import build_profiles, busiest_intervals
from rightsizing.units import MILLISECONDS_PER_DAY, MINUTES_PER_MONTH, mib_to_bytes

HOLDOUT_DAYS = 14


@dataclass(frozen=True, slots=True)
class HeldBack:
    """One workload's recommendation and what its held-back days say about the target."""

    recommendation: Recommendation
    cpu_intervals: int
    cpu_above: int  # intervals whose CPU demand exceeds the target's capacity
    cpu_above_minutes: float
    memory_peak_bytes: float | NoData
    memory_target_bytes: float
    allowed_ratio: float  # the share of intervals that the policy's risk lets be short

    @property
    def cpu_above_ratio(self) -> float | NoData:
        """Share of held-back intervals above the target."""
        if self.cpu_intervals == 0:
            return NoData("CPU was not measured in the held-back days")
        return self.cpu_above / self.cpu_intervals

    @property
    def cpu_breach(self) -> bool:
        """True when more intervals exceed the target than the policy's risk allows."""
        ratio = self.cpu_above_ratio
        return not isinstance(ratio, NoData) and ratio > self.allowed_ratio

    @property
    def memory_breach(self) -> bool:
        """True when the held-back peak does not fit in the target's memory."""
        peak = self.memory_peak_bytes
        return not isinstance(peak, NoData) and peak > self.memory_target_bytes

    @property
    def predicted(self) -> bool | NoData:
        """True when the minutes above, scaled to a month, lie in the predicted interval."""
        exceedance, ratio = self.recommendation.exceedance, self.cpu_above_ratio
        if isinstance(exceedance, NoData):
            return exceedance
        if isinstance(ratio, NoData):
            return ratio
        return exceedance.lower <= ratio * MINUTES_PER_MONTH <= exceedance.upper


@dataclass(frozen=True, slots=True)
class HoldoutReport:
    """All workloads, and those nobody could size with the reason."""

    holdout_days: int
    results: tuple[HeldBack, ...]
    unsized: tuple[tuple[str, str], ...]

    def of(self, decision: Decision) -> tuple[HeldBack, ...]:
        """Results with this decision."""
        return tuple(item for item in self.results if item.recommendation.decision is decision)

    @property
    def downsized(self) -> tuple[HeldBack, ...]:
        """The reductions, which are what can go wrong."""
        return self.of(Decision.DOWNSIZE)

    @property
    def counts(self) -> dict[Decision, int]:
        """How many of each decision."""
        return {decision: len(self.of(decision)) for decision in Decision}

    def reasons(self, decision: Decision) -> dict[str, int]:
        """How often each combination of reasons led to the decision, most frequent first."""
        found = Counter(
            ", ".join(item.recommendation.reasons) or "it fits" for item in self.of(decision)
        )
        return dict(found.most_common())


def evaluate_holdout(
    measurements: ir.Table,
    catalog: Catalog,
    policy: SizingPolicy,
    *,
    rates: Rates | NoData,
    workloads: Mapping[str, Workload] | None = None,
    scope: Scope = Scope.SAME_FAMILY,
    holdout_days: int = HOLDOUT_DAYS,
) -> HoldoutReport:
    """Recommend without the last days of each workload and count those days against it.

    Args:
        measurements: rows of the store.
        workloads: declared workloads by key; one that is not declared is taken for a host of its
            measured capacity.
        holdout_days: how many days at the end of each workload's measurements are held back.

    Raises:
        ConfigError: ``holdout_days`` is below 1.
        CatalogError: a declared instance type or region is unknown.
    """
    if holdout_days < 1:
        raise ConfigError(f"{holdout_days} days held back; give 1 or more")
    starts = measurements.group_by("workload").aggregate(
        held_from_ms=_.timestamp_ms.max() - holdout_days * MILLISECONDS_PER_DAY
    )
    columns = measurements.columns
    dated = measurements.join(starts, "workload")
    past = dated.filter(_.timestamp_ms <= _.held_from_ms).select(*columns)
    held = dated.filter(_.timestamp_ms > _.held_from_ms).select(*columns)
    profiles = build_profiles(past)
    keys = sorted(measurements.select("workload").distinct().to_pyarrow()["workload"].to_pylist())
    declared = workloads or {}
    reference = _memory_reference_bytes(profiles.values())
    found: list[Recommendation] = []
    unsized: list[tuple[str, str]] = []
    for key in keys:
        workload = declared.get(key) or Workload(key=key, kind=WorkloadKind.HOST)
        profile = profiles.get(key) or NoData(f"nothing before the last {holdout_days} days")
        try:
            found.append(
                recommend(
                    workload,
                    profile,
                    catalog,
                    policy,
                    scope=scope,
                    rates=rates,
                    memory_reference_bytes=reference,
                )
            )
        except ConfigError as error:
            unsized.append((key, str(error)))
    results = _count(held, found, catalog, policy) if found else ()
    return HoldoutReport(holdout_days, results, tuple(unsized))


def _memory_reference_bytes(profiles: Iterable[Profile]) -> float | None:
    """Mean over workloads of the largest memory use; None when none was measured."""
    peaks = [
        fleet_reference_bytes(profile.memory.days)
        for profile in profiles
        if not isinstance(profile.memory, NoData)
    ]
    return math.fsum(peaks) / len(peaks) if peaks else None


def _count(
    held: ir.Table, found: list[Recommendation], catalog: Catalog, policy: SizingPolicy
) -> tuple[HeldBack, ...]:
    capacity = {item.workload: _capacity(item.target, catalog) for item in found}
    targets = ibis.memtable(  # an Arrow table: from a dictionary Ibis would go through pandas
        pa.table(
            {
                "workload": list(capacity),
                "target_cores": [cores for cores, _memory in capacity.values()],
            }
        )
    )
    counted = (
        busiest_intervals(held)
        .join(targets, "workload")
        .mutate(above=(_.cpu > _.target_cores).cast("int64"))
        .group_by("workload")
        .aggregate(
            cpu_intervals=_.cpu.count(),
            cpu_above=_.above.sum(),
            above_s=(_.above * _.interval_s).sum(),
            memory_peak=_.memory.max(),
        )
    )
    rows = {row["workload"]: row for row in counted.to_pyarrow().to_pylist()}
    results = []
    for item in found:
        row = rows.get(item.workload)
        peak = None if row is None else row["memory_peak"]
        results.append(
            HeldBack(
                recommendation=item,
                cpu_intervals=0 if row is None else row["cpu_intervals"],
                cpu_above=0 if row is None else row["cpu_above"] or 0,
                cpu_above_minutes=0.0 if row is None else (row["above_s"] or 0) / 60,
                memory_peak_bytes=(
                    NoData("memory was not measured in the held-back days")
                    if peak is None
                    else peak
                ),
                memory_target_bytes=capacity[item.workload][1],
                allowed_ratio=policy.risk.short_ratio,
            )
        )
    return tuple(results)


def _capacity(size: Size, catalog: Catalog) -> tuple[float, float]:
    """Cores and bytes of one instance."""
    if isinstance(size, FleetSize):
        shape = catalog.shape(size.instance_type)
        return float(shape.vcpus), float(mib_to_bytes(shape.memory_mib))
    return size.cpu_cores, float(size.memory_bytes)
