"""Live facts: read from the cloud and the engine by tags, compared with the sizing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from docker.errors import DockerException
from moto import mock_aws

from infra.components.fleet import PROBING_PORT as INFRA_PROBING_PORT
from rightsizing.errors import TelemetryError
from rightsizing.measure.awsclients import AwsClients
from rightsizing.model.base import NoData
from rightsizing.model.facts import ContainerFacts, FleetFacts, ServiceFacts
from rightsizing.model.rollout import FleetRollout, RolloutState, Slot, SlotState
from rightsizing.model.size import ContainerSize, FleetSize, ServiceSize
from rightsizing.model.stackconfig import StackSizing
from rightsizing.model.workload import Workload, WorkloadKind
from rightsizing.stack.driver import StackRef
from rightsizing.stack.facts import LiveClients, Unreadable, compare_facts, read_facts
from rightsizing.stack.livefleet import PROBING_PORT

REGION = "us-east-1"
STACK = StackRef(Path("/nowhere"), "proj", "dev")
OLD = FleetSize(instance_type="m5.xlarge", min_instances=2, max_instances=6)
NEW = FleetSize(instance_type="m7g.large", min_instances=2, max_instances=6)
TASK = ServiceSize(cpu_units=512, memory_mib=1024, min_tasks=2, max_tasks=8)
LIMITS = ContainerSize(cpu_millicores=1500, memory_mib=2048)
WEB = Workload(key="web", kind=WorkloadKind.FLEET, size=OLD)
NEWS = Workload(key="news", kind=WorkloadKind.SERVICE, size=TASK)
APP = Workload(key="app", kind=WorkloadKind.CONTAINER, size=LIMITS)
DECLARED = StackSizing(None, 0, RolloutState())


def both_slots(a_weight: int, b_weight: int) -> StackSizing:
    """Slot a with the old size, live slot b with the new one."""
    rollout = FleetRollout(
        live=Slot.B,
        a=SlotState(size=OLD, weight=a_weight),
        b=SlotState(size=NEW, weight=b_weight),
    )
    return StackSizing(None, 0, RolloutState(fleets={"web": rollout}))


@dataclass
class Account:
    """A moto account with a network, in which tests make what a stack would hold."""

    subnet: str
    vpc: str

    @staticmethod
    def client(service: str) -> Any:
        return boto3.client(service, region_name=REGION)

    def tags(self, workload: str, slot: str | None = None, stack: str = "dev") -> dict[str, str]:
        slots = {} if slot is None else {"rightsizing:slot": slot}
        return {
            "rightsizing:workload": workload,
            "rightsizing:project": "proj",
            "rightsizing:stack": stack,
            **slots,
        }

    def target_group(self, name: str) -> str:
        made = self.client("elbv2").create_target_group(
            Name=name, Protocol="HTTP", Port=8080, VpcId=self.vpc
        )
        return str(made["TargetGroups"][0]["TargetGroupArn"])

    def balancer(self, name: str, weights: dict[str, int]) -> str:
        """A load balancer with a serving and a probing listener, as infra makes them."""
        elb = self.client("elbv2")
        arn = elb.create_load_balancer(Name=name, Subnets=[self.subnet])["LoadBalancers"][0][
            "LoadBalancerArn"
        ]
        for port, values in ((PROBING_PORT, dict.fromkeys(weights, 1)), (80, weights)):
            groups = [
                {"TargetGroupArn": target, "Weight": weight} for target, weight in values.items()
            ]
            elb.create_listener(
                LoadBalancerArn=arn,
                Port=port,
                Protocol="HTTP",
                DefaultActions=[{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}],
            )
        return str(arn)

    def group(
        self, name: str, size: FleetSize, target: str, tags: dict[str, str], desired: int = 2
    ) -> None:
        self.client("ec2").create_launch_template(
            LaunchTemplateName=name,
            LaunchTemplateData={"ImageId": "ami-12c6146b", "InstanceType": size.instance_type},
        )
        self.client("autoscaling").create_auto_scaling_group(
            AutoScalingGroupName=name,
            LaunchTemplate={"LaunchTemplateName": name, "Version": "1"},
            MinSize=size.min_instances,
            MaxSize=size.max_instances,
            DesiredCapacity=desired,
            VPCZoneIdentifier=self.subnet,
            TargetGroupARNs=[target],
            Tags=[
                {"Key": key, "Value": value, "PropagateAtLaunch": True}
                for key, value in tags.items()
            ],
        )


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """An empty account."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        ec2 = boto3.client("ec2", region_name=REGION)
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
        yield Account(subnet, vpc)


def clients(docker: Any = None) -> LiveClients:
    """Clients of the moto account and of a given engine."""
    return LiveClients(AwsClients(REGION), lambda: docker)


def two_slots(account: Account) -> None:
    """The fleet web of stack dev: slot a at weight 0, slot b at 100."""
    old, new = account.target_group("web-a"), account.target_group("web-b")
    account.balancer("web", {old: 0, new: 100})
    account.group("web-a", OLD, old, account.tags("web", "a"))
    account.group("web-b", NEW, new, account.tags("web", "b"), desired=3)


def test_a_fleet_as_it_runs(account: Account) -> None:
    """Ranges, types of running instances and serving weights of both slots."""
    two_slots(account)
    (fleet,) = read_facts([WEB], clients(), stack=STACK)
    assert isinstance(fleet, FleetFacts)
    found = [
        (slot.slot.value, slot.group_name, slot.running_types, slot.weight) for slot in fleet.slots
    ]
    assert found == [
        ("a", "web-a", (("m5.xlarge", 2),), 0),
        ("b", "web-b", (("m7g.large", 3),), 100),
    ]
    assert compare_facts([fleet], both_slots(0, 100), [WEB]).matches


def test_types_are_those_of_running_instances(account: Account) -> None:
    """A new template leaves the instances as they were, and that is what is seen."""
    two_slots(account)
    account.client("ec2").create_launch_template_version(
        LaunchTemplateName="web-b",
        LaunchTemplateData={"ImageId": "ami-12c6146b", "InstanceType": "c7g.large"},
    )
    account.client("autoscaling").update_auto_scaling_group(
        AutoScalingGroupName="web-b",
        LaunchTemplate={"LaunchTemplateName": "web-b", "Version": "2"},
    )
    (fleet,) = read_facts([WEB], clients(), stack=STACK)
    assert isinstance(fleet, FleetFacts)
    assert fleet.slots[1].running_types == (("m7g.large", 3),)


def test_other_stacks_are_not_ours(account: Account) -> None:
    """The same workload of stack prod in the same account is left out."""
    target = account.target_group("web-a")
    account.balancer("web", {target: 100})
    account.group("prod-web-a", NEW, target, account.tags("web", "a", stack="prod"))
    account.group("web-a", OLD, target, account.tags("web", "a"))
    facts = read_facts([WEB], clients(), stack=STACK)
    assert compare_facts(facts, DECLARED, [WEB]).matches


def test_two_groups_in_one_slot_are_an_orphan(account: Account) -> None:
    """A killed replacement leaves a second group: a mismatch that names both."""
    target = account.target_group("web-a")
    account.balancer("web", {target: 100})
    account.group("web-a-1", OLD, target, account.tags("web", "a"))
    account.group("web-a-2", OLD, target, account.tags("web", "a"))
    report = compare_facts(read_facts([WEB], clients(), stack=STACK), DECLARED, [WEB])
    (mismatch,) = report.mismatches
    assert (mismatch.fact, mismatch.found) == ("slot a", "web-a-1, web-a-2")


def test_a_group_changed_behind_our_back(account: Account) -> None:
    """Range and weight changed by hand are two mismatches with both values."""
    two_slots(account)
    account.client("autoscaling").update_auto_scaling_group(AutoScalingGroupName="web-b", MaxSize=9)
    report = compare_facts(read_facts([WEB], clients(), stack=STACK), both_slots(10, 90), [WEB])
    assert [(found.fact, found.expected, found.found) for found in report.mismatches] == [
        ("slot a weight", "10", "0"),
        ("slot b instance range", "2-6", "2-9"),
        ("slot b weight", "90", "100"),
    ]


def test_what_nobody_declares_is_named(account: Account) -> None:
    """A fleet of the stack that the declaration does not know still costs money."""
    two_slots(account)
    other = Workload(key="other", kind=WorkloadKind.FLEET, size=OLD)
    report = compare_facts(read_facts([other], clients(), stack=STACK), DECLARED, [other])
    assert [found.workload for found in report.mismatches] == ["other", "web"]
    assert "web-a (2 x m5.xlarge)" in report.mismatches[1].found


def service(account: Account, *, cpu: str = "512") -> None:
    """The service news of stack dev with a scalable target of 2 to 8 tasks."""
    ecs = account.client("ecs")
    ecs.create_cluster(clusterName="main")
    definition = ecs.register_task_definition(
        family="news",
        cpu=cpu,
        memory="1024",
        requiresCompatibilities=["FARGATE"],
        networkMode="awsvpc",
        containerDefinitions=[{"name": "main", "image": "news:1"}],
    )["taskDefinition"]["taskDefinitionArn"]
    ecs.create_service(
        cluster="main",
        serviceName="news",
        taskDefinition=definition,
        desiredCount=2,
        tags=[{"key": k, "value": v} for k, v in account.tags("news").items()],
    )
    account.client("application-autoscaling").register_scalable_target(
        ServiceNamespace="ecs",
        ResourceId="service/main/news",
        ScalableDimension="ecs:service:DesiredCount",
        MinCapacity=2,
        MaxCapacity=8,
    )


def test_a_service_as_it_runs(account: Account) -> None:
    """Task size of the primary deployment's definition, range of the scalable target."""
    service(account)
    (found,) = read_facts([NEWS], clients(), stack=STACK)
    assert isinstance(found, ServiceFacts)
    assert found.size == TASK
    assert found.task_definition.endswith(":task-definition/news:1")


def test_a_service_that_was_rolled_back_is_seen(account: Account) -> None:
    """State may say the new task definition; the deployment says the old one, so it mismatches."""
    service(account, cpu="256")
    report = compare_facts(read_facts([NEWS], clients(), stack=STACK), DECLARED, [NEWS])
    (mismatch,) = report.mismatches
    assert mismatch.expected == "0.5 vCPU, 1024 MiB x 2-8"
    assert mismatch.found == "0.25 vCPU, 1024 MiB x 2-8"


class FakeEcs:
    """Answers of ECS about one service with these deployments."""

    def __init__(self, *deployments: dict[str, Any]) -> None:
        self.deployments = deployments

    def pages(self, service: str, operation: str, key: str, **_: Any) -> Iterator[Any]:
        lists = {"clusterArns": ["arn:cluster/main"], "serviceArns": ["arn:service/main/news"]}
        yield from lists.get(key, [])

    def call(self, service: str, operation: str, **parameters: Any) -> Any:
        if operation == "describe_task_definition":
            cpu = {"news:1": "256", "news:2": "512"}[parameters["taskDefinition"]]
            return {"taskDefinition": {"cpu": cpu, "memory": "1024"}}
        tags = [{"key": key, "value": value} for key, value in Account("", "").tags("news").items()]
        found = {
            "serviceName": "news",
            "status": "ACTIVE",
            "taskDefinition": "news:2",
            "desiredCount": 2,
            "deployments": list(self.deployments),
            "tags": tags,
        }
        return {"services": [found]}


def deployment(status: str, definition: str, running: int, **more: str) -> dict[str, Any]:
    """One deployment of a service."""
    return {"status": status, "taskDefinition": definition, "runningCount": running, **more}


@pytest.mark.parametrize(
    ("deployments", "reason"),
    [
        (
            (deployment("PRIMARY", "news:2", 1), deployment("ACTIVE", "news:1", 2)),
            "service news still runs 2 tasks of an earlier deployment",
        ),
        (
            (
                deployment(
                    "PRIMARY",
                    "news:2",
                    0,
                    rolloutState="FAILED",
                    rolloutStateReason="tasks failed to start",
                ),
            ),
            "the deployment of service news failed: tasks failed to start",
        ),
        ((), "service news has no primary deployment"),
    ],
    ids=["rolling", "failed", "none"],
)
def test_a_service_that_is_not_settled_is_unreadable(
    deployments: tuple[dict[str, Any], ...], reason: str
) -> None:
    """There is no single size to state yet, so it is waited for."""
    found = read_facts([NEWS], LiveClients(FakeEcs(*deployments), lambda: None), stack=STACK)
    assert found == (Unreadable("news", NoData(reason)),)


def test_the_primary_deployment_is_what_runs() -> None:
    """The breaker has rolled back: the primary deployment is the old one again."""
    fake = FakeEcs(deployment("PRIMARY", "news:1", 2), deployment("ACTIVE", "news:2", 0))
    (found,) = read_facts([NEWS], LiveClients(fake, lambda: None), stack=STACK)
    assert isinstance(found, ServiceFacts)
    assert (found.task_definition, found.size.cpu_units) == ("news:1", 256)


class FakeEngine:
    """A Docker client as far as facts need one."""

    def __init__(self, *hosts: dict[str, Any], version: str = "28.2.2") -> None:
        self.hosts = hosts
        self.engine_version = version
        self.containers = self

    def version(self) -> dict[str, str]:
        return {"Version": self.engine_version}

    def list(self, *, all: bool, filters: dict[str, Any]) -> list[Any]:  # noqa: A002
        assert all
        assert filters == {"label": ["rightsizing:project=proj", "rightsizing:stack=dev"]}
        return [SimpleNamespace(attrs=attributes) for attributes in self.hosts]


def container(name: str = "app-1", *, running: bool = True, **host: int) -> dict[str, Any]:
    """What inspecting a container of the stack answers."""
    labels = {
        "rightsizing:workload": "app",
        "rightsizing:project": "proj",
        "rightsizing:stack": "dev",
    }
    return {
        "Name": f"/{name}",
        "Config": {"Labels": labels},
        "HostConfig": host,
        "State": {"Running": running},
    }


MEMORY = 2048 * 1024**2


@pytest.mark.parametrize(
    "host",
    [
        {"NanoCpus": 1_500_000_000, "Memory": MEMORY},
        {"CpuQuota": 150_000, "CpuPeriod": 100_000, "Memory": MEMORY},
        {"CpuQuota": 150_000, "Memory": MEMORY},
    ],
)
def test_a_container_by_its_limits(host: dict[str, int]) -> None:
    """1.5 CPUs, however they were set: 1.5e9 billionths, or 150 of every 100 ms."""
    (found,) = read_facts([APP], clients(FakeEngine(container(**host))), stack=STACK)
    assert found == ContainerFacts("app", "app-1", LIMITS, running=True, simulated=False)


def test_a_simulated_engine_is_marked() -> None:
    """Facts of the stand-in say so."""
    engine = FakeEngine(container(NanoCpus=1_500_000_000, Memory=MEMORY), version="simulated")
    (found,) = read_facts([APP], clients(engine), stack=STACK)
    assert isinstance(found, ContainerFacts)
    assert found.simulated


def test_a_container_without_a_limit_is_not_a_match() -> None:
    """No limit is no size: unreadable with the reason, never 0."""
    engine = FakeEngine(container(NanoCpus=1_500_000_000, Memory=0))
    report = compare_facts(read_facts([APP], clients(engine), stack=STACK), DECLARED, [APP])
    assert report.unreadable == (("app", NoData("container app-1 has no memory limit")),)
    assert not report.matches


@pytest.mark.parametrize(
    ("containers", "found"),
    [
        ((), "nothing"),
        ((("app-1", False),), "app-1, stopped"),
        ((("app-1", True), ("app-2", True)), "app-1, app-2"),
    ],
)
def test_exactly_one_container_must_run(
    containers: tuple[tuple[str, bool], ...], found: str
) -> None:
    """A singleton that is down, or runs twice, is a mismatch that names the containers."""
    host = {"NanoCpus": 1_500_000_000, "Memory": MEMORY}
    engine = FakeEngine(*(container(name, running=up, **host) for name, up in containers))
    report = compare_facts(read_facts([APP], clients(engine), stack=STACK), DECLARED, [APP])
    assert [mismatch.found for mismatch in report.mismatches] == [found]


def test_an_engine_that_is_away_is_unreadable() -> None:
    """One reason for each workload it would have served; the other sources are still read."""

    def away() -> Any:
        raise DockerException("connection refused")

    found = read_facts([APP], LiveClients(AwsClients(REGION), away), stack=STACK)
    assert found == (
        Unreadable("app", NoData("the Docker engine cannot be read: connection refused")),
    )


class AwayCloud:
    """AWS calls whose server was stopped."""

    def call(self, *names: str, **_parameters: Any) -> Any:
        raise TelemetryError(f"http://127.0.0.1:9 did not answer {names[0]} {names[1]}")

    pages = call


def test_a_cloud_that_is_away_is_unreadable() -> None:
    """A local server that was stopped between commands is a reason for each workload it serves."""
    found = read_facts([WEB, NEWS], LiveClients(AwayCloud(), lambda: None), stack=STACK)
    assert [item.workload for item in found] == ["web", "news"]
    report = compare_facts(found, DECLARED, [WEB, NEWS])
    assert not report.mismatches
    assert all("did not answer" in why.reason for _, why in report.unreadable)
    assert not report.matches


def test_the_probing_listener_is_the_one_infra_makes() -> None:
    """Its weights mean nothing, so facts must know its port."""
    assert PROBING_PORT == INFRA_PROBING_PORT
