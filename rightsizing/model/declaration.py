"""What a stack's owner declares: its workloads and where they run (everything but sizing).

The same keys are read by ``infra/config`` (through ``pulumi.Config``) and by the command line
(from ``Pulumi.<stack>.yaml``), both through ``parse_declaration``, so they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field, model_validator

from rightsizing.errors import ConfigError
from rightsizing.model.base import FrozenModel
from rightsizing.model.size import ContainerSize, FleetSize, ServiceSize
from rightsizing.model.stackconfig import parse_model
from rightsizing.model.update import Json
from rightsizing.model.workload import (
    WORKLOAD_TAG,
    Architecture,
    Slos,
    Workload,
    WorkloadClass,
    WorkloadKind,
)

NAMESPACE = "rightsizing"
DECLARATION_KEYS = (
    "region",
    "embedded",
    "network",
    "fleets",
    "services",
    "containers",
    "tags",
    "owner",
)


class NetworkDeclaration(FrozenModel):
    """Where load balancers, instances and tasks are placed. Empty: the program makes a VPC."""

    vpc_id: str | None = None
    subnet_ids: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    cidr: str = "10.42.0.0/16"

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.vpc_id is None) != (not self.subnet_ids):
            raise ValueError("vpc_id and subnet_ids must be given together")
        return self


class _Declared(FrozenModel):
    workload_class: WorkloadClass = WorkloadClass.USER_FACING
    phase: int = Field(default=1, ge=1, le=9)
    owner: str | None = None
    slos: Slos = Slos()
    tags: dict[str, str] = Field(default_factory=dict)


class FleetDeclaration(_Declared):
    """An EC2 fleet behind a load balancer. ``ami`` holds one image id an architecture."""

    size: FleetSize
    ami: dict[Architecture, str]
    port: int = Field(default=8080, ge=1, le=65_535)
    health_path: str = Field(default="/health", pattern=r"^/")
    target_cpu_pct: int = Field(default=60, ge=10, le=95)
    internal: bool = True
    may_run_twice: bool = True
    user_data: str | None = None

    @model_validator(mode="after")
    def _has_an_image(self) -> Self:
        if not self.ami:
            raise ValueError("ami needs at least one image id, for instance x86_64: ami-0abc")
        return self


class ServiceDeclaration(_Declared):
    """An ECS service on Fargate."""

    size: ServiceSize
    image: str
    port: int | None = Field(default=None, ge=1, le=65_535)
    command: tuple[str, ...] = ()
    environment: dict[str, str] = Field(default_factory=dict)
    architecture: Architecture = Architecture.X86_64
    target_cpu_pct: int = Field(default=60, ge=10, le=95)
    may_run_twice: bool = True


class ContainerDeclaration(_Declared):
    """A Docker container. A fixed name or port makes it a singleton: stopped before replaced."""

    size: ContainerSize
    image: str
    command: tuple[str, ...] = ()
    environment: dict[str, str] = Field(default_factory=dict)
    container_name: str | None = None
    ports: dict[int, int] = Field(default_factory=dict)  # container port -> host port
    mounts: dict[str, str] = Field(default_factory=dict)  # host path -> container path, read-only
    network_mode: Literal["none", "host", "bridge"] = "bridge"
    restart: Literal["no", "always", "on-failure", "unless-stopped"] = "unless-stopped"
    may_run_twice: bool = False

    @property
    def stop_first(self) -> bool:
        """True when a second copy must not, or cannot, run beside the first."""
        return not self.may_run_twice or self.container_name is not None or bool(self.ports)


class StackDeclaration(FrozenModel):
    """All workloads of one stack."""

    region: str = Field(default="us-east-1", pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")
    embedded: bool = False  # served by the local stand-ins; refused for prod
    network: NetworkDeclaration = NetworkDeclaration()
    fleets: dict[str, FleetDeclaration] = Field(default_factory=dict)
    services: dict[str, ServiceDeclaration] = Field(default_factory=dict)
    containers: dict[str, ContainerDeclaration] = Field(default_factory=dict)
    tags: dict[str, str] = Field(default_factory=dict)
    owner: str | None = None

    def workloads(self) -> tuple[Workload, ...]:
        """Every declared workload, sorted by key."""
        found = [
            *(self._workload(key, item, WorkloadKind.FLEET) for key, item in self.fleets.items()),
            *(
                self._workload(key, item, WorkloadKind.SERVICE)
                for key, item in self.services.items()
            ),
            *(
                self._workload(key, item, WorkloadKind.CONTAINER)
                for key, item in self.containers.items()
            ),
        ]
        return tuple(sorted(found, key=lambda workload: workload.key))

    def _workload(
        self,
        key: str,
        item: FleetDeclaration | ServiceDeclaration | ContainerDeclaration,
        kind: WorkloadKind,
    ) -> Workload:
        if isinstance(item, FleetDeclaration):
            architectures = tuple(item.ami)
        elif isinstance(item, ServiceDeclaration):
            architectures = (item.architecture,)
        else:
            architectures = (Architecture.X86_64,)
        return Workload(
            key=key,
            kind=kind,
            size=item.size,
            workload_class=item.workload_class,
            may_run_twice=item.may_run_twice,
            phase=item.phase,
            owner=item.owner or self.owner,
            region=self.region,
            architectures=architectures,
            slos=item.slos,
            tags={**self.tags, **item.tags, WORKLOAD_TAG: key},
        )


def parse_declaration(values: Mapping[str, Json]) -> StackDeclaration:
    """Parse ``rightsizing:<key>`` values for DECLARATION_KEYS (absent keys allowed).

    Raises ConfigError naming the key, the field and the value; a workload key used twice too.
    """
    given = {}
    for key in DECLARATION_KEYS:
        value = values.get(f"{NAMESPACE}:{key}")
        if value is not None:
            given[key] = value
    declaration = parse_model(StackDeclaration, given, NAMESPACE)
    names = [*declaration.fleets, *declaration.services, *declaration.containers]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"workload {twice[0]!r} is declared twice; give one of them another key")
    return declaration
