"""Which program made an update: its hash, its commit, and when it counts as changed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from rightsizing.model.base import NoData
from rightsizing.model.release import Release
from rightsizing.model.rollout import RolloutState
from rightsizing.model.size import ContainerSize
from rightsizing.model.stackconfig import StackSizing
from rightsizing.stack.configfile import StackFile
from rightsizing.stack.provenance import hash_program, read_program, tool_versions

SIZING = StackSizing(
    Release(baseline={"app": ContainerSize(cpu_millicores=500, memory_mib=64)}), 0, RolloutState()
)


def git(folder: Path, *arguments: str) -> str:
    """Run git as somebody."""
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
    return subprocess.run(
        ["git", "-C", str(folder), *identity, *arguments],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project in a subfolder of a repository, all committed."""
    folder = tmp_path / "repository" / "deploy"
    (folder / "infra" / "__pycache__").mkdir(parents=True)
    (folder / "rightsizing").mkdir()
    (folder / "Pulumi.yaml").write_text("name: proj\nmain: infra/\n")
    (folder / "Pulumi.dev.yaml").write_text("config:\n  a:b: 1  # one\n")
    (folder / "infra" / "__main__.py").write_text("print(1)\n")
    (folder / "rightsizing" / "units.py").write_text("X = 1\n")
    (folder / "requirements.txt").write_text("pulumi\n")
    (folder / ".gitignore").write_text("__pycache__/\n")
    git(tmp_path / "repository", "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "first")
    return folder


def test_a_clean_program_is_its_commit(project: Path) -> None:
    """Commit and hash are known and nothing is dirty."""
    found = read_program(project)
    assert found.commit == git(project, "rev-parse", "HEAD")
    assert found.tree_hash == hash_program(project)
    assert found.dirty == ()


@pytest.mark.parametrize(
    ("path", "changes"),
    [
        ("infra/__main__.py", True),
        ("infra/new.py", True),
        ("rightsizing/units.py", True),
        ("requirements.txt", True),
        ("Pulumi.yaml", True),
        ("infra/__pycache__/x.pyc", False),
        ("infra/.cache", False),
        ("Pulumi.dev.yaml", False),
        ("docs.md", False),
    ],
)
def test_what_makes_it_another_program(project: Path, path: str, changes: bool) -> None:
    """The program, the tool and the requirements count; caches and configuration do not."""
    before = hash_program(project)
    file = project / path
    file.write_text((file.read_text() if file.exists() else "") + "# more\n")
    assert (hash_program(project) != before) == changes


def test_a_renamed_file_is_another_program(project: Path) -> None:
    """Paths are hashed too."""
    before = hash_program(project)
    (project / "infra" / "__main__.py").rename(project / "infra" / "main2.py")
    assert hash_program(project) != before


def test_sizing_keys_do_not_make_it_dirty(project: Path) -> None:
    """A plan writes them and history keeps them; any other key of the same file does."""
    file = StackFile.load(project / "Pulumi.dev.yaml").write_sizing(SIZING)
    assert read_program(project).dirty == ()
    file.path.write_text(file.text.replace("a:b: 1", "a:b: 2"))
    assert read_program(project).dirty == ("Pulumi.dev.yaml",)


def test_changed_and_untracked_files_are_dirty(project: Path) -> None:
    """Paths are the project's, also below the repository's root."""
    (project / "infra" / "__main__.py").write_text("print(2)\n")
    (project / "infra" / "new file.py").write_text("")
    assert read_program(project).dirty == ("infra/__main__.py", "infra/new file.py")


def test_without_git_only_the_commit_is_unknown(tmp_path: Path) -> None:
    """No repository: the hash still tells whether the program is the same."""
    (tmp_path / "Pulumi.yaml").write_text("name: proj\n")
    (tmp_path / "__main__.py").write_text("print(1)\n")
    found = read_program(tmp_path)
    assert isinstance(found.tree_hash, str)
    assert isinstance(found.commit, NoData)
    assert "not a git repository" in found.commit.reason


def test_without_the_git_command(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with no git is no error."""
    monkeypatch.setenv("PATH", "")
    found = read_program(project)
    assert isinstance(found.commit, NoData)
    assert "git could not be run" in found.commit.reason


def test_versions_name_the_sdk() -> None:
    """Python and the packages an update depends on."""
    assert {"python", "pulumi", "pulumi-aws", "pulumi-docker"} <= set(tool_versions())
