"""Mistakes around a rollout and its way back: one sentence, what state it is in, what to type.

One container on the local cloud, through the command line, in this process so that it takes
seconds. The tests are in the order of the stack's life: applied, rolled back, then damaged.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import docker
import pytest

from rightsizing.cli.main import run
from rightsizing.embedded.faults.statefile import Damage, damage_state
from rightsizing.model.release import Release
from rightsizing.model.rollout import RolloutState
from rightsizing.model.size import ContainerSize
from rightsizing.model.stackconfig import StackSizing
from rightsizing.rollout.events import Started
from rightsizing.rollout.journal import ROLLOUTS_FOLDER, claim_journal, journal_path
from rightsizing.stack.clock import SystemClock
from rightsizing.stack.configfile import StackFile
from rightsizing.stack.intent import IntendedSizing
from rightsizing.stack.lease import hold_lease

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("infra", "rightsizing/embedded/plugin")  # the program, the plugins of Pulumi.yaml
IDENTITY = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false")
STACK = """\
config:
  rightsizing:embedded: true
  rightsizing:containers:
    app:
      size: {cpu_millicores: 8000, memory_mib: 8192}
      image: rightsizing/demo:1
      network_mode: none
"""
OLD = ContainerSize(cpu_millicores=8000, memory_mib=8192)
NEW = ContainerSize(cpu_millicores=8000, memory_mib=4096)  # in place
RELEASE = Release(baseline={"app": OLD}, phases={"1": {"app": NEW}})
PHASE1 = StackSizing(RELEASE, 1, RolloutState())
NAME = f"0001-{RELEASE.id[:12]}-p1"
# Made by the Pulumi CLI with another passphrase than the local cloud's.
SEALED = json.loads((ROOT / "tests/stack/sample/sealed.json").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Project:
    """A project folder, used as a user does."""

    folder: Path
    docker_host: str

    @property
    def file(self) -> Path:
        return self.folder / "Pulumi.dev.yaml"

    @property
    def record_dir(self) -> Path:
        return self.folder / ".rightsizing" / "rightsizing" / "dev"

    def memory(self) -> int:
        """MiB of the one container, from the Docker API."""
        client = docker.DockerClient(base_url=self.docker_host)
        (found,) = client.containers.list()
        client.close()
        return int(found.attrs["HostConfig"]["Memory"]) // 2**20

    def plan(self) -> None:
        """What `rightsize plan` does at its end."""
        StackFile.load(self.file).write_sizing(PHASE1)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project under version control, its container applied at 8,192 MiB."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copy(ROOT / "Pulumi.yaml", folder)
    for part in PARTS:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / part, folder / part, ignore=ignored)
    (folder / "Pulumi.dev.yaml").write_text(STACK)
    (folder / ".gitignore").write_text(".rightsizing/\n__pycache__/\n")
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "first"]):
        subprocess.run(["git", "-C", str(folder), *IDENTITY, *arguments], check=True)
    foreign = ("AWS_", "PULUMI_", "DOCKER_", "RIGHTSIZING_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    before = Path.cwd()
    with mock.patch.dict(os.environ, kept, clear=True):
        os.chdir(folder)
        try:
            assert run(["--driver", "embedded", "local", "up", "--simulated-docker"]) == 0
            assert run(["apply", "--yes"]) == 0
            yield Project(folder, os.environ["DOCKER_HOST"])
            run(["local", "down"])
        finally:
            os.chdir(before)


def said(capsys: pytest.CaptureFixture[str], *arguments: str, expect: int) -> str:
    """Run a command that must fail; returns its one sentence."""
    capsys.readouterr()
    code = run(list(arguments))
    captured = capsys.readouterr()
    assert code == expect, captured.out + captured.err
    assert "Traceback" not in captured.err
    lines = " ".join(captured.err.split("error: ", 1)[1:]).split("\n")
    return lines[0]


def test_nothing_to_roll_back_to(project: Project, capsys) -> None:
    """The first update has no way back."""
    before = project.file.read_bytes()
    sentence = said(capsys, "rollback", "--yes", expect=4)
    assert "there is nothing to roll back to" in sentence
    assert "nothing was changed" in sentence
    assert "`rightsize history`" in sentence
    assert (project.file.read_bytes(), project.memory()) == (before, 8192)


def test_changes_that_are_not_committed(project: Project, capsys) -> None:
    """Edited outside the sizing keys: the rollout does not begin; the keys alone do not count."""
    project.plan()
    program = project.folder / "infra" / "__main__.py"
    text = program.read_text()
    program.write_text(text + "# edited\n")
    sentence = said(capsys, "rollout", "--yes", expect=3)
    program.write_text(text)
    assert "uncommitted changes outside the sizing keys (infra/__main__.py)" in sentence
    assert "nothing was changed" in sentence
    assert "commit them, or say --allow-dirty" in sentence
    assert project.memory() == 8192
    capsys.readouterr()
    assert run(["--json", "rollout", "--explain"]) in (0, 3)
    shown = json.loads(capsys.readouterr().out)
    assert "uncommitted" not in json.dumps(shown)


@pytest.mark.parametrize("command", ["rollout", "rollback", "apply"])
def test_while_another_rollout_runs(project: Project, capsys, command: str) -> None:
    """The second names the first, and what runs stays."""
    with hold_lease(project.record_dir / ROLLOUTS_FOLDER, "rollout"):
        sentence = said(capsys, command, "--yes", expect=4)
    assert f"rightsize rollout (process {os.getpid()})" in sentence
    assert project.memory() == 8192


def test_to_a_quarantined_release(project: Project, capsys) -> None:
    """Applied, rolled back, and asked for again by its id."""
    project.plan()
    assert run(["apply", "--yes"]) == 0
    assert project.memory() == 4096
    assert run(["rollback", "--yes", "--reason", "too slow"]) == 0
    sentence = said(capsys, "rollback", "--yes", "--to", RELEASE.id[:12], expect=3)
    assert "is quarantined (too slow)" in sentence
    assert "nothing was changed" in sentence
    assert "`rightsize quarantine lift" in sentence
    assert project.memory() == 8192


def begun(project: Project, looks: int = 0) -> Path:
    """A rollout that was killed right after it began."""
    writer = claim_journal(project.record_dir, NAME, SystemClock())
    sizing = IntendedSizing.of(StackSizing(None, 0, RolloutState()))
    writer.append(
        Started(current=sizing, target=IntendedSizing.of(PHASE1), stages=("settled", "soak"))
    )
    for _ in range(looks):
        writer.append(writer.read().entries[-1].event)
    return journal_path(project.record_dir, NAME)


def test_a_journal_cut_short(project: Project, capsys) -> None:
    """The half-written line is left out and said; what is before it is explained."""
    path = begun(project)
    path.write_bytes(path.read_bytes() + b'{"entry":{"number":2,"tok')
    capsys.readouterr()
    assert run(["canary", "explain", NAME]) == 0
    assert "the last line of rollout" in " ".join(capsys.readouterr().out.split())
    path.unlink()


@pytest.mark.parametrize(
    "command", [["rollout", "--status"], ["rollout", "--resume"], ["canary", "explain"]], ids=str
)
def test_a_corrupt_journal(project: Project, capsys, command: list[str]) -> None:
    """A byte was changed: where, that nothing was changed by it, and both commands to go on."""
    path = begun(project)
    path.write_bytes(path.read_bytes().replace(b'"stages":["settled"', b'"stages":["settles"'))
    try:
        sentence = said(capsys, *command, expect=4)
    finally:
        path.unlink()
    assert "is corrupt at line 1 of 1 (its checksum is wrong)" in sentence
    assert "nothing was changed" in sentence
    assert "`rightsize status`" in sentence
    assert "`rightsize rollback`" in sentence
    assert project.memory() == 8192


def test_a_wrong_passphrase(project: Project, capsys) -> None:
    """A secret that was sealed with another one: refused before anything changes."""
    text = project.file.read_text()
    project.file.write_text(
        text.replace("config:\n", f"encryptionsalt: {SEALED['salt']}\nconfig:\n", 1)
        + f"  app:token: {{secure: '{SEALED['password']}'}}\n"
    )
    try:
        sentence = said(capsys, "apply", "--yes", expect=2)
    finally:
        project.file.write_text(text)
    assert "PULUMI_CONFIG_PASSPHRASE is not the passphrase this stack was made with" in sentence
    assert project.memory() == 8192


@pytest.mark.parametrize("damage", [Damage.TRUNCATED, Damage.GARBAGE])
def test_a_corrupt_state_file(project: Project, capsys, damage: Damage) -> None:
    """The engine's state is named with what to do; the container runs on."""
    path = project.folder / ".rightsizing/embedded/rightsizing/dev/state.json"
    whole = path.read_bytes()
    damage_state(path, damage)
    try:
        sentences = [said(capsys, name, "--yes", expect=1) for name in ("apply", "rollback")]
    finally:
        path.write_bytes(whole)
    for sentence in sentences:
        assert "state file" in sentence
        assert "state.json" in sentence
        assert "nothing was changed and what runs goes on" in sentence
        assert "`rightsize status`" in sentence
    assert project.memory() == 8192


def read_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """What a command answers with --json."""
    capsys.readouterr()
    run(["--json", *arguments])
    return json.loads(capsys.readouterr().out)


def test_afterwards_everything_works(project: Project, capsys) -> None:
    """None of it has left anything behind."""
    assert read_json(capsys, "status")["facts"]["matches"]
