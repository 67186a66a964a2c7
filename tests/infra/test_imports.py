"""What a preview loads: the program must start fast and know nothing analytical."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT_DIR = Path(__file__).parents[2]
ALLOWED = ("model", "units", "errors", "sizing")
HEAVY = ("boto3", "botocore", "numpy", "pyarrow", "duckdb", "ibis", "scipy", "docker", "moto")
SOURCES = sorted((PROJECT_DIR / "infra").rglob("*.py"))


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_infra_imports_only_what_it_may(source: Path) -> None:
    """From `rightsizing` only model, units, errors and sizing."""
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            parts = name.split(".")
            if parts[0] == "rightsizing":
                assert len(parts) > 1, f"{source.name} imports all of rightsizing"
                assert parts[1] in ALLOWED, f"{source.name} imports {name}"


def test_starting_the_program_loads_nothing_heavy() -> None:
    """Importing every module of the program leaves SDKs and analytics unloaded."""
    code = (
        "import sys, infra.config, infra.providers, infra.tags\n"
        "import infra.components.fleet, infra.components.service, infra.components.containers\n"
        "print('\\n'.join(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT_DIR
    )
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert "pulumi_aws" in loaded
    assert loaded.isdisjoint(HEAVY)


def test_only_config_and_sizing_read_the_configuration() -> None:
    """One reader of pulumi.Config in infra."""
    readers = [path.name for path in SOURCES if "pulumi.Config" in path.read_text("utf-8")]
    assert readers == ["config.py"]
