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
from rightsizing.model.phased import (
    BudgetsDeclaration,
    CacheDeclaration,
    CommitmentsDeclaration,
    JobDeclaration,
    PhasedParts,
    TenancyDeclaration,
    entries_at,
)
from rightsizing.model.rollout import Slot
from rightsizing.model.size import ContainerSize, FleetSize, ServiceSize
from rightsizing.model.stackconfig import parse_model
from rightsizing.model.update import Json
from rightsizing.model.workload import (
    WORKLOAD_KEY_PATTERN,
    WORKLOAD_TAG,
    Architecture,
    Slos,
    Workload,
    WorkloadClass,
    WorkloadKind,
)

NAMESPACE = "rightsizing"
SETTINGS_KEY = "rightsizing:settings"  # read by the command line only
DECLARATION_KEYS = (
    "region",
    "embedded",
    "network",
    "fleets",
    "services",
    "containers",
    "tags",
    "owner",
    "cache",
    "jobs",
    "tenancy",
    "commitments",
    "budgets",
)
SECRET_KINDS = ("fleets", "services", "containers", "jobs", "tenancy")  # may hold environments


class NetworkDeclaration(FrozenModel):
    """Where load balancers, instances and tasks are placed. Empty: the program makes a VPC."""

    vpc_id: str | None = Field(default=None, description="VPC to use; together with subnet_ids")
    subnet_ids: tuple[str, ...] = Field(
        default=(), description="subnets to use, at least two in different zones"
    )
    zones: tuple[str, ...] = Field(default=(), description="availability zones of a new VPC")
    cidr: str = Field(default="10.42.0.0/16", description="address range of the VPC")

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.vpc_id is None) != (not self.subnet_ids):
            raise ValueError("vpc_id and subnet_ids must be given together")
        return self


class _Declared(FrozenModel):
    workload_class: WorkloadClass = Field(
        default=WorkloadClass.USER_FACING, description="whether people wait for it"
    )
    phase: int = Field(default=1, ge=1, le=9, description="earliest phase that may change it")
    owner: str | None = Field(
        default=None, description="who answers for it; else the stack's owner"
    )
    slos: Slos = Field(default=Slos(), description="objectives that `rightsize check` judges")
    tags: dict[str, str] = Field(default_factory=dict, description="tags beside the stack's")


class FleetDeclaration(_Declared):
    """An EC2 fleet behind a load balancer. ``ami`` holds one image id an architecture."""

    size: FleetSize = Field(description="size today, before any release")
    ami: dict[Architecture, str] = Field(description="image id for each architecture it runs on")
    port: int = Field(default=8080, ge=1, le=65_535, description="port the instances listen on")
    health_path: str = Field(
        default="/health", pattern=r"^/", description="path of the load balancer's health check"
    )
    target_cpu_pct: int = Field(
        default=60, ge=10, le=95, description="mean CPU the autoscaler aims at"
    )
    internal: bool = Field(default=True, description="false: the load balancer faces the internet")
    may_run_twice: bool = Field(
        default=True, description="whether a second copy beside the first is harmless"
    )
    user_data: str | None = Field(default=None, description="start script of the instances")

    @model_validator(mode="after")
    def _has_an_image(self) -> Self:
        if not self.ami:
            raise ValueError("ami needs at least one image id, for instance x86_64: ami-0abc")
        return self


class ServiceDeclaration(_Declared):
    """An ECS service on Fargate."""

    size: ServiceSize = Field(description="size today, before any release")
    image: str = Field(description="container image with its tag")
    port: int | None = Field(
        default=None, ge=1, le=65_535, description="port the tasks listen on; none: no port"
    )
    command: tuple[str, ...] = Field(default=(), description="instead of the image's own")
    environment: dict[str, str] = Field(default_factory=dict, description="environment variables")
    architecture: Architecture = Field(
        default=Architecture.X86_64, description="what the image runs on"
    )
    target_cpu_pct: int = Field(
        default=60, ge=10, le=95, description="mean CPU the autoscaler aims at"
    )
    may_run_twice: bool = Field(
        default=True, description="whether a second copy beside the first is harmless"
    )


class ProxyServer(FrozenModel):
    """One slot of a proxied container, as the proxy knows it."""

    server: str = Field(
        pattern=r"^[A-Za-z0-9._:-]+$", description="name of the server in the proxy's backend"
    )
    port: int = Field(ge=1, le=65_535, description="port on the host at which the slot listens")


class ProxyDeclaration(FrozenModel):
    """HAProxy in front of a container: it gets two slots, and a resize moves weight between them.

    HAProxy itself is not made by the program; its backend has to name both servers.
    """

    socket: str = Field(
        min_length=1,
        description="HAProxy's runtime API with `level admin`: a path, or host:port",
    )
    backend: str = Field(
        pattern=r"^[A-Za-z0-9._:-]+$", description="name of HAProxy's backend with both servers"
    )
    a: ProxyServer = Field(description="slot a, which serves at first")
    b: ProxyServer = Field(description="slot b, empty at first")
    container_port: int = Field(
        default=8080, ge=1, le=65_535, description="port inside the container, of a bridge network"
    )
    log: str | None = Field(
        default=None,
        description="where HAProxy sends its log, for latencies: host:port (UDP) or a path; "
        "none: latencies are not measured",
    )

    @model_validator(mode="after")
    def _slots_differ(self) -> Self:
        if self.a.server == self.b.server or self.a.port == self.b.port:
            raise ValueError("slots a and b need different servers and different ports")
        return self

    def server(self, slot: Slot) -> ProxyServer:
        """The server of a slot."""
        return self.a if slot is Slot.A else self.b


class ContainerDeclaration(_Declared):
    """A Docker container. A fixed name or port makes it a singleton: stopped before replaced.

    Behind a ``proxy`` it runs in slots, each at a port of its own that its environment has as PORT.
    """

    size: ContainerSize = Field(description="limits today, before any release")
    image: str = Field(description="container image with its tag")
    command: tuple[str, ...] = Field(default=(), description="instead of the image's own")
    environment: dict[str, str] = Field(default_factory=dict, description="environment variables")
    container_name: str | None = Field(
        default=None, description="a fixed name, which makes it a singleton"
    )
    ports: dict[int, int] = Field(
        default_factory=dict, description="container port to host port; makes it a singleton"
    )
    mounts: dict[str, str] = Field(
        default_factory=dict, description="host path to container path, read-only"
    )
    network_mode: Literal["none", "host", "bridge"] = Field(
        default="bridge", description="as of `docker run --network`"
    )
    restart: Literal["no", "always", "on-failure", "unless-stopped"] = Field(
        default="unless-stopped", description="as of `docker run --restart`"
    )
    may_run_twice: bool = Field(
        default=False, description="false: it is stopped before its successor starts"
    )
    proxy: ProxyDeclaration | None = Field(
        default=None, description="the proxy in front of its two slots; none: one container"
    )

    @model_validator(mode="after")
    def _proxied_may_run_twice(self) -> Self:
        if self.proxy is None:
            return self
        if not self.may_run_twice:
            raise ValueError("a container behind a proxy runs twice: set may_run_twice to true")
        if self.container_name is not None or self.ports:
            raise ValueError("a container behind a proxy has no container_name and no ports")
        if self.network_mode == "none":
            raise ValueError("a container behind a proxy needs network_mode bridge or host")
        return self

    @property
    def stop_first(self) -> bool:
        """True when a second copy must not, or cannot, run beside the first."""
        return not self.may_run_twice or self.container_name is not None or bool(self.ports)


class StackDeclaration(FrozenModel):
    """All workloads of one stack."""

    region: str = Field(
        default="us-east-1", pattern=r"^[a-z]{2}(-[a-z]+)+-\d$", description="AWS region"
    )
    embedded: bool = Field(
        default=False, description="served by the local stand-ins; refused for prod"
    )
    network: NetworkDeclaration = Field(
        default=NetworkDeclaration(), description="where everything is placed"
    )
    fleets: dict[str, FleetDeclaration] = Field(
        default_factory=dict, description="EC2 fleets by workload key"
    )
    services: dict[str, ServiceDeclaration] = Field(
        default_factory=dict, description="ECS services by workload key"
    )
    containers: dict[str, ContainerDeclaration] = Field(
        default_factory=dict, description="Docker containers by workload key"
    )
    tags: dict[str, str] = Field(default_factory=dict, description="tags on every resource")
    owner: str | None = Field(default=None, description="who answers for the stack")
    cache: dict[str, CacheDeclaration] = Field(default_factory=dict, description="caches by name")
    jobs: dict[str, JobDeclaration] = Field(
        default_factory=dict, description="Lambda functions by component"
    )
    tenancy: dict[str, TenancyDeclaration] = Field(
        default_factory=dict, description="groups of tenants by name"
    )
    commitments: CommitmentsDeclaration = Field(
        default=CommitmentsDeclaration(), description="purchases, proposed or confirmed; prod only"
    )
    budgets: BudgetsDeclaration = Field(
        default=BudgetsDeclaration(), description="budget and coverage alarms; never embedded"
    )

    def at_phase(self, phase: int) -> PhasedParts:
        """What is declared beside the workloads and holds at a phase."""
        budgets = self.budgets if self.budgets.phase <= phase else BudgetsDeclaration()
        commitments = self.commitments
        # What is confirmed may be bought, and must not vanish from the program with its phase.
        if commitments.phase > phase and commitments.confirmed is None:
            commitments = CommitmentsDeclaration()
        return PhasedParts(
            caches=entries_at(self.cache, phase),
            jobs=entries_at(self.jobs, phase),
            tenancies=entries_at(self.tenancy, phase),
            commitments=commitments,
            budgets=budgets,
        )

    def last_phase(self) -> int:
        """Highest phase from which something beside the workloads holds; 0 when nothing does."""
        phases = [cache.phase for cache in self.cache.values()]
        phases += [job.phase for job in self.jobs.values()]
        phases += [tenancy.phase for tenancy in self.tenancy.values()]
        if not self.budgets.empty:
            phases.append(self.budgets.phase)
        return max(phases, default=0)

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
            proxied=isinstance(item, ContainerDeclaration) and item.proxy is not None,
            phase=item.phase,
            owner=item.owner or self.owner,
            region=self.region,
            zones=self.network.zones,
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
    tenants = [tenant for entry in declaration.tenancy.values() for _, tenant in entry.tenants()]
    names = [
        *declaration.fleets,
        *declaration.services,
        *declaration.containers,
        *declaration.cache,
        *declaration.jobs,
        *tenants,
    ]
    unsafe = next(
        (name for name in [*names, *declaration.tenancy] if not WORKLOAD_KEY_PATTERN.match(name)),
        None,
    )
    if unsafe is not None:
        raise ConfigError(
            f"workload key {unsafe[:40]!r} must be 1-128 letters, digits, '.', '_', '/' or '-'; "
            "rename it in the stack file"
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"workload {twice[0]!r} is declared twice; give one of them another key")
    return declaration
