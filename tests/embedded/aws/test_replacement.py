"""Which changes replace and which update in place: a hand-written list per type."""

from __future__ import annotations

from typing import Any

import pytest

from rightsizing.embedded.aws.table import TABLE

# From the schemas of the real provider (ForceNew), for the properties this toolkit sets.
REPLACING = {
    "aws:ec2/vpc:Vpc": {"cidrBlock", "instanceTenancy"},
    "aws:ec2/subnet:Subnet": {"availabilityZone", "availabilityZoneId", "cidrBlock", "vpcId"},
    "aws:ec2/internetGateway:InternetGateway": set(),
    "aws:ec2/routeTable:RouteTable": {"vpcId"},
    "aws:ec2/routeTableAssociation:RouteTableAssociation": {"gatewayId", "subnetId"},
    "aws:ec2/securityGroup:SecurityGroup": {"description", "name", "vpcId"},
    "aws:ec2/launchTemplate:LaunchTemplate": {"name"},
    "aws:autoscaling/group:Group": {"name"},
    "aws:autoscaling/policy:Policy": {"autoscalingGroupName", "name"},
    "aws:autoscaling/schedule:Schedule": {"autoscalingGroupName", "scheduledActionName"},
    "aws:lb/loadBalancer:LoadBalancer": {"internal", "loadBalancerType", "name"},
    "aws:lb/targetGroup:TargetGroup": {
        "name",
        "port",
        "protocol",
        "protocolVersion",
        "targetType",
        "vpcId",
    },
    "aws:lb/listener:Listener": {"loadBalancerArn"},
    "aws:cloudwatch/metricAlarm:MetricAlarm": {"name"},
    "aws:cloudwatch/dashboard:Dashboard": {"dashboardName"},
    "aws:cloudwatch/logGroup:LogGroup": {"name"},
    "aws:ecs/cluster:Cluster": {"name"},
    "aws:ecs/taskDefinition:TaskDefinition": {
        "containerDefinitions",
        "cpu",
        "executionRoleArn",
        "family",
        "memory",
        "networkMode",
        "requiresCompatibilities",
        "runtimePlatform",
        "taskRoleArn",
    },
    "aws:ecs/service:Service": {"cluster", "launchType", "name", "schedulingStrategy"},
    "aws:appautoscaling/target:Target": {
        "resourceId",
        "roleArn",
        "scalableDimension",
        "serviceNamespace",
    },
    "aws:appautoscaling/policy:Policy": {
        "name",
        "resourceId",
        "scalableDimension",
        "serviceNamespace",
    },
    "aws:appautoscaling/scheduledAction:ScheduledAction": {
        "name",
        "resourceId",
        "scalableDimension",
        "serviceNamespace",
    },
    "aws:lambda/function:Function": {"name", "packageType"},
    "aws:lambda/permission:Permission": {
        "action",
        "function",
        "principal",
        "sourceArn",
        "statementId",
    },
    "aws:lambda/eventSourceMapping:EventSourceMapping": {"eventSourceArn"},
    "aws:sqs/queue:Queue": {"name"},
    "aws:cloudwatch/eventRule:EventRule": {"name"},
    "aws:cloudwatch/eventTarget:EventTarget": {"rule", "targetId"},
    "aws:iam/role:Role": {"name", "path"},
    "aws:iam/rolePolicy:RolePolicy": {"name", "role"},
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": {"policyArn", "role"},
}


@pytest.mark.parametrize("pulumi_type", sorted(TABLE))
def test_replacing_properties(pulumi_type: str) -> None:
    """The row replaces on exactly the listed properties (and region, which all regional have)."""
    found = {name for name, rule in TABLE[pulumi_type].properties.items() if rule.replaces}
    assert found - {"region"} == REPLACING[pulumi_type]


def test_a_launch_template_change_makes_the_next_version_unknown(around: Any, make: Any) -> None:
    """A preview of a new instance type cannot know the version's number; a tag leaves it known."""
    template = make("aws:ec2/launchTemplate:LaunchTemplate", "versions")
    inputs = {"imageId": "ami-12345678", "instanceType": "m5.large"}
    template.create(**inputs)
    preview = template.update(preview=True, **{**inputs, "instanceType": "m5.xlarge"})
    assert str(preview["latestVersion"]) == "UNKNOWN"
    preview = template.update(preview=True, **inputs, tags={"team": "blue"})
    assert preview["latestVersion"] == 1
    assert template.update(**{**inputs, "instanceType": "m5.xlarge"})["latestVersion"] == 2
    template.delete()


def test_a_change_of_template_shows_on_the_nested_version(around: Any, make: Any) -> None:
    """``replaceOnChanges: [launchTemplate]`` needs the changed path to begin with it."""
    group = make("aws:autoscaling/group:Group", "paths")
    inputs = {
        "minSize": 0,
        "maxSize": 1,
        "vpcZoneIdentifiers": around.subnet_ids,
        "launchTemplate": {"id": around.template_id, "version": "1"},
    }
    group.create(**inputs)
    moved = {**inputs, "launchTemplate": {"id": around.template_id, "version": "2"}}
    difference = group.diff(**moved)
    assert list(difference.detailed_diff) == ["launchTemplate.version"]
    assert difference.replaces == []
    group.delete()


def test_a_chosen_name_is_deleted_before_it_is_replaced(around: Any, make: Any) -> None:
    """Two target groups of one name cannot exist, so the engine is told to delete first."""
    inputs = {"port": 80, "protocol": "HTTP", "vpcId": around.vpc_id}
    named = make("aws:lb/targetGroup:TargetGroup", "named")
    named.create(**inputs, name="chosen")
    assert named.diff(**{**inputs, "port": 81}, name="chosen").delete_before_replace
    unnamed = make("aws:lb/targetGroup:TargetGroup", "unnamed")
    unnamed.create(**inputs)
    assert not unnamed.diff(**{**inputs, "port": 81}).delete_before_replace
    named.delete()
    unnamed.delete()


def test_ignored_properties_are_no_difference(around: Any, make: Any) -> None:
    """ignoreChanges keeps what an autoscaler set."""
    group = make("aws:autoscaling/group:Group", "ignored")
    inputs = {
        "minSize": 0,
        "maxSize": 3,
        "vpcZoneIdentifiers": around.subnet_ids,
        "launchTemplate": {"id": around.template_id, "version": "1"},
        "desiredCapacity": 0,
    }
    group.create(**inputs)
    around.api.client("autoscaling").set_desired_capacity(
        AutoScalingGroupName=group.id, DesiredCapacity=2
    )
    group.refresh()
    assert group.diff(**inputs).diffs == ["desiredCapacity"]
    assert group.diff(**inputs, ignore=("desiredCapacity",)).diffs == []
    group.delete()
