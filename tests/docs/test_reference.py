"""The reference pages say what the code says, and leave nothing out."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from pydantic import BaseModel

from rightsizing import errors
from rightsizing.awscalls import policy_document
from rightsizing.cli.commands import COMMANDS
from rightsizing.cli.main import CommandTree, rightsize
from rightsizing.cli.reference import differing_pages, main, write_pages
from rightsizing.cli.referencepages import PAGES
from rightsizing.model import (
    caching,
    declaration,
    phased,
    release,
    rollout,
    serverless,
    size,
    tenancy,
    workload,
)
from rightsizing.model.measurement import MEASUREMENT_COLUMNS
from rightsizing.settings import Settings


def every_command() -> Iterator[tuple[str, click.Command]]:
    """Every command with the path people type, groups' own commands included."""
    for name, load in COMMANDS.items():
        command = load()
        yield f"rightsize {name}", command
        if isinstance(command, click.Group):
            for inner, found in command.commands.items():
                yield f"rightsize {name} {inner}", found


def stack_models() -> Iterator[type[BaseModel]]:
    """Every model that a stack file is parsed into."""
    for module in (
        caching,
        declaration,
        phased,
        release,
        rollout,
        serverless,
        size,
        tenancy,
        workload,
    ):
        for found in vars(module).values():
            is_model = isinstance(found, type) and issubclass(found, BaseModel)
            if is_model and found.__module__ == module.__name__ and found is not workload.Workload:
                yield found


def test_pages_are_up_to_date(root: Path) -> None:
    """The files are what `make docs` would write."""
    assert differing_pages(root / "docs") == ()


def test_pages_are_deterministic() -> None:
    """Making a page twice gives the same text."""
    assert {name: make() for name, make in PAGES.items()} == {
        name: make() for name, make in PAGES.items()
    }


def test_check_names_the_page_that_differs(tmp_path: Path) -> None:
    """--check ends with 1 and names exactly the page that was changed."""
    write_pages(tmp_path)
    assert CliRunner().invoke(main, [str(tmp_path), "--check"]).exit_code == 0
    changed = tmp_path / "reference" / "settings.md"
    changed.write_text(changed.read_text(encoding="utf-8") + "more\n", encoding="utf-8")
    result = CliRunner().invoke(main, [str(tmp_path), "--check"])
    assert result.exit_code == 1
    assert "settings.md" in result.output
    assert "commands.md" not in result.output


def test_missing_page_differs(tmp_path: Path) -> None:
    """A page that was never written differs too."""
    assert differing_pages(tmp_path) == tuple(PAGES)


def test_every_command_is_in_the_help() -> None:
    """--help lists every command once."""
    listed = [name for _, names in CommandTree.sections for name in names]
    assert sorted(listed) == sorted(COMMANDS)


def test_every_command_and_option_is_documented(root: Path) -> None:
    """Each command has a heading, help and example; each option a row with a meaning."""
    page = (root / "docs/reference/commands.md").read_text(encoding="utf-8")
    for path, command in [("rightsize", rightsize), *every_command()]:
        section = page if path == "rightsize" else page.split(f"### {path}\n")[1].split("\n##")[0]
        assert command.help, path
        assert (command.epilog or "").startswith("Example: "), path
        for option in command.params:
            if isinstance(option, click.Option):
                assert f"`{option.opts[0]}" in section, (path, option.name)
                assert option.help, (path, option.name)


def test_every_setting_is_documented(root: Path) -> None:
    """Each setting has a row and a description."""
    page = (root / "docs/reference/settings.md").read_text(encoding="utf-8")
    for name, field in Settings.model_fields.items():
        assert f"| `{name}` |" in page
        assert field.description, name


def test_every_column_is_documented(root: Path) -> None:
    """Each column of the store has a row."""
    page = (root / "docs/reference/measurement-schema.md").read_text(encoding="utf-8")
    assert [column.name for column in MEASUREMENT_COLUMNS if f"`{column.name}`" not in page] == []


@pytest.mark.parametrize("model", list(stack_models()), ids=lambda model: model.__name__)
def test_every_field_of_a_stack_file_has_a_meaning(model: type[BaseModel]) -> None:
    """Fields of the stack file are described where they are declared."""
    assert [name for name, field in model.model_fields.items() if not field.description] == []


def test_policies_are_on_the_page(root: Path) -> None:
    """The page holds the document that `rightsize iam-policy` prints."""
    page = (root / "docs/reference/iam-policy.md").read_text(encoding="utf-8")
    assert policy_document() in page


def test_every_error_is_documented(root: Path) -> None:
    """Each error class has a row with its exit code."""
    page = (root / "docs/reference/exit-codes.md").read_text(encoding="utf-8")
    for found in vars(errors).values():
        if isinstance(found, type) and issubclass(found, errors.RightsizingError):
            assert f"| `{found.__name__}` | `{found.exit_code}` |" in page


def test_every_exit_code_in_the_command_line_is_documented(root: Path) -> None:
    """Each constant named like an exit code, anywhere in the command line, has a row."""
    page = (root / "docs/reference/exit-codes.md").read_text(encoding="utf-8")
    found = {
        statement.value.value
        for source in (root / "rightsizing/cli").rglob("*.py")
        for statement in ast.parse(source.read_text(encoding="utf-8")).body
        if isinstance(statement, ast.Assign)
        and isinstance(statement.targets[0], ast.Name)
        and statement.targets[0].id.endswith("EXIT_CODE")
        and isinstance(statement.value, ast.Constant)
    }
    assert found >= {3, 8, 130}  # the search itself works
    assert [code for code in sorted(found) if f"| `{code}` |" not in page] == []
