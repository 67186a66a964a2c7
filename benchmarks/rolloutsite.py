"""A small stack on a local cloud of its own, with traffic on a simulated clock, to roll out on."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

from rightsizing.embedded.cloud.dataplane import DataPlane, SimulatedClock
from rightsizing.embedded.cloud.plane.scenario import ConstantRate, Demand, Noise, Scenario
from rightsizing.embedded.cloud.server import LocalCloud
from rightsizing.embedded.engine.events import DiagnosticEvent
from rightsizing.embedded.engine.operation import Operation, OperationKind
from rightsizing.embedded.engine.providers import DEFAULT_PROVIDERS
from rightsizing.errors import UpdateFailed
from rightsizing.measure.awsclients import AwsClients
from rightsizing.model.release import Release
from rightsizing.model.rollout import RolloutState, Slot
from rightsizing.model.size import FleetSize
from rightsizing.model.stackconfig import StackSizing
from rightsizing.model.update import OperationResult, UpdateStatus
from rightsizing.model.verdict import Calibration, JudgePolicy, Metric, MetricCalibration
from rightsizing.rollout.awsfleet import FleetPlace, lone_fleet, watched_fleet
from rightsizing.rollout.orphans import TagSweep
from rightsizing.rollout.run import RolloutRun, WatchedFleet
from rightsizing.stack.apply import apply_stack
from rightsizing.stack.configfile import StackFile
from rightsizing.stack.driver import StackDriver, StackRef
from rightsizing.stack.embedded_driver import EmbeddedDriver
from rightsizing.stack.facts import LiveClients, read_facts
from rightsizing.stack.livefacts import Scope

ROOT = Path(__file__).resolve().parents[1]
REGION = "us-east-1"
OLD = FleetSize(instance_type="m5.xlarge", min_instances=2, max_instances=6)
GOOD = FleetSize(instance_type="m7g.large", min_instances=2, max_instances=6)
SMALL = FleetSize(instance_type="c7g.medium", min_instances=1, max_instances=2)  # 2 GiB
LEAN = SMALL.model_copy(update={"instance_type": "m7g.medium"})  # two cores at most
CORES = {"m5.xlarge": 4.0, "m7g.large": 2.0, "c7g.medium": 1.0, "m7g.medium": 1.0}
STACK_FILE = """\
config:
  pulumi:disable-default-providers: ["*"]
  rightsizing:embedded: true
  rightsizing:network: {zones: [us-east-1a, us-east-1b]}
  rightsizing:fleets:
    web:
      size: {instance_type: m5.xlarge, min_instances: 2, max_instances: 6}
      ami: {x86_64: ami-0a11ce00000000086, arm64: ami-0a11ce00000000064}
"""
QUIET = Noise(sigma=0.01, correlation=0.3)
# 200 requests a second of 12 ms are 2.4 cores; 2 GiB do not hold what it keeps in memory
SCENARIO = Scenario(
    seed=11,
    workloads={
        "web": Demand(
            rate=ConstantRate(requests_per_s=200.0),
            service_core_s=0.012,
            error_ratio=0.01,
            rate_noise=QUIET,
            shared_noise=QUIET,
            arm_noise=QUIET,
            memory_base_mib=3000.0,
        )
    },
)
POLICY = JudgePolicy(
    required=(Metric.ERRORS,),
    min_load_coverage=0,
    warm_up_looks=1,
    margin=1.5,
    max_error_ratio=0.05,
)
CALIBRATION = Calibration(
    metrics=(MetricCalibration(metric=Metric.ERRORS, spread=0.02, persistence=0.3),),
    automatic=True,
)


class InProcessDriver(EmbeddedDriver):
    """The embedded engine without a process of its own, which spares a second an operation."""

    def _run(self, stack: StackRef, operation: str, arguments: list[str], listener: Any) -> Any:  # noqa: ARG002
        message = arguments[arguments.index("--message") + 1] if "--message" in arguments else ""
        problems: list[str] = []

        def hear(event: Any) -> None:
            if isinstance(event, DiagnosticEvent) and event.severity == "error":
                problems.append(event.message)

        work = Operation(
            OperationKind(operation),
            hear,
            project_dir=stack.project_dir,
            stack=stack.name,
            backend=stack.project_dir / ".rightsizing" / "embedded",
            providers=DEFAULT_PROVIDERS,
            refresh="--refresh" in arguments,
            message=message,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pulumi-aws warns of its own names when imported
            status = work.run()
        if status is not UpdateStatus.SUCCEEDED:
            raise UpdateFailed(f"{operation} failed: {'; '.join(problems)}")
        return OperationResult(UpdateStatus.SUCCEEDED, ())


def release_of(size: FleetSize) -> Release:
    """Phase 1 gives web this size."""
    return Release(baseline={"web": OLD}, phases={"1": {"web": size}})


@dataclass
class RolloutSite:
    """One stack, its cloud, and what a command would use."""

    stack: StackRef
    aws_url: str
    environment: Mapping[str, str]
    driver: StackDriver
    said: list[str] = field(default_factory=list)

    @property
    def plane(self) -> DataPlane:
        return DataPlane(self.aws_url)

    @property
    def aws(self) -> AwsClients:
        session = boto3.Session(aws_access_key_id="testing", aws_secret_access_key="testing")
        return AwsClients(REGION, endpoint_url=self.aws_url, session=session)

    def read(self, workloads: Any) -> Any:
        clients = LiveClients(self.aws, lambda: None)
        return read_facts(workloads, clients, stack=self.stack)

    def facts(self) -> list[Any]:
        """(slot, types, weight) of every group there is, by boto3 and not from state."""
        workloads = StackFile.load(self.stack.config_path).declaration().workloads()
        return [
            (slot.slot.value, slot.running_types, slot.weight)
            for fact in self.read(workloads)
            for slot in fact.slots
        ]

    def serving(self) -> list[Any]:
        """Facts with two instances where more run: a canary is supplied by the load it meets."""
        return [
            (slot, tuple((kind, min(count, 2)) for kind, count in types), weight)
            for slot, types, weight in self.facts()
        ]

    def orphans(self) -> tuple[Any, ...]:
        """Whatever carries the stack's tags and is in no state."""
        return TagSweep(self.driver, self.stack, self.aws).find()

    def deploy(self) -> None:
        """The declared sizes, applied and verified."""
        StackFile.load(self.stack.config_path).write_sizing(StackSizing(None, 0, RolloutState()))
        apply_stack(
            self.driver, self.stack, read=self.read, confirm=lambda _: True, preview=False
        ).require_match()

    def run(self, **options: Any) -> RolloutRun:
        aws, scope = self.aws, Scope(self.stack.project, self.stack.name)
        place = FleetPlace(
            aws,
            scope,
            "web",
            options.get("cores", CORES),
            0.1,
            ("Rightsizing/Simulated", "OomKills"),
        )

        def live() -> Slot:
            fleet = StackFile.load(self.stack.config_path).sizing().rollout.fleets.get("web")
            return Slot.A if fleet is None else fleet.live

        def watch(_key: str) -> WatchedFleet:
            return watched_fleet(place, live())

        given = {
            "clock": SimulatedClock(self.plane),
            "policy": POLICY,
            "calibration": CALIBRATION,
            "cores": CORES,
            "shares": (50.0, 100.0),
            "soak_s": 240.0,
            "settle_s": 120.0,
            "say": self.said.append,
            "sweep": TagSweep(self.driver, self.stack, aws),
            **options,
        }
        return RolloutRun(
            driver=self.driver,
            stack=self.stack,
            read=self.read,
            watch=watch,
            solo=lambda _key: lone_fleet(place, live()),
            **given,
        )


def open_site(folder: Path) -> RolloutSite:
    """The stack of a folder whose local cloud runs, with an engine that is a process."""
    environment = LocalCloud(folder).env()
    driver = EmbeddedDriver(environment={**os.environ, **environment})
    stack = StackRef(folder, "rightsizing", "dev")
    return RolloutSite(stack, environment["AWS_ENDPOINT_URL"], environment, driver)


def build_site(folder: Path, *, in_process: bool = True) -> tuple[RolloutSite, LocalCloud]:
    """A project with the repository's own program, its local cloud running, nothing deployed."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "Pulumi.yaml", folder)
    shutil.copytree(ROOT / "infra", folder / "infra", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "Pulumi.dev.yaml").write_text(STACK_FILE)
    cloud = LocalCloud(folder, simulate_docker=True)
    cloud.start()
    environment = cloud.env()
    driver = (
        InProcessDriver()
        if in_process
        else EmbeddedDriver(environment={**os.environ, **environment})
    )
    stack = StackRef(folder, "rightsizing", "dev")
    driver.create(stack)
    return RolloutSite(stack, environment["AWS_ENDPOINT_URL"], environment, driver), cloud
