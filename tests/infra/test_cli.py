"""The project files under the real Pulumi CLI, with no cloud and no plugin to be had.

What only the CLI decides: whether the typed configuration block is accepted, which plugin a
provider gets, and how a mistake looks.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rightsizing.stack.selection import find_pulumi

pytestmark = [pytest.mark.cli, pytest.mark.slow]

PROJECT_DIR = Path(__file__).parents[2]


class Shell:
    """A copy of the project and an environment in which nothing can be downloaded."""

    def __init__(self, folder: Path, pulumi: Path) -> None:
        self.folder = folder
        for stack_file in PROJECT_DIR.glob("Pulumi*.yaml"):
            shutil.copy(stack_file, folder)
        shutil.copytree(PROJECT_DIR / "infra", folder / "infra")
        (folder / "rightsizing").symlink_to(PROJECT_DIR / "rightsizing")
        (folder / "state").mkdir()
        self.pulumi = pulumi
        self.env = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder),
            "PULUMI_HOME": str(folder / "home"),
            "PULUMI_BACKEND_URL": f"file://{folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "rightsizing-local",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        }

    def run(self, *arguments: str) -> tuple[int, str]:
        """Exit code, and everything printed."""
        done = subprocess.run(
            [str(self.pulumi), *arguments, "--non-interactive", "--color=never"],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A project copy with both stacks."""
    pulumi = find_pulumi()
    if pulumi is None:
        pytest.skip("there is no Pulumi CLI on PATH or in ~/.pulumi/bin")
    found = Shell(tmp_path, pulumi)
    for stack in ("dev", "prod"):
        code, said = found.run("stack", "init", stack)
        assert code == 0, said
    return found


def test_prod_offline_gets_no_stand_in(shell: Shell) -> None:
    """The stand-ins of Pulumi.yaml do not serve prod: it asks for the real plugin and fails."""
    del shell.env["AWS_ENDPOINT_URL"]
    code, said = shell.run("preview", "--stack", "prod")
    assert code != 0
    assert "no resource plugin 'pulumi-resource-aws'" in said
    assert "0.0.1" not in said


def test_prod_is_refused_in_a_shell_of_the_local_cloud(shell: Shell) -> None:
    """The real plugin would obey the variable and build prod on this machine."""
    code, said = shell.run("preview", "--stack", "prod")
    assert code != 0
    assert "this stack is not embedded, but AWS_ENDPOINT_URL is 'http://127.0.0.1:1'" in said
    assert "Traceback" not in said


def test_mistake_is_one_sentence(shell: Shell) -> None:
    """A wrong value shows as the program's own sentence, without a traceback."""
    code, said = shell.run(
        "config", "set", "--stack", "dev", "--path", "rightsizing:fleets.news-api.port", "99999"
    )
    assert code == 0, said
    code, said = shell.run("preview", "--stack", "dev")
    assert code != 0
    assert "rightsizing.fleets.news-api.port" in said
    assert "found 99999" in said
    assert "Traceback" not in said


def test_wrong_type_is_refused_before_the_program_runs(shell: Shell) -> None:
    """The typed block of Pulumi.yaml names the key and the type."""
    code, said = shell.run("config", "set", "--stack", "dev", "rightsizing:fleets", "many")
    assert code == 0, said
    code, said = shell.run("preview", "--stack", "dev")
    assert code != 0
    assert "configuration key 'rightsizing:fleets' must be of type 'object'" in said


def test_stack_without_any_key_previews(shell: Shell) -> None:
    """Every listed key has a default, so an empty stack is valid and has nothing to make."""
    (shell.folder / "Pulumi.empty.yaml").write_text("config: {}\n", encoding="utf-8")
    code, said = shell.run("stack", "init", "empty")
    assert code == 0, said
    code, said = shell.run("preview", "--stack", "empty")
    assert code == 0, said
    assert "1 to create" in said  # the stack itself
