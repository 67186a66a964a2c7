"""The page of failure cases: all 32, each with tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from rightsizing.rollout.run import EXIT_CODES

CASES = 32
_CASE = re.compile(r"^\| (?P<number>\d+) \| (?P<name>[^|]+) \| [^|]+ \| (?P<code>[^|]*)\|$", re.M)
_TEST = re.compile(
    r"^\| (?P<number>\d+) \| (?P<by>[^|`]+) \| `(?P<path>[^`:]+)::(?P<name>\w+)` \|$", re.M
)


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    """The page."""
    return (root / "docs/failure-cases.md").read_text(encoding="utf-8")


def test_every_case_is_there_once(page: str) -> None:
    """In order, and each has a test."""
    numbers = [int(found["number"]) for found in _CASE.finditer(page)]
    assert numbers == list(range(1, CASES + 1))
    assert {int(found["number"]) for found in _TEST.finditer(page)} == set(numbers)


def test_every_named_test_exists(page: str, root: Path) -> None:
    """The file, and the function in it."""
    rows = list(_TEST.finditer(page))
    assert len(rows) >= CASES
    for found in rows:
        path = root / "tests" / found["path"]
        assert path.exists(), found["path"]
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        assert found["name"] in names, f"{found['path']}::{found['name']}"


def test_exit_codes_are_documented(page: str, root: Path) -> None:
    """Each code of the table is on the page of exit codes, or one that a rollout ends with."""
    known = (root / "docs/reference/exit-codes.md").read_text(encoding="utf-8")
    for found in _CASE.finditer(page):
        for code in re.findall(r"\d+", found["code"]):
            assert f"`{code}`" in known or int(code) in EXIT_CODES.values(), found["number"]
