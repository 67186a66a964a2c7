"""The README: its commands run, its targets exist, its figures are those of a run."""

from __future__ import annotations

import ast
import json
import re
import shlex
import shutil
import tomllib
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from rightsizing.cli.main import run

CASE = "examples/trading/case.yaml"


@pytest.fixture
def project(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the example project, as the current folder."""
    for name in ("Pulumi.yaml", "Pulumi.dev.yaml", CASE):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_make_targets_exist(root: Path, pages) -> None:
    """Each `make ...` on any page is a target of the Makefile."""
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    named = {
        target
        for page in pages
        for target in re.findall(r"(?:^|`|^ +)make ([a-z]+)\b", page.text, re.MULTILINE)
    }
    assert {"demo", "test"} <= named
    assert named - targets == set()


def test_python_version_is_the_packages(root: Path, readme) -> None:
    """The version the README asks for is what the package declares."""
    package = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    least = package["requires-python"].removeprefix(">=")
    assert f"Python {least} or newer" in readme.text


def test_the_session_is_the_demos(root: Path, readme, parse) -> None:
    """Each command of the session is one that the demo runs."""
    demo = (root / "examples/trading/demo.py").read_text(encoding="utf-8")
    typed = list(_commands_of(ast.parse(demo)))
    assert len(typed) > 10  # the search itself works
    run_by_demo = {parse(shlex.split(text)[1:]) for text in typed}
    session = {parse(arguments) for arguments in readme.command_lines()}
    assert session - run_by_demo == set()


def _commands_of(program: ast.Module) -> Iterator[str]:
    """What ``demo.run`` and ``demo.ask`` are given, with names in place of values."""
    for node in ast.walk(program):
        is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        if is_call and node.func.attr in {"run", "ask"}:
            argument = node.args[0]
            parts = argument.values if isinstance(argument, ast.JoinedStr) else [argument]
            text = "".join(
                str(part.value) if isinstance(part, ast.Constant) else "VALUE" for part in parts
            )
            if text.startswith("rightsize "):
                yield text


def test_other_commands_run(project: Path, readme, parse, capsys) -> None:
    """Commands that the README names in passing run too, here."""
    inline = re.findall(r"`rightsize ([^`]+)`", readme.text)
    session = {parse(arguments) for arguments in readme.command_lines()}
    beside = {parse(text.split()) for text in inline} - session
    assert beside == {("retire",)}
    assert run(["retire", "--yes"]) == 0
    assert "nothing to retire" in capsys.readouterr().err


def test_holdout_of_the_readme_runs(project: Path, capsys) -> None:
    """`recommend --holdout-days 14` runs on a file of 21 days: 2 of 16 cores are used, no peak."""
    rows = [
        "resource_id,timestamp,interval_s,cpu_cores,capacity_cores,mem_bytes,capacity_mem_bytes"
    ]
    hours = 21 * 24
    rows += [
        f"vm-1,{1_700_000_000 + hour * 3600},3600,2,16,{8 * 2**30},{32 * 2**30}"
        for hour in range(hours)
    ]
    (project / "vms.csv").write_text("\n".join(rows), encoding="utf-8")
    assert run(["measure", "--from-file", "vms.csv"]) == 0
    assert run(["recommend", "--holdout-days", "14", "--workload", "vm-1"]) in (0, 8)
    assert "Held back: the last 14 days" in capsys.readouterr().out


def test_findings_are_those_of_the_audit(project: Path, readme, capsys) -> None:
    """The number of findings of each severity, and the exit code."""
    assert run(["audit", CASE, "--json"]) == 3
    audit = json.loads(capsys.readouterr().out)
    found = Counter(finding["severity"] for finding in audit["findings"])
    sentence = (
        f"{found.total()} findings, of which {found['refused']} refused, {found['wrong']} wrong, "
        f"{found['unproven']} unproven and {found['note']} notes"
    )
    assert sentence in " ".join(readme.text.split())


def test_savings_are_those_of_the_audit(project: Path, readme, capsys) -> None:
    """Claimed and safe saving of every phase."""
    run(["audit", CASE, "--json"])
    for row in json.loads(capsys.readouterr().out)["safe"]["savings"]:
        title = f"{row['number']} {row['title']}" if row["number"] else row["title"]
        claimed = f"${Decimal(row['claimed_usd_per_month']):,.2f}"
        amount = row["safe_usd_per_month"]
        safe = f"${Decimal(amount):,.2f}" if isinstance(amount, str) else "unknown"
        assert f"| {title} | {claimed} | {safe} |" in readme.text


def test_figures_of_real_machines_are_the_benchmarks(root: Path, readme) -> None:
    """What the README says about the public trace is what the benchmark wrote down."""
    results = (root / "benchmarks/results/bitbrains_rnd.md").read_text(encoding="utf-8")
    counted: Counter[str] = Counter()
    for decision, number in re.findall(r"^\| (\w+) \| [^|]+ \| (\d+) \|", results, re.MULTILINE):
        counted[decision] += int(number)
    text = " ".join(readme.text.split())
    assert (
        f"downsizes {counted['downsize']}, upsizes {counted['upsize']} and keeps {counted['keep']}"
    ) in text
    reductions, held = re.search(r"Of (\d+) reductions, (\d+) held", results).groups()
    assert f"{held} of the {reductions} downsizings held" in text
    short, memory = re.search(r"(\d+) would have been short .* (\d+) would have", results).groups()
    assert f"beyond the policy in {short} and memory in {memory}" in text
