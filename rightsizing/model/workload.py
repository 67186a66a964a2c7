"""A workload: something with a size that can be changed."""

from __future__ import annotations

import re
from enum import StrEnum, unique

from pydantic import Field, field_validator

from rightsizing.model.base import FrozenModel
from rightsizing.model.size import Size

WORKLOAD_TAG = "rightsizing:workload"  # the stable key of a workload, on every resource of it
WORKLOAD_KEY_PATTERN = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}$")


@unique
class WorkloadKind(StrEnum):
    """Where the workload runs, which decides how it is sized and applied."""

    FLEET = "fleet"  # EC2 Auto Scaling group
    SERVICE = "service"  # Amazon ECS service
    CONTAINER = "container"  # Docker container
    HOST = "host"  # a machine, or a virtual machine known only from a file


@unique
class WorkloadClass(StrEnum):
    """How much waiting its users accept."""

    USER_FACING = "user_facing"
    BATCH = "batch"


@unique
class Architecture(StrEnum):
    """Instruction sets for which the owner has an image."""

    X86_64 = "x86_64"
    ARM64 = "arm64"


class Slos(FrozenModel):
    """Absolute objectives, checked by ``rightsize check``. None: no objective."""

    cpu_mean_min_pct: float | None = Field(
        default=None, ge=0, le=100, description="least mean CPU of 24 hours, % of its capacity"
    )
    cpu_mean_max_pct: float | None = Field(
        default=None, gt=0, le=100, description="most mean CPU of 24 hours, % of its capacity"
    )
    memory_min_pct: float | None = Field(
        default=None, ge=0, le=100, description="least memory in use, % of its capacity"
    )
    memory_max_pct: float | None = Field(
        default=None, gt=0, le=100, description="most memory in use, % of its capacity"
    )
    latency_mean_max_ms: float | None = Field(
        default=None, gt=0, description="most mean latency, ms"
    )
    latency_p99_max_ms: float | None = Field(
        default=None, gt=0, description="most 99th percentile of latency, ms"
    )
    error_max_ratio: float | None = Field(
        default=None, ge=0, le=1, description="most failed requests, share of all (0-1)"
    )


class Workload(FrozenModel):
    """A workload as its owner declares it or discovery finds it.

    ``size`` is the declared current size (None when only the measured capacity is known).
    ``may_run_twice`` is False for a singleton, which no rollout ever doubles. ``proxied``: a
    container in two slots behind a proxy, as a fleet is behind its load balancer.
    """

    key: str
    kind: WorkloadKind
    size: Size | None = None
    workload_class: WorkloadClass = WorkloadClass.USER_FACING
    may_run_twice: bool = False
    proxied: bool = False
    phase: int = Field(default=1, ge=1, le=9)
    owner: str | None = None
    region: str = "us-east-1"
    zones: tuple[str, ...] = ()  # names or ids of the zones in use; empty: not known
    architectures: tuple[Architecture, ...] = (Architecture.X86_64,)
    slos: Slos = Slos()
    tags: dict[str, str] = Field(default_factory=dict)
    resource_ids: tuple[str, ...] = ()  # ASG name, cluster/service, container name or id

    @property
    def has_slots(self) -> bool:
        """Whether two sizes of it can serve side by side, by weight."""
        return self.kind is WorkloadKind.FLEET or self.proxied

    @field_validator("key")
    @classmethod
    def _key_is_safe(cls, value: str) -> str:
        if not WORKLOAD_KEY_PATTERN.match(value):
            raise ValueError(
                f"workload key {value[:40]!r} must be 1-128 letters, digits, '.', '_', '/' or '-'"
            )
        return value
