"""Hand edits, and updates that succeed and are taken back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rightsizing.embedded.aws.clients import AwsApi
from rightsizing.embedded.aws.provider import AwsProvider
from rightsizing.embedded.faults.client import FaultClient
from rightsizing.embedded.faults.plan import CallMatch, Drift, ServiceRolledBack
from rightsizing.errors import ConfigError

GROUP = "aws:autoscaling/group:Group"
SERVICE = "aws:ecs/service:Service"


def test_a_hand_edit_is_made_at_once(api: AwsApi, faults: FaultClient) -> None:
    """When it is planned, and only once."""
    ecs = api.client("ecs")
    ecs.create_cluster(clusterName="edited")
    faults.add(
        Drift(service="ecs", operation="create_cluster", parameters={"clusterName": "by-hand"})
    )
    assert any(arn.endswith("/by-hand") for arn in ecs.list_clusters()["clusterArns"])
    (injection,) = faults.injected()
    assert injection.what == 'by hand: ecs create_cluster {"clusterName": "by-hand"}'


def test_a_hand_edit_after_a_call(
    api: AwsApi, faults: FaultClient, make: Callable[..., Any]
) -> None:
    """Somebody raises the maximum just after the group was made; a refresh sees it."""
    ec2 = api.client("ec2")
    template = ec2.create_launch_template(
        LaunchTemplateName="drifting",
        LaunchTemplateData={"ImageId": "ami-12345678", "InstanceType": "m5.large"},
    )["LaunchTemplate"]["LaunchTemplateId"]
    faults.add(
        Drift(
            service="autoscaling",
            operation="update_auto_scaling_group",
            parameters={"AutoScalingGroupName": "drifting", "MaxSize": 9},
            on_call=CallMatch(operation="UpdateAutoScalingGroup", contains="drifting"),
        )
    )
    resource = make(GROUP, by=AwsProvider(api.endpoint_url))
    inputs = {
        "name": "drifting",
        "minSize": 1,
        "maxSize": 2,
        "launchTemplate": {"id": template, "version": "1"},
        "availabilityZones": ["us-east-1a"],
    }
    resource.create(**inputs)
    assert resource.state["maxSize"] == 2
    resource.update(**{**inputs, "maxSize": 3})
    groups = api.client("autoscaling").describe_auto_scaling_groups(
        AutoScalingGroupNames=["drifting"]
    )["AutoScalingGroups"]
    assert groups[0]["MaxSize"] == 9
    assert resource.refresh()
    assert resource.state["maxSize"] == 9


def test_a_wrong_hand_edit_is_refused(faults: FaultClient) -> None:
    """One sentence, and nothing is planned."""
    with pytest.raises(ConfigError, match="boto3's ecs client has no operation 'nonsense'"):
        faults.add(Drift(service="ecs", operation="nonsense"))
    with pytest.raises(ConfigError, match="the drift's service 'nothing'"):
        faults.add(Drift(service="nothing", operation="nonsense"))
    assert faults.plan().faults == ()


def test_a_service_goes_back_although_the_update_succeeded(
    api: AwsApi, faults: FaultClient, make: Callable[..., Any]
) -> None:
    """State says the new task definition, the cloud runs the old one with another deployment."""
    ecs = api.client("ecs")
    ecs.create_cluster(clusterName="liar")
    definitions = [
        ecs.register_task_definition(
            family="liar",
            cpu=cpu,
            memory="512",
            containerDefinitions=[{"name": "main", "image": "app"}],
        )["taskDefinition"]["taskDefinitionArn"]
        for cpu in ("512", "256")
    ]

    def described() -> dict[str, Any]:
        found: dict[str, Any] = ecs.describe_services(cluster="liar", services=["liar"])[
            "services"
        ][0]
        return found

    resource = make(SERVICE, by=AwsProvider(api.endpoint_url))
    inputs = {"name": "liar", "cluster": "liar", "desiredCount": 2}
    resource.create(**inputs, taskDefinition=definitions[0])
    first = described()["deployments"][0]["id"]
    faults.add(ServiceRolledBack(service_contains="liar"))
    resource.update(**inputs, taskDefinition=definitions[1])
    assert resource.state["taskDefinition"] == definitions[1]
    after = described()
    assert after["taskDefinition"] == definitions[0]
    assert after["deployments"][0]["taskDefinition"] == definitions[0]
    assert after["deployments"][0]["id"] != first
    assert resource.refresh()
    assert resource.state["taskDefinition"] == definitions[0]
    (injection,) = faults.injected()
    assert injection.what == "the update of service liar succeeds and is taken back"
    resource.update(**inputs, taskDefinition=definitions[1])  # once only
    described()
    assert described()["taskDefinition"] == definitions[1]
