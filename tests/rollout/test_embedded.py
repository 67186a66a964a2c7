"""End to end on the embedded driver: the real program, the local cloud, facts read live."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
import docker
import psutil
import pytest

from rightsizing.embedded.cloud.server import LocalCloud
from rightsizing.errors import StackLocked, UpdateFailed
from rightsizing.measure.awsclients import AwsClients
from rightsizing.model.facts import ContainerFacts, FleetFacts, ServiceFacts
from rightsizing.model.release import Release
from rightsizing.model.rollout import FleetRollout, RolloutState, Slot, SlotState
from rightsizing.model.size import ContainerSize, FleetSize, ServiceSize
from rightsizing.model.stackconfig import StackSizing
from rightsizing.model.update import Step, StepOp
from rightsizing.rollout.restoration import RollbackOutcome, RollbackPlan, RollbackResult
from rightsizing.rollout.rollback import rollback
from rightsizing.stack.apply import ApplyResult, apply_stack
from rightsizing.stack.cli_driver import CliDriver
from rightsizing.stack.configfile import StackFile
from rightsizing.stack.driver import DriverName, StackDriver, StackRef
from rightsizing.stack.embedded_driver import EmbeddedDriver
from rightsizing.stack.facts import LiveClients, LiveFact, compare_facts, read_facts
from rightsizing.stack.inverse import Reversal
from rightsizing.stack.ledger import Ledger
from rightsizing.stack.record import difference_sentences
from rightsizing.stack.selection import find_pulumi

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
REGION = "us-east-1"
IDENTITY = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false")
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
# The same for a stack with the container alone, applied in seconds.
APP_PHASE1 = StackSizing(
    Release(baseline={"app": APP_OLD}, phases={"1": {"app": APP_NEW}}), 1, RolloutState()
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
    # never twice
    app:
      size: {cpu_millicores: 16000, memory_mib: 15667}
      image: rightsizing/demo:1
      network_mode: none
"""
HEAD = """\
config:
  pulumi:disable-default-providers: ["*"]
  rightsizing:embedded: true
  rightsizing:network: {zones: [us-east-1a, us-east-1b]}
"""


@dataclass
class Site:
    """A project of its own on a local cloud of its own."""

    stack: StackRef
    driver: StackDriver
    clients: LiveClients
    environment: dict[str, str]

    def autoscaling(self) -> Any:
        """Somebody else's hands on the same account."""
        return boto3.client(
            "autoscaling",
            region_name=REGION,
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )

    def generations(self) -> list[str]:
        """Labels that tell which program made the stack's containers."""
        mine = {"label": f"rightsizing:stack={self.stack.name}"}
        found = self.clients.docker().containers.list(all=True, filters=mine)
        return [container.labels["generation"] for container in found]

    def read(self, workloads: Any) -> tuple[LiveFact, ...]:
        return read_facts(workloads, self.clients, stack=self.stack)

    def declare(self, *parts: str) -> None:
        """Write the stack file."""
        self.stack.config_path.write_text(HEAD + "".join(parts))

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
    name = re.sub(r"[^a-z]", "", request.node.name)  # its own stack in the shared cloud
    shutil.copy(ROOT / "Pulumi.yaml", folder)
    (folder / "rightsizing").symlink_to(ROOT / "rightsizing")  # the plugins of Pulumi.yaml
    shutil.copytree(ROOT / "infra", folder / "infra", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / f"Pulumi.{name}.yaml").write_text(HEAD)
    environment = {**os.environ, **cloud[1]}
    engine = docker.DockerClient(base_url=environment["DOCKER_HOST"])
    session = boto3.Session(aws_access_key_id="testing", aws_secret_access_key="testing")
    aws = AwsClients(REGION, endpoint_url=environment["AWS_ENDPOINT_URL"], session=session)
    stack = StackRef(folder, "rightsizing", name)
    driver: StackDriver = EmbeddedDriver(environment=environment)
    if getattr(request, "param", DriverName.EMBEDDED) is DriverName.CLI:
        pulumi = find_pulumi()
        if pulumi is None:
            pytest.skip("there is no Pulumi CLI on PATH or in ~/.pulumi/bin")
        environment["PULUMI_BACKEND_URL"] = f"file://{tmp_path / 'backend'}"
        driver = CliDriver(pulumi, environment=environment)
    driver.create(stack)
    try:
        yield Site(stack, driver, LiveClients(aws, lambda: engine), environment)
    finally:
        engine.close()


BOTH_DRIVERS = pytest.mark.parametrize(
    "site",
    [
        pytest.param(DriverName.EMBEDDED, id="embedded"),
        pytest.param(DriverName.CLI, id="cli", marks=pytest.mark.cli),
    ],
    indirect=True,
)


@BOTH_DRIVERS
def test_there_and_back(site: Site) -> None:
    """Declared sizes, phase 1, rollback: live facts equal to each, and the first ones again."""
    site.declare(FLEET, SERVICE, CONTAINER)
    applied = site.apply()
    applied.require_match()
    first = site.facts()
    before = site.stack.config_path.read_text()  # the CLI has written its salt by now

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


def test_hand_typed_updates_are_adopted(site: Site) -> None:
    """Two plain updates, no record of either: rolled back all the same, and said so."""
    site.declare(CONTAINER)
    site.driver.up(site.stack, message="by hand")
    first = site.facts()
    site.file().write_sizing(APP_PHASE1)
    site.driver.up(site.stack, message="by hand")
    assert site.facts() != first
    result = site.rollback()
    assert result.outcome is RollbackOutcome.RESTORED
    assert "never verified" in " ".join(result.plan.notes)
    assert site.facts() == first


def kill_engine(step: Step) -> None:
    """Kill the engine's process, which is our child, at the first change that finished."""
    if step.op in {StepOp.SAME, StepOp.READ} or not step.type.startswith("aws:"):
        return
    for child in psutil.Process().children(recursive=True):
        if "rightsizing.embedded.engine" in child.cmdline():
            child.kill()


@pytest.mark.proof
def test_a_killed_update_is_repaired(site: Site) -> None:
    """SIGKILL in phase 1: history knows nothing of it, a plain update is refused by the lock that
    is left, and one rollback brings everything back."""
    site.declare(FLEET, CONTAINER)
    site.apply().require_match()
    first = site.facts()
    site.file().write_sizing(PHASE1)
    with pytest.raises(UpdateFailed, match="was killed"):
        site.apply(listener=kill_engine)
    assert len(site.driver.history(site.stack)) == 1
    with pytest.raises(StackLocked):
        site.driver.up(site.stack, message="by hand")
    result = site.rollback()
    left = difference_sentences(result.facts) if result.facts is not None else ()
    assert (result.outcome, left) == (RollbackOutcome.RESTORED, ())
    assert site.facts() == first
    assert site.file().sizing().release is None


@pytest.mark.proof
def test_a_stack_changed_behind_our_back(site: Site) -> None:
    """A group's range changed by hand: state sees nothing, facts do, an apply puts it right."""
    site.declare(FLEET)
    site.apply().require_match()
    workloads = site.file().declaration().workloads()
    (fleet,) = site.read(workloads)
    assert isinstance(fleet, FleetFacts)
    site.autoscaling().update_auto_scaling_group(
        AutoScalingGroupName=fleet.slots[0].group_name, MaxSize=9
    )
    assert site.driver.preview(site.stack).changes == ()
    report = compare_facts(site.read(workloads), site.file().sizing(), workloads)
    assert difference_sentences(report) == ("web: slot a instance range should be 2-6, found 2-9",)
    site.apply().require_match()


GENERATION_TAG = """

def workload_tags(*args, **kwargs):
    return {{**own_workload_tags(*args, **kwargs), "generation": "{}"}}
"""


def test_the_program_of_then_is_what_runs(site: Site) -> None:
    """The program was edited and committed since: the rollback imports the former one."""
    folder = site.stack.project_dir
    program = folder / "infra" / "tags.py"
    former = program.read_text().replace("def workload_tags(", "def own_workload_tags(", 1)
    site.environment["PYTHONPATH"] = str(folder)  # as an editable install of this project

    def commit(generation: str) -> None:
        program.write_text(former + GENERATION_TAG.format(generation))
        for arguments in (["add", "-A"], ["commit", "-qm", generation]):
            subprocess.run(["git", "-C", str(folder), *IDENTITY, *arguments], check=True)

    subprocess.run(["git", "-C", str(folder), "init", "-q"], check=True)
    (folder / ".gitignore").write_text(".rightsizing/\n__pycache__/\n")
    site.declare(CONTAINER)
    commit("one")
    site.apply().require_match()
    site.file().write_sizing(APP_PHASE1)
    commit("two")
    site.apply().require_match()
    assert site.generations() == ["two"]

    def former_driver(environment: Mapping[str, str]) -> EmbeddedDriver:
        return EmbeddedDriver(
            environment={**site.environment, "PYTHONPATH": environment["PYTHONPATH"]}
        )

    result = site.rollback(driver_in=former_driver)
    assert result.outcome is RollbackOutcome.RESTORED
    assert "runs as it was at commit" in " ".join(result.plan.notes)
    assert site.generations() == ["one"]
