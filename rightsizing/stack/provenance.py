"""Which program made an update: its files' hash, its git commit, and the versions it ran with.

The tree hash covers the program folder (``main`` of Pulumi.yaml), ``rightsizing/`` where the
project holds it, and the requirements files; it needs no git. The commit says where to find that
tree again. Changes to the three sizing keys of a stack file do not make a tree dirty: they are what
a rollout writes, and history keeps them.
"""

from __future__ import annotations

import hashlib
import platform
import subprocess
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rightsizing.errors import ConfigError
from rightsizing.model.base import FrozenModel, NoData
from rightsizing.model.update import SIZING_KEYS, Json
from rightsizing.stack.yamltext import read_yaml

PROJECT_FILE = "Pulumi.yaml"
TOOL_FOLDER = "rightsizing"
STATE_FOLDER = ".rightsizing"  # records, engine state and backend of a project
REQUIREMENTS = ("requirements.txt", "pyproject.toml", PROJECT_FILE)
PACKAGES = ("rightsizing", "pulumi", "pulumi-aws", "pulumi-docker")
GIT_TIMEOUT_SECONDS = 60  # chosen by us: status of a large tree on a slow disk
MAX_DIRTY_PATHS = 20  # enough to see what it is about
_NOT_PROGRAM = frozenset({"__pycache__", "node_modules", "venv"})


class ProgramVersion(FrozenModel):
    """The program as it was. ``dirty``: paths that differ from ``commit``, sizing keys aside."""

    tree_hash: str | NoData
    commit: str | NoData
    dirty: tuple[str, ...] = ()


def read_program(project_dir: Path) -> ProgramVersion:
    """Identify the program in a project folder; without git the commit is NoData."""
    tree_hash = hash_program(project_dir)
    commit = run_git(project_dir, ["rev-parse", "--verify", "HEAD^{commit}"])
    if isinstance(commit, NoData):
        return ProgramVersion(tree_hash=tree_hash, commit=commit)
    return ProgramVersion(tree_hash=tree_hash, commit=commit.strip(), dirty=_dirty(project_dir))


def hash_program(project_dir: Path) -> str | NoData:
    """SHA-256 over paths and contents of the program's files, in path order."""
    total = hashlib.sha256()
    try:
        for path in sorted(_program_files(project_dir)):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            total.update(f"{path.relative_to(project_dir).as_posix()}\0{content}\n".encode())
    except OSError as error:
        return NoData(f"the program in {project_dir} cannot be read: {error}")
    return total.hexdigest()


def tool_versions() -> dict[str, str]:
    """Versions of Python and of the packages an update depends on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def run_git(folder: Path, arguments: Sequence[str]) -> str | NoData:
    """Output of one git command in ``folder``; NoData when git, the repository or it is missing."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), "--no-optional-locks", *arguments],  # noqa: S607 (PATH's git)
            capture_output=True,
            text=True,
            errors="replace",
            timeout=GIT_TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return NoData(f"git could not be run: {error}")
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        return NoData(f"git {arguments[0]}: {lines[-1] if lines else 'failed'}")
    return done.stdout


def _program_files(project_dir: Path) -> Iterator[Path]:
    for name in REQUIREMENTS:
        if (project_dir / name).is_file():
            yield project_dir / name
    main = _main_folder(project_dir)
    folders = {main, project_dir / TOOL_FOLDER} if main != project_dir else {main}
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file() and _is_program(path.relative_to(project_dir)):
                yield path


def _is_program(path: Path) -> bool:
    if len(path.parts) == 1 and path.name.startswith("Pulumi."):
        return False  # stack files are configuration; Pulumi.yaml is listed by name
    hidden = any(part.startswith(".") or part in _NOT_PROGRAM for part in path.parts)
    return not hidden and path.suffix != ".pyc" and path.name not in REQUIREMENTS[1:]


def _main_folder(project_dir: Path) -> Path:
    try:
        text = (project_dir / PROJECT_FILE).read_text(encoding="utf-8")
        project = read_yaml(text, PROJECT_FILE)
    except (OSError, ConfigError):
        return project_dir
    main = project.get("main") if isinstance(project, dict) else None
    if not isinstance(main, str):
        return project_dir
    found = (project_dir / main).resolve()
    folder = found if found.is_dir() else found.parent
    return folder if folder.is_relative_to(project_dir.resolve()) else project_dir


def _dirty(project_dir: Path) -> tuple[str, ...]:
    listed = run_git(
        project_dir,
        ["status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all", "."],
    )
    prefix = run_git(project_dir, ["rev-parse", "--show-prefix"])
    if isinstance(listed, NoData) or isinstance(prefix, NoData):
        return ("unknown: git status failed",)
    found = []
    for item in filter(None, listed.split("\0")):
        status, path = item[:2], item[3:].removeprefix(prefix.strip())
        if path.startswith(STATE_FOLDER):  # ignored as a folder, but not as a link in a worktree
            continue
        if status == "??" or not _only_sizing_differs(project_dir, path):
            found.append(path)
    return tuple(sorted(found)[:MAX_DIRTY_PATHS])


def _only_sizing_differs(project_dir: Path, path: str) -> bool:
    if not (path.startswith("Pulumi.") and path.endswith(".yaml")) or path == PROJECT_FILE:
        return False
    committed = run_git(project_dir, ["show", f"HEAD:./{path}"])
    try:
        current = (project_dir / path).read_text(encoding="utf-8")
        return not isinstance(committed, NoData) and _without_sizing(committed) == _without_sizing(
            current
        )
    except (OSError, ConfigError, UnicodeDecodeError):
        return False


def _without_sizing(text: str) -> Json:
    document = read_yaml(text, "stack file")
    if not isinstance(document, dict) or not isinstance(document.get("config") or {}, dict):
        return document
    config = document.get("config") or {}
    others = {key: value for key, value in config.items() if key not in SIZING_KEYS}
    return {**document, "config": others}
