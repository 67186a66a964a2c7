"""Which tenants share which instance, as stack configuration can hold it: integers and strings."""

from __future__ import annotations

from collections import Counter
from typing import Literal, Self

from pydantic import Field, model_validator

from rightsizing.model.base import FrozenModel
from rightsizing.model.size import INSTANCE_TYPE_PATTERN, ContainerSize


class TenantInstance(FrozenModel):
    """One instance and the limits of the tenants on it; a spare has none."""

    instance_type: str = Field(
        pattern=INSTANCE_TYPE_PATTERN.pattern, description="such as m7g.2xlarge"
    )
    tenants: dict[str, ContainerSize] = Field(
        default_factory=dict, description="limits of each tenant's container or task, by tenant"
    )


class TenancyConfig(FrozenModel):
    """A packing to be applied as containers or ECS tasks, pinned to their instance."""

    version: Literal[1] = Field(default=1, description="of this format")
    failover: Literal["none", "n+1"] = Field(
        default="none", description="n+1: the others take the tenants of any one lost instance"
    )
    instances: dict[str, TenantInstance] = Field(description="by name, such as tenants-01")

    @model_validator(mode="after")
    def _each_tenant_once(self) -> Self:
        names = Counter(name for item in self.instances.values() for name in item.tenants)
        twice = sorted(name for name, count in names.items() if count > 1)
        if twice:
            raise ValueError(f"tenant {twice[0]!r} is on more than one instance")
        return self
