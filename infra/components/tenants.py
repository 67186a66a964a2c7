"""Tenants that share instances: as containers of a Docker engine, or as ECS services.

Each has CPU and memory limits of its own. As services they run on instances that belong to this
group of tenants alone, one Auto Scaling group of one instance for each instance of the packing, and
each tenant is placed on the instance it was packed onto. A lost instance is replaced by its group;
its tenants wait for it, because placing them elsewhere could put isolated ones together.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.components.containers import LimitedContainer, LimitedContainerArgs, docker_cpus
from infra.components.naming import resource_stem, stack_scoped
from infra.components.network import EVERYWHERE
from infra.images import image_for
from infra.tags import workload_tags
from rightsizing.model.phased import TenancyDeclaration
from rightsizing.model.size import ContainerSize
from rightsizing.units import CPU_UNITS_PER_VCPU, MILLICORES_PER_CORE

TENANT_VARIABLE = "TENANT"  # tells a container whose it is
INSTANCE_TAG = "rightsizing:instance"  # on which instance of the packing a tenant runs
_ATTRIBUTE = "tenants"  # of an ECS container instance: its name in the packing
# Amazon ECS managed policy that lets an instance join a cluster.
_INSTANCE_POLICY = "arn:aws:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role"
_LOG_RETENTION_DAYS = 30
_INSTANCES_MAY_ASSUME = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "sts:AssumeRole",
                "Principal": {"Service": "ec2.amazonaws.com"},
            }
        ],
    },
    sort_keys=True,
)


class TenantContainers(pulumi.ComponentResource):
    """One container a tenant, with its own limits; ``name`` is the group of tenants."""

    containers: Mapping[str, LimitedContainer]
    summary: pulumi.Output[Any]

    def __init__(
        self,
        name: str,
        declared: TenancyDeclaration,
        *,
        secret: bool = False,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("rightsizing:index:TenantContainers", name, None, opts)
        self.containers = {
            tenant: LimitedContainer(
                tenant,
                LimitedContainerArgs(
                    size=declared.config.instances[instance].tenants[tenant],
                    image=declared.image,
                    stop_first=not declared.may_run_twice,
                    command=declared.command,
                    environment={**declared.environment, TENANT_VARIABLE: tenant},
                    network_mode=declared.network_mode,
                    tags={**declared.tags, INSTANCE_TAG: instance},
                    secret=secret,
                ),
                pulumi.ResourceOptions(parent=self),
            )
            for instance, tenant in declared.tenants()
        }
        self.summary = pulumi.Output.from_input(
            {
                tenant: {
                    "container_name": self.containers[tenant].container.name,
                    "instance": instance,
                    **_limits(declared.config.instances[instance].tenants[tenant]),
                }
                for instance, tenant in declared.tenants()
            }
        )
        self.register_outputs({"summary": self.summary})


def _limits(size: ContainerSize) -> dict[str, Any]:
    return {"cpus": docker_cpus(size.cpu_millicores), "memory_mib": size.memory_mib}


@dataclass(frozen=True)
class TenantServicesArgs:
    """A group of tenants as ECS services, and where its instances are placed."""

    declared: TenancyDeclaration
    region: str
    vpc_id: pulumi.Input[str]
    subnet_ids: pulumi.Input[Sequence[str]]
    secret: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)


class TenantServices(pulumi.ComponentResource):
    """A cluster, its instances and a service a tenant; ``name`` is the group of tenants."""

    cluster: aws.ecs.Cluster
    summary: pulumi.Output[Any]

    def __init__(
        self, name: str, args: TenantServicesArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("rightsizing:index:TenantServices", name, None, opts)
        self._args = args
        self._name = name
        self._stem = resource_stem(name)
        self._own = pulumi.ResourceOptions(parent=self)
        self.cluster = aws.ecs.Cluster(self._stem, tags=args.tags, opts=self._own)
        groups = self._make_instances()
        logs = aws.cloudwatch.LogGroup(
            self._stem, retention_in_days=_LOG_RETENTION_DAYS, tags=args.tags, opts=self._own
        )
        services = {
            tenant: self._make_service(tenant, instance, groups[instance], logs)
            for instance, tenant in args.declared.tenants()
        }
        self.summary = pulumi.Output.from_input(
            {
                tenant: {
                    "service_name": services[tenant].name,
                    "instance": instance,
                    **_limits(args.declared.config.instances[instance].tenants[tenant]),
                }
                for instance, tenant in args.declared.tenants()
            }
        )
        self.register_outputs({"summary": self.summary})

    def _make_instances(self) -> dict[str, aws.autoscaling.Group]:
        role = aws.iam.Role(
            self._stem,
            assume_role_policy=_INSTANCES_MAY_ASSUME,
            tags=self._args.tags,
            opts=self._own,
        )
        aws.iam.RolePolicyAttachment(
            self._stem, role=role.name, policy_arn=_INSTANCE_POLICY, opts=self._own
        )
        profile = aws.iam.InstanceProfile(
            self._stem, role=role.name, tags=self._args.tags, opts=self._own
        )
        security = aws.ec2.SecurityGroup(
            self._stem,
            description=f"Instances of {self._name}",
            vpc_id=self._args.vpc_id,
            egress=[
                aws.ec2.SecurityGroupEgressArgs(
                    protocol="-1", from_port=0, to_port=0, cidr_blocks=[EVERYWHERE]
                )
            ],
            tags=self._args.tags,
            opts=self._own,
        )
        return {
            instance: self._make_instance(instance, placed.instance_type, profile, security)
            for instance, placed in sorted(self._args.declared.config.instances.items())
        }

    def _make_instance(
        self,
        instance: str,
        instance_type: str,
        profile: aws.iam.InstanceProfile,
        security: aws.ec2.SecurityGroup,
    ) -> aws.autoscaling.Group:
        stem, tags = resource_stem(instance), {**self._args.tags, INSTANCE_TAG: instance}
        template = aws.ec2.LaunchTemplate(
            stem,
            image_id=image_for(self._name, instance_type, self._args.declared.ami),
            instance_type=instance_type,
            iam_instance_profile=aws.ec2.LaunchTemplateIamInstanceProfileArgs(arn=profile.arn),
            vpc_security_group_ids=[security.id],
            metadata_options=aws.ec2.LaunchTemplateMetadataOptionsArgs(http_tokens="required"),
            user_data=self.cluster.name.apply(lambda cluster: join_script(cluster, instance)),
            tags=tags,
            opts=self._own,
        )
        return aws.autoscaling.Group(
            stem,
            min_size=1,
            max_size=1,
            launch_template=aws.autoscaling.GroupLaunchTemplateArgs(
                id=template.id, version=template.latest_version.apply(str)
            ),
            vpc_zone_identifiers=self._args.subnet_ids,
            tags=[
                aws.autoscaling.GroupTagArgs(key=key, value=value, propagate_at_launch=True)
                for key, value in sorted(tags.items())
            ],
            opts=pulumi.ResourceOptions(parent=self, replace_on_changes=["launchTemplate"]),
        )

    def _make_service(
        self,
        tenant: str,
        instance: str,
        group: aws.autoscaling.Group,
        logs: aws.cloudwatch.LogGroup,
    ) -> aws.ecs.Service:
        declared = self._args.declared
        stem, tags = resource_stem(tenant), workload_tags(tenant, more=self._args.tags)
        size = declared.config.instances[instance].tenants[tenant]
        environment = {**declared.environment, TENANT_VARIABLE: tenant}
        container = {
            "name": "main",
            "image": declared.image,
            "essential": True,
            "command": list(declared.command),
            "environment": [
                {"name": key, "value": value} for key, value in sorted(environment.items())
            ],
            "logConfiguration": {
                "logDriver": "awslogs",
                "options": {
                    "awslogs-group": logs.name,
                    "awslogs-region": self._args.region,
                    "awslogs-stream-prefix": tenant,
                },
            },
        }
        definition = aws.ecs.TaskDefinition(
            stem,
            family=stack_scoped(stem, pulumi.get_project(), pulumi.get_stack()),
            cpu=str(task_cpu_units(size.cpu_millicores)),
            memory=str(size.memory_mib),
            network_mode=declared.network_mode,
            requires_compatibilities=["EC2"],
            container_definitions=pulumi.Output.json_dumps(
                pulumi.Output.secret([container]) if self._args.secret else [container]
            ),
            tags=tags,
            opts=self._own,
        )
        once = not declared.may_run_twice
        return aws.ecs.Service(
            stem,
            cluster=self.cluster.arn,
            task_definition=definition.arn,
            launch_type="EC2",
            desired_count=1,
            deployment_minimum_healthy_percent=0 if once else 100,
            deployment_maximum_percent=100 if once else 200,
            deployment_circuit_breaker=aws.ecs.ServiceDeploymentCircuitBreakerArgs(
                enable=True, rollback=False
            ),
            placement_constraints=[
                aws.ecs.ServicePlacementConstraintArgs(
                    type="memberOf", expression=f"attribute:{_ATTRIBUTE} == {instance}"
                )
            ],
            propagate_tags="SERVICE",
            wait_for_steady_state=True,
            tags=tags,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[group]),
        )


def task_cpu_units(millicores: int) -> int:
    """ECS's CPU units of a limit, rounded up, at least the 128 that a task may have."""
    return max(-(-millicores * CPU_UNITS_PER_VCPU // MILLICORES_PER_CORE), 128)


def join_script(cluster: str, instance: str) -> str:
    """User data, base64: the instance joins the cluster under its name in the packing."""
    attributes = json.dumps({_ATTRIBUTE: instance})
    lines = (
        "#!/bin/sh",
        f"echo 'ECS_CLUSTER={cluster}' >> /etc/ecs/ecs.config",
        f"echo 'ECS_INSTANCE_ATTRIBUTES={attributes}' >> /etc/ecs/ecs.config",
    )
    return base64.b64encode("\n".join(lines).encode("utf-8") + b"\n").decode("ascii")
