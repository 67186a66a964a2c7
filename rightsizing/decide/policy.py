"""What the owner of a workload may set about sizing, with the reason for each default."""

from __future__ import annotations

from enum import StrEnum, unique
from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import Field

from rightsizing.catalog.credits import default_credit_mode
from rightsizing.decide.risk import Risk, RiskPreset
from rightsizing.model.base import FrozenModel
from rightsizing.model.shape import CreditMode


@unique
class Scope(StrEnum):
    """Which instance types a fleet may move to. Containers, services and hosts have no scope."""

    SAME_FAMILY = "same_family"  # phase 1: another size of what runs now
    ANY_FAMILY = "any_family"  # phase 2: any current family the image runs on


class SizingPolicy(FrozenModel):
    """Risk and brakes. Ratios are shares (0 to 1).

    The default risk is the share of time that Compute Optimizer's P99.5 leaves out; the rest is
    chosen by us.
    """

    risk: Risk = Field(
        default=Risk.parse(RiskPreset.DEFAULT),
        description="largest share of time a workload may be short of CPU; prices memory too",
    )
    minimum_days: int = Field(
        default=7, ge=1, le=455, description="days of measurements before anything is reduced"
    )
    minimum_change_ratio: float = Field(
        default=0.10, ge=0, lt=1, description="smallest reduction of a container limit worth making"
    )
    minimum_saving_ratio: float = Field(
        default=0.05, ge=0, lt=1, description="smallest saving worth another instance or task type"
    )
    maximum_throttled_ratio: float = Field(
        default=0.01, ge=0, le=1, description="throttled share above which demand is censored"
    )
    minimum_cpu_millicores: int = Field(default=50, ge=10, description="smallest container limit")
    minimum_memory_mib: int = Field(default=64, ge=6, description="smallest container limit")
    allowed_types: tuple[str, ...] = Field(
        default=("*",), description="instance type patterns such as m7g.*"
    )
    excluded_types: tuple[str, ...] = Field(
        default=(), description="instance type patterns never proposed"
    )
    performance_per_vcpu: dict[str, Annotated[float, Field(gt=0)]] = Field(
        default_factory=dict, description="own benchmark: speed of a vCPU by family, m5 = 1"
    )
    latency_ratio_limit: float | None = Field(
        default=None, gt=1, description="slowest 95th percentile over that without load; none: off"
    )
    credit_mode: CreditMode | None = Field(
        default=None, description="of burstable types; none: as AWS launches the family"
    )
    every_excuse: bool = Field(
        default=False, description="tell every rejected type, not only the nearest in cost"
    )

    def allows(self, instance_type: str) -> bool:
        """True when the owner's patterns let the type be proposed."""
        return any(fnmatchcase(instance_type, pattern) for pattern in self.allowed_types) and not (
            any(fnmatchcase(instance_type, pattern) for pattern in self.excluded_types)
        )

    def credit_mode_of(self, family: str) -> CreditMode:
        """The mode a burstable family runs in."""
        return self.credit_mode or default_credit_mode(family)
