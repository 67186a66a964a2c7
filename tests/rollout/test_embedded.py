"""End to end on the embedded driver: the real program, the local cloud, facts read live."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
import docker
import pytest

from rightsizing.embedded.cloud.server import LocalCloud
from rightsizing.errors import UpdateFailed
from rightsizing.measure.awsclients import AwsClients
from rightsizing.model.facts import ContainerFacts, FleetFacts, ServiceFacts
from rightsizing.model.release import Release
from rightsizing.model.rollout import FleetRollout, RolloutState, Slot, SlotState
from rightsizing.model.size import ContainerSize, FleetSize, ServiceSize
from rightsizing.model.stackconfig import StackSizing
from rightsizing.rollout.restoration import RollbackOutcome, RollbackPlan, RollbackResult
from rightsizing.rollout.rollback import rollback
from rightsizing.stack.apply import ApplyResult, apply_stack
from rightsizing.stack.configfile import StackFile
from rightsizing.stack.driver import StackRef
from rightsizing.stack.embedded_driver import EmbeddedDriver
from rightsizing.stack.facts import LiveClients, LiveFact, compare_facts, read_facts
from rightsizing.stack.inverse import Reversal
from rightsizing.stack.ledger import Ledger

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
REGION = "us-east-1"
WEB_OLD = FleetSize(instance_type="m5.xlarge", min_instances=2, max_instances=6)
WEB_NEW = FleetSize(instance_type="m7g.large", min_instances=2, max_instances=6)
NEWS_OLD = ServiceSize(cpu_units=2048, memory_mib=8192, min_tasks=1, max_tasks=4)
NEWS_NEW = ServiceSize(cpu_units=512, memory_mib=4096, min_tasks=1, max_tasks=4)
APP_OLD = ContainerSize(cpu_millicores=16_000, memory_mib=15_667)
APP_NEW = ContainerSize(cpu_millicores=4_000, memory_mib=15_667)
RELEASE = Release(
    baseline={"web": WEB_OLD, "news": NEWS_OLD, "app": APP_OLD},
    phases={"1": {"web": WEB_NEW, "news": NEWS_NEW, "app": APP_NEW}},
)
PHASE1 = StackSizing(
    RELEASE,
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
STACK_FILE = """\
config:
  pulumi:disable-default-providers: ["*"]
  rightsizing:embedded: true
  rightsizing:network: {zones: [us-east-1a, us-east-1b]}
  rightsizing:fleets:
    web:
      size: {instance_type: m5.xlarge, min_instances: 2, max_instances: 6}
      ami: {x86_64: ami-0a11ce00000000086, arm64: ami-0a11ce00000000064}
  rightsizing:services:
    news:
      size: {cpu_units: 2048, memory_mib: 8192, min_tasks: 1, max_tasks: 4}
      image: rightsizing/demo:1
  rightsizing:containers:
    # never twice
    app:
      size: {cpu_millicores: 16000, memory_mib: 15667}
      image: rightsizing/demo:1
      network_mode: none
"""


@dataclass
class Site:
    """A project of its own on a local cloud of its own."""

    stack: StackRef
    driver: EmbeddedDriver
    clients: LiveClients
    environment: dict[str, str]

    def read(self, workloads: Any) -> tuple[LiveFact, ...]:
        return read_facts(workloads, self.clients, stack=self.stack)

    def file(self) -> StackFile:
        return StackFile.load(self.stack.config_path)

    def facts(self) -> tuple[object, ...]:
        """Live facts without the names a replacement changes."""
        found = self.read(self.file().declaration().workloads())
        return tuple(nameless(fact) for fact in found)

    def apply(self, **options: Any) -> ApplyResult:
        given = {"read": self.read, "confirm": lambda _: True, "settle_seconds": 5.0, **options}
        return apply_stack(self.driver, self.stack, **given)

    def rollback(self, **options: Any) -> RollbackResult:
        given = {"read": self.read, "confirm": lambda _: True, "settle_seconds": 5.0, **options}
        return rollback(self.driver, self.stack, **given)


def nameless(fact: LiveFact) -> object:
    """A fact without the ids of what was made for it."""
    if isinstance(fact, FleetFacts):
        return replace(fact, slots=tuple(replace(slot, group_name="") for slot in fact.slots))
    if isinstance(fact, ServiceFacts):
        return replace(fact, task_definition="")
    if isinstance(fact, ContainerFacts):
        return replace(fact, container="")
    return fact


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str]]]:
    """One local cloud for the module; each test has its own project in it."""
    folder = tmp_path_factory.mktemp("cloud")
    local = LocalCloud(folder, simulate_docker=True)
    local.start()
    try:
        yield folder, local.env()
    finally:
        local.stop()


@pytest.fixture
def site(
    cloud: tuple[Path, dict[str, str]], tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Site]:
    """A project with the repository's own program and nothing deployed."""
    folder = tmp_path / "project"
    folder.mkdir()
    name = f"p{abs(hash(request.node.name)) % 10**8}"
    text = (ROOT / "Pulumi.yaml").read_text().replace("name: rightsizing", f"name: {name}")
    (folder / "Pulumi.yaml").write_text(text)
    shutil.copytree(ROOT / "infra", folder / "infra", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "Pulumi.dev.yaml").write_text(STACK_FILE)
    environment = {**os.environ, **cloud[1]}
    engine = docker.DockerClient(base_url=environment["DOCKER_HOST"])
    session = boto3.Session(aws_access_key_id="testing", aws_secret_access_key="testing")
    aws = AwsClients(REGION, endpoint_url=environment["AWS_ENDPOINT_URL"], session=session)
    stack = StackRef(folder, name, "dev")
    driver = EmbeddedDriver(environment=environment)
    driver.create(stack)
    try:
        yield Site(stack, driver, LiveClients(aws, lambda: engine), environment)
    finally:
        engine.close()


def test_there_and_back(site: Site) -> None:
    """Declared sizes, phase 1, rollback: live facts equal to each, and the first ones again."""
    before = site.stack.config_path.read_text()
    applied = site.apply()
    applied.require_match()
    first = site.facts()

    site.file().write_sizing(PHASE1)
    forward = site.apply()
    forward.require_match()
    workloads = site.file().declaration().workloads()
    assert compare_facts(site.read(workloads), PHASE1, workloads).matches
    assert site.facts() != first

    plans: list[RollbackPlan] = []
    result = site.rollback(confirm=lambda plan: plans.append(plan) or True, reason="too slow")
    assert (result.outcome, result.exit_code) == (RollbackOutcome.RESTORED, 0)
    assert site.facts() == first
    assert site.stack.config_path.read_text() == before
    ways = {step.step.type.rsplit(":", 1)[-1]: step.reversal for step in plans[0].diff.steps}
    assert ways["Listener"] is Reversal.WEIGHT_MOVE
    assert ways["Group"] is Reversal.DELETION
    reading = Ledger(site.stack.record_dir).read()
    verdicts = [
        reading.of(entry).verdict.value  # type: ignore[union-attr]
        for entry in reversed(site.driver.history(site.stack))
    ]
    assert verdicts == ["good", "rolled_back", "good"]

    # the program itself refuses what was rolled back
    site.file().write_sizing(PHASE1)
    with pytest.raises(UpdateFailed, match="quarantined"):
        site.driver.preview(site.stack)
