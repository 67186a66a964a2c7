"""ECS services on Fargate, and the cluster they share.

A change of task size registers a new task definition, which ECS rolls out keeping every old task
until its successor is healthy. The number of tasks is the autoscaler's; only its range is set.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.components.naming import resource_stem, stack_scoped
from infra.components.network import EVERYWHERE
from infra.components.scaling import schedule_service
from infra.tags import workload_tags
from rightsizing.model.scaling import ScalingPolicy
from rightsizing.model.size import ServiceSize
from rightsizing.model.workload import Architecture

LOG_RETENTION_DAYS = 30  # chosen by us: two weeks of evidence and as much again
CONTAINER = "main"
# Amazon ECS managed policy that lets a task pull its image and write its log.
EXECUTION_POLICY = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
_TASKS_MAY_ASSUME = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "sts:AssumeRole",
                "Principal": {"Service": "ecs-tasks.amazonaws.com"},
            }
        ],
    },
    sort_keys=True,
)
_FARGATE_ARCHITECTURE = {Architecture.X86_64: "X86_64", Architecture.ARM64: "ARM64"}


class ServiceCluster(pulumi.ComponentResource):
    """An ECS cluster and the role by which its tasks start."""

    cluster: aws.ecs.Cluster
    execution_role: aws.iam.Role

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("rightsizing:index:ServiceCluster", name, None, opts)
        own = pulumi.ResourceOptions(parent=self)
        self.cluster = aws.ecs.Cluster(name, opts=own)
        self.execution_role = aws.iam.Role(
            f"{name}-execution", assume_role_policy=_TASKS_MAY_ASSUME, opts=own
        )
        aws.iam.RolePolicyAttachment(
            f"{name}-execution",
            role=self.execution_role.name,
            policy_arn=EXECUTION_POLICY,
            opts=own,
        )
        self.register_outputs({"cluster": self.cluster.name})


@dataclass(frozen=True)
class ServiceArgs:
    """One service: its size, its image and where its tasks run.

    ``cidr`` is the range that may reach ``port``. ``autoscaling`` False leaves the task count as it
    is, for an account that scales its services by other means.
    """

    size: ServiceSize
    image: str
    cluster: ServiceCluster
    region: str
    vpc_id: pulumi.Input[str]
    subnet_ids: pulumi.Input[Sequence[str]]
    cidr: str
    assign_public_ip: bool
    port: int | None = None
    command: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    architecture: Architecture = Architecture.X86_64
    target_cpu_pct: int = 60
    autoscaling: bool = True
    tags: Mapping[str, str] = field(default_factory=dict)
    secret: bool = False  # its declaration is encrypted: the environment stays so in the state


class Service(pulumi.ComponentResource):
    """Task definition, service, log group and scaling of one workload; ``name`` is its key."""

    task_definition: aws.ecs.TaskDefinition
    service: aws.ecs.Service
    summary: pulumi.Output[Any]

    def __init__(
        self, name: str, args: ServiceArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("rightsizing:index:Service", name, None, opts)
        self._args = args
        self._workload = name
        self._stem = resource_stem(name)
        self._tags = workload_tags(name, more=args.tags)
        self._own = pulumi.ResourceOptions(parent=self)
        logs = aws.cloudwatch.LogGroup(
            self._stem, retention_in_days=LOG_RETENTION_DAYS, tags=self._tags, opts=self._own
        )
        self.task_definition = self._make_task_definition(logs)
        self.service = self._make_service(self._make_security_group())
        if args.autoscaling:
            self._make_autoscaling()
        self.summary = pulumi.Output.from_input(
            {
                "cluster": args.cluster.cluster.name,
                "service_name": self.service.name,
                "task_definition": self.task_definition.arn,
                "cpu_units": args.size.cpu_units,
                "memory_mib": args.size.memory_mib,
                "min_tasks": args.size.min_tasks,
                "max_tasks": args.size.max_tasks,
            }
        )
        self.register_outputs({"summary": self.summary})

    def _make_task_definition(self, logs: aws.cloudwatch.LogGroup) -> aws.ecs.TaskDefinition:
        args = self._args
        ports = [] if args.port is None else [{"containerPort": args.port, "protocol": "tcp"}]
        container = {
            "name": CONTAINER,
            "image": args.image,
            "essential": True,
            "command": list(args.command),
            "environment": [
                {"name": key, "value": value} for key, value in sorted(args.environment.items())
            ],
            "portMappings": ports,
            "logConfiguration": {
                "logDriver": "awslogs",
                "options": {
                    "awslogs-group": logs.name,
                    "awslogs-region": args.region,
                    "awslogs-stream-prefix": CONTAINER,
                },
            },
        }
        definitions = pulumi.Output.json_dumps(
            pulumi.Output.secret([container]) if args.secret else [container]
        )
        return aws.ecs.TaskDefinition(
            self._stem,
            family=stack_scoped(self._stem, pulumi.get_project(), pulumi.get_stack()),
            cpu=str(args.size.cpu_units),
            memory=str(args.size.memory_mib),
            network_mode="awsvpc",
            requires_compatibilities=["FARGATE"],
            runtime_platform=aws.ecs.TaskDefinitionRuntimePlatformArgs(
                cpu_architecture=_FARGATE_ARCHITECTURE[args.architecture],
                operating_system_family="LINUX",
            ),
            execution_role_arn=args.cluster.execution_role.arn,
            container_definitions=definitions,
            tags=self._tags,
            opts=self._own,
        )

    def _make_security_group(self) -> aws.ec2.SecurityGroup:
        port = self._args.port
        ingress = (
            []
            if port is None
            else [
                aws.ec2.SecurityGroupIngressArgs(
                    protocol="tcp", from_port=port, to_port=port, cidr_blocks=[self._args.cidr]
                )
            ]
        )
        return aws.ec2.SecurityGroup(
            self._stem,
            description=f"Tasks of {self._workload}",
            vpc_id=self._args.vpc_id,
            ingress=ingress,
            egress=[
                aws.ec2.SecurityGroupEgressArgs(
                    protocol="-1", from_port=0, to_port=0, cidr_blocks=[EVERYWHERE]
                )
            ],
            tags=self._tags,
            opts=self._own,
        )

    def _make_service(self, group: aws.ec2.SecurityGroup) -> aws.ecs.Service:
        args = self._args
        return aws.ecs.Service(
            self._stem,
            cluster=args.cluster.cluster.arn,
            task_definition=self.task_definition.arn,
            launch_type="FARGATE",
            desired_count=args.size.min_tasks,  # at creation only; the autoscaler's from then on
            deployment_minimum_healthy_percent=100,
            deployment_maximum_percent=200,
            # Stop a failing deployment, but do not let ECS go back by itself: the provider would
            # then report success while the old size runs. The old tasks keep serving meanwhile.
            deployment_circuit_breaker=aws.ecs.ServiceDeploymentCircuitBreakerArgs(
                enable=True, rollback=False
            ),
            wait_for_steady_state=True,
            network_configuration=aws.ecs.ServiceNetworkConfigurationArgs(
                subnets=args.subnet_ids,
                security_groups=[group.id],
                assign_public_ip=args.assign_public_ip,
            ),
            propagate_tags="SERVICE",
            tags=self._tags,
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["desiredCount"]),
        )

    def _make_autoscaling(self) -> None:
        args = self._args
        policy = args.size.scaling or ScalingPolicy(target_cpu_pct=args.target_cpu_pct)
        # Scheduled actions move the minimum; a later update must not put it back.
        moved = ["minCapacity"] if policy.schedule else []
        target = aws.appautoscaling.Target(
            self._stem,
            service_namespace="ecs",
            scalable_dimension="ecs:service:DesiredCount",
            resource_id=pulumi.Output.concat(
                "service/", args.cluster.cluster.name, "/", self.service.name
            ),
            min_capacity=args.size.min_tasks,
            max_capacity=args.size.max_tasks,
            tags=self._tags,
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=moved),
        )
        schedule_service(self._stem, target, policy, self._own)
        if policy.target_cpu_pct is None:
            return
        aws.appautoscaling.Policy(
            self._stem,
            service_namespace=target.service_namespace,
            scalable_dimension=target.scalable_dimension,
            resource_id=target.resource_id,
            policy_type="TargetTrackingScaling",
            target_tracking_scaling_policy_configuration=(
                aws.appautoscaling.PolicyTargetTrackingScalingPolicyConfigurationArgs(
                    predefined_metric_specification=aws.appautoscaling.PolicyTargetTrackingScalingPolicyConfigurationPredefinedMetricSpecificationArgs(
                        predefined_metric_type="ECSServiceAverageCPUUtilization"
                    ),
                    target_value=float(policy.target_cpu_pct),
                )
            ),
            opts=self._own,
        )
