"""Mistakes at the command line: one sentence on standard error, an exit code, no traceback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rightsizing.cli.main import run

PROJECT = "name: sample\nruntime: python\nmain: infra/\n"
FLEET = """\
config:
  rightsizing:embedded: true
  rightsizing:fleets:
    web:
      size: {instance_type: m5.large, min_instances: 1, max_instances: 2}
      ami: {x86_64: ami-1}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder with one stack, as the current folder."""
    (tmp_path / "Pulumi.yaml").write_text(PROJECT)
    (tmp_path / "Pulumi.dev.yaml").write_text(FLEET)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], arguments: list[str], exit_code: int) -> str:
    """Run a command that must fail; returns its one sentence."""
    assert run(arguments) == exit_code
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err + captured.out
    lines = [line for line in captured.err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    return lines[0]


def test_no_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    """Outside a project a stack command says where it looked."""
    monkeypatch.chdir(tmp_path)
    sentence = said(capsys, ["preview"], 2)
    assert "no Pulumi.yaml in" in sentence
    assert "--project" in sentence


def test_missing_stack(project: Path, capsys) -> None:
    """An unknown stack: the stacks there are."""
    sentence = said(capsys, ["plan", "-s", "staging"], 4)
    assert "staging" in sentence
    assert "dev" in sentence


def test_empty_store(project: Path, capsys) -> None:
    """Recommending without measurements names the command that measures."""
    sentence = said(capsys, ["recommend"], 1)
    assert "is empty" in sentence
    assert "rightsize measure" in sentence


def test_file_missing(project: Path, capsys) -> None:
    """A trace file that is not there."""
    sentence = said(capsys, ["measure", "--from-file", "nowhere.csv"], 1)
    assert "nowhere.csv" in sentence


def test_wrong_column(project: Path, capsys) -> None:
    """A wrong column is named, with the one that was probably meant."""
    (project / "trace.csv").write_text("resource_id,timestamp,cpu_prct\nvm,1700000000000,10\n")
    sentence = said(capsys, ["measure", "--from-file", "trace.csv"], 1)
    assert "cpu_prct" in sentence
    assert "cpu_pct" in sentence


def test_configuration_edited_to_nonsense(project: Path, capsys) -> None:
    """A key that does not parse is named with its value."""
    path = project / "Pulumi.dev.yaml"
    path.write_text(FLEET + "  rightsizing:phase: soon\n")
    sentence = said(capsys, ["plan"], 2)
    assert "rightsizing:phase is 'soon'" in sentence


def test_unknown_setting(project: Path, capsys) -> None:
    """An unknown setting lists the known ones."""
    sentence = said(capsys, ["recommend", "--set", "cpu_headrom=3"], 2)
    assert "cpu_headrom" in sentence
    assert "min_saving_pct" in sentence


@pytest.mark.parametrize(
    "name", ["cpu_quantile_pct", "confidence_pct", "cpu_headroom_pct", "memory_margin_pct"]
)
def test_former_settings(project: Path, capsys, name: str) -> None:
    """What risk replaced is not known, on the command line and in the stack file."""
    sentence = said(capsys, ["recommend", "--set", f"{name}=30"], 2)
    assert name in sentence
    assert "risk" in sentence
    (project / "Pulumi.dev.yaml").write_text(FLEET + f"  rightsizing:settings: {{{name}: 30}}\n")
    sentence = said(capsys, ["recommend"], 2)
    assert f"rightsizing:settings.{name}" in sentence
    assert "risk" in sentence


@pytest.mark.parametrize("risk", ["none", "0", "-1", "91", "nan"])
def test_a_risk_that_means_nothing(project: Path, capsys, risk: str) -> None:
    """Neither a preset nor a share within bounds: the presets are listed."""
    sentence = said(capsys, ["recommend", f"--risk={risk}"], 2)
    assert "max-performance" in sentence


def test_unknown_command_suggests_help(project: Path, capsys) -> None:
    """A typo in a command is a usage error."""
    assert run(["previw"]) == 2
    assert "previw" in capsys.readouterr().err


def test_local_cloud_is_not_started_for_a_real_stack(project: Path, capsys) -> None:
    """A stack that is not embedded cannot use the stand-ins."""
    (project / "Pulumi.prod.yaml").write_text(FLEET.replace("embedded: true", "embedded: false"))
    sentence = said(capsys, ["local", "up", "--stack", "prod"], 1)
    assert "prod is not an embedded stack" in sentence


def test_a_stack_command_without_local_cloud_says_how_to_start_it(project: Path, capsys) -> None:
    """An embedded stack needs `rightsize local up` first."""
    sentence = said(capsys, ["--driver", "embedded", "status"], 1)
    assert "rightsize local up" in sentence


def test_prices_unknown(project: Path, capsys) -> None:
    """An unknown type names its neighbours; an unknown price is said, never 0."""
    sentence = said(capsys, ["catalog", "show", "m5.larg"], 1)
    assert "m5.large" in sentence
    assert run(["catalog", "show", "m7g.large", "--region", "eu-west-1"]) == 0
    shown = capsys.readouterr().out
    assert "unknown" in shown
    assert "$0.00" not in shown


def test_json_errors_are_json(project: Path, capsys) -> None:
    """With --json a failure is an object on standard output too."""
    assert run(["recommend", "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["error"]["exit_code"] == 1
    assert "is empty" in answer["error"]["message"]


def test_hostile_names_are_printed_as_text(project: Path, capsys) -> None:
    """Markup in a resource id neither styles nor breaks the output."""
    (project / "trace.csv").write_text(
        "resource_id,timestamp,cpu_pct,capacity_cores,interval_s\n"
        "[bold]x[/]; rm -rf /,1700000000000,10,2,300\n"
    )
    assert run(["measure", "--from-file", "trace.csv", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["reports"][0]["observed"] == 1
    assert run(["store", "--json"]) == 0
    key = json.loads(capsys.readouterr().out)["workloads"][0]["key"]
    assert not set(key) & set("[]; ")
    assert run(["store"]) == 0
    assert key in capsys.readouterr().out
