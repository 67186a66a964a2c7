"""Mistakes in the stack file and on the command line that need no running stack."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from rightsizing.cli.main import run
from rightsizing.stack.lease import hold_lease

PROJECT = "name: sample\nruntime: python\nmain: infra/\n"
FLEET = """\
config:
  rightsizing:embedded: true
  rightsizing:fleets:
    web:
      size: {instance_type: m5.2xlarge, min_instances: 1, max_instances: 2}
      ami: {x86_64: ami-1}
"""
PROD = FLEET.replace("embedded: true", "embedded: false")
START_MS = 1_700_000_100_000
INTERVALS = 4032  # 14 days of 300 s


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a dev and a prod stack, on a machine without credentials and Pulumi CLI."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text(PROJECT)
    (folder / "Pulumi.dev.yaml").write_text(FLEET)
    (folder / "Pulumi.prod.yaml").write_text(PROD)
    monkeypatch.chdir(folder)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))  # no ~/.aws, no ~/.pulumi
    monkeypatch.setenv("PATH", str(tmp_path))
    return folder


def said(capsys: pytest.CaptureFixture[str], arguments: list[str], exit_code: int) -> str:
    """Run a command that must fail; returns its one sentence."""
    assert run(arguments) == exit_code
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    (sentence,) = (line for line in captured.err.splitlines() if line.startswith("error: "))
    return sentence


def measure_web(stack: str = "dev") -> None:
    """14 idle days of the fleet's one machine, into a stack's store."""
    rows = "".join(
        f"web,{START_MS + 300_000 * number},{3 + number % 5},8,{4 * 1024**3},{32 * 1024**3},300\n"
        for number in range(INTERVALS)
    )
    head = "resource_id,timestamp,cpu_pct,capacity_cores,mem_bytes,capacity_mem_bytes,interval_s\n"
    Path("trace.csv").write_text(head + rows)
    assert run(["measure", "-s", stack, "--from-file", "trace.csv"]) == 0


def test_no_credentials(project: Path, capsys) -> None:
    """A real stack without credentials says so, and does not point to the local cloud."""
    sentence = said(capsys, ["-s", "prod", "measure"], 1)
    assert "no usable AWS credentials" in sentence
    assert "sign in" in sentence
    assert "local env" not in sentence


def test_wrong_region(project: Path, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt region is named at once, with the one that was probably meant."""

    def unknown_host(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown_host)
    (project / "Pulumi.prod.yaml").write_text(PROD + "  rightsizing:region: us-easst-1\n")
    sentence = said(capsys, ["-s", "prod", "measure"], 1)
    assert "'us-easst-1'" in sentence
    assert "did you mean us-east-1?" in sentence


@pytest.mark.parametrize("command", ["discover", "measure", "status", "preview", "history"])
def test_a_real_stack_never_meets_the_local_cloud(project: Path, capsys, command: str) -> None:
    """Without credentials and CLI a prod command fails, and starts nothing here."""
    assert run(["-s", "prod", command]) != 0
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    assert "local env" not in captured.err + captured.out
    assert not (project / ".rightsizing" / "local").exists()


def test_one_stack_is_never_sized_by_measurements_of_another(project: Path, capsys) -> None:
    """Two stacks share workload keys; a store belongs to one of them."""
    measure_web("dev")
    capsys.readouterr()
    assert "is empty" in said(capsys, ["-s", "prod", "plan"], 1)


@pytest.mark.parametrize("command", ["recommend", "store", "plan"])
def test_a_misspelt_stack_is_not_ignored(project: Path, capsys, command: str) -> None:
    """Commands that also work outside a project do not take a wrong name for none."""
    sentence = said(capsys, ["-s", "prd", command], 4)
    assert "'prd'" in sentence
    assert "dev, prod" in sentence


@pytest.mark.parametrize("days", ["0", "-1", "10000"])
def test_days_of_history_out_of_bounds(project: Path, capsys, days: str) -> None:
    """A number of days that CloudWatch cannot serve is refused with the limits."""
    sentence = said(capsys, ["measure", "-s", "prod", "--days", days], 2)
    assert f"{days} days" in sentence
    assert "1 to 455" in sentence


@pytest.mark.parametrize("key", ["wéb", "we b", "''", "../x", "w" * 200])
def test_a_workload_key_that_cannot_be_a_name(project: Path, capsys, key: str) -> None:
    """The key is named with what it may hold."""
    (project / "Pulumi.dev.yaml").write_text(FLEET.replace("    web:", f'    "{key}":'))
    sentence = said(capsys, ["plan"], 2)
    assert "workload key" in sentence
    assert "1-128 letters" in sentence


@pytest.mark.parametrize("value", ["&a {x: *a}", "[" * 3000 + "]" * 3000], ids=["loop", "deep"])
def test_yaml_without_an_end(project: Path, capsys, value: str) -> None:
    """A value that contains itself, or is nested without sense."""
    (project / "Pulumi.dev.yaml").write_text(f"config:\n  rightsizing:tags: {value}\n")
    assert "nested too deeply" in said(capsys, ["plan"], 2)


@pytest.mark.parametrize("name", ["../../etc", "", "a b"])
def test_a_project_name_that_is_no_folder_name(project: Path, capsys, name: str) -> None:
    """The name becomes a folder of the state, so it may not lead out of it."""
    (project / "Pulumi.yaml").write_text(f"name: '{name}'\nruntime: python\n")
    assert f"name {name!r} must be" in said(capsys, ["plan"], 2)


def test_phase_out_of_order(project: Path, capsys) -> None:
    """The second phase is refused while none is applied, and the file stays as it is."""
    measure_web()
    before = (project / "Pulumi.dev.yaml").read_bytes()
    sentence = said(capsys, ["plan", "--phase", "2"], 3)
    assert "phase 2 asked for, no phase is applied; apply phase 1 first" in sentence
    assert (project / "Pulumi.dev.yaml").read_bytes() == before


@pytest.mark.parametrize("phase", ["-1", "99"])
def test_a_phase_there_is_not(project: Path, capsys, phase: str) -> None:
    """A phase outside 0 to 9."""
    measure_web()
    assert f"phase {phase} asked for, must be 0 to 9" in said(capsys, ["plan", "--phase", phase], 2)


def test_a_release_too_large(project: Path, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the limit nothing is written, and the sentence says how to split the stack."""
    monkeypatch.setattr("rightsizing.model.release.MAX_RELEASE_BYTES", 100)
    measure_web()
    before = (project / "Pulumi.dev.yaml").read_bytes()
    sentence = said(capsys, ["plan"], 2)
    assert "split the stack" in sentence
    assert (project / "Pulumi.dev.yaml").read_bytes() == before


def test_a_planned_release_without_its_history(project: Path, capsys) -> None:
    """Whether a release was applied decides what is planned next; not knowing is an error."""
    measure_web()
    assert run(["plan"]) == 0
    planned = (project / "Pulumi.dev.yaml").read_bytes()
    capsys.readouterr()
    assert "rightsize local up" in said(capsys, ["plan"], 1)
    assert (project / "Pulumi.dev.yaml").read_bytes() == planned


def test_a_plan_while_an_apply_asks(project: Path, capsys) -> None:
    """What an apply has shown is not replaced under its feet."""
    measure_web()
    before = (project / "Pulumi.dev.yaml").read_bytes()
    with hold_lease(project / ".rightsizing" / "sample" / "dev", "apply"):
        sentence = said(capsys, ["plan"], 4)
    assert "rightsize apply (process" in sentence
    assert "wait for it" in sentence
    assert (project / "Pulumi.dev.yaml").read_bytes() == before


def test_a_system_error_is_a_sentence(project: Path, capsys) -> None:
    """The state folder is a file: the path and the reason, and no internal error."""
    (project / ".rightsizing").write_text("")
    sentence = said(capsys, ["local", "up"], 1)
    assert ".rightsizing" in sentence
    assert "internal error" not in sentence


def test_json_of_a_mistake_is_the_only_output(project: Path, capsys) -> None:
    """With --json standard output parses whatever goes wrong."""
    for arguments in (["plan"], ["-s", "prd", "status"], ["nonsense"], ["measure", "--days", "x"]):
        assert run([*arguments, "--json"]) != 0
        assert "message" in json.loads(capsys.readouterr().out)["error"]
