"""The documentation as tests see it: pages, their code blocks, the command lines in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from rightsizing.cli.main import _globals_first, rightsize

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
_SHELL_LANGUAGES = ("sh", "console")
_ENDS_OF_A_COMMAND = ("&&", "||", ";", "|", ">", ">>")


@dataclass(frozen=True, slots=True)
class Page:
    """One Markdown page."""

    path: Path

    @property
    def name(self) -> str:
        """Path from the project folder."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def text(self) -> str:
        """All of it."""
        return self.path.read_text(encoding="utf-8")

    def blocks(self, *languages: str) -> list[str]:
        """Texts of the fenced code blocks in these languages."""
        return [
            found["text"] for found in _FENCE.finditer(self.text) if found["language"] in languages
        ]

    def command_lines(self) -> list[list[str]]:
        """Arguments of every ``rightsize ...`` that a reader is told to type."""
        found: list[list[str]] = []
        for block in self.blocks(*_SHELL_LANGUAGES):
            for line in block.replace("\\\n", " ").splitlines():
                found += _commands_in(line.removeprefix("$ "))
        return found


def _commands_in(line: str) -> Iterator[list[str]]:
    inner = re.search(r'"\$\((rightsize [^)]*)\)"', line)
    text = inner.group(1) if inner else line
    if not text.startswith("rightsize "):
        return
    arguments: list[str] = []
    for word in [*shlex.split(text), "&&"]:
        if word in _ENDS_OF_A_COMMAND:
            if arguments[:1] == ["rightsize"]:
                yield arguments[1:]
            arguments = []
        else:
            arguments.append(word)


def resolve(arguments: list[str]) -> tuple[str, ...]:
    """Parse a command line without running it; returns the command's path, such as local, up.

    Raises click.UsageError for a command, option or argument that does not exist.
    """
    command: click.Command = rightsize
    path: list[str] = []
    rest, context = _globals_first(arguments), None
    while True:
        try:
            context = command.make_context(" ".join(["rightsize", *path]), rest, parent=context)
        except click.exceptions.Exit:  # --help
            return tuple(path)
        if not isinstance(command, click.Group):
            return tuple(path)
        state = vars(context)  # the attribute changed its name in click 8.2
        rest = [*state.get("_protected_args", state.get("protected_args", [])), *context.args]
        if not rest and command.invoke_without_command:
            return tuple(path)
        name, found, rest = command.resolve_command(context, rest)
        assert name is not None
        assert found is not None
        path.append(name)
        command = found


def _pages(*patterns: str) -> list[Page]:
    return [Page(path) for pattern in patterns for path in sorted(ROOT.glob(pattern))]


@pytest.fixture(scope="session")
def root() -> Path:
    """The project folder."""
    return ROOT


@pytest.fixture(scope="session")
def readme() -> Page:
    """README.md."""
    return Page(ROOT / "README.md")


@pytest.fixture(scope="session")
def guides() -> list[Page]:
    """README.md and the guides: what people read to get work done."""
    return _pages("README.md", "docs/guide/*.md")


@pytest.fixture(scope="session")
def pages() -> list[Page]:
    """Every page of the project."""
    return _pages("*.md", "docs/**/*.md")


@pytest.fixture(scope="session")
def parse() -> object:
    """``resolve``, for tests."""
    return resolve
