"""Starting, stopping, killing and restoring the local cloud."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from rightsizing.embedded.aws.clients import AwsApi
from rightsizing.embedded.cloud.process import await_end, is_alive
from rightsizing.embedded.cloud.server import LocalCloud
from rightsizing.embedded.cloud.status import CloudState, LocalEndpoints
from rightsizing.embedded.docker.connection import open_engine
from rightsizing.errors import EmbeddedError


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[LocalCloud]:
    """A local cloud that is not started; its process ends with the test."""
    found = LocalCloud(tmp_path, simulate_docker=True)
    yield found
    found.forget()


def _kill(cloud: LocalCloud) -> None:
    report = cloud.status().report
    assert report is not None
    os.kill(report.pid, signal.SIGKILL)
    await_end(report.pid, 5)


def _build(url: str) -> None:
    """A fleet that was scaled out and in, a load balancer, a service, an alarm, a dashboard."""
    api = AwsApi(url, "us-east-1")
    ec2, elb, ecs = api.client("ec2"), api.client("elbv2"), api.client("ecs")
    ec2.describe_vpcs()  # a read that makes the region's default network
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{index}.0/24", AvailabilityZone=zone)[
            "Subnet"
        ]["SubnetId"]
        for index, zone in enumerate(("us-east-1a", "us-east-1b"))
    ]
    template = ec2.create_launch_template(
        LaunchTemplateName="web",
        LaunchTemplateData={"ImageId": "ami-12345678", "InstanceType": "m5.large"},
    )["LaunchTemplate"]["LaunchTemplateId"]
    ec2.create_launch_template_version(
        LaunchTemplateId=template,
        LaunchTemplateData={"ImageId": "ami-12345678", "InstanceType": "m7g.large"},
    )
    balancer = elb.create_load_balancer(Name="web", Subnets=subnets)["LoadBalancers"][0]
    target = elb.create_target_group(Name="web", Port=80, Protocol="HTTP", VpcId=vpc)[
        "TargetGroups"
    ][0]["TargetGroupArn"]
    elb.create_listener(
        LoadBalancerArn=balancer["LoadBalancerArn"],
        Port=80,
        Protocol="HTTP",
        DefaultActions=[{"Type": "forward", "TargetGroupArn": target}],
    )
    autoscaling = api.client("autoscaling")
    autoscaling.create_auto_scaling_group(
        AutoScalingGroupName="web",
        MinSize=1,
        MaxSize=6,
        VPCZoneIdentifier=",".join(subnets),
        TargetGroupARNs=[target],
        LaunchTemplate={"LaunchTemplateId": template, "Version": "2"},
    )
    for count in (5, 2, 4):
        ec2.describe_instances()  # reads between the changes do not shift ids
        autoscaling.set_desired_capacity(AutoScalingGroupName="web", DesiredCapacity=count)
    ecs.create_cluster(clusterName="web")
    ecs.register_task_definition(
        family="web", containerDefinitions=[{"name": "web", "image": "web", "memory": 64}]
    )
    ecs.create_service(
        cluster="web", serviceName="web", taskDefinition="web", desiredCount=2, launchType="FARGATE"
    )
    api.client("cloudwatch").put_dashboard(DashboardName="web", DashboardBody='{"widgets": []}')


def _picture(url: str) -> dict[str, Any]:
    """Everything a user could compare, creation times included."""
    api = AwsApi(url, "us-east-1")
    ec2, elb, ecs = api.client("ec2"), api.client("elbv2"), api.client("ecs")
    found = {
        "instances": ec2.describe_instances()["Reservations"],
        "vpcs": ec2.describe_vpcs()["Vpcs"],
        "subnets": ec2.describe_subnets()["Subnets"],
        "templates": ec2.describe_launch_templates()["LaunchTemplates"],
        "groups": api.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"],
        "balancers": elb.describe_load_balancers()["LoadBalancers"],
        "targets": elb.describe_target_groups()["TargetGroups"],
        "services": ecs.describe_services(cluster="web", services=["web"])["services"],
        "tasks": ecs.list_tasks(cluster="web")["taskArns"],
        "dashboards": api.client("cloudwatch").list_dashboards()["DashboardEntries"],
    }
    for dashboard in found["dashboards"]:
        dashboard.pop("LastModified")  # moto takes it from the wall clock
    picture: dict[str, Any] = json.loads(json.dumps(found, default=str))
    return picture


def test_a_killed_cloud_is_restored_to_identical_ids(cloud: LocalCloud) -> None:
    """kill -9, then any command: instances, templates, groups, targets and times are the same."""
    url = cloud.start().aws_url
    _build(url)
    before = _picture(url)
    _kill(cloud)
    assert cloud.status().state is CloudState.DEAD
    endpoints = cloud.ensure()
    assert endpoints.aws_url == url
    assert endpoints.notice is not None
    assert "had been killed and is restored from" in endpoints.notice
    assert _picture(url) == before
    report = cloud.status().report
    assert report is not None
    assert (report.restored_calls > 0, report.different_calls) == (True, 0)


def test_life_goes_on_after_a_restore(cloud: LocalCloud, tmp_path: Path) -> None:
    """No id is used twice. A line cut off by a killed server is dropped: nobody got its answer."""
    journal = tmp_path / ".rightsizing" / "local" / "calls.jsonl"
    ec2 = AwsApi(cloud.start().aws_url, "us-east-1").client("ec2")
    first = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    cloud.stop()
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"number":2,"mom')
    cloud.start()
    assert journal.read_bytes() == whole
    second = ec2.create_vpc(CidrBlock="10.2.0.0/16")["Vpc"]["VpcId"]
    _kill(cloud)
    cloud.start()
    found = {vpc["VpcId"] for vpc in ec2.describe_vpcs()["Vpcs"]}
    assert first != second
    assert {first, second} < found


def test_states_and_what_each_asks_for(cloud: LocalCloud, tmp_path: Path) -> None:
    """Never started, running, stopped on purpose, forgotten."""
    assert cloud.status().state is CloudState.ABSENT
    with pytest.raises(EmbeddedError, match="never started in this folder; run `rightsize local"):
        cloud.ensure()
    assert not cloud.stop()
    started = cloud.start()
    report = cloud.status().report
    assert report is not None
    assert cloud.status().state is CloudState.RUNNING
    assert cloud.start() == started
    assert cloud.ensure() == started
    assert cloud.stop()
    assert not is_alive(report.pid)
    assert cloud.status().state is CloudState.STOPPED
    with pytest.raises(EmbeddedError, match="is stopped; 0 recorded changes"):
        cloud.ensure()
    cloud.forget()
    assert not (tmp_path / ".rightsizing" / "local").exists()
    assert cloud.status().state is CloudState.ABSENT


def test_environment_of_a_shell(
    cloud: LocalCloud, shared_cloud: LocalCloud, endpoints: LocalEndpoints
) -> None:
    """Only fixed credentials and loopback, and the project's own backend."""
    with pytest.raises(EmbeddedError, match="rightsize local up"):
        cloud.env()
    found = shared_cloud.env()
    assert found["AWS_ENDPOINT_URL"] == endpoints.aws_url
    assert (found["AWS_ACCESS_KEY_ID"], found["AWS_SECRET_ACCESS_KEY"]) == ("testing", "testing")
    assert found["DOCKER_HOST"] == endpoints.docker_host
    assert found["DOCKER_HOST"].startswith("tcp://127.0.0.1:")
    assert found["PULUMI_BACKEND_URL"] == f"file://{shared_cloud.local_dir.parent}/pulumi"
    assert found["RIGHTSIZING_EMBEDDED"] == "1"


def test_containers_and_metrics_survive_a_restart(cloud: LocalCloud) -> None:
    """Both have files of their own."""
    endpoints = cloud.start()
    engine = open_engine(endpoints.docker_host)
    made = engine.containers.create("rightsizing/demo:1", name="kept")
    cloudwatch = AwsApi(endpoints.aws_url, "us-east-1").client("cloudwatch")
    cloudwatch.put_metric_data(Namespace="N", MetricData=[{"MetricName": "M", "Value": 1.0}])
    cloud.stop()
    cloud.start()
    assert engine.containers.get("kept").id == made.id
    assert len(cloudwatch.list_metrics(Namespace="N")["Metrics"]) == 1
    cloud.clear_metrics()
    assert cloudwatch.list_metrics(Namespace="N")["Metrics"] == []
    engine.close()


def test_a_taken_port_is_left_alone(cloud: LocalCloud) -> None:
    """Somebody else listens on the kept port: another one is chosen and said."""
    first = cloud.start().aws_url
    cloud.stop()
    port = int(first.rsplit(":", 1)[1])
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        assert cloud.status().state is CloudState.STOPPED
        again = cloud.start()
    assert again.aws_url != first
    assert again.notice is not None
    assert f"port {port} is taken" in again.notice


def test_the_journal_holds_no_credentials(
    shared_cloud: LocalCloud, endpoints: LocalEndpoints
) -> None:
    """A client that signs with somebody's real key leaves neither key nor signature behind."""
    ec2 = boto3.client(
        "ec2",
        endpoint_url=endpoints.aws_url,
        region_name="us-east-1",
        aws_access_key_id="AKIAREALREALREAL",
        aws_secret_access_key="real",
    )
    ec2.create_vpc(CidrBlock="10.1.0.0/16")
    text = (shared_cloud.local_dir / "calls.jsonl").read_text()
    assert "AKIAREAL" not in text
    assert "Signature=0" in text


def test_a_real_engine_that_is_too_small_is_not_used(tmp_path: Path) -> None:
    """Docker refuses a limit above its CPUs, so the simulated one takes the containers."""
    cloud = LocalCloud(tmp_path, required_cpus=100_000)
    endpoints = cloud.start()
    assert endpoints.docker_simulated
    assert endpoints.docker_reason
    assert LocalCloud(tmp_path).start() == endpoints  # the choice stays
    cloud.forget()


def test_a_target_group_knows_the_listener_that_was_changed_to_it(endpoints: Any) -> None:
    """As on AWS: otherwise a slot filled after the first update would seem to have no traffic."""
    api = AwsApi(endpoints.aws_url, "us-east-1")
    ec2, elb = api.client("ec2"), api.client("elbv2")
    vpc = ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.77.{index}.0/24", AvailabilityZone=zone)[
            "Subnet"
        ]["SubnetId"]
        for index, zone in enumerate(("us-east-1a", "us-east-1b"))
    ]
    balancer = elb.create_load_balancer(Name="slots", Subnets=subnets)["LoadBalancers"][0]
    first, second = (
        elb.create_target_group(Name=f"slots-{slot}", Port=80, Protocol="HTTP", VpcId=vpc)[
            "TargetGroups"
        ][0]["TargetGroupArn"]
        for slot in "ab"
    )
    listener = elb.create_listener(
        LoadBalancerArn=balancer["LoadBalancerArn"],
        Port=80,
        Protocol="HTTP",
        DefaultActions=[{"Type": "forward", "TargetGroupArn": first}],
    )["Listeners"][0]["ListenerArn"]
    elb.modify_listener(
        ListenerArn=listener, DefaultActions=[{"Type": "forward", "TargetGroupArn": second}]
    )
    (group,) = elb.describe_target_groups(TargetGroupArns=[second])["TargetGroups"]
    assert group["LoadBalancerArns"] == [balancer["LoadBalancerArn"]]
