"""Every type the provider serves: create, read, update in place, delete, drift of tags."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from rightsizing.embedded.aws.table import TABLE
from rightsizing.embedded.plugin.values import UNKNOWN

TAGS = {"rightsizing:workload": "web", "team": "blue"}
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"Service": "ecs-tasks.amazonaws.com"},
        }
    ],
}


IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/jobs:1"


def _may(action: str) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement]}


@dataclass(frozen=True)
class Sample:
    """Inputs of one type; ``changed`` are inputs that update it in place."""

    pulumi_type: str
    inputs: dict[str, Any]
    changed: dict[str, Any] = field(default_factory=dict)


def _forward(around: Any, first: int, second: int) -> list[dict[str, Any]]:
    groups = [
        {"arn": arn, "weight": weight}
        for arn, weight in zip(around.target_group_arns, (first, second), strict=True)
    ]
    return [{"type": "forward", "forward": {"targetGroups": groups}}]


def _tracking(metric: str, value: float) -> dict[str, Any]:
    return {
        "targetValue": value,
        "predefinedMetricSpecification": {"predefinedMetricType": metric},
    }


def samples(around: Any) -> dict[str, Sample]:
    """One sample a type."""
    scalable = {
        "resourceId": around.service_id,
        "scalableDimension": "ecs:service:DesiredCount",
        "serviceNamespace": "ecs",
    }
    found = [
        Sample(
            "aws:ec2/vpc:Vpc",
            {"cidrBlock": "10.1.0.0/16", "enableDnsHostnames": True},
            {"enableDnsHostnames": False},
        ),
        Sample(
            "aws:ec2/subnet:Subnet",
            {"vpcId": around.vpc_id, "cidrBlock": "10.9.99.0/24"},
            {"mapPublicIpOnLaunch": True},
        ),
        Sample("aws:ec2/internetGateway:InternetGateway", {"vpcId": around.vpc_id}),
        Sample("aws:ec2/routeTable:RouteTable", {"vpcId": around.vpc_id}),
        Sample(
            "aws:ec2/routeTableAssociation:RouteTableAssociation",
            {
                "subnetId": around.subnet_ids[0],
                "routeTableId": around.api.client("ec2").create_route_table(VpcId=around.vpc_id)[
                    "RouteTable"
                ]["RouteTableId"],
            },
        ),
        Sample(
            "aws:ec2/securityGroup:SecurityGroup",
            {
                "vpcId": around.vpc_id,
                "ingress": [
                    {
                        "protocol": "tcp",
                        "fromPort": 80,
                        "toPort": 80,
                        "securityGroups": [around.security_group_id],
                    }
                ],
                "egress": [
                    {"protocol": "-1", "fromPort": 0, "toPort": 0, "cidrBlocks": ["0.0.0.0/0"]}
                ],
            },
            {"egress": []},
        ),
        Sample(
            "aws:ec2/launchTemplate:LaunchTemplate",
            {
                "imageId": "ami-12345678",
                "instanceType": "m5.large",
                "vpcSecurityGroupIds": [around.security_group_id],
                "userData": "ZWNobyBoaQ==",
                "metadataOptions": {"httpTokens": "required"},
                "tagSpecifications": [{"resourceType": "instance", "tags": TAGS}],
            },
            {"instanceType": "m7g.large"},
        ),
        Sample(
            "aws:lb/loadBalancer:LoadBalancer",
            {
                "internal": True,
                "subnets": around.subnet_ids,
                "securityGroups": [around.security_group_id],
            },
            {"idleTimeout": 30},
        ),
        Sample(
            "aws:lb/targetGroup:TargetGroup",
            {
                "port": 8080,
                "protocol": "HTTP",
                "vpcId": around.vpc_id,
                "healthCheck": {"path": "/health", "protocol": "HTTP"},
            },
            {"healthCheck": {"path": "/ready", "protocol": "HTTP"}, "deregistrationDelay": 20},
        ),
        Sample(
            "aws:lb/listener:Listener",
            {
                "loadBalancerArn": around.balancer_arn,
                "port": 80,
                "protocol": "HTTP",
                "defaultActions": _forward(around, 100, 0),
            },
            {"defaultActions": _forward(around, 90, 10)},
        ),
        Sample(
            "aws:autoscaling/group:Group",
            {
                "minSize": 1,
                "maxSize": 3,
                "minElbCapacity": 1,
                "launchTemplate": {"id": around.template_id, "version": "1"},
                "vpcZoneIdentifiers": around.subnet_ids,
                "targetGroupArns": around.target_group_arns[:1],
                "healthCheckType": "ELB",
                "defaultInstanceWarmup": 120,
                "tags": [
                    {"key": key, "value": value, "propagateAtLaunch": True}
                    for key, value in TAGS.items()
                ],
            },
            {"minSize": 2, "maxSize": 4, "targetGroupArns": around.target_group_arns[1:]},
        ),
        Sample(
            "aws:autoscaling/policy:Policy",
            {
                "autoscalingGroupName": around.group_name,
                "policyType": "TargetTrackingScaling",
                "targetTrackingConfiguration": _tracking("ASGAverageCPUUtilization", 60),
            },
            {"targetTrackingConfiguration": _tracking("ASGAverageCPUUtilization", 50.5)},
        ),
        Sample(
            "aws:autoscaling/schedule:Schedule",
            {
                "autoscalingGroupName": around.group_name,
                "scheduledActionName": "minimum-0",
                "recurrence": "0 8 * * *",
                "timeZone": "Etc/UTC",
                "minSize": 2,
                "maxSize": -1,
                "desiredCapacity": -1,
            },
            {"recurrence": "0 9 * * 1,2", "minSize": 3},
        ),
        Sample(
            "aws:cloudwatch/metricAlarm:MetricAlarm",
            {
                "comparisonOperator": "GreaterThanThreshold",
                "evaluationPeriods": 2,
                "metricName": "CPUUtilization",
                "namespace": "AWS/EC2",
                "period": 300,
                "statistic": "Average",
                "threshold": 90,
                "dimensions": {"AutoScalingGroupName": around.group_name},
            },
            {"threshold": 80.5, "treatMissingData": "breaching"},
        ),
        Sample(
            "aws:cloudwatch/dashboard:Dashboard",
            {"dashboardName": "web", "dashboardBody": '{"widgets": []}'},
            {"dashboardBody": '{"widgets": [{"type": "text"}]}'},
        ),
        Sample(
            "aws:cloudwatch/logGroup:LogGroup", {"retentionInDays": 30}, {"retentionInDays": 14}
        ),
        Sample("aws:ecs/cluster:Cluster", {}),
        Sample(
            "aws:ecs/taskDefinition:TaskDefinition",
            {
                "family": "web",
                "cpu": "256",
                "memory": "512",
                "networkMode": "awsvpc",
                "requiresCompatibilities": ["FARGATE"],
                "runtimePlatform": {
                    "cpuArchitecture": "ARM64",
                    "operatingSystemFamily": "LINUX",
                },
                "containerDefinitions": json.dumps(
                    [{"name": "main", "image": "web:1", "portMappings": [{"containerPort": 80}]}]
                ),
            },
        ),
        Sample(
            "aws:ecs/service:Service",
            {
                "cluster": around.cluster_arn,
                "taskDefinition": around.definition_arn,
                "desiredCount": 2,
                "launchType": "FARGATE",
                "networkConfiguration": {
                    "subnets": around.subnet_ids,
                    "securityGroups": [around.security_group_id],
                },
                "deploymentCircuitBreaker": {"enable": True, "rollback": True},
            },
            {"desiredCount": 3, "deploymentMaximumPercent": 150},
        ),
        Sample(
            "aws:appautoscaling/target:Target",
            {"minCapacity": 1, "maxCapacity": 4, **scalable},
            {"minCapacity": 2, "maxCapacity": 6},
        ),
        Sample(
            "aws:appautoscaling/policy:Policy",
            {
                "policyType": "TargetTrackingScaling",
                "targetTrackingScalingPolicyConfiguration": {
                    **_tracking("ECSServiceAverageCPUUtilization", 60),
                    "scaleInCooldown": 60,
                },
                **scalable,
            },
            {
                "targetTrackingScalingPolicyConfiguration": {
                    **_tracking("ECSServiceAverageCPUUtilization", 55),
                    "scaleInCooldown": 60,
                }
            },
        ),
        Sample(
            "aws:appautoscaling/scheduledAction:ScheduledAction",
            {
                "name": "minimum-0",
                "schedule": "cron(0 8 * * ? *)",
                "timezone": "UTC",
                "scalableTargetAction": {"minCapacity": 2},
                **scalable,
            },
            {"schedule": "cron(0 9 * * ? *)", "scalableTargetAction": {"minCapacity": 3}},
        ),
        Sample(
            "aws:iam/rolePolicy:RolePolicy",
            {"role": around.role_name, "policy": json.dumps(_may("sqs:ReceiveMessage"))},
            {"policy": json.dumps(_may("sqs:DeleteMessage"))},
        ),
        Sample(
            "aws:lambda/function:Function",
            {
                "packageType": "Image",
                "imageUri": IMAGE,
                "imageConfig": {"commands": ["app.handle"]},
                "role": f"arn:aws:iam::123456789012:role/{around.role_name}",
                "architectures": ["arm64"],
                "memorySize": 512,
                "timeout": 60,
                "ephemeralStorage": {"size": 1024},
                "environment": {"variables": {"MODE": "batch"}},
                "loggingConfig": {"logFormat": "Text", "logGroup": "jobs"},
            },
            {"memorySize": 1024, "timeout": 120, "environment": {"variables": {"MODE": "one"}}},
        ),
        Sample(
            "aws:lambda/permission:Permission",
            {
                "function": around.function_name,
                "statementId": "schedule",
                "action": "lambda:InvokeFunction",
                "principal": "events.amazonaws.com",
                "sourceArn": "arn:aws:events:us-east-1:123456789012:rule/hourly",
            },
        ),
        Sample(
            "aws:lambda/eventSourceMapping:EventSourceMapping",
            {
                "eventSourceArn": around.queue_arn,
                "functionName": around.function_name,
                "batchSize": 10,
                "maximumBatchingWindowInSeconds": 0,
                "functionResponseTypes": ["ReportBatchItemFailures"],
            },
            {"batchSize": 5},
        ),
        Sample(
            "aws:sqs/queue:Queue",
            {
                "visibilityTimeoutSeconds": 360,
                "redrivePolicy": json.dumps(
                    {"deadLetterTargetArn": around.queue_arn, "maxReceiveCount": 5}
                ),
            },
            {"visibilityTimeoutSeconds": 720, "messageRetentionSeconds": 86_400},
        ),
        Sample(
            "aws:cloudwatch/eventRule:EventRule",
            {"scheduleExpression": "rate(1 hour)", "description": "hourly"},
            {"scheduleExpression": "cron(0 8 * * ? *)"},
        ),
        Sample(
            "aws:cloudwatch/eventTarget:EventTarget",
            {
                "rule": around.rule_name,
                "targetId": "job",
                "arn": "arn:aws:lambda:us-east-1:123456789012:function:around",
            },
            {"input": '{"of": "day"}'},
        ),
        Sample(
            "aws:iam/role:Role",
            {"assumeRolePolicy": json.dumps(TRUST)},
            {"description": "starts tasks", "maxSessionDuration": 7200},
        ),
        Sample(
            "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
            {
                "role": around.role_name,
                "policyArn": "arn:aws:iam::aws:policy/service-role/"
                "AmazonECSTaskExecutionRolePolicy",
            },
        ),
    ]
    return {sample.pulumi_type: sample for sample in found}


ALL = sorted(TABLE)
# No tags, or (scalable target, Auto Scaling group) not as a map that can be read back.
UNTAGGED = {
    "aws:appautoscaling/policy:Policy",
    "aws:appautoscaling/scheduledAction:ScheduledAction",
    "aws:appautoscaling/target:Target",
    "aws:autoscaling/group:Group",
    "aws:autoscaling/policy:Policy",
    "aws:autoscaling/schedule:Schedule",
    "aws:cloudwatch/dashboard:Dashboard",
    "aws:cloudwatch/eventTarget:EventTarget",
    "aws:ec2/routeTableAssociation:RouteTableAssociation",
    "aws:iam/rolePolicy:RolePolicy",
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
    "aws:lambda/eventSourceMapping:EventSourceMapping",
    "aws:lambda/permission:Permission",
}
TAGGED = [name for name in ALL if name not in UNTAGGED]


@pytest.fixture
def sample(around: Any, request: pytest.FixtureRequest) -> Sample:
    """The sample of the parametrised type."""
    found = samples(around)[request.param]
    if found.pulumi_type.startswith("aws:appautoscaling/") and "minCapacity" not in found.inputs:
        target = {
            key: found.inputs[key]
            for key in ("resourceId", "scalableDimension", "serviceNamespace")
        }
        around.api.client("application-autoscaling").register_scalable_target(
            **{key[0].upper() + key[1:]: value for key, value in target.items()},
            MinCapacity=1,
            MaxCapacity=2,
        )
    return found


def _with_tags(sample: Sample) -> dict[str, Any]:
    tags = {} if sample.pulumi_type in UNTAGGED else {"tags": TAGS}
    return {**sample.inputs, **tags}


def test_every_type_has_a_sample(around: Any) -> None:
    """A row without a sample would not be tested."""
    assert sorted(samples(around)) == ALL


@pytest.mark.parametrize("sample", ALL, indirect=True)
def test_life_of_a_resource(sample: Sample, make: Any) -> None:
    """Created, unchanged, read back unchanged, updated, unchanged, deleted, deleted again."""
    inputs = _with_tags(sample)
    resource = make(sample.pulumi_type)
    resource.create(**inputs)
    assert resource.id
    assert resource.diff(**inputs).diffs == []
    assert resource.refresh()
    assert resource.diff(**inputs).diffs == []
    if sample.changed:
        changed = {**inputs, **sample.changed}
        difference = resource.diff(**changed)
        assert (sorted(difference.diffs), difference.replaces) == (sorted(sample.changed), [])
        resource.update(**changed)
        assert resource.diff(**changed).diffs == []
        assert resource.refresh()
        assert resource.diff(**changed).diffs == []
    resource.delete()
    assert not resource.refresh()
    resource.delete()


@pytest.mark.parametrize("sample", ALL, indirect=True)
def test_outputs_are_unknown_in_a_preview_and_known_after(sample: Sample, make: Any) -> None:
    """A preview gives every output of the row as unknown; creating gives each a value."""
    resource = make(sample.pulumi_type, "outputs")
    outputs = TABLE[sample.pulumi_type].outputs
    preview = resource.create(preview=True, **_with_tags(sample))
    assert {name: preview.get(name) for name in outputs} == dict.fromkeys(outputs, UNKNOWN)
    state = resource.create(**_with_tags(sample))
    assert [name for name in outputs if name not in state] == []
    resource.delete()


@pytest.mark.parametrize("sample", TAGGED, indirect=True)
def test_tags_changed_behind_our_back_show_and_are_restored(sample: Sample, make: Any) -> None:
    """A stack that thinks a tag is old sees drift after a refresh, and an update restores it."""
    resource = make(sample.pulumi_type, "tags")
    resource.create(**_with_tags(sample))
    known = (dict(resource.inputs), dict(resource.state))
    resource.update(**{**sample.inputs, "tags": {"team": "red"}})  # somebody else
    resource.inputs, resource.state = known
    assert resource.diff(**_with_tags(sample)).diffs == []
    resource.refresh()
    assert resource.diff(**_with_tags(sample)).diffs == ["tags"]
    resource.update(**_with_tags(sample))
    resource.refresh()
    assert resource.state["tags"] == TAGS
    resource.delete()
