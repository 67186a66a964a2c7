"""What a workload can be resized to: integers and strings only, so that it hashes canonically."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from rightsizing.model.base import FrozenModel
from rightsizing.model.scaling import ScalingPolicy
from rightsizing.units import CPU_UNITS_PER_VCPU, MILLICORES_PER_CORE, mib_to_bytes

INSTANCE_TYPE_PATTERN = re.compile(r"^[a-z][a-z0-9-]*\.[a-z0-9-]+$")
MIN_CONTAINER_MEMORY_MIB = 6  # Docker refuses less: "Minimum memory limit allowed is 6MB"


class _Scaled(FrozenModel):
    """A size whose range may carry a scaling policy; without one it is written as ever."""

    scaling: ScalingPolicy | None = Field(
        default=None, description="how the range is used; none: target tracking at the stack's"
    )

    @model_serializer(mode="wrap")
    def _without_absent_scaling(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # A release's id is the hash of what is written: an absent policy must not show in it.
        written: dict[str, Any] = handler(self)
        if self.scaling is None:
            written.pop("scaling", None)
        else:
            written["scaling"] = self.scaling.model_dump(mode="json", exclude_none=True)
        return written


class FleetSize(_Scaled):
    """An EC2 Auto Scaling group: type and the range the autoscaler may use (desired is its own)."""

    kind: Literal["fleet"] = Field(default="fleet", description="which kind of size this is")
    instance_type: str = Field(description="such as m7g.large")
    min_instances: int = Field(ge=0, le=10_000, description="least instances; what is priced")
    max_instances: int = Field(ge=1, le=10_000, description="most the autoscaler may start")

    @field_validator("instance_type")
    @classmethod
    def _shaped_like_a_type(cls, value: str) -> str:
        if not INSTANCE_TYPE_PATTERN.match(value):
            raise ValueError(f"{value!r} is not an instance type such as m7g.large")
        return value

    @model_validator(mode="after")
    def _range_is_ordered(self) -> Self:
        if self.min_instances > self.max_instances:
            raise ValueError(
                f"min_instances {self.min_instances} is above max_instances {self.max_instances}"
            )
        return self

    def __str__(self) -> str:
        return f"{self.instance_type} x {self.min_instances}-{self.max_instances}"


class ServiceSize(_Scaled):
    """An ECS service: task CPU and memory, and the range of the task count."""

    kind: Literal["service"] = Field(default="service", description="which kind of size this is")
    # ECS task limits, EC2 launch type up to 192 vCPU
    cpu_units: int = Field(ge=128, le=196_608, description="CPU of a task; 1024 is one vCPU")
    memory_mib: int = Field(ge=4, le=2_000_000, description="memory of a task, MiB")
    min_tasks: int = Field(ge=0, le=5_000, description="least tasks; what is priced")
    max_tasks: int = Field(ge=1, le=5_000, description="most the autoscaler may start")

    @model_validator(mode="after")
    def _range_is_ordered(self) -> Self:
        if self.min_tasks > self.max_tasks:
            raise ValueError(f"min_tasks {self.min_tasks} is above max_tasks {self.max_tasks}")
        if self.scaling is not None and self.scaling.predictive is not None:
            raise ValueError("predictive scaling is for fleets; ECS services have target tracking")
        return self

    @property
    def cpu_cores(self) -> float:
        """vCPU of one task."""
        return self.cpu_units / CPU_UNITS_PER_VCPU

    @property
    def memory_bytes(self) -> int:
        """Memory of one task."""
        return mib_to_bytes(self.memory_mib)

    def __str__(self) -> str:
        return f"{self.cpu_cores:g} vCPU, {self.memory_mib} MiB x {self.min_tasks}-{self.max_tasks}"


class ContainerSize(FrozenModel):
    """A Docker container's limits, or a host's capacity: CPU and memory of one instance."""

    kind: Literal["container"] = Field(
        default="container", description="which kind of size this is"
    )
    # Docker's own minimum is 0.01 CPU
    cpu_millicores: int = Field(ge=10, le=1_024_000, description="CPU limit; 1000 is one core")
    memory_mib: int = Field(
        ge=MIN_CONTAINER_MEMORY_MIB, le=64_000_000, description="memory limit, MiB"
    )

    @property
    def cpu_cores(self) -> float:
        """Limit in cores."""
        return self.cpu_millicores / MILLICORES_PER_CORE

    @property
    def memory_bytes(self) -> int:
        """Limit in bytes."""
        return mib_to_bytes(self.memory_mib)

    def __str__(self) -> str:
        return f"{self.cpu_cores:g} cores, {self.memory_mib} MiB"


Size = Annotated[FleetSize | ServiceSize | ContainerSize, Field(discriminator="kind")]
