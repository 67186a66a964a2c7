"""Every AWS API call the toolkit makes, and the IAM policies that allow exactly these.

``READ_CALLS`` is what measuring, discovery, live facts and the price refresh call through boto3; a
test walks the source and compares it with this table, both ways. ``PROVISION_ACTIONS`` is what
the Pulumi AWS provider needs for the resource types ``infra/`` uses: the toolkit itself never
calls them. Both become policy documents through ``policy_document``.

Operation names are boto3's. Actions are written as the IAM service authorization reference writes
them (https://docs.aws.amazon.com/service-authorization/latest/reference/); a test checks that each
names an operation of its service. What the Pulumi provider calls follows from its resource types
and was not traced on AWS.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum, unique


@unique
class Purpose(StrEnum):
    """Which part of the work needs a call."""

    DISCOVER = "discover"
    MEASURE = "measure"
    FACTS = "facts"
    CATALOG = "catalog"


@dataclass(frozen=True, slots=True)
class AwsCall:
    """One API operation: boto3 service and method, its IAM action, and why it is called."""

    service: str
    operation: str
    action: str
    purposes: tuple[Purpose, ...]
    why: str


READ_CALLS: tuple[AwsCall, ...] = (
    AwsCall(
        "application-autoscaling",
        "describe_scalable_targets",
        "application-autoscaling:DescribeScalableTargets",
        (Purpose.DISCOVER, Purpose.FACTS),
        "least and most tasks of an ECS service",
    ),
    AwsCall(
        "autoscaling",
        "describe_auto_scaling_groups",
        "autoscaling:DescribeAutoScalingGroups",
        (Purpose.DISCOVER, Purpose.FACTS),
        "groups, their tags, sizes and running instances",
    ),
    AwsCall(
        "cloudwatch",
        "get_metric_data",
        "cloudwatch:GetMetricData",
        (Purpose.MEASURE,),
        "utilisation, requests, latency and burst credits",
    ),
    AwsCall(
        "ec2",
        "describe_instance_types",
        "ec2:DescribeInstanceTypes",
        (Purpose.DISCOVER, Purpose.CATALOG),
        "vCPU and memory of an instance type, which turn a percentage into cores and bytes",
    ),
    AwsCall(
        "ec2",
        "describe_instances",
        "ec2:DescribeInstances",
        (Purpose.FACTS,),
        "types of the instances that really run",
    ),
    AwsCall(
        "ecs",
        "list_clusters",
        "ecs:ListClusters",
        (Purpose.DISCOVER, Purpose.FACTS),
        "clusters to look for services in",
    ),
    AwsCall(
        "ecs",
        "list_services",
        "ecs:ListServices",
        (Purpose.DISCOVER, Purpose.FACTS),
        "services of a cluster",
    ),
    AwsCall(
        "ecs",
        "describe_services",
        "ecs:DescribeServices",
        (Purpose.DISCOVER, Purpose.FACTS),
        "tags, task counts and running task definition",
    ),
    AwsCall(
        "ecs",
        "describe_task_definition",
        "ecs:DescribeTaskDefinition",
        (Purpose.DISCOVER, Purpose.FACTS),
        "CPU units and memory of a task",
    ),
    AwsCall(
        "elbv2",
        "describe_target_groups",
        "elasticloadbalancing:DescribeTargetGroups",
        (Purpose.DISCOVER, Purpose.FACTS),
        "the load balancer in front of a group, for its request metrics",
    ),
    AwsCall(
        "elbv2",
        "describe_listeners",
        "elasticloadbalancing:DescribeListeners",
        (Purpose.FACTS,),
        "how a load balancer really weighs the slots",
    ),
    AwsCall(
        "pricing",
        "get_products",
        "pricing:GetProducts",
        (Purpose.CATALOG,),
        "list prices",
    ),
)


# What the provider calls for create, read, update, delete and tagging of each Pulumi type.
PROVISION_ACTIONS: Mapping[str, tuple[str, ...]] = {
    "aws:ec2/vpc:Vpc": (
        "ec2:CreateVpc",
        "ec2:DeleteVpc",
        "ec2:DescribeVpcAttribute",
        "ec2:DescribeVpcs",
        "ec2:ModifyVpcAttribute",
    ),
    "aws:ec2/subnet:Subnet": (
        "ec2:CreateSubnet",
        "ec2:DeleteSubnet",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:ModifySubnetAttribute",
    ),
    "aws:ec2/securityGroup:SecurityGroup": (
        "ec2:AuthorizeSecurityGroupEgress",
        "ec2:AuthorizeSecurityGroupIngress",
        "ec2:CreateSecurityGroup",
        "ec2:DeleteSecurityGroup",
        "ec2:DescribeSecurityGroups",
        "ec2:RevokeSecurityGroupEgress",
        "ec2:RevokeSecurityGroupIngress",
    ),
    "aws:ec2/internetGateway:InternetGateway": (
        "ec2:AttachInternetGateway",
        "ec2:CreateInternetGateway",
        "ec2:DeleteInternetGateway",
        "ec2:DescribeInternetGateways",
        "ec2:DetachInternetGateway",
    ),
    "aws:ec2/routeTable:RouteTable": (
        "ec2:CreateRoute",
        "ec2:CreateRouteTable",
        "ec2:DeleteRoute",
        "ec2:DeleteRouteTable",
        "ec2:DescribeRouteTables",
        "ec2:ReplaceRoute",
    ),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": (
        "ec2:AssociateRouteTable",
        "ec2:DescribeRouteTables",
        "ec2:DisassociateRouteTable",
        "ec2:ReplaceRouteTableAssociation",
    ),
    "aws:ec2/launchTemplate:LaunchTemplate": (
        "ec2:CreateLaunchTemplate",
        "ec2:CreateLaunchTemplateVersion",
        "ec2:DeleteLaunchTemplate",
        "ec2:DescribeLaunchTemplateVersions",
        "ec2:DescribeLaunchTemplates",
        "ec2:ModifyLaunchTemplate",
    ),
    "aws:autoscaling/group:Group": (
        "autoscaling:AttachLoadBalancerTargetGroups",
        "autoscaling:CreateAutoScalingGroup",
        "autoscaling:CreateOrUpdateTags",
        "autoscaling:DeleteAutoScalingGroup",
        "autoscaling:DeleteTags",
        "autoscaling:DescribeAutoScalingGroups",
        "autoscaling:DescribeScalingActivities",
        "autoscaling:DetachLoadBalancerTargetGroups",
        "autoscaling:DisableMetricsCollection",
        "autoscaling:EnableMetricsCollection",
        "autoscaling:SetInstanceProtection",
        "autoscaling:UpdateAutoScalingGroup",
        # Creating a group through a launch template is checked as the caller running instances.
        "ec2:RunInstances",
        "elasticloadbalancing:DescribeTargetHealth",
        "iam:CreateServiceLinkedRole",
        "iam:PassRole",
    ),
    "aws:autoscaling/policy:Policy": (
        "autoscaling:DeletePolicy",
        "autoscaling:DescribePolicies",
        "autoscaling:PutScalingPolicy",
    ),
    "aws:lb/loadBalancer:LoadBalancer": (
        "ec2:DescribeAccountAttributes",
        "ec2:DescribeInternetGateways",
        "ec2:DescribeNetworkInterfaces",
        "elasticloadbalancing:CreateLoadBalancer",
        "elasticloadbalancing:DeleteLoadBalancer",
        "elasticloadbalancing:DescribeCapacityReservation",
        "elasticloadbalancing:DescribeLoadBalancerAttributes",
        "elasticloadbalancing:DescribeLoadBalancers",
        "elasticloadbalancing:ModifyLoadBalancerAttributes",
        "elasticloadbalancing:SetIpAddressType",
        "elasticloadbalancing:SetSecurityGroups",
        "elasticloadbalancing:SetSubnets",
        "iam:CreateServiceLinkedRole",
    ),
    "aws:lb/targetGroup:TargetGroup": (
        "elasticloadbalancing:CreateTargetGroup",
        "elasticloadbalancing:DeleteTargetGroup",
        "elasticloadbalancing:DescribeTargetGroupAttributes",
        "elasticloadbalancing:DescribeTargetGroups",
        "elasticloadbalancing:ModifyTargetGroup",
        "elasticloadbalancing:ModifyTargetGroupAttributes",
    ),
    "aws:lb/listener:Listener": (
        "elasticloadbalancing:CreateListener",
        "elasticloadbalancing:DeleteListener",
        "elasticloadbalancing:DescribeListenerAttributes",
        "elasticloadbalancing:DescribeListeners",
        "elasticloadbalancing:ModifyListener",
        "elasticloadbalancing:ModifyListenerAttributes",
    ),
    "aws:cloudwatch/metricAlarm:MetricAlarm": (
        "cloudwatch:DeleteAlarms",
        "cloudwatch:DescribeAlarms",
        "cloudwatch:ListTagsForResource",
        "cloudwatch:PutMetricAlarm",
        "cloudwatch:TagResource",
        "cloudwatch:UntagResource",
    ),
    "aws:cloudwatch/dashboard:Dashboard": (
        "cloudwatch:DeleteDashboards",
        "cloudwatch:GetDashboard",
        "cloudwatch:PutDashboard",
    ),
    "aws:cloudwatch/logGroup:LogGroup": (
        "logs:CreateLogGroup",
        "logs:DeleteLogGroup",
        "logs:DeleteRetentionPolicy",
        "logs:DescribeLogGroups",
        "logs:ListTagsForResource",
        "logs:PutRetentionPolicy",
        "logs:TagResource",
        "logs:UntagResource",
    ),
    "aws:ecs/cluster:Cluster": (
        "ecs:CreateCluster",
        "ecs:DeleteCluster",
        "ecs:DescribeClusters",
        "ecs:TagResource",
        "ecs:UntagResource",
        "ecs:UpdateCluster",
        "ecs:UpdateClusterSettings",
        "iam:CreateServiceLinkedRole",
    ),
    "aws:ecs/taskDefinition:TaskDefinition": (
        "ecs:DeregisterTaskDefinition",
        "ecs:DescribeTaskDefinition",
        "ecs:RegisterTaskDefinition",
        "ecs:TagResource",
        "ecs:UntagResource",
        "iam:PassRole",
    ),
    "aws:ecs/service:Service": (
        "ecs:CreateService",
        "ecs:DeleteService",
        "ecs:DescribeServiceDeployments",
        "ecs:DescribeServiceRevisions",
        "ecs:DescribeServices",
        "ecs:ListServiceDeployments",
        "ecs:TagResource",
        "ecs:UntagResource",
        "ecs:UpdateService",
        "iam:PassRole",
    ),
    "aws:appautoscaling/target:Target": (
        "application-autoscaling:DeregisterScalableTarget",
        "application-autoscaling:DescribeScalableTargets",
        "application-autoscaling:ListTagsForResource",
        "application-autoscaling:RegisterScalableTarget",
        "application-autoscaling:TagResource",
        "application-autoscaling:UntagResource",
        "iam:CreateServiceLinkedRole",
    ),
    "aws:appautoscaling/policy:Policy": (
        "application-autoscaling:DeleteScalingPolicy",
        "application-autoscaling:DescribeScalingPolicies",
        "application-autoscaling:PutScalingPolicy",
        # A target-tracking policy makes its own alarms, as the caller.
        "cloudwatch:DeleteAlarms",
        "cloudwatch:DescribeAlarms",
        "cloudwatch:PutMetricAlarm",
    ),
    "aws:iam/role:Role": (
        "iam:CreateRole",
        "iam:DeleteRole",
        "iam:GetRole",
        "iam:ListAttachedRolePolicies",
        "iam:ListInstanceProfilesForRole",
        "iam:ListRolePolicies",
        "iam:TagRole",
        "iam:UntagRole",
        "iam:UpdateAssumeRolePolicy",
        "iam:UpdateRole",
    ),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": (
        "iam:AttachRolePolicy",
        "iam:DetachRolePolicy",
        "iam:ListAttachedRolePolicies",
    ),
}
# Tags of EC2 and load-balancer resources go through one call for all of their types.
_TAGGING_BY_SERVICE = {
    "aws:ec2": ("ec2:CreateTags", "ec2:DeleteTags"),
    "aws:lb": (
        "elasticloadbalancing:AddTags",
        "elasticloadbalancing:DescribeTags",
        "elasticloadbalancing:RemoveTags",
    ),
}


def find_call(service: str, operation: str) -> AwsCall | None:
    """The registered call, or None when nobody declared it."""
    for call in READ_CALLS:
        if (call.service, call.operation) == (service, operation):
            return call
    return None


def read_actions(purposes: Iterable[Purpose] = tuple(Purpose)) -> tuple[str, ...]:
    """Sorted IAM actions for reading; none of them changes anything."""
    wanted = set(purposes)
    return tuple(sorted({call.action for call in READ_CALLS if wanted & set(call.purposes)}))


def provision_actions(resource_types: Iterable[str] | None = None) -> tuple[str, ...]:
    """Sorted IAM actions to apply stacks that hold these Pulumi types (None: all of ``infra/``).

    Raises KeyError for a type that is not in the table.
    """
    actions: set[str] = set()
    for resource_type in PROVISION_ACTIONS if resource_types is None else resource_types:
        actions.update(PROVISION_ACTIONS[resource_type])
        actions.update(_TAGGING_BY_SERVICE.get(resource_type.split("/", 1)[0], ()))
    return tuple(sorted(actions))


def policy_document(*, applying: bool = False) -> str:
    """IAM policy as JSON text: reading only, or reading and applying.

    The resource is ``*``: the describe calls support nothing narrower, and the names of what is
    provisioned are the program's. Narrow the second statement by tag conditions where you can.
    """
    statements = [_statement("RightsizingRead", read_actions())]
    if applying:
        statements.append(_statement("RightsizingApply", provision_actions()))
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=2)


def _statement(sid: str, actions: tuple[str, ...]) -> dict[str, object]:
    return {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": "*"}
