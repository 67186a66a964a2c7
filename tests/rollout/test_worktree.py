"""The program a rollback runs: the same one, the one of then, or the present one with a note."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

World = Any  # the class lives in conftest.py, which tests cannot import


def git(folder: Path, *arguments: str) -> str:
    """Run git as somebody."""
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
    return subprocess.run(
        ["git", "-C", str(folder), *identity, *arguments],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


def program(folder: Path) -> Path:
    """The program's file."""
    return folder / "infra" / "__main__.py"


@pytest.fixture
def repository(world: World) -> World:
    """The world's project as a git repository, applied once at the declared sizes."""
    folder = world.stack.project_dir
    (folder / ".gitignore").write_text(".rightsizing/\n")
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "first")
    world.apply()
    return world


class Watched:
    """Remembers which program each operation ran, and with which environment."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.ran: list[str] = []
        self.environments: list[Any] = []
        self.folders: list[Path] = []

    def driver_in(self, environment: Any) -> Any:
        """A driver with this environment, on the same engine."""
        self.environments.append(environment)
        real = self.world.driver
        watched = self

        class Driver:
            def __getattr__(self, name: str) -> Any:
                return getattr(real, name)

            def up(self, stack: Any, **options: Any) -> Any:
                watched.ran.append(program(stack.project_dir).read_text())
                watched.folders.append(stack.project_dir)
                return real.up(stack, **options)

        return Driver()


def test_the_program_of_then_runs_when_it_has_changed(repository: World) -> None:
    """A worktree at the record's commit, with the present records and the restored keys."""
    world = repository
    folder = world.stack.project_dir
    program(folder).write_text("# the program, edited\n")
    git(folder, "commit", "-qam", "second")
    world.plan(world.phase1())
    world.apply()
    watched = Watched(world)
    result = world.rollback(driver_in=watched.driver_in)
    assert result.exit_code == 0
    assert watched.ran == ["# the program\n"]
    assert "runs as it was at commit" in " ".join(result.plan.notes)
    path = watched.environments[0]["PYTHONPATH"].split(os.pathsep)[0]
    assert Path(path) == watched.folders[0]
    first = git(folder, "rev-parse", "HEAD~1")
    assert (result.record.program.commit, result.record.program.dirty) == (first, ())
    # nothing is left behind: no folder, no worktree, no changed file
    assert not watched.folders[0].exists()
    assert git(folder, "worktree", "list", "--porcelain").count("worktree ") == 1
    assert git(folder, "status", "--porcelain") == ""


def test_the_same_program_needs_no_worktree(repository: World) -> None:
    """Another commit with the same program, and changed sizing keys: the present one runs."""
    world = repository
    (world.stack.project_dir / "notes.md").write_text("unrelated\n")
    git(world.stack.project_dir, "add", "-A")
    git(world.stack.project_dir, "commit", "-qm", "second")
    world.plan(world.phase1())
    world.apply()
    result = world.rollback()
    assert (result.exit_code, result.plan.notes) == (0, ())


def test_uncommitted_changes_of_then_cannot_be_had(world: World) -> None:
    """The commit is not what ran: the present program is used, and that is said."""
    folder = world.stack.project_dir
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "first")
    program(folder).write_text("# dirty\n")
    world.apply()
    program(folder).write_text("# later\n")
    world.plan(world.phase1())
    world.apply()
    result = world.rollback()
    assert result.exit_code == 0
    assert "had changes that commit" in " ".join(result.plan.notes)


def test_no_repository_uses_the_present_program(world: World) -> None:
    """Without git a changed program is said, and the rollback goes on."""
    world.apply()
    program(world.stack.project_dir).write_text("# edited\n")
    world.plan(world.phase1())
    world.apply()
    result = world.rollback()
    assert result.exit_code == 0
    assert "its commit is unknown" in " ".join(result.plan.notes)


def test_a_lost_commit_uses_the_present_program(repository: World) -> None:
    """A commit that is not in this clone is said, and the rollback goes on."""
    world = repository
    path = world.ledger.folder / "000001.json"
    record = world.ledger.read().records[0]
    path.write_text(path.read_text().replace(record.program.commit, "0" * 40))
    program(world.stack.project_dir).write_text("# edited\n")
    world.plan(world.phase1())
    world.apply()
    result = world.rollback()
    assert result.exit_code == 0
    assert "the present program is used" in " ".join(result.plan.notes)


def test_a_worktree_left_by_a_crash_is_made_anew(repository: World) -> None:
    """Half a worktree from before does not stop the next rollback."""
    world = repository
    folder = world.stack.project_dir
    first = git(folder, "rev-parse", "HEAD")
    left = world.stack.record_dir / f"worktree-{first[:12]}"
    git(folder, "worktree", "add", "--detach", str(left), first)
    (left / "infra" / "__main__.py").write_text("# damaged\n")
    program(folder).write_text("# edited\n")
    git(folder, "commit", "-qam", "second")
    world.plan(world.phase1())
    world.apply()
    watched = Watched(world)
    assert world.rollback(driver_in=watched.driver_in).exit_code == 0
    assert watched.ran == ["# the program\n"]
