"""Small values that the reports are made from."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from rightsizing.catalog.catalog import Catalog
from rightsizing.errors import CatalogError
from rightsizing.model.base import NoData
from rightsizing.model.price import MonthlyCost, Price
from rightsizing.model.profile import Evidence, Grade
from rightsizing.model.recommendation import (
    Decision,
    Exceedance,
    Excuse,
    ExcuseCode,
    Finding,
    ReasonCode,
    Recommendation,
)
from rightsizing.model.size import ContainerSize, FleetSize, Size
from rightsizing.model.workload import Workload, WorkloadKind
from rightsizing.plan.audit import AuditReport, audit_case
from rightsizing.plan.case import load_case

CASE_FILE = Path(__file__).parents[2] / "examples" / "trading" / "case.yaml"
M5 = FleetSize(instance_type="m5.large", min_instances=2, max_instances=4)
M7G = FleetSize(instance_type="m7g.large", min_instances=2, max_instances=4)


@dataclass(frozen=True)
class TinyPrices:
    """m5.large at $0.096 and m7g.large at $0.0816 an hour; everything else unknown."""

    prices: dict[str, str] = field(
        default_factory=lambda: {"m5.large": "0.096", "m7g.large": "0.0816"}
    )

    def price(self, instance_type: str, region: str) -> Price | NoData:
        if instance_type == "x9.large":
            raise CatalogError("instance type 'x9.large' is not in the catalog")
        if instance_type not in self.prices:
            return NoData(f"no price for {instance_type}")
        return Price(Decimal(self.prices[instance_type]), region, "test", date(2026, 7, 20))


@pytest.fixture
def prices() -> TinyPrices:
    return TinyPrices()


@pytest.fixture
def fleet() -> Workload:
    return Workload(key="web", kind=WorkloadKind.FLEET, size=M5)


@pytest.fixture
def trader() -> Workload:
    size = ContainerSize(cpu_millicores=16000, memory_mib=15667)
    return Workload(key="trader", kind=WorkloadKind.CONTAINER, size=size)


@pytest.fixture(scope="session")
def audit_report() -> AuditReport:
    return audit_case(load_case(CASE_FILE.read_text(encoding="utf-8")), Catalog.load())


def make_recommendation(
    workload: str = "web",
    target: Size = M7G,
    decision: Decision = Decision.DOWNSIZE,
    after: MonthlyCost | NoData | None = None,
) -> Recommendation:
    """m5.large to m7g.large, 2 x 0.096 x 730 = 140.16 to 2 x 0.0816 x 730 = 119.14."""
    basis = "us-east-1 on-demand list, 2026-07-20, 730 h, 2 instances (minimum)"
    return Recommendation(
        workload=workload,
        kind=WorkloadKind.FLEET,
        decision=decision,
        finding=Finding.OVERPROVISIONED,
        reasons=(ReasonCode.CPU_OVERPROVISIONED,),
        current=M5,
        target=target,
        uncapped_target=target,
        lower_bound=target,
        upper_bound=M5,
        binding="CPU q99.5 of 0.7 cores",
        exceedance=Exceedance(12.0, 3.0, 40.0, 0.95),
        projected_cpu_mean_ratio=0.31,
        projected_cpu_peak_ratio=0.72,
        projected_memory_peak_ratio=NoData("memory was not measured"),
        cost_before=MonthlyCost(Decimal("140.16"), basis),
        cost_after=MonthlyCost(Decimal("119.136"), basis) if after is None else after,
        evidence=Evidence(Grade.GOOD, 14.0, 4032, 4032, 300, 0, 1, "14 days at 5 minutes"),
        sentence="m7g.large does the same work for $21.02 less a month",
        missing_evidence=("memory: install the CloudWatch agent",),
        excuses=(Excuse("t4g.large", ExcuseCode.BURST_CREDITS, "spends more than it earns"),),
    )


@pytest.fixture
def recommend():
    return make_recommendation
