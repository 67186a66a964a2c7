"""The same providers as plugins of the real Pulumi CLI."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import rightsizing.embedded.plugin
from rightsizing.embedded.aws.clients import AwsApi
from rightsizing.embedded.cloud.server import LocalCloud
from rightsizing.embedded.docker.connection import open_engine

pytestmark = [pytest.mark.cli, pytest.mark.slow]

PLUGINS = Path(rightsizing.embedded.plugin.__file__).parent
PROJECT = f"""
name: proof
runtime: python
plugins:
  providers:
    - {{name: aws, path: {PLUGINS}/aws, version: 0.0.1}}
    - {{name: docker, path: {PLUGINS}/docker, version: 0.0.1}}
"""
PROGRAM = """
import pulumi
import pulumi_aws as aws
import pulumi_docker as docker

version = pulumi.ResourceOptions(version="0.0.1")
on_aws = pulumi.ResourceOptions(provider=aws.Provider("aws", region="us-east-1", opts=version))
on_docker = pulumi.ResourceOptions(provider=docker.Provider("docker", opts=version))
size = pulumi.Config().require("size")
vpc = aws.ec2.Vpc("net", cidr_block="10.0.0.0/16", opts=on_aws)
subnet = aws.ec2.Subnet("net", vpc_id=vpc.id, cidr_block="10.0.0.0/24", opts=on_aws)
template = aws.ec2.LaunchTemplate(
    "template", image_id="ami-12345678", instance_type=size, opts=on_aws
)
group = aws.autoscaling.Group(
    "web",
    min_size=1,
    max_size=3,
    vpc_zone_identifiers=[subnet.id],
    launch_template={"id": template.id, "version": template.latest_version.apply(str)},
    opts=pulumi.ResourceOptions.merge(
        on_aws, pulumi.ResourceOptions(ignore_changes=["desiredCapacity"])
    ),
)
trader = docker.Container(
    "trader",
    image="rightsizing/demo:1",
    command=["sleep", "600"],
    cpus=pulumi.Config().get("cpus") or "0.5",
    memory=64,
    memory_swap=64,
    network_mode="none",
    opts=on_docker,
)
pulumi.export("group", group.name)
pulumi.export("container", trader.name)
"""


class Cli:
    """The CLI in one project folder."""

    def __init__(self, executable: str, project: Path, environment: Mapping[str, str]) -> None:
        self._executable = executable
        self._project = project
        self._environment = environment

    def run(self, *arguments: str, fails: bool = False, **variables: str) -> str:
        """Run it; returns what it printed."""
        done = subprocess.run(
            [self._executable, *arguments, "--non-interactive"],
            cwd=self._project,
            env={**self._environment, **variables},
            capture_output=True,
            check=False,
            text=True,
            timeout=300,
        )
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stdout + done.stderr

    def changes(self) -> dict[str, list[str]]:
        """Operation and changed properties by resource name, of a preview; unchanged left out."""
        done = subprocess.run(
            [self._executable, "preview", "--json", "--non-interactive"],
            cwd=self._project,
            env=dict(self._environment),
            capture_output=True,
            check=True,
            timeout=300,
        )
        steps: list[dict[str, Any]] = json.loads(done.stdout)["steps"]
        return {
            f"{step['op']} {step['urn'].rsplit('::', 1)[-1]}": sorted(step.get("diffReasons") or ())
            for step in steps
            if step["op"] != "same"
        }


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[LocalCloud]:
    """A local cloud of its own, with a simulated engine."""
    found = LocalCloud(tmp_path, simulate_docker=True)
    found.start()
    yield found
    found.forget()


@pytest.fixture
def cli(cloud: LocalCloud, tmp_path: Path) -> Cli:
    """A project with a stack. No environment is activated: only the interpreter is named."""
    install = Path.home() / ".pulumi" / "bin"
    executable = shutil.which("pulumi") or shutil.which("pulumi", path=str(install))
    if executable is None:
        pytest.skip("no Pulumi CLI on PATH or in ~/.pulumi/bin")
    project = tmp_path / "project"
    project.mkdir()
    (project / "Pulumi.yaml").write_text(PROJECT)
    (project / "__main__.py").write_text(PROGRAM)
    environment = {
        **os.environ,
        **cloud.env(),
        "PATH": f"{Path(sys.executable).parent}:{Path(executable).parent}:{os.environ['PATH']}",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }
    found = Cli(executable, project, environment)
    found.run("stack", "init", "dev")
    found.run("config", "set", "size", "m5.large")
    return found


def test_a_program_is_previewed_applied_and_refreshed(cli: Cli, cloud: LocalCloud) -> None:
    """Preview, up, no change, a resize, and a change behind our back, on the real engine."""
    api = AwsApi(cloud.env()["AWS_ENDPOINT_URL"], "us-east-1")
    autoscaling = api.client("autoscaling")
    assert "create net" in cli.changes()
    cli.run("up", "--yes", "--skip-preview")
    assert cli.changes() == {}
    name = cli.run("stack", "output", "group").strip()
    group = autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"][0]
    assert group["AutoScalingGroupName"] == name
    engine = open_engine(cloud.env()["DOCKER_HOST"])
    container = engine.containers.get(cli.run("stack", "output", "container").strip())
    assert container.attrs["HostConfig"]["NanoCpus"] == 500_000_000
    engine.close()

    cli.run("config", "set", "size", "m7g.large")
    assert cli.changes() == {"update template": ["instanceType"], "update web": ["launchTemplate"]}
    cli.run("up", "--yes", "--skip-preview")
    group = autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"][0]
    assert group["LaunchTemplate"]["Version"] == "2"
    assert [item["InstanceType"] for item in group["Instances"]] == ["m5.large"]

    autoscaling.update_auto_scaling_group(AutoScalingGroupName=name, MaxSize=7, DesiredCapacity=2)
    assert cli.changes() == {}  # state does not know yet
    cli.run("refresh", "--yes", "--skip-preview")
    assert cli.changes() == {"update web": ["maxSize"]}  # desired capacity is ignored
    cli.run("up", "--yes", "--skip-preview")
    group = autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"][0]
    assert (group["MaxSize"], group["DesiredCapacity"]) == (3, 2)
    cli.run("destroy", "--yes", "--skip-preview")
    assert autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"] == []


def test_errors_are_one_sentence(cli: Cli) -> None:
    """No traceback; nothing real is called."""
    cli.run("config", "set", "cpus", "99")
    output = cli.run("up", "--yes", "--skip-preview", fails=True)
    assert "Range of CPUs is from 0.01 to 16.00" in output
    output = cli.run("preview", fails=True, AWS_ENDPOINT_URL="https://ec2.us-east-1.amazonaws.com")
    assert "only talk to 127.0.0.1" in output
    # The CLI may show how it stopped the program; the plugin's own lines must not appear.
    assert "experimental/server.py" not in output
    assert "rightsizing/embedded" not in output
