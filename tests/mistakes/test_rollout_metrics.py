"""A rollout whose metrics are not there, cannot be had, or carry wrong times: one sentence each.

A fleet on the local cloud, through the command line, in this process so that it takes seconds.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import boto3
import pytest

from rightsizing.cli.main import run
from rightsizing.embedded.cloud.dataplane import DataPlane
from rightsizing.embedded.cloud.plane.scenario import ConstantRate, Demand, Scenario
from rightsizing.embedded.faults.client import FaultClient
from rightsizing.embedded.faults.plan import CallMatch, MetricMatch, MetricSkew, RefusedCall
from rightsizing.model.release import Release
from rightsizing.model.rollout import RolloutState
from rightsizing.model.size import FleetSize
from rightsizing.model.stackconfig import StackSizing
from rightsizing.stack.configfile import StackFile

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("infra", "rightsizing/embedded/plugin")
STACK = """\
config:
  rightsizing:embedded: true
  rightsizing:network: {zones: [us-east-1a, us-east-1b]}
  rightsizing:fleets:
    web:
      size: {instance_type: m5.xlarge, min_instances: 2, max_instances: 6}
      ami: {x86_64: ami-0a11ce00000000086, arm64: ami-0a11ce00000000064}
"""
OLD = FleetSize(instance_type="m5.xlarge", min_instances=2, max_instances=6)
NEW = FleetSize(instance_type="m7g.large", min_instances=2, max_instances=6)
RELEASE = Release(baseline={"web": OLD}, phases={"1": {"web": NEW}})


@dataclass(frozen=True)
class Project:
    """A project folder with its local cloud."""

    folder: Path
    url: str

    def weights(self) -> list[int]:
        """Of the serving listener, by boto3, highest first."""
        elb = boto3.client(
            "elbv2",
            region_name="us-east-1",
            endpoint_url=self.url,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )
        (balancer,) = elb.describe_load_balancers()["LoadBalancers"]
        listeners = elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
        (serving,) = (item for item in listeners if item["Port"] == 80)
        forward = serving["DefaultActions"][0]["ForwardConfig"]["TargetGroups"]
        return sorted((item["Weight"] for item in forward), reverse=True)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The fleet applied at its declared size, a release for phase 1 in its file."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copy(ROOT / "Pulumi.yaml", folder)
    for part in PARTS:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / part, folder / part, ignore=ignored)
    (folder / "Pulumi.dev.yaml").write_text(STACK)
    foreign = ("AWS_", "PULUMI_", "DOCKER_", "RIGHTSIZING_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    before = Path.cwd()
    with mock.patch.dict(os.environ, kept, clear=True):
        os.chdir(folder)
        try:
            assert run(["--driver", "embedded", "local", "up", "--simulated-docker"]) == 0
            assert run(["apply", "--yes"]) == 0
            StackFile.load(folder / "Pulumi.dev.yaml").write_sizing(
                StackSizing(RELEASE, 1, RolloutState())
            )
            yield Project(folder, os.environ["AWS_ENDPOINT_URL"])
            run(["local", "down"])
        finally:
            os.chdir(before)


@pytest.fixture
def faults(project: Project) -> Iterator[FaultClient]:
    """Nothing is planned before and after."""
    found = FaultClient(project.url)
    yield found
    found.clear()


@pytest.fixture
def busy(project: Project) -> Iterator[DataPlane]:
    """An hour of 200 requests a second behind it, on a simulated clock."""
    plane = DataPlane(project.url)
    demand = Demand(rate=ConstantRate(requests_per_s=200), service_core_s=0.01, error_ratio=0.01)
    plane.load(Scenario(workloads={"web": demand}, seed=5))
    plane.backfill(60)
    plane.advance(2)
    yield plane
    plane.stop()


def said(capsys: pytest.CaptureFixture[str], *arguments: str, expect: int) -> str:
    """Run a command that must fail; returns its one sentence."""
    capsys.readouterr()
    code = run(list(arguments))
    captured = capsys.readouterr()
    assert code == expect, captured.out + captured.err
    assert "Traceback" not in captured.err
    return captured.err.split("error: ", 1)[-1] + " " + " ".join(captured.out.split())


def test_no_traffic(project: Project, capsys) -> None:
    """Nobody asks the service anything: a canary could not be judged, so it does not begin."""
    sentence = said(capsys, "rollout", "--yes", "--steps", "50,100", expect=3)
    assert "had no request in the last 3 hours" in sentence
    assert "send traffic, or apply with `rightsize apply`" in sentence
    assert "nothing was changed" in sentence
    assert project.weights() == [100]


@pytest.mark.proof
def test_metrics_that_cannot_be_had(
    project: Project, busy: DataPlane, faults: FaultClient, capsys
) -> None:
    """CloudWatch refuses: not green, so it does not begin."""
    faults.add(RefusedCall(call=CallMatch(operation="GetMetricData"), times=None, status=503))
    sentence = said(capsys, "rollout", "--yes", "--steps", "50,100", expect=3)
    assert "cloudwatch get_metric_data with InternalFailure" in sentence
    assert "nothing was changed, run it again when that is put right" in sentence
    assert project.weights() == [100]


@pytest.mark.proof
def test_clocks_ten_minutes_apart(
    project: Project, busy: DataPlane, faults: FaultClient, capsys
) -> None:
    """Metrics from the future: judged never, the weight stays, it says how to go on or back."""
    faults.add(MetricSkew(metric=MetricMatch(namespace="AWS/ApplicationELB"), seconds=600))
    sentence = said(capsys, "rollout", "--yes", "--steps", "50,100", "--soak", "1", expect=10)
    assert "weight-50 is held, its weight stays; web: clock_skew" in sentence
    assert "`rightsize rollout --resume` goes on" in sentence
    assert project.weights() == [667, 333]
