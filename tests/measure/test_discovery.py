"""Discovery: what is a workload, what it consists of, and what is passed over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from docker import errors as docker_sdk
from moto import mock_aws

from rightsizing.errors import TelemetryError
from rightsizing.measure.awsclients import AwsClients
from rightsizing.measure.discovery import discover_aws, discover_docker
from rightsizing.model.base import NoData
from rightsizing.model.size import ContainerSize, FleetSize, ServiceSize
from rightsizing.model.workload import Architecture, WorkloadKind

REGION = "us-east-1"
GIB = 1024**3


@pytest.fixture
def aws(aws_credentials: None) -> Iterator[SimpleNamespace]:
    """A mocked account with one VPC, one balanced target group, and ways to fill it."""
    with mock_aws():
        ec2 = boto3.client("ec2", REGION)
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnets = [
            ec2.create_subnet(
                VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=f"{REGION}{zone}"
            )["Subnet"]["SubnetId"]
            for number, zone in enumerate("ab")
        ]
        image = "ami-12c6146b"  # one that moto knows
        autoscaling, ecs = boto3.client("autoscaling", REGION), boto3.client("ecs", REGION)
        ecs.create_cluster(clusterName="main")

        def fleet(
            name: str, instance_type: str, count: int, tags: dict[str, str], **more: Any
        ) -> None:
            template = ec2.create_launch_template(
                LaunchTemplateName=name,
                LaunchTemplateData={"ImageId": image, "InstanceType": instance_type},
            )["LaunchTemplate"]["LaunchTemplateId"]
            autoscaling.create_auto_scaling_group(
                AutoScalingGroupName=name,
                MinSize=0,
                MaxSize=4,
                DesiredCapacity=count,
                VPCZoneIdentifier=",".join(subnets),
                LaunchTemplate={"LaunchTemplateId": template, "Version": "1"},
                Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
                **more,
            )

        def service(name: str, task: dict[str, Any], tags: dict[str, str]) -> None:
            definition = ecs.register_task_definition(
                **{
                    "family": name,
                    "containerDefinitions": [{"name": "app", "image": "app"}],
                    **task,
                }
            )["taskDefinition"]["taskDefinitionArn"]
            ecs.create_service(
                cluster="main",
                serviceName=name,
                taskDefinition=definition,
                desiredCount=2,
                tags=[{"key": key, "value": value} for key, value in tags.items()],
            )

        def target_group() -> str:
            balancing = boto3.client("elbv2", REGION)
            balancer = balancing.create_load_balancer(Name="web", Subnets=subnets)
            group = balancing.create_target_group(Name="web", Protocol="HTTP", Port=80, VpcId=vpc)
            arn = group["TargetGroups"][0]["TargetGroupArn"]
            balancing.create_listener(
                LoadBalancerArn=balancer["LoadBalancers"][0]["LoadBalancerArn"],
                Port=80,
                Protocol="HTTP",
                DefaultActions=[{"Type": "forward", "TargetGroupArn": arn}],
            )
            return str(arn)

        yield SimpleNamespace(
            clients=AwsClients(REGION),
            fleet=fleet,
            service=service,
            target_group=target_group,
            ec2=ec2,
            image=image,
            autoscaling=autoscaling,
            scaling=boto3.client("application-autoscaling", REGION),
        )


def web(**tags: str) -> dict[str, str]:
    """Tags of the workload "web"."""
    return {"rightsizing:workload": "web", **tags}


def test_a_fleet_is_found_with_its_capacity(aws):
    """Type, range, vCPU and memory of the running instances, and the balancer's dimensions."""
    aws.fleet("web-a", "m5.xlarge", 2, web(), TargetGroupARNs=[aws.target_group()])
    (found,) = discover_aws(aws.clients).workloads
    assert (found.key, found.workload.kind) == ("web", WorkloadKind.FLEET)
    assert found.workload.size == FleetSize(
        instance_type="m5.xlarge", min_instances=0, max_instances=4
    )
    (resource,) = found.resources
    assert (resource.resource_id, resource.running) == ("web-a", 2)
    assert (resource.capacity_cores, resource.capacity_memory_bytes) == (4.0, 16 * GIB)
    assert resource.load_balancer is not None
    assert resource.load_balancer.startswith("app/web/")
    assert resource.target_group is not None
    assert resource.target_group.startswith("targetgroup/web/")


def test_two_slots_are_one_workload(aws):
    """The size is that of the slot that runs; both groups are measured."""
    aws.fleet("web-a", "m5.xlarge", 1, web())
    aws.fleet("web-b", "m7g.large", 3, web())
    (found,) = discover_aws(aws.clients).workloads
    assert found.workload.resource_ids == ("web-a", "web-b")
    assert isinstance(found.workload.size, FleetSize)
    assert found.workload.size.instance_type == "m7g.large"
    assert found.workload.architectures == (Architecture.ARM64,)


def test_untagged_resources_are_passed_over_and_said(aws):
    """Without its key a resource is reported, or taken under its own name when asked."""
    aws.fleet("legacy", "m5.large", 1, {})
    passed = discover_aws(aws.clients)
    assert passed.workloads == ()
    assert [skip.reason for skip in passed.skipped] == [
        "fleet legacy has no rightsizing:workload tag; tag it, or include untagged resources"
    ]
    (named,) = discover_aws(aws.clients, name_untagged=True).workloads
    assert (named.key, named.tagged) == ("legacy", False)


def test_tags_filter(aws):
    """A filter needs the value, or any value when none is given."""
    aws.fleet("web-a", "m5.large", 1, web(env="prod"))
    assert discover_aws(aws.clients, tag_filters={"env": "prod"}).workloads
    assert discover_aws(aws.clients, tag_filters={"env": None}).workloads
    assert not discover_aws(aws.clients, tag_filters={"env": "dev"}).workloads


def test_a_key_that_cannot_be_one_is_reported(aws):
    """A tag with spaces does not stop discovery."""
    aws.fleet("odd", "m5.large", 1, {"rightsizing:workload": "my web"})
    found = discover_aws(aws.clients)
    assert found.workloads == ()
    assert "workload key 'my web' must be" in found.skipped[0].reason


def test_mixed_instance_types_have_no_capacity(aws):
    """A percentage over unlike instances is of nothing known."""
    aws.fleet("web-a", "m5.large", 1, web())
    larger = aws.ec2.run_instances(
        ImageId=aws.image, InstanceType="m5.4xlarge", MinCount=1, MaxCount=1
    )["Instances"][0]["InstanceId"]
    aws.autoscaling.attach_instances(AutoScalingGroupName="web-a", InstanceIds=[larger])
    (found,) = discover_aws(aws.clients).workloads
    capacity = found.resources[0].capacity_cores
    assert isinstance(capacity, NoData)
    assert "instances of different sizes run (m5.4xlarge, m5.large)" in capacity.reason
    assert found.workload.size is None


def test_an_empty_group_has_no_capacity(aws):
    """What a launch template would start is not what was measured."""
    aws.fleet("web-b", "m5.large", 0, web())
    (found,) = discover_aws(aws.clients).workloads
    assert isinstance(found.resources[0].capacity_cores, NoData)


def test_a_service_is_found_with_its_task_size(aws):
    """CPU units and memory of the task definition, tasks from the autoscaler's range."""
    aws.service("report", {"cpu": "512", "memory": "2048"}, {"rightsizing:workload": "report"})
    aws.scaling.register_scalable_target(
        ServiceNamespace="ecs",
        ResourceId="service/main/report",
        ScalableDimension="ecs:service:DesiredCount",
        MinCapacity=1,
        MaxCapacity=9,
    )
    (found,) = discover_aws(aws.clients).workloads
    assert found.workload.size == ServiceSize(
        cpu_units=512, memory_mib=2048, min_tasks=1, max_tasks=9
    )
    (resource,) = found.resources
    assert resource.resource_id == "main/report"
    assert (resource.capacity_cores, resource.capacity_memory_bytes) == (0.5, 2 * GIB)


def test_a_service_is_sized_by_its_containers_when_the_task_is_not(aws):
    """On EC2 the reservations are the containers' own; without any there is no capacity."""
    containers = [
        {"name": "app", "image": "app", "cpu": 256, "memory": 512},
        {"name": "proxy", "image": "proxy", "cpu": 128, "memoryReservation": 256},
    ]
    aws.service("sum", {"containerDefinitions": containers}, {"rightsizing:workload": "sum"})
    no_cpu = [{"name": "app", "image": "app", "memory": 512}]
    aws.service("none", {"containerDefinitions": no_cpu}, {"rightsizing:workload": "none"})
    none, total = discover_aws(aws.clients).workloads
    assert total.resources[0].capacity_cores == 0.375  # (256 + 128) / 1024
    assert total.resources[0].capacity_memory_bytes == 768 * 1024**2
    assert isinstance(none.resources[0].capacity_cores, NoData)


def test_one_key_cannot_be_two_kinds(aws):
    """A fleet and a service with one key: the second is reported."""
    aws.fleet("web-a", "m5.large", 1, web())
    aws.service("web", {"cpu": "256", "memory": "512"}, web())
    found = discover_aws(aws.clients)
    assert [workload.workload.kind for workload in found.workloads] == [WorkloadKind.FLEET]
    assert "which a fleet already has" in found.skipped[0].reason


def container(name: str, labels: dict[str, str], **host: Any) -> SimpleNamespace:
    """A container as the Docker SDK lists it."""
    return SimpleNamespace(name=name, labels=labels, attrs={"HostConfig": host})


@pytest.fixture
def engine() -> Callable[..., SimpleNamespace]:
    """A Docker client of an 8-core, 32 GiB host with these containers."""

    def make(*containers: SimpleNamespace) -> SimpleNamespace:
        return SimpleNamespace(
            info=lambda: {"NCPU": 8, "MemTotal": 32 * GIB},
            containers=SimpleNamespace(list=lambda **_: list(containers)),
        )

    return make


def test_containers_are_found_with_their_limits(engine):
    """--cpus, --cpu-quota, and the host's size where there is no limit."""
    found = discover_docker(
        engine(
            container("one", {"rightsizing:workload": "a"}, NanoCpus=1_500_000_000, Memory=GIB),
            container("two", {"rightsizing:workload": "b"}, CpuQuota=50_000, CpuPeriod=100_000),
            container("other", {}),
        )
    )
    assert [workload.workload.size for workload in found.workloads] == [
        ContainerSize(cpu_millicores=1500, memory_mib=1024),
        ContainerSize(cpu_millicores=500, memory_mib=32 * 1024),
    ]
    assert [skip.reason[:15] for skip in found.skipped] == ["container other"]


def test_an_absent_engine_is_one_sentence(engine):
    """The SDK's error becomes ours."""

    def fail() -> None:
        raise docker_sdk.DockerException("Connection refused")

    client = engine()
    client.info = fail
    with pytest.raises(
        TelemetryError, match=r"Docker engine does not answer \(Connection refused\)"
    ):
        discover_docker(client)


def test_a_resized_service_keeps_its_former_capacity(aws):
    """Its percentages before the present deployment are of the revision before it."""
    aws.service("api", {"cpu": "2048", "memory": "4096"}, {"rightsizing:workload": "api"})
    (before,) = discover_aws(aws.clients).workloads[0].resources
    ecs = boto3.client("ecs", REGION)
    ecs.register_task_definition(
        family="api",
        cpu="512",
        memory="1024",
        containerDefinitions=[{"name": "app", "image": "app"}],
    )
    ecs.update_service(cluster="main", service="api", taskDefinition="api:2")
    (after,) = discover_aws(aws.clients).workloads[0].resources
    assert before.former is None
    assert after.capacity_cores == 0.5
    assert (after.former.capacity_cores, after.former.capacity_memory_bytes) == (2.0, 4 * GIB)
    assert after.former.until_ms > 1_600_000_000_000
