"""One stack on one local cloud, deployed once; tests break things and leave it as they found it.

The repository's own program on the embedded driver, with the clients that are used for AWS. What
runs is asked by boto3 and the Docker API, never of the engine's state.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import docker
import pytest

from rightsizing.embedded.cloud.dataplane import DataPlane
from rightsizing.embedded.cloud.server import LocalCloud
from rightsizing.embedded.faults.client import FaultClient
from rightsizing.measure.awsclients import AwsClients
from rightsizing.model.release import Release
from rightsizing.model.rollout import FleetRollout, RolloutState, Slot, SlotState
from rightsizing.model.size import ContainerSize, FleetSize, ServiceSize
from rightsizing.model.stackconfig import StackSizing
from rightsizing.rollout.restoration import RollbackResult
from rightsizing.rollout.rollback import rollback
from rightsizing.stack.apply import ApplyResult, apply_stack
from rightsizing.stack.configfile import StackFile
from rightsizing.stack.driver import StackRef
from rightsizing.stack.embedded_driver import EmbeddedDriver
from rightsizing.stack.facts import LiveClients, LiveFact, read_facts

ROOT = Path(__file__).parents[2]
REGION = "us-east-1"
OLD, NEW = "m5.xlarge", "m7g.large"
WEB_OLD = FleetSize(instance_type=OLD, min_instances=2, max_instances=6)
WEB_NEW = FleetSize(instance_type=NEW, min_instances=2, max_instances=6)
NEWS_OLD = ServiceSize(cpu_units=2048, memory_mib=8192, min_tasks=1, max_tasks=4)
NEWS_NEW = ServiceSize(cpu_units=512, memory_mib=4096, min_tasks=1, max_tasks=4)
APP_OLD = ContainerSize(cpu_millicores=16_000, memory_mib=15_667)
APP_SMALL = ContainerSize(cpu_millicores=16_000, memory_mib=12_000)  # changed in place
APP_NEW = ContainerSize(cpu_millicores=4_000, memory_mib=12_000)  # needs a new container
HEAD = """\
config:
  pulumi:disable-default-providers: ["*"]
  rightsizing:embedded: true
  rightsizing:network: {zones: [us-east-1a, us-east-1b]}
"""
FLEET = """\
  rightsizing:fleets:
    web:
      size: {instance_type: m5.xlarge, min_instances: 2, max_instances: 6}
      ami: {x86_64: ami-0a11ce00000000086, arm64: ami-0a11ce00000000064}
"""
SERVICE = """\
  rightsizing:services:
    news:
      size: {cpu_units: 2048, memory_mib: 8192, min_tasks: 1, max_tasks: 4}
      image: rightsizing/demo:1
"""
CONTAINER = """\
  rightsizing:containers:
    app:
      size: {cpu_millicores: 16000, memory_mib: 15667}
      image: rightsizing/demo:1
      network_mode: none
"""


@dataclass
class Stack:
    """A deployed stack, its cloud, and the hands of somebody else on the same account."""

    ref: StackRef
    driver: EmbeddedDriver
    clients: LiveClients
    aws: AwsClients
    faults: FaultClient
    plane: DataPlane
    environment: dict[str, str]

    def api(self, service: str) -> Any:
        """A plain boto3 client."""
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )

    def read(self, workloads: Any) -> tuple[LiveFact, ...]:
        return read_facts(workloads, self.clients, stack=self.ref)

    def file(self) -> StackFile:
        return StackFile.load(self.ref.config_path)

    def plan(self, sizing: StackSizing) -> None:
        """What `rightsize plan` does at its end."""
        self.file().write_sizing(sizing)

    def apply(self, **options: Any) -> ApplyResult:
        given = {"read": self.read, "confirm": lambda _: True, "settle_seconds": 0.0, **options}
        return apply_stack(self.driver, self.ref, **given)

    def rollback(self, **options: Any) -> RollbackResult:
        given = {"read": self.read, "confirm": lambda _: True, "settle_seconds": 0.0, **options}
        return rollback(self.driver, self.ref, **given)

    def groups(self) -> dict[str, dict[str, Any]]:
        """Auto Scaling groups of the stack by slot."""
        found = self.api("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
        tagged = [({tag["Key"]: tag["Value"] for tag in group["Tags"]}, group) for group in found]
        return {
            tags["rightsizing:slot"]: group
            for tags, group in tagged
            if tags.get("rightsizing:stack") == self.ref.name
        }

    def types(self) -> dict[str, list[str]]:
        """Types of running instances by slot."""
        return {
            slot: sorted(item["InstanceType"] for item in group["Instances"])
            for slot, group in self.groups().items()
        }

    def weights(self) -> dict[str, int]:
        """Weights of the serving listener by slot."""
        elb = self.api("elbv2")
        slots = {group["TargetGroupARNs"][0]: slot for slot, group in self.groups().items()}
        for balancer in elb.describe_load_balancers()["LoadBalancers"]:
            for listener in elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])[
                "Listeners"
            ]:
                forward = listener["DefaultActions"][0].get("ForwardConfig", {})
                found = {item["TargetGroupArn"]: item["Weight"] for item in forward["TargetGroups"]}
                if listener["Port"] == 80 and set(found) & set(slots):
                    return {slots[arn]: weight for arn, weight in found.items() if arn in slots}
        return {}

    def containers(self) -> dict[str, int]:
        """Memory limits in MiB by container name, of any state, from the Docker API."""
        engine = docker.DockerClient(base_url=self.environment["DOCKER_HOST"])
        try:
            mine = {"label": f"rightsizing:stack={self.ref.name}"}
            return {
                item.name: item.attrs["HostConfig"]["Memory"] // 2**20
                for item in engine.containers.list(all=True, filters=mine)
            }
        finally:
            engine.close()


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """One local cloud for all of them."""
    local = LocalCloud(tmp_path_factory.mktemp("failures"), simulate_docker=True)
    local.start()
    yield local
    local.forget()


def build_stack(cloud: LocalCloud, folder: Path, name: str, *parts: str) -> Stack:
    """A project of its own, nothing applied."""
    folder.mkdir(exist_ok=True)
    shutil.copy(ROOT / "Pulumi.yaml", folder)
    for part in ("infra", "rightsizing/embedded/plugin"):  # the program, the plugins of Pulumi.yaml
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / part, folder / part, ignore=ignored)
    (folder / f"Pulumi.{name}.yaml").write_text(HEAD + "".join(parts))
    environment = {**os.environ, **cloud.env()}
    url = environment["AWS_ENDPOINT_URL"]
    session = boto3.Session(aws_access_key_id="testing", aws_secret_access_key="testing")
    aws = AwsClients(REGION, endpoint_url=url, session=session)
    clients = LiveClients(aws, lambda: docker.DockerClient(base_url=environment["DOCKER_HOST"]))
    driver = EmbeddedDriver(environment=environment)
    ref = StackRef(folder, "rightsizing", name)
    driver.create(ref)
    return Stack(ref, driver, clients, aws, FaultClient(url), DataPlane(url), environment)


def release_of(**sizes: tuple[Any, Any]) -> Release:
    """A release that changes these workloads in phase 1, from the first size to the second."""
    return Release(
        baseline={key: old for key, (old, _) in sizes.items()},
        phases={"1": {key: new for key, (_, new) in sizes.items()}},
    )


WEB_RELEASE = release_of(web=(WEB_OLD, WEB_NEW))
WEB_PHASE1 = StackSizing(
    WEB_RELEASE,
    1,
    RolloutState(
        fleets={
            "web": FleetRollout(
                live=Slot.B,
                a=SlotState(size=WEB_OLD, weight=0),
                b=SlotState(size=WEB_NEW, weight=100),
            )
        }
    ),
)
APP_PHASE1 = StackSizing(release_of(app=(APP_OLD, APP_NEW)), 1, RolloutState())
APP_IN_PLACE = StackSizing(release_of(app=(APP_OLD, APP_SMALL)), 1, RolloutState())
NEWS_PHASE1 = StackSizing(release_of(news=(NEWS_OLD, NEWS_NEW)), 1, RolloutState())


@pytest.fixture(scope="module")
def make_stack(cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Builds and applies a stack: (name, parts of its file...)."""

    def made(name: str, *parts: str) -> Stack:
        stack = build_stack(cloud, tmp_path_factory.mktemp(name), name, *parts)
        stack.apply().require_match()
        return stack

    return made


@pytest.fixture(scope="session")
def parts() -> dict[str, Any]:
    """Pieces of stack files and sizings by name."""
    return globals()
