"""Mandatory tags: what lets a bill be split and a stray resource be found and attributed.

Components tag what they make with its workload and slot. A stack transform adds the stack's own
tags to everything, whoever made it, in the form each type takes: a map, the list of an Auto
Scaling group (propagated to its instances), the specifications of a launch template (instances
and volumes), or the labels of a container. A tag that a resource sets itself wins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from rightsizing.model.workload import WORKLOAD_TAG

STACK_TAG = "rightsizing:stack"
PROJECT_TAG = "rightsizing:project"
SLOT_TAG = "rightsizing:slot"

GROUP_TYPE = "aws:autoscaling/group:Group"
TEMPLATE_TYPE = "aws:ec2/launchTemplate:LaunchTemplate"
CONTAINER_TYPE = "docker:index/container:Container"
TEMPLATE_RESOURCES = ("instance", "volume")

# Types that take a plain map named ``tags``. Listed, because a type that takes none refuses it.
TAGGED_TYPES = frozenset(
    {
        "aws:appautoscaling/target:Target",
        "aws:budgets/budget:Budget",
        "aws:cloudwatch/eventRule:EventRule",
        "aws:cloudwatch/logGroup:LogGroup",
        "aws:cloudwatch/metricAlarm:MetricAlarm",
        "aws:ec2/internetGateway:InternetGateway",
        "aws:ec2/routeTable:RouteTable",
        "aws:ec2/securityGroup:SecurityGroup",
        "aws:ec2/subnet:Subnet",
        "aws:ec2/vpc:Vpc",
        "aws:ecs/cluster:Cluster",
        "aws:ecs/service:Service",
        "aws:ecs/taskDefinition:TaskDefinition",
        "aws:elasticache/parameterGroup:ParameterGroup",
        "aws:elasticache/replicationGroup:ReplicationGroup",
        "aws:elasticache/reservedCacheNode:ReservedCacheNode",
        "aws:elasticache/subnetGroup:SubnetGroup",
        "aws:iam/instanceProfile:InstanceProfile",
        "aws:iam/role:Role",
        "aws:lambda/function:Function",
        "aws:lb/listener:Listener",
        "aws:lb/loadBalancer:LoadBalancer",
        "aws:lb/targetGroup:TargetGroup",
        "aws:rds/reservedInstance:ReservedInstance",
        "aws:savingsplans/savingsPlan:SavingsPlan",
        "aws:sqs/queue:Queue",
        TEMPLATE_TYPE,
    }
)

# Properties of a resource about to be registered, in the engine's camelCase spelling.
_Properties = Mapping[str, Any]


def workload_tags(
    workload: str, slot: str | None = None, more: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Tags that say which workload, and which slot of it, a resource belongs to."""
    slot_tag = {} if slot is None else {SLOT_TAG: slot}
    return {**(more or {}), WORKLOAD_TAG: workload, **slot_tag}


def register_mandatory_tags(project: str, stack: str, declared: Mapping[str, str]) -> None:
    """Tag every resource made from here on with project, stack and the declared tags."""
    tags = {**declared, PROJECT_TAG: project, STACK_TAG: stack}

    def add_tags(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
        changed = tagged(args.type_, args.props, tags)
        return None if changed is None else pulumi.ResourceTransformResult(changed, args.opts)

    pulumi.runtime.register_resource_transform(add_tags)


def tagged(type_: str, props: _Properties, tags: Mapping[str, str]) -> dict[str, Any] | None:
    """``props`` with ``tags`` added in the form ``type_`` takes; None when it takes none."""
    if type_ == GROUP_TYPE:
        return {**props, "tags": _with_group_tags(props.get("tags") or [], tags)}
    if type_ == CONTAINER_TYPE:
        return {**props, "labels": _with_labels(props.get("labels") or [], tags)}
    if type_ not in TAGGED_TYPES:
        return None
    changed = {**props, "tags": {**tags, **(props.get("tags") or {})}}
    if type_ == TEMPLATE_TYPE:
        changed["tagSpecifications"] = _with_specifications(
            props.get("tagSpecifications") or [], changed["tags"]
        )
    return changed


def _with_specifications(own: Sequence[_Properties], tags: Mapping[str, str]) -> list[_Properties]:
    named = {specification["resourceType"]: specification["tags"] for specification in own}
    kinds = [*named, *(kind for kind in TEMPLATE_RESOURCES if kind not in named)]
    return [{"resourceType": kind, "tags": {**tags, **named.get(kind, {})}} for kind in kinds]


def _with_group_tags(own: Sequence[_Properties], tags: Mapping[str, str]) -> list[_Properties]:
    named = {tag["key"] for tag in own}
    added = (
        {"key": key, "value": value, "propagateAtLaunch": True}
        for key, value in tags.items()
        if key not in named
    )
    return sorted([*own, *added], key=lambda tag: str(tag["key"]))


def _with_labels(own: Sequence[_Properties], tags: Mapping[str, str]) -> list[_Properties]:
    named = {label["label"] for label in own}
    added = ({"label": key, "value": value} for key, value in tags.items() if key not in named)
    return sorted([*own, *added], key=lambda label: str(label["label"]))
