"""The smallest valid objects for planning, and a catalog of five types with dated list prices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from rightsizing.errors import CatalogError
from rightsizing.model.base import NoData
from rightsizing.model.price import MonthlyCost, Price
from rightsizing.model.profile import Evidence, Grade
from rightsizing.model.recommendation import Decision, Finding, Recommendation
from rightsizing.model.shape import InstanceShape
from rightsizing.model.size import ContainerSize, FleetSize, Size
from rightsizing.model.workload import Architecture, Workload, WorkloadKind
from rightsizing.plan.case import Case, load_case

CASE_FILE = Path(__file__).parents[2] / "examples" / "trading" / "case.yaml"

# us-east-1 Linux on-demand list prices of 2026-07-20, dollars an hour; vCPU, cores, GiB.
_TYPES = {
    "c6g.2xlarge": ("0.272", 8, 8, 16, Architecture.ARM64),
    "c7g.2xlarge": ("0.29", 8, 8, 16, Architecture.ARM64),
    "c5.2xlarge": ("0.34", 8, 4, 16, Architecture.X86_64),
    "c5.4xlarge": ("0.68", 16, 8, 32, Architecture.X86_64),
    "r6g.medium": ("0.0504", 1, 1, 8, Architecture.ARM64),
    "r6g.large": ("0.1008", 2, 2, 16, Architecture.ARM64),
    "r5a.large": ("0.113", 2, 1, 16, Architecture.X86_64),
}


def _shape(name: str) -> InstanceShape:
    _, vcpus, cores, memory_gib, architecture = _TYPES[name]
    unknown = NoData("not needed here")
    return InstanceShape(
        instance_type=name,
        vcpus=vcpus,
        physical_cores=cores,
        memory_mib=memory_gib * 1024,
        architecture=architecture,
        current_generation=True,
        burstable=False,
        baseline_cpu_ratio=unknown,
        network_baseline_bytes_per_s=unknown,
        ebs_baseline_bytes_per_s=unknown,
        ebs_baseline_ops_per_s=unknown,
        gpu_count=0,
        local_storage_gb=0,
        bare_metal=False,
    )


@dataclass(frozen=True)
class TinyCatalog:
    """Five types; ``unpriced`` ones have a shape and no price."""

    unpriced: frozenset[str] = frozenset()

    def shape(self, instance_type: str) -> InstanceShape:
        if instance_type not in _TYPES:
            raise CatalogError(f"no type {instance_type}")
        return _shape(instance_type)

    def shapes(self, region: str) -> tuple[InstanceShape, ...]:
        return tuple(_shape(name) for name in _TYPES)

    def price(self, instance_type: str, region: str) -> Price | NoData:
        if instance_type in self.unpriced:
            return NoData(f"no price for {instance_type}")
        return Price(Decimal(_TYPES[instance_type][0]), region, "test", date(2026, 7, 20))


@pytest.fixture(scope="session")
def catalog() -> TinyCatalog:
    return TinyCatalog()


@pytest.fixture
def make_catalog() -> type[TinyCatalog]:
    return TinyCatalog


@pytest.fixture(scope="session")
def case() -> Case:
    """The reference case as published."""
    return load_case(CASE_FILE.read_text(encoding="utf-8"), CASE_FILE.name)


# 1.28 cores mean and 1.44 peak of 16, 12 GiB of 16, measured for 93 days. At $3 a core and $12 a
# GiB the bill is 16 x 3 + 16 x 12 = 240. Two cores: 14 x 3 = 42 saved, 64 % mean, 72 % peak, 1.39
# times the peak. r6g.large then costs 0.1008 x 730 = 73.58 instead of 198: 124.42 saved.
HONEST = """
title: An honest case
workload: worker
capacity: {logical_cores: 16, physical_cores: 8, memory_gib: 16}
utilisation: {cpu_mean_pct: 8, cpu_peak_pct: 9, memory_pct: 75, window_days: 93, interval_s: 300}
units: {name: job, per_month: 1000, per_cycle: 10, cycles_per_month: 100, cycle_s: 3600}
bill: {total_usd_per_month: 240.00, cpu_usd_per_month: 48.00, memory_usd_per_month: 192.00}
phases:
  - number: 1
    title: fewer cores
    limits: {cpus: 2, memory_gib: 16}
    host_shrinks: true
    saving_usd_per_month: 42.00
    cost_after_usd_per_month: 198.00
    implementation_cost_usd: 100
    roi_pct: 404
    margin_over_peak: 1.3
    memory_pct_after: 75
    confidence_pct: 95
  - number: 2
    title: memory-optimised
    instance: {family: memory-optimised, instance_type: r6g.large}
    saving_usd_per_month: 124.42
    cost_after_usd_per_month: 73.58
    implementation_cost_usd: 400
    roi_pct: 273
    confidence_pct: 95
summary:
  saving_usd_per_month: 166.42
  saving_pct: [69]
  annual_cost_before_usd: 2880
  annual_cost_after_usd: 883
  annual_saving_usd: 1997
  three_year_saving_usd: 5991
  implementation_cost_usd: 500
  roi_pct: 299
  cost_per_unit_before_usd: 0.24
  cost_per_unit_after_usd: 0.074
  overprovisioned_pct: 87
kpis:
  - {name: CPU, kpi: cpu_mean_24h_pct, unit: "%", minimum: 60, maximum: 80, alert: {above: 90}}
  - {name: memory, kpi: memory_pct, unit: "%", minimum: 70, maximum: 85}
"""


@pytest.fixture(scope="session")
def honest() -> Case:
    """A case whose every figure agrees with every other."""
    return load_case(HONEST)


@pytest.fixture
def honest_text() -> str:
    return HONEST


def make_workload(key: str = "web", size: Size | None = None, **fields: object) -> Workload:
    chosen = size or FleetSize(instance_type="m5.large", min_instances=2, max_instances=4)
    kind = WorkloadKind.FLEET if isinstance(chosen, FleetSize) else WorkloadKind.CONTAINER
    return Workload.model_validate({"key": key, "kind": kind, "size": chosen, **fields})


def make_evidence(days: float = 14.0, grade: Grade = Grade.GOOD, end_ms: int = 1000) -> Evidence:
    return Evidence(grade, days, 4032, 4032, 300, 0, end_ms, f"{days:g} days at 5 minutes")


def make_recommendation(
    workload: str = "web",
    current: Size | None = None,
    target: Size | None = None,
    *,
    before: str | None = "140",
    after: str | None = "70",
    decision: Decision = Decision.DOWNSIZE,
    evidence: Evidence | None = None,
) -> Recommendation:
    now = current or FleetSize(instance_type="m5.large", min_instances=2, max_instances=4)
    unknown = NoData("not needed here")
    wanted = target or now

    def cost(text: str | None) -> MonthlyCost | NoData:
        return NoData("price unknown") if text is None else MonthlyCost(Decimal(text), "test")

    return Recommendation(
        workload=workload,
        kind=WorkloadKind.FLEET if isinstance(now, FleetSize) else WorkloadKind.CONTAINER,
        decision=decision,
        finding=Finding.OVERPROVISIONED,
        reasons=(),
        current=now,
        target=wanted,
        uncapped_target=wanted,
        lower_bound=wanted,
        upper_bound=now,
        binding="CPU",
        exceedance=unknown,
        projected_cpu_mean_ratio=unknown,
        projected_cpu_peak_ratio=unknown,
        projected_memory_peak_ratio=unknown,
        cost_before=cost(before),
        cost_after=cost(after),
        evidence=evidence or make_evidence(),
        sentence=f"{workload} may be smaller",
        missing_evidence=(),
        excuses=(),
    )


@pytest.fixture
def workload() -> Callable[..., Workload]:
    return make_workload


@pytest.fixture
def recommendation() -> Callable[..., Recommendation]:
    return make_recommendation


@pytest.fixture
def evidence() -> Callable[..., Evidence]:
    return make_evidence


@pytest.fixture
def container() -> Callable[[int, int], ContainerSize]:
    return lambda millicores, mib: ContainerSize(cpu_millicores=millicores, memory_mib=mib)
