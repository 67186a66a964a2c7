"""A cache: Redis in a container, or an ElastiCache replication group.

Both forget by the decision's eviction policy and keep nothing on disk: what is lost with a cache is
fetched again. Redis has no time to live of its own, so it is given to the program that writes, in
the stack's output.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.components.containers import LimitedContainer, LimitedContainerArgs
from infra.components.naming import resource_stem
from infra.tags import workload_tags
from rightsizing.model.caching import CacheConfig, ContainerCache, ElasticacheCache
from rightsizing.model.size import ContainerSize

REDIS_PORT = 6379
# Redis runs commands on one thread, so a second core would be idle but for its background work.
CACHE_MILLICORES = 1000
# Families of the engines' newest versions that ElastiCache has had for a year (2025-11).
_ENGINES = {"redis": ("7.1", "redis7"), "valkey": ("8.0", "valkey8")}


@dataclass(frozen=True)
class CacheContainerArgs:
    """A cache in a container, and the host's port at which it answers."""

    config: CacheConfig
    deployment: ContainerCache
    port: int = REDIS_PORT
    tags: Mapping[str, str] = field(default_factory=dict)


class CacheContainer(pulumi.ComponentResource):
    """One Redis container; ``name`` is the cache's. A resize empties it."""

    container: LimitedContainer
    summary: pulumi.Output[Any]

    def __init__(
        self, name: str, args: CacheContainerArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("rightsizing:index:CacheContainer", name, None, opts)
        memory_mib = args.deployment.memory_mib
        self.container = LimitedContainer(
            name,
            LimitedContainerArgs(
                size=ContainerSize(cpu_millicores=CACHE_MILLICORES, memory_mib=memory_mib),
                image=args.deployment.image,
                stop_first=True,  # its port is fixed
                command=redis_command(args.config, args.deployment),
                ports={REDIS_PORT: args.port},
                tags=args.tags,
            ),
            pulumi.ResourceOptions(parent=self),
        )
        self.summary = pulumi.Output.from_input(
            {
                "container_name": self.container.container.name,
                "port": args.port,
                "memory_mib": memory_mib,
                "data_mib": args.deployment.data_mib,
                "ttl_seconds": args.config.ttl_seconds,
            }
        )
        self.register_outputs({"summary": self.summary})


def redis_command(config: CacheConfig, deployment: ContainerCache) -> list[str]:
    """The server's command line: how much it may keep, what it forgets, nothing on disk."""
    return [
        "redis-server",
        "--maxmemory",
        f"{deployment.data_mib}mb",
        "--maxmemory-policy",
        config.eviction,
        "--save",
        "",
        "--appendonly",
        "no",
    ]


@dataclass(frozen=True)
class CacheGroupArgs:
    """A replication group, and who may reach it: ``cidr``."""

    config: CacheConfig
    deployment: ElasticacheCache
    vpc_id: pulumi.Input[str]
    subnet_ids: pulumi.Input[Sequence[str]]
    cidr: str
    port: int = REDIS_PORT
    tags: Mapping[str, str] = field(default_factory=dict)


class CacheGroup(pulumi.ComponentResource):
    """An ElastiCache replication group without shards; ``name`` is the cache's."""

    group: aws.elasticache.ReplicationGroup
    summary: pulumi.Output[Any]

    def __init__(
        self, name: str, args: CacheGroupArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("rightsizing:index:CacheGroup", name, None, opts)
        own = pulumi.ResourceOptions(parent=self)
        stem, tags = resource_stem(name), workload_tags(name, more=args.tags)
        version, family = _ENGINES[args.deployment.engine]
        several = args.deployment.nodes > 1
        parameters = aws.elasticache.ParameterGroup(
            stem,
            family=family,
            parameters=[
                aws.elasticache.ParameterGroupParameterArgs(
                    name="maxmemory-policy", value=args.config.eviction
                )
            ],
            tags=tags,
            opts=own,
        )
        self.group = aws.elasticache.ReplicationGroup(
            stem,
            description=f"Cache {name}",
            engine=args.deployment.engine,
            engine_version=version,
            node_type=args.deployment.node_type,
            num_cache_clusters=args.deployment.nodes,
            automatic_failover_enabled=several,
            multi_az_enabled=several,
            parameter_group_name=parameters.name,
            port=args.port,
            subnet_group_name=aws.elasticache.SubnetGroup(
                stem, subnet_ids=args.subnet_ids, tags=tags, opts=own
            ).name,
            security_group_ids=[_security_group(name, stem, args, tags, own).id],
            at_rest_encryption_enabled=True,
            transit_encryption_enabled=True,
            snapshot_retention_limit=0,
            # Else a resize would wait for the maintenance window, and a rollback with it.
            apply_immediately=True,
            tags=tags,
            opts=own,
        )
        self.summary = pulumi.Output.from_input(
            {
                "endpoint": self.group.primary_endpoint_address,
                "port": args.port,
                "node_type": args.deployment.node_type,
                "nodes": args.deployment.nodes,
                "ttl_seconds": args.config.ttl_seconds,
            }
        )
        self.register_outputs({"summary": self.summary})


def _security_group(
    name: str,
    stem: str,
    args: CacheGroupArgs,
    tags: Mapping[str, str],
    opts: pulumi.ResourceOptions,
) -> aws.ec2.SecurityGroup:
    return aws.ec2.SecurityGroup(
        stem,
        description=f"Cache {name}",
        vpc_id=args.vpc_id,
        ingress=[
            aws.ec2.SecurityGroupIngressArgs(
                protocol="tcp", from_port=args.port, to_port=args.port, cidr_blocks=[args.cidr]
            )
        ],
        tags=tags,
        opts=opts,
    )
