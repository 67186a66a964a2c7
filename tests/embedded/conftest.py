"""Fixtures of the local cloud's tests: a provider driven as an engine drives it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pulumi.provider.experimental.provider import (
    CheckRequest,
    CreateRequest,
    DeleteRequest,
    DiffRequest,
    DiffResponse,
    Provider,
    ReadRequest,
    UpdateRequest,
)

from rightsizing.embedded.aws.clients import AwsApi
from rightsizing.embedded.aws.provider import AwsProvider
from rightsizing.embedded.cloud.dataplane import DataPlane
from rightsizing.embedded.cloud.server import LocalCloud
from rightsizing.embedded.cloud.status import LocalEndpoints
from rightsizing.embedded.faults.client import FaultClient
from rightsizing.embedded.plugin.values import Properties, from_plain_map, to_plain_map

SEED = b"seed"
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "sts:AssumeRole",
                "Principal": {"Service": "ecs-tasks.amazonaws.com"},
            }
        ],
    }
)


@dataclass
class Resource:
    """One resource's life, as an engine sees it."""

    provider: Provider
    urn: str
    id: str = ""
    inputs: Properties = field(default_factory=dict)
    state: Properties = field(default_factory=dict)
    seed: bytes = SEED

    def check(self, **inputs: Any) -> tuple[Properties, list[str]]:
        """Checked inputs and the reasons of refusal."""
        request = CheckRequest(
            self.urn, from_plain_map(self.inputs), from_plain_map(inputs), self.seed
        )
        response = asyncio.run(self.provider.check(request))
        return to_plain_map(response.inputs or {}), [f.reason for f in response.failures or []]

    def create(self, *, preview: bool = False, **inputs: Any) -> Properties:
        """Check and create; returns the state."""
        checked, refused = self.check(**inputs)
        assert refused == []
        response = asyncio.run(
            self.provider.create(CreateRequest(self.urn, from_plain_map(checked), 0, preview))
        )
        state = to_plain_map(response.properties)
        if not preview:
            self.id, self.inputs, self.state = response.resource_id or "", checked, state
        return state

    def diff(self, *, ignore: tuple[str, ...] = (), **inputs: Any) -> DiffResponse:
        """What an update to these inputs would do."""
        checked, refused = self.check(**inputs)
        assert refused == []
        request = DiffRequest(
            self.urn,
            self.id,
            from_plain_map(self.state),
            from_plain_map(checked),
            list(ignore),
        )
        return asyncio.run(self.provider.diff(request))

    def update(self, *, preview: bool = False, **inputs: Any) -> Properties:
        """Check and update in place; returns the state."""
        checked, refused = self.check(**inputs)
        assert refused == []
        request = UpdateRequest(
            self.urn,
            self.id,
            from_plain_map(self.state),
            from_plain_map(checked),
            0,
            [],
            preview,
        )
        state = to_plain_map(asyncio.run(self.provider.update(request)).properties)
        if not preview:
            self.inputs, self.state = checked, state
        return state

    def refresh(self) -> bool:
        """Read back; False when the resource is gone."""
        request = ReadRequest(
            self.urn, self.id, from_plain_map(self.state), from_plain_map(self.inputs)
        )
        response = asyncio.run(self.provider.read(request))
        if not response.resource_id:
            return False
        self.state = to_plain_map(response.properties)
        self.inputs = to_plain_map(response.inputs)
        return True

    def delete(self) -> None:
        """Delete."""
        request = DeleteRequest(self.urn, self.id, from_plain_map(self.state), 0)
        asyncio.run(self.provider.delete(request))


@dataclass(frozen=True)
class Surroundings:
    """What the resources under test refer to, made by boto3 and not by the provider."""

    api: AwsApi
    vpc_id: str
    subnet_ids: list[str]
    security_group_id: str
    template_id: str
    balancer_arn: str
    target_group_arns: list[str]
    group_name: str
    cluster_arn: str
    definition_arn: str
    service_id: str  # as Application Auto Scaling names it
    role_name: str
    function_name: str
    queue_arn: str
    rule_name: str


@pytest.fixture(autouse=True)
def no_aws_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the shell's endpoints or credentials."""
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_DEFAULT_REGION", "DOCKER_HOST"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def shared_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """One local cloud with a simulated engine for all tests that do not stop it."""
    cloud = LocalCloud(tmp_path_factory.mktemp("cloud"), simulate_docker=True)
    yield cloud
    cloud.forget()


@pytest.fixture(scope="session")
def endpoints(shared_cloud: LocalCloud) -> LocalEndpoints:
    """Where the shared cloud answers."""
    return shared_cloud.start()


@pytest.fixture(scope="session")
def provider(endpoints: LocalEndpoints) -> AwsProvider:
    """The aws provider on that cloud."""
    return AwsProvider(endpoints.aws_url)


@pytest.fixture
def make(provider: AwsProvider) -> Callable[..., Resource]:
    """Makes a resource that does not exist yet: (type, logical name, provider)."""

    def made(
        pulumi_type: str, name: str = "thing", by: Provider | None = None, seed: bytes = SEED
    ) -> Resource:
        urn = f"urn:pulumi:dev::rightsizing::{pulumi_type}::{name}"
        return Resource(by or provider, urn, seed=seed)

    return made


@pytest.fixture(scope="session")
def around(endpoints: LocalEndpoints) -> Surroundings:
    """A network, a template, a load balancer, a group, a cluster with a service, a role."""
    api = AwsApi(endpoints.aws_url, "us-east-1")
    ec2, elb, ecs = api.client("ec2"), api.client("elbv2"), api.client("ecs")
    vpc_id = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet_ids = [
        ec2.create_subnet(VpcId=vpc_id, CidrBlock=f"10.9.{index}.0/24", AvailabilityZone=zone)[
            "Subnet"
        ]["SubnetId"]
        for index, zone in enumerate(("us-east-1a", "us-east-1b"))
    ]
    group_id = ec2.create_security_group(GroupName="around", Description="around", VpcId=vpc_id)
    template = ec2.create_launch_template(
        LaunchTemplateName="around",
        LaunchTemplateData={"ImageId": "ami-12345678", "InstanceType": "m5.large"},
    )["LaunchTemplate"]
    balancer = elb.create_load_balancer(Name="around", Subnets=subnet_ids)["LoadBalancers"][0]
    target_groups = [
        elb.create_target_group(Name=f"around-{slot}", Port=80, Protocol="HTTP", VpcId=vpc_id)[
            "TargetGroups"
        ][0]["TargetGroupArn"]
        for slot in "ab"
    ]
    api.client("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName="around",
        LaunchTemplate={"LaunchTemplateId": template["LaunchTemplateId"], "Version": "1"},
        MinSize=0,
        MaxSize=2,
        VPCZoneIdentifier=subnet_ids[0],
    )
    cluster_arn = ecs.create_cluster(clusterName="around")["cluster"]["clusterArn"]
    definition = ecs.register_task_definition(
        family="around", containerDefinitions=[{"name": "app", "image": "app", "memory": 64}]
    )["taskDefinition"]
    ecs.create_service(
        cluster=cluster_arn,
        serviceName="around",
        taskDefinition=definition["taskDefinitionArn"],
        desiredCount=1,
    )
    role = api.client("iam").create_role(RoleName="around", AssumeRolePolicyDocument=TRUST)["Role"]
    api.client("lambda").create_function(
        FunctionName="around",
        PackageType="Image",
        Code={"ImageUri": "123456789012.dkr.ecr.us-east-1.amazonaws.com/around:1"},
        Role=role["Arn"],
    )
    queue_url = api.client("sqs").create_queue(QueueName="around")["QueueUrl"]
    queue = api.client("sqs").get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])
    api.client("events").put_rule(Name="around", ScheduleExpression="rate(1 hour)")
    return Surroundings(
        api=api,
        vpc_id=vpc_id,
        subnet_ids=subnet_ids,
        security_group_id=group_id["GroupId"],
        template_id=template["LaunchTemplateId"],
        balancer_arn=balancer["LoadBalancerArn"],
        target_group_arns=target_groups,
        group_name="around",
        cluster_arn=cluster_arn,
        definition_arn=definition["taskDefinitionArn"],
        service_id="service/around/around",
        role_name="around",
        function_name="around",
        queue_arn=queue["Attributes"]["QueueArn"],
        rule_name="around",
    )


@dataclass(frozen=True)
class Fleet:
    """Two slots behind one load balancer, tagged as infra tags them, made by boto3."""

    api: AwsApi
    workload: str
    balancer_arn: str
    listener_arn: str
    target_groups: dict[str, str]  # slot -> ARN
    groups: dict[str, str]  # slot -> Auto Scaling group

    def dimensions(self, slot: str) -> dict[str, str]:
        """CloudWatch's, of a slot's traffic."""
        return {
            "LoadBalancer": self.balancer_arn.split(":loadbalancer/")[-1],
            "TargetGroup": self.target_groups[slot].split(":")[-1],
        }

    def weigh(self, **weights: int) -> None:
        """Set the serving listener's weights by slot."""
        forward = {
            "TargetGroups": [
                {"TargetGroupArn": self.target_groups[slot], "Weight": weight}
                for slot, weight in weights.items()
            ]
        }
        self.api.client("elbv2").modify_listener(
            ListenerArn=self.listener_arn,
            DefaultActions=[{"Type": "forward", "ForwardConfig": forward}],
        )

    def values(
        self, name: str, stat: str, now_ms: int, minutes: int, **where: str
    ) -> dict[int, float]:
        """A metric through boto3's GetMetricData, by minute before ``now_ms`` (1: the last)."""
        namespace = where.pop("namespace", "AWS/ApplicationELB")
        slot = where.pop("slot", "")
        chosen = where or self.dimensions(slot)
        end = datetime.fromtimestamp(now_ms // 60_000 * 60, UTC)
        metric = {
            "Namespace": namespace,
            "MetricName": name,
            "Dimensions": [{"Name": key, "Value": value} for key, value in chosen.items()],
        }
        query = {"Id": "q", "MetricStat": {"Metric": metric, "Period": 60, "Stat": stat}}
        (result,) = self.api.client("cloudwatch").get_metric_data(
            MetricDataQueries=[query], StartTime=end - timedelta(minutes=minutes), EndTime=end
        )["MetricDataResults"]
        return {
            int((end - moment).total_seconds()) // 60: value
            for moment, value in zip(result["Timestamps"], result["Values"], strict=True)
        }


def build_fleet(api: AwsApi, workload: str, **types: str) -> Fleet:
    """Slots with these instance types and two instances each; equal weights."""
    ec2, elb, scaling = api.client("ec2"), api.client("elbv2"), api.client("autoscaling")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{index}.0/24", AvailabilityZone=zone)[
            "Subnet"
        ]["SubnetId"]
        for index, zone in enumerate(("us-east-1a", "us-east-1b"))
    ]
    balancer = elb.create_load_balancer(Name=workload, Subnets=subnets)["LoadBalancers"][0]
    arn = balancer["LoadBalancerArn"]
    target_groups, groups = {}, {}
    for slot, instance_type in types.items():
        name = f"{workload}-{slot}"
        tags = {"rightsizing:workload": workload, "rightsizing:slot": slot}
        target_groups[slot] = elb.create_target_group(
            Name=name,
            Port=80,
            Protocol="HTTP",
            VpcId=vpc,
            Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
        )["TargetGroups"][0]["TargetGroupArn"]
        template = ec2.create_launch_template(
            LaunchTemplateName=name,
            LaunchTemplateData={"ImageId": "ami-12345678", "InstanceType": instance_type},
        )["LaunchTemplate"]["LaunchTemplateId"]
        scaling.create_auto_scaling_group(
            AutoScalingGroupName=name,
            MinSize=2,
            MaxSize=6,
            VPCZoneIdentifier=",".join(subnets),
            TargetGroupARNs=[target_groups[slot]],
            LaunchTemplate={"LaunchTemplateId": template, "Version": "1"},
            Tags=[
                {
                    "Key": key,
                    "Value": value,
                    "PropagateAtLaunch": True,
                    "ResourceId": name,
                    "ResourceType": "auto-scaling-group",
                }
                for key, value in tags.items()
            ],
        )
        groups[slot] = name
    listener = elb.create_listener(
        LoadBalancerArn=arn,
        Port=80,
        Protocol="HTTP",
        DefaultActions=[{"Type": "forward", "TargetGroupArn": next(iter(target_groups.values()))}],
    )["Listeners"][0]["ListenerArn"]
    fleet = Fleet(api, workload, arn, listener, target_groups, groups)
    fleet.weigh(**dict.fromkeys(types, 1))
    return fleet


@pytest.fixture(scope="session")
def playground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """A local cloud of its own for what moves the clock or breaks things."""
    cloud = LocalCloud(tmp_path_factory.mktemp("playground"), simulate_docker=True)
    cloud.start()
    yield cloud
    cloud.forget()


@pytest.fixture
def play(playground: LocalCloud) -> Iterator[LocalEndpoints]:
    """Its endpoints; afterwards no fault is planned and no scenario is loaded."""
    endpoints = playground.start()
    yield endpoints
    FaultClient(endpoints.aws_url).clear()
    DataPlane(endpoints.aws_url).stop()


@pytest.fixture
def faults(play: LocalEndpoints) -> FaultClient:
    """The playground's fault book, empty."""
    return FaultClient(play.aws_url)


@pytest.fixture
def plane(play: LocalEndpoints) -> DataPlane:
    """The playground's data plane, with no scenario."""
    return DataPlane(play.aws_url)


@pytest.fixture
def api(play: LocalEndpoints) -> AwsApi:
    """boto3 clients of the playground."""
    return AwsApi(play.aws_url, "us-east-1")


@pytest.fixture
def fleet_of(api: AwsApi) -> Callable[..., Fleet]:
    """Builds a fleet on the playground: (workload, slot=instance type, ...)."""

    def built(workload: str, **types: str) -> Fleet:
        return build_fleet(api, workload, **types)

    return built


@pytest.fixture
def fleet_in() -> Callable[..., Fleet]:
    """Builds a fleet on any cloud: (api, workload, slot=instance type, ...)."""
    return build_fleet
