"""What the owner of a workload may set about sizing, with the reason for each default."""

from __future__ import annotations

from enum import StrEnum, unique
from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import Field

from rightsizing.catalog.credits import default_credit_mode
from rightsizing.model.base import FrozenModel
from rightsizing.model.shape import CreditMode


@unique
class Scope(StrEnum):
    """Which instance types a fleet may move to. Containers, services and hosts have no scope."""

    SAME_FAMILY = "same_family"  # phase 1: another size of what runs now
    ANY_FAMILY = "any_family"  # phase 2: any current family the image runs on


class SizingPolicy(FrozenModel):
    """Targets, margins and brakes. Ratios are shares (0 to 1).

    The defaults are Compute Optimizer's where it has one (P99.5, 20 % CPU headroom) and VPA's
    memory margin of 15 %; the rest is chosen by us.
    """

    cpu_quantile: float = Field(
        default=0.995, gt=0.5, lt=1, description="share of intervals whose CPU must fit"
    )
    confidence: float = Field(
        default=0.95, gt=0.5, lt=1, description="confidence of the limit above that quantile"
    )
    cpu_headroom_ratio: float = Field(
        default=0.20, ge=0, lt=0.9, description="share of CPU capacity kept free at that limit"
    )
    memory_margin_ratio: float = Field(
        default=0.15, ge=0, le=2, description="memory added to the peak"
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
    bootstrap_seed: int = Field(
        default=0, ge=0, description="seed of the interval around predicted minutes"
    )

    def allows(self, instance_type: str) -> bool:
        """True when the owner's patterns let the type be proposed."""
        return any(fnmatchcase(instance_type, pattern) for pattern in self.allowed_types) and not (
            any(fnmatchcase(instance_type, pattern) for pattern in self.excluded_types)
        )

    def credit_mode_of(self, family: str) -> CreditMode:
        """The mode a burstable family runs in."""
        return self.credit_mode or default_credit_mode(family)
