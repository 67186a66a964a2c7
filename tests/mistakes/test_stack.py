"""Mistakes around a running stack: each says one thing, and the next normal command works.

Containers only, on the local cloud with its simulated Docker API, so that an update takes seconds.
Every test starts from a copy of one project that was applied and measured once.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest

from rightsizing.stack.lease import hold_lease

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(sys.executable).parent / "rightsize"
PLUGINS = Path("rightsizing/embedded/plugin")
STACK = """\
config:
  rightsizing:embedded: true
  rightsizing:containers:
    first:
      size: {cpu_millicores: 8000, memory_mib: 8192}
      image: rightsizing/demo:1
      network_mode: none
      phase: 1
    second:
      size: {cpu_millicores: 8000, memory_mib: 8192}
      image: rightsizing/demo:1
      network_mode: none
      phase: 2
"""
START_MS = 1_700_000_100_000
INTERVALS = 4032  # 14 days of 300 s
PATIENCE_S = 120.0


@dataclass(frozen=True)
class Project:
    """A project folder, used as a user does."""

    folder: Path

    @property
    def file(self) -> Path:
        """The stack's configuration."""
        return self.folder / "Pulumi.dev.yaml"

    def run(self, *arguments: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
        """One command; fails the test on another exit code or a traceback."""
        done = subprocess.run(
            [SCRIPT, *arguments],
            cwd=self.folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == expect, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    def said(self, *arguments: str, expect: int) -> str:
        """The one sentence of a command that must fail."""
        lines = self.run(*arguments, expect=expect).stderr.splitlines()
        (sentence,) = (line for line in lines if line.startswith("error: "))
        return sentence

    def ask(self, *arguments: str, expect: int = 0) -> Any:
        """What a command answers with --json."""
        return json.loads(self.run("--json", *arguments, expect=expect).stdout)

    def cores(self) -> dict[str, float]:
        """Live CPU limits by workload, from the Docker API."""
        client = docker.DockerClient(base_url=self.ask("local", "env")["DOCKER_HOST"])
        return {
            item.labels["rightsizing:workload"]: item.attrs["HostConfig"]["NanoCpus"] / 1e9
            for item in client.containers.list()
        }


def environment() -> dict[str, str]:
    """Ours, without a Pulumi CLI or a cloud that was chosen elsewhere."""
    foreign = ("AWS_", "PULUMI_", "DOCKER_", "RIGHTSIZING_")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that was applied and measured; its cloud is stopped."""
    folder = tmp_path_factory.mktemp("template")
    shutil.copy(ROOT / "Pulumi.yaml", folder)
    for name in (Path("infra"), PLUGINS):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    project = Project(folder)
    project.file.write_text(STACK)
    head = "resource_id,timestamp,cpu_pct,capacity_cores,mem_bytes,capacity_mem_bytes,interval_s\n"
    rows = "".join(
        f"{key},{START_MS + 300_000 * at},{3 + at % 5},8,{6 * 1024**3},{8 * 1024**3},300\n"
        for key in ("first", "second")
        for at in range(INTERVALS)
    )
    (folder / "trace.csv").write_text(head + rows)
    project.run("--driver", "embedded", "local", "up", "--simulated-docker")
    project.run("apply", "--yes")
    project.run("measure", "--from-file", "trace.csv")
    project.run("local", "down")
    return folder


@pytest.fixture
def project(template: Path, tmp_path: Path) -> Iterator[Project]:
    """A copy with its own running cloud."""
    folder = tmp_path / "project"
    shutil.copytree(template, folder)
    found = Project(folder)
    found.run("local", "up")
    yield found
    found.run("local", "down")


def test_a_second_plan_does_not_skip_the_first(project: Project) -> None:
    """A plan that nobody applied is planned again: same release, same phase, same file."""
    project.run("plan")
    planned = project.file.read_bytes()
    project.run("plan")
    assert project.file.read_bytes() == planned
    assert "rightsizing:phase: 1" in planned.decode()
    assert "apply phase 1 first" in project.said("plan", "--phase", "2", expect=3)
    project.run("apply", "--yes")
    assert project.cores()["second"] == 8  # its turn is phase 2
    assert project.cores()["first"] < 8


def test_a_phase_edited_by_hand(project: Project) -> None:
    """The apply refuses to jump, what runs stays, and `plan` brings the file back."""
    project.run("plan")
    planned = project.file.read_text()
    project.file.write_text(planned.replace("rightsizing:phase: 1", "rightsizing:phase: 2"))
    sentence = project.said("apply", "--yes", expect=3)
    assert "phase 2 is out of order" in sentence
    assert "rightsize plan --phase 1" in sentence
    assert project.cores() == {"first": 8, "second": 8}
    project.run("plan", "--phase", "1")
    assert project.file.read_text() == planned


def test_a_release_edited_to_nonsense(project: Project) -> None:
    """Commands name the key; `plan` starts from what was applied and writes the keys anew."""
    project.run("plan")
    planned = project.file.read_text()
    project.file.write_text(planned.replace("version: 1", "version: 77"))
    assert "rightsizing:release.version" in project.said("status", expect=2)
    done = project.run("plan")
    assert "planned from what was applied last instead" in " ".join(done.stderr.split())
    assert project.file.read_text() == planned


def test_the_local_server_killed_between_commands(project: Project) -> None:
    """It is started again with everything that ran, and says so."""
    server = json.loads((project.folder / ".rightsizing/local/server.json").read_text())
    os.kill(server["pid"], signal.SIGKILL)
    done = project.run("status")
    assert "had been killed and is restored" in " ".join(done.stderr.split())
    assert project.cores() == {"first": 8, "second": 8}


def test_old_slots_are_not_retired_before_the_new_size_runs(project: Project) -> None:
    """Until a plan is applied the old slot may be the one that serves."""
    size = "{kind: fleet, instance_type: m5.large, min_instances: 1, max_instances: 1}"
    project.file.write_text(
        STACK
        + "  rightsizing:rollout:\n    fleets:\n      web:\n        live: b\n"
        + f"        a: {{size: {size}, weight: 0}}\n        b: {{size: {size}, weight: 100}}\n"
    )
    before = project.file.read_bytes()
    assert "run `rightsize apply` first" in project.said("retire", "--yes", expect=2)
    assert project.file.read_bytes() == before


def test_ctrl_c_during_an_apply(project: Project) -> None:
    """It ends with a sentence, or was just done; applied again, the stack is as the file says."""
    project.run("plan")
    process = subprocess.Popen(
        [SCRIPT, "apply", "--yes"],
        cwd=project.folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    process.stderr.readline()  # the first step: the update runs
    os.killpg(process.pid, signal.SIGINT)
    rest = process.communicate(timeout=PATIENCE_S)[1]
    assert "Traceback" not in rest
    if process.returncode != 0:
        assert process.returncode in (4, 130)
        assert "interrupted" in rest
        assert "rightsize apply" in rest
    project.run("apply", "--yes")
    assert project.ask("status")["facts"]["matches"]


@pytest.mark.parametrize("command", ["apply", "rollback", "destroy"])
def test_a_second_update_while_one_runs(project: Project, command: str) -> None:
    """The second is refused, names the first, and changes nothing."""
    with hold_lease(project.folder / ".rightsizing" / "rightsizing" / "dev", "apply"):
        sentence = project.said(command, "--yes", expect=4)
    assert f"rightsize apply (process {os.getpid()}) is working on this stack" in sentence
    assert project.cores() == {"first": 8, "second": 8}


def test_a_stack_changed_behind_our_back(project: Project) -> None:
    """A container removed by hand is seen by `status` and brought back by `apply`."""
    client = docker.DockerClient(base_url=project.ask("local", "env")["DOCKER_HOST"])
    victim = next(
        item for item in client.containers.list() if item.labels["rightsizing:workload"] == "first"
    )
    victim.remove(force=True)
    status = project.ask("status", expect=5)
    assert {item["workload"] for item in status["facts"]["mismatches"]} == {"first"}
    project.run("apply", "--yes")
    assert project.cores() == {"first": 8, "second": 8}


def test_a_rollback_with_nothing_behind_it(project: Project) -> None:
    """The first update has no way back; the file stays as it is."""
    before = project.file.read_bytes()
    sentence = project.said("rollback", "--yes", expect=4)
    assert "there is nothing to roll back to" in sentence
    assert project.file.read_bytes() == before
