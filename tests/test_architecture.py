"""The shape of the code: which part may import which, and what the pure part may not touch."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Each part may import itself and what is listed; a part not listed as a key fails the test.
ALLOWED: dict[str, frozenset[str]] = {
    "errors": frozenset(),
    "units": frozenset(),
    "provisionactions": frozenset(),
    "awscalls": frozenset({"provisionactions"}),
    "model": frozenset({"errors", "units"}),
    "settings": frozenset({"errors", "units", "model"}),
    "sizing": frozenset({"errors", "units", "model"}),
    "profile": frozenset({"errors", "units", "model"}),
    "catalog": frozenset({"errors", "units", "model"}),
    "decide": frozenset({"errors", "units", "model", "profile", "catalog"}),
    "backtest": frozenset({"errors", "units", "model", "profile", "catalog", "decide"}),
    "plan": frozenset({"errors", "units", "model", "profile", "catalog", "decide", "backtest"}),
    "report": frozenset(
        {"errors", "units", "model", "profile", "catalog", "decide", "backtest", "plan"}
    ),
    "measure": frozenset({"errors", "units", "model", "awscalls", "catalog"}),
    "stack": frozenset({"errors", "units", "model", "embedded", "plan"}),
    "rollout": frozenset({"errors", "units", "model", "stack", "plan"}),
    "monitor": frozenset({"errors", "units", "model", "measure", "stack", "plan"}),
    "embedded": frozenset({"errors", "units", "model"}),
    "load": frozenset({"errors", "units", "model"}),
    "infra": frozenset({"errors", "units", "model", "sizing"}),
}
# `cli` wires everything and is wired by nobody.
PURE = ("model", "profile", "catalog", "decide", "backtest", "plan", "report")
FORBIDDEN_IN_PURE = frozenset(
    {"boto3", "botocore", "docker", "pulumi", "pulumi_aws", "psutil", "requests", "grpc", "random"}
)
FORBIDDEN_CALLS_IN_PURE = frozenset(
    {"os.environ", "os.getenv", "time.time", "datetime.now", "date.today", "datetime.utcnow"}
)


def _part(path: Path) -> str:
    relative = path.relative_to(ROOT).with_suffix("").parts
    if relative[0] == "infra":
        return "infra"
    return relative[1]


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute in this project"
            yield node.module or ""


def _modules(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize(
    "path", _modules("rightsizing", "infra"), ids=lambda path: str(path.relative_to(ROOT))
)
def test_imports_point_down(path: Path) -> None:
    """A module imports only parts below its own."""
    part = _part(path)
    if part in {"__init__", "cli"}:
        return
    for name in _imports(ast.parse(path.read_text())):
        names = name.split(".")
        if names[0] == "infra":
            assert part == "infra", f"{path} imports {name}"
        if names[0] == "rightsizing" and len(names) > 1 and names[1] != part:
            assert names[1] in ALLOWED[part], f"{part} may not import {name}"


@pytest.mark.parametrize(
    "path",
    _modules(*(f"rightsizing/{part}" for part in PURE)),
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_the_pure_part_touches_no_outside(path: Path) -> None:
    """No SDK, environment, clock or unseeded randomness from model to report."""
    tree = ast.parse(path.read_text())
    for name in _imports(tree):
        assert name.split(".")[0] not in FORBIDDEN_IN_PURE, f"{path} imports {name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            assert ast.unparse(node) not in FORBIDDEN_CALLS_IN_PURE, f"{path}: {ast.unparse(node)}"


def test_embedded_is_imported_lazily() -> None:
    """Outside ``embedded`` itself, no module imports it when it is loaded."""
    for path in _modules("rightsizing", "infra"):
        if _part(path) == "embedded":
            continue
        for node in ast.parse(path.read_text()).body:
            for name in _imports(node) if isinstance(node, ast.Import | ast.ImportFrom) else ():
                assert not name.startswith("rightsizing.embedded"), f"{path} imports {name} eagerly"


def test_no_module_grows_past_its_noun() -> None:
    """Modules stay under 400 lines; the longest belong to no second noun yet."""
    for path in _modules("rightsizing", "infra"):
        lines = len(path.read_text().splitlines())
        assert lines <= 400, f"{path.relative_to(ROOT)} has {lines} lines; split it"
