"""Auto Scaling group.

Rules from hashicorp/terraform-provider-aws, internal/service/autoscaling/group.go. A group
pointed at another launch template keeps its running instances; only new ones get the new type.
``instanceRefresh`` is refused, since moto has no instance refresh and pretending would hide that.
Like the real provider (group_waiter.go), a create or a change of size fails when a scaling activity
failed. There the half-made group stays in the state as tainted; the SDK's providers in Python
cannot say that, so here it is deleted again.
"""

from __future__ import annotations

from rightsizing.embedded.aws.clients import AwsApi
from rightsizing.embedded.aws.faults import ignoring_absent
from rightsizing.embedded.aws.rules import in_order
from rightsizing.embedded.plugin.schema import Naming, Property, ResourceType, given
from rightsizing.embedded.plugin.values import Properties
from rightsizing.errors import EmbeddedError
from rightsizing.model.update import Json


def _launch_template(inputs: Properties) -> Properties:
    block = inputs["launchTemplate"]
    return given(
        LaunchTemplateId=block.get("id"),
        LaunchTemplateName=None if block.get("id") else block.get("name"),
        Version=str(block["version"]) if "version" in block else None,
    )


def _group_arguments(inputs: Properties) -> Properties:
    """Arguments that create and update share. Desired capacity is sent only when it is given."""
    subnets = inputs.get("vpcZoneIdentifiers")
    return given(
        AutoScalingGroupName=inputs["name"],
        LaunchTemplate=_launch_template(inputs),
        MinSize=inputs["minSize"],
        MaxSize=inputs["maxSize"],
        DefaultCooldown=inputs.get("defaultCooldown"),
        HealthCheckType=inputs.get("healthCheckType"),
        HealthCheckGracePeriod=inputs.get("healthCheckGracePeriod"),
        VPCZoneIdentifier=",".join(subnets) if subnets else None,
        AvailabilityZones=None if subnets else inputs.get("availabilityZones"),
        NewInstancesProtectedFromScaleIn=inputs.get("protectFromScaleIn"),
        DefaultInstanceWarmup=inputs.get("defaultInstanceWarmup"),
    )


def _tags(inputs: Properties) -> list[Properties]:
    return [
        {
            "Key": tag["key"],
            "Value": tag["value"],
            "PropagateAtLaunch": bool(tag["propagateAtLaunch"]),
            "ResourceId": inputs["name"],
            "ResourceType": "auto-scaling-group",
        }
        for tag in inputs.get("tags", ())
    ]


def _create_group(api: AwsApi, inputs: Properties) -> str:
    autoscaling = api.client("autoscaling")
    autoscaling.create_auto_scaling_group(
        **_group_arguments(inputs),
        **given(
            DesiredCapacity=inputs.get("desiredCapacity"),
            TargetGroupARNs=inputs.get("targetGroupArns"),
            TerminationPolicies=inputs.get("terminationPolicies"),
        ),
        Tags=_tags(inputs),
    )
    _set_metrics(api, inputs)
    problem = _capacity_problem(api, inputs)
    if problem:
        # Not yet in any state file: leave nothing behind that nobody would find.
        autoscaling.delete_auto_scaling_group(AutoScalingGroupName=inputs["name"], ForceDelete=True)
        raise EmbeddedError(problem)
    return str(inputs["name"])


def _capacity_problem(api: AwsApi, inputs: Properties) -> str:
    """Why instances are missing, from the newest scaling activity; empty when none failed."""
    name = inputs["name"]
    if inputs.get("ignoreFailedScalingActivities") or inputs.get("waitForCapacityTimeout") == "0":
        return ""
    group = _group(api, name)
    if group is None or len(group["Instances"]) >= group["DesiredCapacity"]:
        return ""
    activities = api.client("autoscaling").describe_scaling_activities(AutoScalingGroupName=name)
    failed = next(
        (item for item in activities["Activities"] if item["StatusCode"] == "Failed"), None
    )
    if failed is None:
        return ""
    return (
        f"waiting for Auto Scaling group {name}: {len(group['Instances'])} of "
        f"{group['DesiredCapacity']} instances run; scaling activity {failed['ActivityId']} "
        f"failed: {failed['StatusMessage']}"
    )


def _set_metrics(api: AwsApi, inputs: Properties) -> None:
    if metrics := inputs.get("enabledMetrics"):
        api.client("autoscaling").enable_metrics_collection(
            AutoScalingGroupName=inputs["name"],
            Metrics=metrics,
            Granularity=inputs["metricsGranularity"],
        )


def _group(api: AwsApi, name: str) -> Json | None:
    groups = api.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[name])
    return next(iter(groups["AutoScalingGroups"]), None)


def _read_group(api: AwsApi, name: str, _known: Properties) -> Properties | None:
    group = _group(api, name)
    if group is None:
        return None
    template = group.get("LaunchTemplate", {})
    return given(
        arn=group["AutoScalingGroupARN"],
        name=group["AutoScalingGroupName"],
        minSize=group["MinSize"],
        maxSize=group["MaxSize"],
        desiredCapacity=group["DesiredCapacity"],
        defaultCooldown=group.get("DefaultCooldown"),
        healthCheckType=group.get("HealthCheckType"),
        healthCheckGracePeriod=group.get("HealthCheckGracePeriod"),
        availabilityZones=sorted(set(group["AvailabilityZones"])),
        vpcZoneIdentifiers=[item for item in group.get("VPCZoneIdentifier", "").split(",") if item],
        targetGroupArns=group.get("TargetGroupARNs", []),
        protectFromScaleIn=group.get("NewInstancesProtectedFromScaleIn", False),
        terminationPolicies=group.get("TerminationPolicies"),
        enabledMetrics=[item["Metric"] for item in group.get("EnabledMetrics", ())],
        serviceLinkedRoleArn=group.get("ServiceLinkedRoleARN"),
        launchTemplate=given(
            id=template.get("LaunchTemplateId"),
            name=template.get("LaunchTemplateName"),
            version=template.get("Version"),
        ),
        tags=[
            {
                "key": tag["Key"],
                "value": tag["Value"],
                "propagateAtLaunch": tag["PropagateAtLaunch"],
            }
            for tag in group.get("Tags", ())
        ],
    )


_GROUP_ARGUMENTS = frozenset(
    {
        "launchTemplate",
        "minSize",
        "maxSize",
        "defaultCooldown",
        "healthCheckType",
        "healthCheckGracePeriod",
        "vpcZoneIdentifiers",
        "availabilityZones",
        "protectFromScaleIn",
        "defaultInstanceWarmup",
    }
)


# Changes after which the real provider waits for capacity: group.go, shouldWaitForCapacity.
_SIZES = frozenset({"minSize", "desiredCapacity"})


def _update_group(api: AwsApi, name: str, inputs: Properties, changed: frozenset[str]) -> None:
    autoscaling = api.client("autoscaling")
    if changed & _GROUP_ARGUMENTS:
        autoscaling.update_auto_scaling_group(**_group_arguments(inputs))
    if "desiredCapacity" in changed:
        autoscaling.update_auto_scaling_group(
            AutoScalingGroupName=name, DesiredCapacity=inputs["desiredCapacity"]
        )
    if changed & _SIZES and (problem := _capacity_problem(api, inputs)):
        raise EmbeddedError(problem)
    live = _group(api, name)
    if live is None:
        return
    if "targetGroupArns" in changed:
        _attach(api, name, set(live["TargetGroupARNs"]), set(inputs.get("targetGroupArns", ())))
    if "tags" in changed:
        wanted = _tags(inputs)
        keys = {tag["Key"] for tag in wanted}
        stale = [tag for tag in live["Tags"] if tag["Key"] not in keys]
        if stale:
            autoscaling.delete_tags(Tags=stale)
        if wanted:
            autoscaling.create_or_update_tags(Tags=wanted)
    if "enabledMetrics" in changed:
        _set_metrics(api, inputs)


def _attach(api: AwsApi, name: str, live: set[str], wanted: set[str]) -> None:
    autoscaling = api.client("autoscaling")
    if stale := sorted(live - wanted):
        autoscaling.detach_load_balancer_target_groups(
            AutoScalingGroupName=name, TargetGroupARNs=stale
        )
    if missing := sorted(wanted - live):
        autoscaling.attach_load_balancer_target_groups(
            AutoScalingGroupName=name, TargetGroupARNs=missing
        )


def _delete_group(api: AwsApi, name: str, known: Properties) -> None:
    autoscaling = api.client("autoscaling")
    if _group(api, name) is None:
        return
    with ignoring_absent():
        if not known.get("forceDelete"):
            # The real provider drains the group first: sizes to zero, then delete (group.go).
            autoscaling.update_auto_scaling_group(
                AutoScalingGroupName=name, MinSize=0, MaxSize=0, DesiredCapacity=0
            )
        autoscaling.delete_auto_scaling_group(AutoScalingGroupName=name, ForceDelete=True)


TYPES = in_order(
    ResourceType(
        pulumi_type="aws:autoscaling/group:Group",
        source="hashicorp/terraform-provider-aws internal/service/autoscaling/group.go",
        properties={
            "name": Property(replaces=True, computed=True),
            "launchTemplate": Property(
                required=True, nested_computed=frozenset({"id", "name", "version"})
            ),
            "minSize": Property(required=True),
            "maxSize": Property(required=True),
            "desiredCapacity": Property(computed=True),
            "defaultCooldown": Property(computed=True),
            "defaultInstanceWarmup": Property(),
            "healthCheckType": Property(computed=True),
            "healthCheckGracePeriod": Property(default=300),
            "availabilityZones": Property(computed=True, unordered=True),
            "vpcZoneIdentifiers": Property(computed=True, unordered=True),
            "targetGroupArns": Property(computed=True, unordered=True),
            "terminationPolicies": Property(computed=True),
            "protectFromScaleIn": Property(default=False),
            "enabledMetrics": Property(unordered=True),
            "metricsGranularity": Property(default="1Minute"),
            "tags": Property(unordered=True),
            # Only steer the provider itself; AWS does not know them.
            "forceDelete": Property(default=False),
            "forceDeleteWarmPool": Property(default=False),
            "ignoreFailedScalingActivities": Property(default=False),
            "waitForCapacityTimeout": Property(default="10m"),
            "minElbCapacity": Property(),
            "waitForElbCapacity": Property(),
        },
        outputs=("arn", "serviceLinkedRoleArn"),
        naming=Naming(),
        refused={
            "instanceRefresh": "the local cloud has no instance refresh; replace the group, or "
            "fill another one and move traffic to it",
        },
        create=_create_group,
        read=_read_group,
        update=_update_group,
        delete=_delete_group,
    ),
)
