"""Where one way of running costs as much as another.

    invocations   a month at which Lambda costs what something without usage price costs
    burst         mean CPU use at which a burstable type in unlimited mode costs as much as a fixed
                  one: baseline + (fixed price - burstable price) / (vCPUs * surplus price)

AWS works the second out for a t3.large of $0.0835 against an m5.large of $0.096: 42.5 % (EC2 User
Guide, "Unlimited mode concepts"). At today's list of $0.0832 it is 42.8 %.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from rightsizing.catalog.credits import SURPLUS_USD_PER_VCPU_HOUR
from rightsizing.model.base import NoData
from rightsizing.model.shape import InstanceShape

MOST_INVOCATIONS = 10**13  # a month; beyond, there is no break-even in practice


def break_even_invocations(usd_of: Callable[[int], Decimal], fixed_usd: Decimal) -> int | NoData:
    """The most invocations a month that cost no more than ``fixed_usd``.

    ``usd_of`` is Lambda's bill for a number of invocations; it never falls.
    """
    if usd_of(1) > fixed_usd:
        return 0
    if usd_of(MOST_INVOCATIONS) <= fixed_usd:
        return NoData(f"cheaper at any number up to {MOST_INVOCATIONS:,} a month")
    low, high = 1, MOST_INVOCATIONS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if usd_of(middle) <= fixed_usd else (low, middle)
    return low


@dataclass(frozen=True, slots=True)
class BurstBreakEven:
    """A burstable type against a fixed one of as many vCPUs.

    ``cpu_ratio`` is the mean use of all vCPUs (0-1) up to which the burstable type is no dearer;
    above 1 it never is dearer.
    """

    burstable: str
    fixed: str
    cpu_ratio: float


def burst_break_even(
    burstable: InstanceShape,
    burstable_usd: Decimal,
    fixed: InstanceShape,
    fixed_usd: Decimal,
    surplus_usd: Decimal = SURPLUS_USD_PER_VCPU_HOUR,
) -> BurstBreakEven | NoData:
    """The break-even; prices are dollars an hour, ``surplus_usd`` a vCPU-hour."""
    if not burstable.burstable or isinstance(burstable.baseline_cpu_ratio, NoData):
        return NoData(f"{burstable.instance_type} earns no CPU credits")
    if fixed_usd <= burstable_usd:
        return NoData(f"{fixed.instance_type} costs no more, so it is the cheaper one at any use")
    if fixed.vcpus < burstable.vcpus:
        return NoData(f"{fixed.instance_type} has fewer vCPUs than {burstable.instance_type}")
    spare = (fixed_usd - burstable_usd) / (burstable.vcpus * surplus_usd)
    return BurstBreakEven(
        burstable.instance_type, fixed.instance_type, burstable.baseline_cpu_ratio + float(spare)
    )
