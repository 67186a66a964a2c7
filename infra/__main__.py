"""The program: configuration to components to exports. It decides no size.

Run by the Pulumi CLI or the embedded engine with ``infra/`` as the working directory, so everything
is imported by its full name from the installed package.
"""

from __future__ import annotations

import os
from typing import Any

import pulumi

from infra.components.containers import (
    LimitedContainer,
    LimitedContainerArgs,
    ProxiedContainer,
)
from infra.components.fleet import Fleet, FleetArgs
from infra.components.network import Network, NetworkArgs
from infra.components.service import Service, ServiceArgs, ServiceCluster
from infra.config import StackConfig, load_config
from infra.phased import build_phased
from infra.providers import aws_provider, docker_provider
from infra.tags import register_mandatory_tags
from rightsizing.errors import RightsizingError

Summaries = dict[str, pulumi.Output[Any]]


def build(config: StackConfig) -> None:
    """Create everything the stack declares, at the sizes that apply, and export what was made."""
    declared = config.declaration
    register_mandatory_tags(config.project, config.stack, declared.tags)
    parts = declared.at_phase(config.sizing.stack.phase)
    fleets: Summaries = {}
    services: Summaries = {}
    containers: Summaries = {}
    network, on_aws, on_docker = None, None, None
    placed = bool(declared.fleets or declared.services) or parts.in_network
    if placed or parts.on_aws:
        provider = aws_provider(declared.region, embedded=declared.embedded, environment=os.environ)
        on_aws = pulumi.ResourceOptions(providers=[provider])
    if placed:
        network = Network("network", NetworkArgs(declared.region, declared.network), on_aws)
    if network is not None and on_aws is not None:
        fleets = build_fleets(config, network, on_aws)
        services = build_services(config, network, on_aws)
    if declared.containers or parts.on_docker:
        on_docker = pulumi.ResourceOptions(providers=[docker_provider(embedded=declared.embedded)])
        containers = build_containers(config, on_docker)
    release = config.sizing.stack.release
    pulumi.export("release", "none" if release is None else release.short_id)
    pulumi.export("phase", config.sizing.stack.phase)
    pulumi.export("fleets", fleets)
    pulumi.export("services", services)
    pulumi.export("containers", containers)
    build_phased(config, parts, on_aws, on_docker, network)


def build_fleets(config: StackConfig, network: Network, opts: pulumi.ResourceOptions) -> Summaries:
    """One Fleet a declared fleet."""
    summaries: Summaries = {}
    for key, item in config.declaration.fleets.items():
        fleet = Fleet(
            key,
            FleetArgs(
                rollout=config.sizing.fleet_slots(key, item.size),
                ami=item.ami,
                region=config.declaration.region,
                vpc_id=network.vpc_id,
                subnet_ids=network.subnet_ids,
                cidr=network.cidr,
                port=item.port,
                health_path=item.health_path,
                target_cpu_pct=item.target_cpu_pct,
                internal=item.internal,
                user_data=item.user_data,
                slos=item.slos,
                tags=item.tags,
                secret="fleets" in config.secret_kinds,
            ),
            opts,
        )
        summaries[key] = fleet.summary
    return summaries


def build_services(
    config: StackConfig, network: Network, opts: pulumi.ResourceOptions
) -> Summaries:
    """One Service a declared service, in one cluster."""
    declared = config.declaration
    if not declared.services:
        return {}
    cluster = ServiceCluster("services", opts)
    summaries: Summaries = {}
    for key, item in declared.services.items():
        service = Service(
            key,
            ServiceArgs(
                size=config.sizing.service(key, item.size),
                image=item.image,
                cluster=cluster,
                region=declared.region,
                vpc_id=network.vpc_id,
                subnet_ids=network.subnet_ids,
                cidr=network.cidr,
                assign_public_ip=network.public,
                port=item.port,
                command=item.command,
                environment=item.environment,
                architecture=item.architecture,
                target_cpu_pct=item.target_cpu_pct,
                tags=item.tags,
                secret="services" in config.secret_kinds,
            ),
            opts,
        )
        summaries[key] = service.summary
    return summaries


def build_containers(config: StackConfig, opts: pulumi.ResourceOptions) -> Summaries:
    """One LimitedContainer a declared container; behind a proxy, one in each of its slots."""
    summaries: Summaries = {}
    for key, item in config.declaration.containers.items():
        args = LimitedContainerArgs(
            size=config.sizing.container(key, item.size),
            image=item.image,
            stop_first=item.stop_first,
            command=item.command,
            environment=item.environment,
            container_name=item.container_name,
            ports=item.ports,
            mounts=item.mounts,
            network_mode=item.network_mode,
            restart=item.restart,
            tags=item.tags,
            secret="containers" in config.secret_kinds,
        )
        container: LimitedContainer | ProxiedContainer
        if item.proxy is None:
            container = LimitedContainer(key, args, opts)
        else:
            slots = config.sizing.container_slots(key, item.size)
            container = ProxiedContainer(key, args, slots, item.proxy, opts)
        summaries[key] = container.summary
    return summaries


def main() -> None:
    """Run the program; a mistake in the configuration is one sentence, not a traceback."""
    try:
        build(load_config())
    except RightsizingError as error:
        raise pulumi.RunError(str(error)) from error


if __name__ == "__main__":
    main()
