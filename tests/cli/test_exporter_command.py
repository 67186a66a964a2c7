"""``rightsize exporter``, and what ``monitor`` serves and prints beside its rounds."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path

import pytest

from rightsizing.cli.main import run

GROUP = f"tests={Path(sys.executable).name}"


def test_once_prints_what_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Outside a project: memory of this very process' group, no sizes, no rollout."""
    monkeypatch.chdir(tmp_path)
    assert run(["exporter", "--once", "--host", GROUP]) == 0
    page = capsys.readouterr().out
    assert 'rightsizing_workload_up{workload="tests"} 1.0' in page
    assert "rightsizing_applied" not in page
    assert "rightsizing_rollout_status" not in page


def test_serves_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says where, and ends."""
    monkeypatch.chdir(tmp_path)
    assert run(["exporter", "--port", "0", "--for", "0.1"]) == 0
    assert "metrics: http://127.0.0.1:" in capsys.readouterr().err


def test_a_taken_port_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, and what to do."""
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert run(["exporter", "--port", port, "--for", "0.1"]) == 2
    assert f"port {port} of 127.0.0.1 cannot be served on" in capsys.readouterr().err


def test_monitor_serves_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Page and metrics are said; one round is done."""
    monkeypatch.chdir(tmp_path)
    options = ["--export", "0", "--serve", "0", "--interval", "1", "--for", "0.1"]
    assert run(["monitor", "--host", GROUP, *options]) == 0
    said = capsys.readouterr().err
    assert "metrics: http://127.0.0.1:" in said
    assert "live page: http://127.0.0.1:" in said
    assert "rounds" in said
    assert (tmp_path / ".rightsizing" / "monitor" / "alerts.json").exists()


def test_dashboard_is_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It can be piped into a file and imported."""
    monkeypatch.chdir(tmp_path)
    assert run(["monitor", "dashboard"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "Rightsizing"


def test_declared_sizes_are_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a project without measurements: applied sizes, no recommendation, no saving."""
    root = Path(__file__).resolve().parents[2]
    for name in ("Pulumi.yaml", "Pulumi.dev.yaml"):
        (tmp_path / name).write_bytes((root / name).read_bytes())
    monkeypatch.chdir(tmp_path)
    assert run(["exporter", "--once"]) == 0
    page = capsys.readouterr().out
    assert "rightsizing_applied_cpu_cores{" in page
    assert "rightsizing_recommended_cpu_cores{" not in page
    assert "saving" not in page
