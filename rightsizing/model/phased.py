"""What a stack declares beside its workloads, each from a phase on.

A decision's ``config`` is written by ``rightsize cache``, ``serverless``, ``pack`` and ``commit``;
the rest of an entry is the owner's. Below its phase an entry is not applied, so going back a phase
takes it away again. A confirmed commitment is the exception: money that is committed stays
committed, whatever the phase.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Literal, Self, TypeVar

from pydantic import Field, field_validator, model_validator

from rightsizing.model.base import FrozenModel
from rightsizing.model.caching import CacheConfig, ElasticacheCache
from rightsizing.model.commitment import CommitmentPlan
from rightsizing.model.serverless import FunctionConfig
from rightsizing.model.tenancy import TenancyConfig
from rightsizing.model.workload import Architecture

COMMITMENT_PHASE = 2
CACHE_PHASE = 3
ARCHITECTURE_PHASE = 4
_REDIS_PORT = 6379


class _Phased(FrozenModel):
    tags: dict[str, str] = Field(default_factory=dict, description="tags beside the stack's")


class CacheDeclaration(_Phased):
    """A cache: a Redis container, or an ElastiCache replication group."""

    phase: int = Field(default=CACHE_PHASE, ge=1, le=9, description="from which it is applied")
    config: CacheConfig = Field(description="as `rightsize cache --write` decides it")
    port: int = Field(
        default=_REDIS_PORT, ge=1, le=65_535, description="port on the host, or of the group"
    )


class JobDeclaration(_Phased):
    """A component that runs as a Lambda function from a container image."""

    phase: int = Field(
        default=ARCHITECTURE_PHASE, ge=1, le=9, description="from which it is applied"
    )
    config: FunctionConfig = Field(description="as `rightsize serverless --write` decides it")
    image: str = Field(min_length=1, description="image in ECR, of the config's architecture")
    command: tuple[str, ...] = Field(default=(), description="instead of the image's own")
    environment: dict[str, str] = Field(default_factory=dict, description="environment variables")
    log_retention_days: Literal[1, 3, 5, 7, 14, 30, 60, 90, 180, 365] = Field(
        default=30, description="how long its log is kept"
    )


class TenancyDeclaration(_Phased):
    """Tenants that share instances, each with limits of its own."""

    phase: int = Field(
        default=ARCHITECTURE_PHASE, ge=1, le=9, description="from which it is applied"
    )
    config: TenancyConfig = Field(description="as `rightsize pack --write` decides it")
    runs_as: Literal["containers", "services"] = Field(
        default="containers",
        description="containers of the Docker engine, or ECS services on instances of their own",
    )
    image: str = Field(min_length=1, description="container image with its tag")
    command: tuple[str, ...] = Field(default=(), description="instead of the image's own")
    environment: dict[str, str] = Field(
        default_factory=dict, description="environment variables; each tenant's TENANT is added"
    )
    network_mode: Literal["none", "host", "bridge"] = Field(
        default="bridge", description="as of `docker run --network`"
    )
    may_run_twice: bool = Field(
        default=False, description="false: a tenant is stopped before its successor starts"
    )
    ami: dict[Architecture, str] = Field(
        default_factory=dict, description="ECS-optimised image of the instances; for services"
    )

    @model_validator(mode="after")
    def _services_have_an_image(self) -> Self:
        if self.runs_as == "services" and not self.ami:
            raise ValueError("ECS services run on instances of their own: give ami")
        return self

    def tenants(self) -> Iterator[tuple[str, str]]:
        """(instance, tenant), in order."""
        for instance, placed in sorted(self.config.instances.items()):
            for tenant in sorted(placed.tenants):
                yield instance, tenant


class ReservedNodes(FrozenModel):
    """Reserved cache nodes or database instances, bought by the id of their offering."""

    offering_id: str = Field(min_length=1, max_length=128, description="AWS's id of the offering")
    count: int = Field(ge=1, le=1000, description="nodes or instances reserved")
    reason: str = Field(min_length=1, max_length=500, description="why, in a sentence")


class Confirmation(FrozenModel):
    """Somebody's yes to a purchase: to exactly these commitments, after a soak.

    ``purchase_at`` queues a savings plan, so it can be withdrawn until then.
    """

    digest: str = Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of what was confirmed")
    release: str = Field(pattern=r"^[0-9a-f]{64}$", description="id of the release that soaked")
    phase: int = Field(ge=1, le=9, description="phase that soaked")
    at: datetime = Field(description="when it was confirmed, UTC")
    purchase_at: datetime = Field(description="when queued savings plans are bought, UTC")

    @model_validator(mode="after")
    def _bought_after_it(self) -> Self:
        if self.at.tzinfo is None or self.purchase_at.tzinfo is None:
            raise ValueError("at and purchase_at need a time zone; write them in UTC")
        if self.purchase_at <= self.at:
            raise ValueError("purchase_at must be after the confirmation")
        return self


class CommitmentsDeclaration(FrozenModel):
    """Purchases that no update can undo. Without ``confirmed`` they are only proposed."""

    phase: int = Field(
        default=COMMITMENT_PHASE, ge=1, le=9, description="phase that must have soaked before"
    )
    plan: CommitmentPlan = Field(
        default=CommitmentPlan(), description="as `rightsize commit recommend --write` decides it"
    )
    cache_nodes: dict[str, ReservedNodes] = Field(
        default_factory=dict, description="reserved ElastiCache nodes, by reservation id"
    )
    databases: dict[str, ReservedNodes] = Field(
        default_factory=dict, description="reserved RDS instances, by reservation id"
    )
    confirmed: Confirmation | None = Field(
        default=None, description="written by `rightsize commit approve --confirm`"
    )

    @model_validator(mode="after")
    def _confirmed_as_it_is(self) -> Self:
        if self.confirmed is None:
            return self
        if self.confirmed.digest != self.digest:
            raise ValueError(
                "the commitments were changed after they were confirmed; remove confirmed, and run "
                "`rightsize commit approve --confirm` again"
            )
        if self.confirmed.phase < self.phase:
            raise ValueError(
                f"confirmed at phase {self.confirmed.phase}, but phase {self.phase} must have "
                "soaked before"
            )
        return self

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON of what would be bought."""
        written = self.model_dump(mode="json", include={"plan", "cache_nodes", "databases"})
        text = json.dumps(written, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8")).hexdigest()

    @property
    def empty(self) -> bool:
        """True when there is nothing to buy."""
        return not (self.plan.decisions or self.cache_nodes or self.databases)


_MinimumPct = Field(default=None, gt=0, le=100, description="alarm below it, % of the month")


class BudgetsDeclaration(FrozenModel):
    """A budget of the account, and alarms on the coverage and use of commitments."""

    phase: int = Field(default=COMMITMENT_PHASE, ge=1, le=9, description="from which it is applied")
    emails: tuple[str, ...] = Field(
        default=(), max_length=10, description="who is told, at most ten addresses"
    )
    monthly_usd: str | None = Field(
        default=None, description="most dollars a month, a decimal string; none: no budget"
    )
    alert_pct: int = Field(
        default=80, ge=1, le=100, description="of the budget, at which actual cost is told"
    )
    savings_plans_coverage_min_pct: int | None = _MinimumPct
    savings_plans_utilisation_min_pct: int | None = _MinimumPct
    reservation_coverage_min_pct: int | None = _MinimumPct
    reservation_utilisation_min_pct: int | None = _MinimumPct
    reserved_service: Literal[
        "Amazon Elastic Compute Cloud - Compute",
        "Amazon ElastiCache",
        "Amazon Relational Database Service",
    ] = Field(
        default="Amazon Elastic Compute Cloud - Compute",
        description="whose reservations are watched; AWS watches one service a budget",
    )

    @field_validator("monthly_usd")
    @classmethod
    def _above_zero(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            amount = Decimal(value)
        except InvalidOperation:
            raise ValueError(f"{value!r} is not a decimal number of dollars") from None
        if not amount.is_finite() or amount <= 0:
            raise ValueError(f"{value} dollars a month must be above 0")
        return value

    @model_validator(mode="after")
    def _tells_somebody(self) -> Self:
        if not self.empty and not self.emails:
            raise ValueError("a budget that tells nobody is of no use: give emails")
        return self

    @property
    def empty(self) -> bool:
        """True when nothing is watched."""
        return self.monthly_usd is None and not any(self.minima())

    def minima(self) -> tuple[tuple[str, int], ...]:
        """(AWS's budget type, least %) of each alarm that is asked for."""
        found = (
            ("SAVINGS_PLANS_COVERAGE", self.savings_plans_coverage_min_pct),
            ("SAVINGS_PLANS_UTILIZATION", self.savings_plans_utilisation_min_pct),
            ("RI_COVERAGE", self.reservation_coverage_min_pct),
            ("RI_UTILIZATION", self.reservation_utilisation_min_pct),
        )
        return tuple((name, least) for name, least in found if least is not None)


_Entry = TypeVar("_Entry", CacheDeclaration, JobDeclaration, TenancyDeclaration)


def entries_at(entries: Mapping[str, _Entry], phase: int) -> dict[str, _Entry]:
    """The entries that hold at a phase."""
    return {name: entry for name, entry in entries.items() if entry.phase <= phase}


@dataclass(frozen=True, slots=True)
class PhasedParts:
    """What of it holds at one phase."""

    caches: Mapping[str, CacheDeclaration]
    jobs: Mapping[str, JobDeclaration]
    tenancies: Mapping[str, TenancyDeclaration]
    commitments: CommitmentsDeclaration
    budgets: BudgetsDeclaration

    @property
    def on_docker(self) -> bool:
        """Whether a Docker engine is needed."""
        return any(not _is_elasticache(item) for item in self.caches.values()) or any(
            item.runs_as == "containers" for item in self.tenancies.values()
        )

    @property
    def in_network(self) -> bool:
        """Whether a VPC is needed."""
        return any(_is_elasticache(item) for item in self.caches.values()) or any(
            item.runs_as == "services" for item in self.tenancies.values()
        )

    @property
    def on_aws(self) -> bool:
        """Whether the aws provider is needed."""
        bought = self.commitments.confirmed is not None and not self.commitments.empty
        return bool(self.jobs) or bought or not self.budgets.empty or self.in_network


def _is_elasticache(cache: CacheDeclaration) -> bool:
    return isinstance(cache.config.deployment, ElasticacheCache)
