"""``rightsize monitor`` as a user types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rightsizing.cli.main import run

CLOSED_PORT = "http://127.0.0.1:1/metrics"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without a project."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def result_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """The JSON of a command that succeeds."""
    assert run([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_page_that_does_not_answer_is_down_and_reported(folder: Path, capsys) -> None:
    """One round: the workload is down, the reason is said, the exit code says partial data."""
    arguments = ["monitor", "--page", f"web={CLOSED_PORT}", "--for", "0.2", "--interval", "1"]
    assert run([*arguments, "--json"]) == 8
    (line,) = capsys.readouterr().out.splitlines()
    found = json.loads(line)
    assert found["alerts"]["pending"] == 3  # the three burn rates, for their first minute
    assert found["problems"] == ["web: 127.0.0.1:1 gave no metrics (ConnectionError)"]
    kept = result_of(capsys, "monitor", "alerts")
    assert {item["state"]["phase"] for item in kept} == {"pending", "no_data"}


def test_rules_as_prometheus_reads_them(folder: Path, capsys) -> None:
    """YAML on standard output, nothing else."""
    assert run(["monitor", "rules"]) == 0
    assert capsys.readouterr().out.startswith("groups:\n- name: rightsizing\n")


def test_a_silence_is_added_listed_and_removed(folder: Path, capsys) -> None:
    """By its number."""
    made = result_of(capsys, "monitor", "silence", "add", "--workload", "web*", "--reason", "test")
    assert made["id"] == 1
    assert [item["reason"] for item in result_of(capsys, "monitor", "silence", "list")] == ["test"]
    assert result_of(capsys, "monitor", "silence", "remove", "1") == {"removed": 1}
    assert result_of(capsys, "monitor", "silence", "list") == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "nothing to watch: give --docker, --host or --page"),
        (["--page", "web"], "--page 'web' must be WORKLOAD=http://HOST:PORT/metrics"),
        (["--page", f"a={CLOSED_PORT}", "--interval", "0"], "give 1 to 300 s"),
        (["--page", f"a={CLOSED_PORT}", "--webhook-env", "NO_SUCH"], "that variable is not set"),
        (["--page", f"a={CLOSED_PORT}", "--sns", "alerts"], "no Pulumi.yaml"),
        (["--page", f"a={CLOSED_PORT}", "--log", "no/such/folder"], "cannot be written"),
        (["--page", f"a b={CLOSED_PORT}"], "workload key 'a b' must be 1-128 letters"),
    ],
)
def test_mistakes_are_one_sentence(
    folder: Path, capsys, arguments: list[str], sentence: str
) -> None:
    """And nothing is watched."""
    assert run(["monitor", *arguments]) != 0
    error = capsys.readouterr().err
    assert sentence in error
    assert "Traceback" not in error


def test_ctrl_c_ends_it_in_order(folder: Path) -> None:
    """A process that is interrupted says how many rounds it made, and exits as usual."""
    command = [sys.executable, "-m", "rightsizing.cli.main", "monitor", "--host", "me=pytest"]
    with subprocess.Popen(
        [*command, "--interval", "1", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["round"] == 1
        process.send_signal(2)
        _, error = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "rounds" in error
    assert "Traceback" not in error
