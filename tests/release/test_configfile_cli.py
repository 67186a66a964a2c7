"""The real Pulumi CLI reads from the file exactly what the tool wrote."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from rightsizing.model.release import Release
from rightsizing.model.rollout import FleetRollout, RolloutState, Slot, SlotState
from rightsizing.model.size import ContainerSize, FleetSize
from rightsizing.model.stackconfig import StackSizing
from rightsizing.stack.configfile import StackFile, sizing_values

pytestmark = pytest.mark.cli

# Keys that one YAML reader or another takes for a number, a date, a truth value or nothing.
ODD_KEYS = ("1.5", "123", "0x1F", "010", "1e5", "1_000", "null", "true", "yes", "y", "2020-01-01")


@pytest.fixture
def pulumi(tmp_path: Path) -> dict[str, str]:
    """Environment of a project with a file backend; skipped without a CLI."""
    path = os.pathsep.join([os.environ.get("PATH", ""), str(Path.home() / ".pulumi" / "bin")])
    if shutil.which("pulumi", path=path) is None:
        pytest.skip("no Pulumi CLI on PATH or in ~/.pulumi/bin")
    (tmp_path / "backend").mkdir()
    (tmp_path / "Pulumi.yaml").write_text("name: proj\nruntime: yaml\nresources: {}\n")
    return {
        **os.environ,
        "PATH": path,
        "PULUMI_BACKEND_URL": f"file://{tmp_path / 'backend'}",
        "PULUMI_CONFIG_PASSPHRASE": "test",
        "PULUMI_SKIP_UPDATE_CHECK": "1",
    }


def run(arguments: list[str], folder: Path, environment: dict[str, str]) -> str:
    """Run the CLI and return what it printed."""
    done = subprocess.run(
        ["pulumi", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


def test_the_cli_reads_what_was_written(tmp_path: Path, pulumi: dict[str, str]) -> None:
    """Maps are structured configuration, integers stay integers, odd keys stay strings."""
    run(["stack", "init", "dev"], tmp_path, pulumi)
    run(["config", "set", "--secret", "app:password", "hunter2"], tmp_path, pulumi)
    path = tmp_path / "Pulumi.dev.yaml"
    size = ContainerSize(cpu_millicores=1500, memory_mib=2048)
    fleet = FleetSize(instance_type="m7g.large", min_instances=2, max_instances=6)
    sizing = StackSizing(
        Release(baseline=dict.fromkeys(ODD_KEYS, size), phases={"1": {"web": fleet}}),
        1,
        RolloutState(
            fleets={"web": FleetRollout(live=Slot.B, b=SlotState(size=fleet, weight=100))}
        ),
    )
    StackFile.load(path).write_sizing(sizing)
    shown = json.loads(run(["config", "--json"], tmp_path, pulumi))
    for key, wanted in sizing_values(sizing).items():
        # pulumi.Config.get_object gives the program json.loads of this text
        assert json.loads(shown[key]["value"]) == wanted
    assert shown["app:password"]["secret"]
    found = run(
        ["config", "get", "--path", "rightsizing:rollout.fleets.web.b.size.max_instances"],
        tmp_path,
        pulumi,
    )
    assert found.strip() == "6"


def test_the_cli_may_write_in_between(tmp_path: Path, pulumi: dict[str, str]) -> None:
    """`pulumi config set` re-formats the file; the tool still reads and edits it."""
    run(["stack", "init", "dev"], tmp_path, pulumi)
    path = tmp_path / "Pulumi.dev.yaml"
    if not path.exists():
        path.write_text("config: {}\n")
    release = Release(baseline={"web": ContainerSize(cpu_millicores=500, memory_mib=512)})
    StackFile.load(path).write_sizing(StackSizing(release, 0, RolloutState()))
    run(["config", "set", "rightsizing:phase", "1"], tmp_path, pulumi)
    assert StackFile.load(path).sizing() == StackSizing(release, 1, RolloutState())
    StackFile.load(path).write_sizing(StackSizing(None, 0, RolloutState()))
    assert json.loads(run(["config", "--json"], tmp_path, pulumi)) == {}
