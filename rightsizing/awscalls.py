"""Every AWS API call the toolkit makes, and the IAM policies that allow exactly these.

``READ_CALLS`` is what measuring, discovery, live facts, rollouts and the price refresh call through
boto3, ``CHANGE_CALLS`` what changes something; a test walks the source and compares it with these
tables, both ways. What the Pulumi AWS provider needs
to apply is in ``provisionactions``. Both become policy documents through ``policy_document``.

Operation names are boto3's. Actions are written as the IAM service authorization reference writes
them (https://docs.aws.amazon.com/service-authorization/latest/reference/); a test checks that each
names an operation of its service.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum, unique

from rightsizing.provisionactions import provision_actions


@unique
class Purpose(StrEnum):
    """Which part of the work needs a call."""

    DISCOVER = "discover"
    MEASURE = "measure"
    FACTS = "facts"
    CATALOG = "catalog"
    COMPARE = "compare"
    ROLLOUT = "rollout"
    COMMIT = "commit"
    MONITOR = "monitor"


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
        "describe_alarms",
        "cloudwatch:DescribeAlarms",
        (Purpose.ROLLOUT,),
        "whether every alarm is green, and with data, before a rollout",
    ),
    AwsCall(
        "cloudwatch",
        "get_metric_data",
        "cloudwatch:GetMetricData",
        (Purpose.MEASURE, Purpose.ROLLOUT),
        "utilisation, requests, latency and burst credits; both arms of a rollout, a minute a look",
    ),
    AwsCall(
        "compute-optimizer",
        "get_auto_scaling_group_recommendations",
        "compute-optimizer:GetAutoScalingGroupRecommendations",
        (Purpose.COMPARE,),
        "what AWS itself recommends for groups",
    ),
    AwsCall(
        "compute-optimizer",
        "get_ec2_instance_recommendations",
        "compute-optimizer:GetEC2InstanceRecommendations",
        (Purpose.COMPARE,),
        "what AWS itself recommends for instances",
    ),
    AwsCall(
        "compute-optimizer",
        "get_ecs_service_recommendations",
        "compute-optimizer:GetECSServiceRecommendations",
        (Purpose.COMPARE,),
        "what AWS itself recommends for services",
    ),
    AwsCall(
        "ec2",
        "describe_instance_type_offerings",
        "ec2:DescribeInstanceTypeOfferings",
        (Purpose.ROLLOUT,),
        "whether the old and the new type are offered in the zones in use",
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
        "describe_tags",
        "elasticloadbalancing:DescribeTags",
        (Purpose.ROLLOUT,),
        "target groups that a killed update left behind",
    ),
    AwsCall(
        "elbv2",
        "describe_target_health",
        "elasticloadbalancing:DescribeTargetHealth",
        (Purpose.ROLLOUT,),
        "whether the slot that takes over has enough healthy instances",
    ),
    AwsCall(
        "ec2",
        "describe_launch_templates",
        "ec2:DescribeLaunchTemplates",
        (Purpose.ROLLOUT,),
        "launch templates that a killed update left behind",
    ),
    AwsCall(
        "elbv2",
        "describe_listeners",
        "elasticloadbalancing:DescribeListeners",
        (Purpose.FACTS,),
        "how a load balancer really weighs the slots",
    ),
    AwsCall(
        "ce",
        "get_cost_and_usage",
        "ce:GetCostAndUsage",
        (Purpose.COMMIT,),
        "instance hours of the last two weeks, where no billing export is given",
    ),
    AwsCall(
        "ce",
        "get_savings_plans_purchase_recommendation",
        "ce:GetSavingsPlansPurchaseRecommendation",
        (Purpose.COMMIT,),
        "what AWS itself recommends to commit",
    ),
    AwsCall(
        "ec2",
        "describe_reserved_instances",
        "ec2:DescribeReservedInstances",
        (Purpose.COMMIT,),
        "reservations in force, which need not be bought again",
    ),
    AwsCall(
        "ec2",
        "describe_reserved_instances_offerings",
        "ec2:DescribeReservedInstancesOfferings",
        (Purpose.COMMIT,),
        "reservations on offer and their prices",
    ),
    AwsCall(
        "savingsplans",
        "describe_savings_plans",
        "savingsplans:DescribeSavingsPlans",
        (Purpose.COMMIT,),
        "savings plans in force, which need not be bought again",
    ),
    AwsCall(
        "savingsplans",
        "describe_savings_plans_offering_rates",
        "savingsplans:DescribeSavingsPlansOfferingRates",
        (Purpose.COMMIT,),
        "savings plans on offer and their rates for the types in use",
    ),
    AwsCall(
        "pricing",
        "get_products",
        "pricing:GetProducts",
        (Purpose.CATALOG,),
        "list prices",
    ),
)

# What is changed outside a stack update; ``provisionactions`` allows the same for applying.
CHANGE_CALLS: tuple[AwsCall, ...] = (
    AwsCall(
        "autoscaling",
        "delete_auto_scaling_group",
        "autoscaling:DeleteAutoScalingGroup",
        (Purpose.ROLLOUT,),
        "a group that a killed update of a rollout left behind",
    ),
    AwsCall(
        "autoscaling",
        "set_desired_capacity",
        "autoscaling:SetDesiredCapacity",
        (Purpose.ROLLOUT,),
        "enough instances in the slot that takes over",
    ),
    AwsCall(
        "ec2",
        "delete_launch_template",
        "ec2:DeleteLaunchTemplate",
        (Purpose.ROLLOUT,),
        "a template that a killed update of a rollout left behind",
    ),
    AwsCall(
        "elbv2",
        "delete_target_group",
        "elasticloadbalancing:DeleteTargetGroup",
        (Purpose.ROLLOUT,),
        "a target group that a killed update of a rollout left behind",
    ),
    AwsCall(
        "elbv2",
        "modify_listener",
        "elasticloadbalancing:ModifyListener",
        (Purpose.ROLLOUT,),
        "a rollback of traffic, in seconds",
    ),
    AwsCall(
        "sns",
        "publish",
        "sns:Publish",
        (Purpose.MONITOR,),
        "alerts to a topic, where one is given",
    ),
)


def find_call(service: str, operation: str) -> AwsCall | None:
    """The registered call, or None when nobody declared it."""
    for call in (*READ_CALLS, *CHANGE_CALLS):
        if (call.service, call.operation) == (service, operation):
            return call
    return None


def read_actions(purposes: Iterable[Purpose] = tuple(Purpose)) -> tuple[str, ...]:
    """Sorted IAM actions for reading; none of them changes anything."""
    wanted = set(purposes)
    return tuple(sorted({call.action for call in READ_CALLS if wanted & set(call.purposes)}))


def policy_document(*, applying: bool = False) -> str:
    """IAM policy as JSON text: reading only, or reading and applying.

    The resource is ``*``: the describe calls support nothing narrower, and the names of what is
    provisioned are the program's. Narrow the second statement by tag conditions where you can.
    """
    statements = [_statement("RightsizingRead", read_actions())]
    if applying:
        changes = {call.action for call in CHANGE_CALLS}
        applied = tuple(sorted(changes | set(provision_actions())))
        statements.append(_statement("RightsizingApply", applied))
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=2)


def _statement(sid: str, actions: tuple[str, ...]) -> dict[str, object]:
    return {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": "*"}
