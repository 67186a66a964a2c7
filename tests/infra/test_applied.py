"""The shipped programs applied for real: the local cloud behind both drivers.

A short story is lived once a driver: declared sizes, a move of the fleet to its other slot
together with smaller containers, and back. Every test looks at one fact of it. Facts are asked
from the local cloud, not from state.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import boto3
import pytest
from ruamel.yaml import YAML

from rightsizing.embedded.cloud import server
from rightsizing.model.release import Release
from rightsizing.model.scaling import Predictive, ScalingPolicy, ScheduledMinimum
from rightsizing.model.size import ContainerSize, FleetSize, ServiceSize
from rightsizing.model.update import OperationResult, StepOp
from rightsizing.stack.driver import DriverName, StackDriver
from rightsizing.stack.selection import find_pulumi, load_stack, select_driver

pytestmark = pytest.mark.slow

PROJECT_DIR = Path(__file__).parents[2]
DRIVERS = [
    pytest.param(DriverName.EMBEDDED, id="embedded"),
    pytest.param(DriverName.CLI, id="cli", marks=pytest.mark.cli),
]
OLD = FleetSize(instance_type="m5.2xlarge", min_instances=2, max_instances=6)
NEW = FleetSize(instance_type="m7g.large", min_instances=2, max_instances=4)
RELEASE = Release(
    baseline={
        "news-api": OLD,
        "trader": ContainerSize(cpu_millicores=16_000, memory_mib=15_667),
    },
    phases={
        "1": {"trader": ContainerSize(cpu_millicores=1_750, memory_mib=15_667)},
        "2": {"news-api": NEW},
    },
)


def state(size: FleetSize, weight: int) -> dict[str, Any]:
    """One slot as configuration."""
    return {"size": size.model_dump(mode="json"), "weight": weight}


MOVED = {"news-api": {"live": "b", "a": state(OLD, 0), "b": state(NEW, 100)}}
BACK = {"news-api": {"live": "a", "a": state(OLD, 100), "b": state(NEW, 0)}}


@dataclass(frozen=True)
class Scene:
    """What one operation returned, and what then ran."""

    result: OperationResult
    again: OperationResult  # a preview straight after
    running: Mapping[str, tuple[str, ...]]  # slot -> types of its running instances
    weights: Mapping[str, int]  # slot -> weight in the serving listener


class Project:
    """A copy of a project folder with its own local cloud and stack."""

    def __init__(self, root: Path, source: Path, name: DriverName) -> None:
        self.folder = root / source.relative_to(PROJECT_DIR)
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in source.iterdir():
            if path.name.startswith("Pulumi.") or path.name == "__main__.py":
                shutil.copy(path, self.folder)
        if (source / "infra").exists():
            shutil.copytree(source / "infra", self.folder / "infra")
        (root / "rightsizing").symlink_to(PROJECT_DIR / "rightsizing")
        self.stack = load_stack(self.folder, "dev")
        self.driver: StackDriver = select_driver(self.stack, name)
        self.driver.create(self.stack)

    def set_sizing(self, phase: int, fleets: Mapping[str, Any], release: Release) -> None:
        """Write the three keys into the stack file."""
        yaml = YAML()
        content = yaml.load(self.stack.config_path.read_text(encoding="utf-8"))
        content["config"]["rightsizing:release"] = release.model_dump(mode="json")
        content["config"]["rightsizing:phase"] = phase
        content["config"]["rightsizing:rollout"] = {"fleets": dict(fleets)}
        text = StringIO()
        yaml.dump(content, text)
        self.stack.config_path.write_text(text.getvalue(), encoding="utf-8")

    def up(self, message: str) -> Scene:
        """Apply, preview again, and look at the cloud."""
        result = self.driver.up(self.stack, message=message)
        again = self.driver.preview(self.stack)
        return Scene(result, again, running_types(), serving_weights())


def running_types() -> dict[str, tuple[str, ...]]:
    """Types of running instances by the slot tag that their group propagated to them."""
    found: dict[str, list[str]] = {}
    running = [{"Name": "instance-state-name", "Values": ["running"]}]
    for reservation in client("ec2").describe_instances(Filters=running)["Reservations"]:
        for instance in reservation["Instances"]:
            tags = {tag["Key"]: tag["Value"] for tag in instance.get("Tags", ())}
            found.setdefault(tags.get("rightsizing:slot", "none"), []).append(
                instance["InstanceType"]
            )
    return {slot: tuple(types) for slot, types in found.items()}


def serving_weights() -> dict[str, int]:
    """Weight by slot in listeners on port 80."""
    elb = client("elbv2")
    weights: dict[str, int] = {}
    for balancer in elb.describe_load_balancers()["LoadBalancers"]:
        arn = balancer["LoadBalancerArn"]
        for listener in elb.describe_listeners(LoadBalancerArn=arn)["Listeners"]:
            if listener["Port"] != 80:
                continue
            for target in listener["DefaultActions"][0]["ForwardConfig"]["TargetGroups"]:
                tags = elb.describe_tags(ResourceArns=[target["TargetGroupArn"]])
                slot = {tag["Key"]: tag["Value"] for tag in tags["TagDescriptions"][0]["Tags"]}
                weights[slot["rightsizing:slot"]] = target["Weight"]
    return weights


def client(service: str) -> Any:
    """A client of the local cloud."""
    return boto3.client(
        service, region_name="us-east-1", endpoint_url=os.environ["AWS_ENDPOINT_URL"]
    )


@pytest.fixture(scope="module", params=DRIVERS)
def driver_name(request: pytest.FixtureRequest) -> DriverName:
    """Each driver; the CLI only where there is one."""
    if request.param is DriverName.CLI and find_pulumi() is None:
        pytest.skip("there is no Pulumi CLI on PATH or in ~/.pulumi/bin")
    name: DriverName = request.param
    return name


@contextmanager
def running_cloud(folder: Path) -> Iterator[None]:
    """A local cloud in a folder, its environment set; always with the simulated engine.

    A real engine would refuse the trader's 16 CPUs on a smaller machine.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "real_engine_host", lambda: None)
        cloud = server.LocalCloud(folder)
        cloud.start()
        try:
            for key, value in cloud.env().items():
                patch.setenv(key, value)
            yield
        finally:
            cloud.stop()


@pytest.fixture
def local_cloud(tmp_path: Path) -> Iterator[None]:
    """A local cloud of its own for one test."""
    with running_cloud(tmp_path):
        yield


@pytest.fixture(scope="module")
def story(
    driver_name: DriverName, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Scene]]:
    """Declared sizes, then phase 2, then back to before phase 1."""
    root = tmp_path_factory.mktemp(f"story-{driver_name}")
    with running_cloud(root):
        project = Project(root, PROJECT_DIR, driver_name)
        scenes = {"declared": project.up("declared")}
        project.set_sizing(2, MOVED, RELEASE)
        scenes["moved"] = project.up("phase 2")
        project.set_sizing(0, BACK, RELEASE)
        scenes["back"] = project.up("back")
        yield scenes


def changed(scene: Scene) -> dict[str, str]:
    """Operation by resource of everything that was not created."""
    return {
        f"{step.type}::{step.name}": step.op.value
        for step in scene.result.changes
        if step.op is not StepOp.CREATE
    }


def test_second_preview_changes_nothing(story: dict[str, Scene]) -> None:
    """After every step the program asks for what is there."""
    assert {name: scene.again.changes for name, scene in story.items()} == {
        "declared": (),
        "moved": (),
        "back": (),
    }


def test_declared_size_runs(story: dict[str, Scene]) -> None:
    """Two m5.2xlarge, the declared minimum, in slot a with all the traffic."""
    assert story["declared"].running == {"a": ("m5.2xlarge", "m5.2xlarge")}
    assert story["declared"].weights == {"a": 100}


def test_new_slot_runs_beside_the_old(story: dict[str, Scene]) -> None:
    """Both slots have instances; the traffic is on the new one."""
    assert story["moved"].running == {
        "a": ("m5.2xlarge", "m5.2xlarge"),
        "b": ("m7g.large", "m7g.large"),
    }
    assert story["moved"].weights == {"a": 0, "b": 100}


def test_singleton_is_replaced_and_listeners_updated(story: dict[str, Scene]) -> None:
    """Of what existed, only the trader, the listeners and the dashboard change."""
    assert changed(story["moved"]) == {
        "docker:index/container:Container::trader": "replace",
        "aws:lb/listener:Listener::news-api-probe": "update",
        "aws:lb/listener:Listener::news-api-serve": "update",
        "aws:cloudwatch/dashboard:Dashboard::news-api": "update",
    }


def test_going_back_moves_a_weight(story: dict[str, Scene]) -> None:
    """No capacity is touched on the way back: the old slot still runs."""
    assert changed(story["back"]) == {
        "docker:index/container:Container::trader": "replace",
        "aws:lb/listener:Listener::news-api-serve": "update",
    }
    assert story["back"].running == story["moved"].running
    assert story["back"].weights == {"a": 100, "b": 0}


@pytest.mark.usefixtures("local_cloud")
def test_foreign_project_is_applied_with_and_without_a_release(
    driver_name: DriverName, tmp_path: Path
) -> None:
    """The plain program: its own size, then the release's, whose group replaces the old one."""
    project = Project(tmp_path, PROJECT_DIR / "examples" / "foreign" / "plain", driver_name)
    before = project.up("own size")
    assert before.running == {"none": ("m5.large", "m5.large")}
    assert before.again.changes == ()
    small = FleetSize(instance_type="c5.large", min_instances=1, max_instances=2)
    today = FleetSize(instance_type="m5.large", min_instances=2, max_instances=4)
    project.set_sizing(
        1, {}, Release(baseline={"shop-web": today}, phases={"1": {"shop-web": small}})
    )
    after = project.up("phase 1")
    assert after.running == {"none": ("c5.large",)}
    assert changed(after)["aws:autoscaling/group:Group::web"] == "replace"


@pytest.mark.usefixtures("local_cloud")
@pytest.mark.proof
def test_scaling_policies_are_applied_and_taken_back(
    driver_name: DriverName, tmp_path: Path
) -> None:
    """Preview names them, the cloud holds them, and going back leaves the declared tracking."""
    project = Project(tmp_path, PROJECT_DIR, driver_name)
    project.up("declared")
    before = scaling_facts()
    assert before == {"tracking": [60.0], "predictive": [], "minima": [], "tasks": []}
    schedule = (
        ScheduledMinimum(cron="55 7 * * 1,2,3,4,5", minimum=4),
        ScheduledMinimum(cron="0 18 * * *", minimum=2),
    )
    fleet = OLD.model_copy(
        update={
            "scaling": ScalingPolicy(
                target_cpu_pct=50,
                warmup_seconds=60,
                schedule=schedule,
                predictive=Predictive(target_cpu_pct=55, mode="forecast_and_scale"),
            )
        }
    )
    tasks = ServiceSize(
        cpu_units=2048,
        memory_mib=8192,
        min_tasks=1,
        max_tasks=4,
        scaling=ScalingPolicy(target_cpu_pct=45, schedule=schedule[:1]),
    )
    plain = tasks.model_copy(update={"scaling": None})
    release = Release(
        baseline={"news-api": OLD, "report-service": plain},
        phases={"2": {"news-api": fleet, "report-service": tasks}},
    )
    project.set_sizing(2, {}, release)
    preview = project.driver.preview(project.stack)
    asked = {step.type for step in preview.changes if step.op is StepOp.CREATE}
    assert asked == {
        "aws:autoscaling/policy:Policy",
        "aws:autoscaling/schedule:Schedule",
        "aws:appautoscaling/scheduledAction:ScheduledAction",
    }
    assert project.up("scaling").again.changes == ()
    assert scaling_facts() == {
        "tracking": [50.0],
        "predictive": [(55.0, "ForecastAndScale", 300)],
        "minima": [("0 18 * * *", 2), ("55 7 * * 1,2,3,4,5", 4)],
        "tasks": [("cron(55 7 ? * MON,TUE,WED,THU,FRI *)", 4)],
    }
    project.set_sizing(0, {}, release)
    assert project.up("back").again.changes == ()
    assert scaling_facts() == before


def scaling_facts() -> dict[str, list[Any]]:
    """What scales the fleet's groups and the service, as the cloud says."""
    groups = client("autoscaling")
    policies = groups.describe_policies()["ScalingPolicies"]
    tracking = [item.get("TargetTrackingConfiguration") for item in policies]
    predictive = [item.get("PredictiveScalingConfiguration") for item in policies]
    actions = groups.describe_scheduled_actions()["ScheduledUpdateGroupActions"]
    tasks = client("application-autoscaling").describe_scheduled_actions(ServiceNamespace="ecs")
    return {
        "tracking": [item["TargetValue"] for item in tracking if item],
        "predictive": [
            (
                item["MetricSpecifications"][0]["TargetValue"],
                item["Mode"],
                item["SchedulingBufferTime"],
            )
            for item in predictive
            if item
        ],
        "minima": sorted((item["Recurrence"], item["MinSize"]) for item in actions),
        "tasks": [
            (item["Schedule"], item["ScalableTargetAction"]["MinCapacity"])
            for item in tasks["ScheduledActions"]
        ],
    }
