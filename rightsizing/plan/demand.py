"""Demand and own rates of a case: its percentages turned into cores, GiB and dollars a unit.

mean cores      cpu_mean_pct / 100 * logical cores
GiB in use      memory_pct / 100 * memory
$ a core        the bill's CPU line / logical cores; $ a GiB likewise
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from rightsizing.plan.case import Case, Kpi

HUNDRED = Decimal(100)
CPU_STEP = Decimal("0.25")  # chosen by us: finer limits are below what one day's peak varies by


@dataclass(frozen=True, slots=True)
class Demand:
    """What the workload uses, in absolute amounts."""

    mean_cores: Decimal
    peak_cores: Decimal
    memory_gib: Decimal

    @property
    def gib_per_core(self) -> Decimal:
        """GiB in use a core of mean demand; 2, 4 and 8 are what the EC2 classes offer a vCPU."""
        return self.memory_gib / self.mean_cores


@dataclass(frozen=True, slots=True)
class OwnRates:
    """The bill's own unit prices a month. ``other`` is the part no capacity explains."""

    usd_per_core: Decimal
    usd_per_gib: Decimal
    other_usd: Decimal

    def cost(self, cores: Decimal, memory_gib: Decimal) -> Decimal:
        """Monthly cost of a capacity at these rates."""
        return cores * self.usd_per_core + memory_gib * self.usd_per_gib + self.other_usd


@dataclass(frozen=True, slots=True)
class CpuBand:
    """Limits in cores that keep the mean inside the CPU criterion."""

    lowest_cores: Decimal
    highest_cores: Decimal
    minimum_pct: Decimal
    maximum_pct: Decimal


def demand_of(case: Case) -> Demand:
    """Demand in cores and GiB."""
    use, capacity = case.utilisation, case.capacity
    return Demand(
        mean_cores=use.cpu_mean_pct / HUNDRED * capacity.logical_cores,
        peak_cores=use.cpu_peak_pct / HUNDRED * capacity.logical_cores,
        memory_gib=use.memory_pct / HUNDRED * capacity.memory_gib,
    )


def own_rates(case: Case) -> OwnRates:
    """Unit prices that follow from the bill and the capacity it pays for."""
    return OwnRates(
        usd_per_core=case.bill.cpu_usd_per_month / case.capacity.logical_cores,
        usd_per_gib=case.bill.memory_usd_per_month / case.capacity.memory_gib,
        other_usd=sum(case.bill.other_usd_per_month.values(), Decimal(0)),
    )


def cpu_band(case: Case) -> CpuBand | None:
    """Cores that meet the case's CPU criterion; None when it has no two-sided one above 0 %."""
    target = case.kpi(Kpi.CPU_MEAN_24H_PCT)
    if target is None or not target.minimum or not target.maximum:
        return None
    mean = demand_of(case).mean_cores
    return CpuBand(
        lowest_cores=mean / (target.maximum / HUNDRED),
        highest_cores=mean / (target.minimum / HUNDRED),
        minimum_pct=target.minimum,
        maximum_pct=target.maximum,
    )


def safe_cores(case: Case) -> Decimal | None:
    """The largest quarter core inside the CPU criterion that also covers the peak.

    The largest, because among limits that all meet the criterion it keeps the most headroom. None
    when no such limit exists, or it would not be below today's cores.
    """
    band = cpu_band(case)
    if band is None:
        return None
    cores = band.highest_cores // CPU_STEP * CPU_STEP
    fits = cores >= band.lowest_cores and cores >= demand_of(case).peak_cores
    return cores if fits and 0 < cores < case.capacity.logical_cores else None
