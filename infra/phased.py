"""What is declared beside the workloads, built at the phase that applies: nothing below its phase.

Refusals come before the first resource: what the local stand-ins cannot serve is not asked of them,
and nothing is bought anywhere but in production.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi

from infra.components.cache import CacheContainer, CacheContainerArgs, CacheGroup, CacheGroupArgs
from infra.components.commitments import Commitments, commitments_summary
from infra.components.coverage import Coverage
from infra.components.jobs import Job, JobArgs
from infra.components.network import Network
from infra.components.tenants import TenantContainers, TenantServices, TenantServicesArgs
from infra.config import StackConfig
from rightsizing.model.caching import ContainerCache
from rightsizing.model.phased import PhasedParts

Summaries = dict[str, pulumi.Output[Any]]


def build_phased(
    config: StackConfig,
    parts: PhasedParts,
    on_aws: pulumi.ResourceOptions | None,
    on_docker: pulumi.ResourceOptions | None,
    network: Network | None,
) -> None:
    """Create what holds at this phase and export it; an export is there only with its parts."""
    exports: Mapping[str, Any] = {
        "cache": _build_caches(parts, on_aws, on_docker, network),
        "jobs": _build_jobs(config, parts, on_aws),
        "tenancy": _build_tenants(config, parts, on_aws, on_docker, network),
        "commitments": _build_commitments(parts, on_aws),
        "budgets": _build_budgets(parts, on_aws),
    }
    for name, value in exports.items():
        if value:
            pulumi.export(name, value)


def _build_caches(
    parts: PhasedParts,
    on_aws: pulumi.ResourceOptions | None,
    on_docker: pulumi.ResourceOptions | None,
    network: Network | None,
) -> Summaries:
    found: Summaries = {}
    for name, item in parts.caches.items():
        deployment = item.config.deployment
        if isinstance(deployment, ContainerCache):
            container_args = CacheContainerArgs(item.config, deployment, item.port, item.tags)
            found[name] = CacheContainer(name, container_args, on_docker).summary
        else:
            assert network is not None  # PhasedParts.in_network asked for one
            group_args = CacheGroupArgs(
                item.config,
                deployment,
                network.vpc_id,
                network.subnet_ids,
                network.cidr,
                item.port,
                item.tags,
            )
            found[name] = CacheGroup(name, group_args, on_aws).summary
    return found


def _build_jobs(
    config: StackConfig, parts: PhasedParts, on_aws: pulumi.ResourceOptions | None
) -> Summaries:
    secret = "jobs" in config.secret_kinds
    return {
        name: Job(name, JobArgs(item, secret, item.tags), on_aws).summary
        for name, item in parts.jobs.items()
    }


def _build_tenants(
    config: StackConfig,
    parts: PhasedParts,
    on_aws: pulumi.ResourceOptions | None,
    on_docker: pulumi.ResourceOptions | None,
    network: Network | None,
) -> Summaries:
    secret = "tenancy" in config.secret_kinds
    found: Summaries = {}
    for name, item in parts.tenancies.items():
        if item.runs_as == "containers":
            found[name] = TenantContainers(name, item, secret=secret, opts=on_docker).summary
        else:
            assert network is not None  # PhasedParts.in_network asked for one
            args = TenantServicesArgs(
                item,
                config.declaration.region,
                network.vpc_id,
                network.subnet_ids,
                secret,
                item.tags,
            )
            found[name] = TenantServices(name, args, on_aws).summary
    return found


def _build_commitments(parts: PhasedParts, on_aws: pulumi.ResourceOptions | None) -> dict[str, Any]:
    declared = parts.commitments
    if declared.empty:
        return {}
    if declared.confirmed is not None:
        Commitments("commitments", declared, declared.confirmed, on_aws)
    return commitments_summary(declared)


def _build_budgets(parts: PhasedParts, on_aws: pulumi.ResourceOptions | None) -> dict[str, Any]:
    if parts.budgets.empty:
        return {}
    Coverage("coverage", parts.budgets, on_aws)
    return {
        "monthly_usd": parts.budgets.monthly_usd or "none",
        "alarms": {name.lower(): least for name, least in parts.budgets.minima()},
    }
