"""What AWS bills for Fargate tasks in a month.

A task is billed by the second for the vCPUs and memory it asks for, from the pull of its image to
its end, at least a minute; 20 GB of ephemeral storage are included. Equal to the worked examples of
https://aws.amazon.com/fargate/pricing/ ($1.26, on Arm $1.02, and $4.37 a month).
"""

from __future__ import annotations

from decimal import Decimal

from rightsizing.catalog.fargate import FARGATE_SIZES
from rightsizing.model.base import NoData
from rightsizing.model.price import Rates
from rightsizing.units import CPU_UNITS_PER_VCPU, HOURS_PER_MONTH, MIB_PER_GIB

LEAST_SECONDS = 60
INCLUDED_EPHEMERAL_GIB = 20
SECONDS_PER_HOUR = 3600
# us-east-1, https://aws.amazon.com/fargate/pricing/ read 2026, a GB-second (0.000111 an hour)
USD_PER_EPHEMERAL_GB_SECOND = Decimal("3.08e-8")


def fargate_size(cores: float, memory_mib: float) -> tuple[int, int] | NoData:
    """The smallest task (CPU units, MiB) that has as much; NoData when none has."""
    for cpu_units, size_mib in FARGATE_SIZES:
        if cpu_units / CPU_UNITS_PER_VCPU >= cores - 1e-9 and size_mib >= memory_mib:
            return cpu_units, size_mib
    return NoData(f"no Fargate task has {cores:g} vCPU and {memory_mib:,.0f} MiB")


def fargate_usd(
    rates: Rates,
    *,
    cpu_units: int,
    memory_mib: int,
    task_seconds: Decimal | int,
    ephemeral_gib: int = INCLUDED_EPHEMERAL_GIB,
) -> Decimal:
    """Dollars for so many seconds of tasks of one size.

    ``rates`` are the region's for a month of 730 hours, ``task_seconds`` the sum over all tasks,
    each at least ``LEAST_SECONDS``.
    """
    seconds_per_month = HOURS_PER_MONTH * SECONDS_PER_HOUR
    capacity = (
        Decimal(cpu_units) / CPU_UNITS_PER_VCPU * rates.usd_per_core_month
        + Decimal(memory_mib) / MIB_PER_GIB * rates.usd_per_gib_month
    )
    extra_gib = max(ephemeral_gib - INCLUDED_EPHEMERAL_GIB, 0)
    return Decimal(task_seconds) * (
        capacity / seconds_per_month + extra_gib * USD_PER_EPHEMERAL_GB_SECOND
    )
