"""CPU credits of burstable types: what they earn, how many they keep, what surplus costs.

One credit is one vCPU at full speed for one minute. A type earns its baseline share of every vCPU,
keeps at most a day's earnings, and starts with none (T2 in standard mode gets a few at launch,
which a month does not show). Source, as of 2026-10:
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/burstable-credits-baseline-concepts.html
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from rightsizing.model.base import NoData
from rightsizing.model.shape import CreditMode, InstanceShape

MINUTES_PER_HOUR = 60
HOURS_KEPT = 24

# us-east-1, Linux, 2024-07-01 (infracost golden files), for T2, T3 and T3a. No dated source here
# prices T4g apart; AWS lists it lower, so this errs on the dear side.
SURPLUS_USD_PER_VCPU_HOUR = Decimal("0.05")


@dataclass(frozen=True, slots=True)
class CreditTerms:
    """Credits of one type. ``earned_per_minute`` is also the cores it sustains for good."""

    instance_type: str
    vcpus: int
    earned_per_minute: float

    @property
    def kept_at_most(self) -> float:
        """The largest balance, and the largest surplus that is not billed: a day's earnings."""
        return self.earned_per_minute * MINUTES_PER_HOUR * HOURS_KEPT


def credit_terms(shape: InstanceShape) -> CreditTerms | NoData:
    """The terms of a burstable type; NoData for other types and those the table does not list."""
    if not shape.burstable:
        return NoData(f"{shape.instance_type} earns no CPU credits")
    if isinstance(shape.baseline_cpu_ratio, NoData):
        return shape.baseline_cpu_ratio
    return CreditTerms(shape.instance_type, shape.vcpus, shape.baseline_cpu_ratio * shape.vcpus)


def default_credit_mode(family: str) -> CreditMode:
    """What AWS launches a family with unless told otherwise: T2 standard, the others unlimited."""
    return CreditMode.STANDARD if family == "t2" else CreditMode.UNLIMITED
