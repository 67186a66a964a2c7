"""The program a rollback runs: the present one when it is the same, else the one of then.

A rollback is a change of configuration, so normally the present program runs. When the program has
changed since the update that is restored, a git worktree at that update's commit is used, with the
present stack file in it and the present records and backend linked into it. Where the old program
cannot be had, the present one is used, and that is said.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from rightsizing.errors import StackError
from rightsizing.model.base import NoData
from rightsizing.stack.configfile import StackFile
from rightsizing.stack.driver import StackRef
from rightsizing.stack.durable import replace_file
from rightsizing.stack.provenance import STATE_FOLDER, hash_program, run_git
from rightsizing.stack.record import ReleaseRecord

_PATH_VARIABLE = "PYTHONPATH"


@dataclass(frozen=True, slots=True)
class Program:
    """Where to run an update of the stack from, and what to say about it.

    ``environment`` is what a driver's child processes need there; None: the usual one.
    """

    stack: StackRef
    notes: tuple[str, ...] = ()
    environment: Mapping[str, str] | None = None


@contextmanager
def program_of(stack: StackRef, record: ReleaseRecord | None) -> Iterator[Program]:
    """The program that made the record's update, for the block; see the module."""
    commit = _other_commit(stack, record)
    if isinstance(commit, NoData):
        yield Program(stack, (commit.reason,) if commit.reason else ())
        return
    folder = stack.record_dir.resolve() / f"worktree-{commit[:12]}"
    made = _make_worktree(stack, folder, commit)
    if isinstance(made, NoData):
        yield Program(stack, (f"{made.reason}; the present program is used",))
        return
    try:
        yield from _inside(stack, made, commit, record)
    finally:
        run_git(stack.project_dir, ["worktree", "remove", "--force", str(folder)])
        shutil.rmtree(folder, ignore_errors=True)
        run_git(stack.project_dir, ["worktree", "prune"])


def _inside(
    stack: StackRef, project_dir: Path, commit: str, record: ReleaseRecord | None
) -> Iterator[Program]:
    expected = _recorded_hash(record)
    found = hash_program(project_dir)
    if expected is not None and found != expected:
        note = (
            f"the program of that update had changes that commit {commit[:12]} does not hold; the "
            "present program is used"
        )
        yield Program(stack, (note,))
        return
    if found == hash_program(stack.project_dir):
        yield Program(stack)
        return
    _link_state(stack, project_dir)
    yield Program(
        replace(stack, project_dir=project_dir),
        (f"the program has changed since; it runs as it was at commit {commit[:12]}",),
        _importing_from(project_dir),
    )


def _other_commit(stack: StackRef, record: ReleaseRecord | None) -> str | NoData:
    """The commit to go to; NoData with an empty reason when the present program is the same."""
    if record is None or isinstance(record.program, NoData):
        return NoData("which program made that update is unknown; the present one is used")
    expected = _recorded_hash(record)
    if expected is not None and expected == hash_program(stack.project_dir):
        return NoData("")
    commit = record.program.commit
    if isinstance(commit, NoData):
        return NoData(
            f"the program has changed since that update and its commit is unknown "
            f"({commit.reason}); the present one is used"
        )
    return commit


def _recorded_hash(record: ReleaseRecord | None) -> str | None:
    if record is None or isinstance(record.program, NoData):
        return None
    found = record.program.tree_hash
    return None if isinstance(found, NoData) else found


def _make_worktree(stack: StackRef, folder: Path, commit: str) -> Path | NoData:
    """A clean checkout of ``commit``; returns the project's folder in it."""
    prefix = run_git(stack.project_dir, ["rev-parse", "--show-prefix"])
    if isinstance(prefix, NoData):
        return prefix
    run_git(stack.project_dir, ["worktree", "remove", "--force", str(folder)])  # left by a crash
    shutil.rmtree(folder, ignore_errors=True)
    run_git(stack.project_dir, ["worktree", "prune"])
    made = run_git(stack.project_dir, ["worktree", "add", "--detach", str(folder), commit])
    if isinstance(made, NoData):
        return made
    return folder / prefix.strip()


def _link_state(stack: StackRef, project_dir: Path) -> None:
    try:
        state = stack.project_dir.resolve() / STATE_FOLDER
        state.mkdir(exist_ok=True)
        (project_dir / STATE_FOLDER).symlink_to(state, target_is_directory=True)
    except OSError as error:
        raise StackError(f"{project_dir} could not be prepared: {error}") from error
    present = StackFile.load(stack.config_path)
    replace_file(project_dir / stack.config_path.name, present.text.encode("utf-8"))


def _importing_from(project_dir: Path) -> dict[str, str]:
    """Let the engine's child processes import the old ``rightsizing`` and ``infra`` packages."""
    before = os.environ.get(_PATH_VARIABLE)
    parts = [str(project_dir), *([before] if before else [])]
    return {**os.environ, _PATH_VARIABLE: os.pathsep.join(parts)}
