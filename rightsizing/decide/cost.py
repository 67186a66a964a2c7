"""What a size costs a month: at list price for fleets and services, at the owner's rates else.

Light on purpose: previews and status pages price sizes without loading anything analytical.
"""

from __future__ import annotations

from decimal import Decimal

from rightsizing.model.base import NoData
from rightsizing.model.price import MonthlyCost, Price, Rates, monthly_cost
from rightsizing.model.size import ContainerSize, FleetSize, ServiceSize
from rightsizing.model.workload import WorkloadKind
from rightsizing.units import (
    CPU_UNITS_PER_VCPU,
    HOURS_PER_MONTH,
    MIB_PER_GIB,
    MILLICORES_PER_CORE,
)


def fleet_cost(price: Price | NoData, size: FleetSize) -> MonthlyCost | NoData:
    """A month of the fleet's smallest size: what is paid in any case."""
    if size.min_instances == 0:
        return monthly_cost(price, 1, "1 instance (the minimum is 0)")
    plural = "s" if size.min_instances > 1 else ""
    return monthly_cost(
        price, size.min_instances, f"{size.min_instances} instance{plural} (minimum)"
    )


def service_cost(size: ServiceSize, rates: Rates | NoData) -> MonthlyCost | NoData:
    """A month of the smallest number of tasks: what is paid in any case."""
    if isinstance(rates, NoData):
        return rates
    tasks = max(size.min_tasks, 1)
    count = f"{tasks} task{'s' if tasks > 1 else ''} (minimum)"
    vcpus = Decimal(size.cpu_units) / CPU_UNITS_PER_VCPU
    basis = f"{rates.source}, {HOURS_PER_MONTH} h, {count}"
    return MonthlyCost(_capacity_cost(vcpus, size.memory_mib, rates) * tasks, basis)


def container_cost(
    kind: WorkloadKind, size: ContainerSize, rates: Rates | NoData
) -> MonthlyCost | NoData:
    """A month of these limits at the owner's rates; unknown without rates."""
    if isinstance(rates, NoData):
        return rates
    cores = Decimal(size.cpu_millicores) / MILLICORES_PER_CORE
    note = "" if kind is WorkloadKind.HOST else "; saved only once the host shrinks by as much"
    return MonthlyCost(
        _capacity_cost(cores, size.memory_mib, rates),
        f"{rates.source}: ${rates.usd_per_core_month:.2f} a core and "
        f"${rates.usd_per_gib_month:.2f} a GiB a month{note}",
    )


def _capacity_cost(cores: Decimal, memory_mib: int, rates: Rates) -> Decimal:
    memory_gib = Decimal(memory_mib) / MIB_PER_GIB
    return cores * rates.usd_per_core_month + memory_gib * rates.usd_per_gib_month
