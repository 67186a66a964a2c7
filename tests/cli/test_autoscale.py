"""``rightsize autoscale`` on generated request files."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from rightsizing.cli.main import run

START_MS = 20_000 * 86_400_000


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that belongs to no project, as the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_requests(days: float = 4, step_s: int = 300, scale: float = 100.0) -> str:
    """A diurnal number of requests an interval, of one resource, with an hour's hole."""
    lines = ["resource_id,timestamp,interval_s,other_metric,other_value"]
    for number in range(int(days * 86_400 / step_s)):
        hour = number * step_s / 3600
        if 30 <= hour < 31 and days > 2:
            continue
        rate = scale * (1.2 + math.sin(hour / 12 * math.pi))
        stamp = START_MS + number * step_s * 1000
        lines.append(f"web,{stamp},{step_s},requests,{rate * step_s:.0f}")
    Path("requests.csv").write_text("\n".join(lines) + "\n")
    return "requests.csv"


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Standard output of a command that succeeds."""
    assert run(["autoscale", *arguments]) == 0
    return capsys.readouterr().out


def sentence(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one sentence of a command that must fail."""
    assert run(["autoscale", *arguments]) != 0
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_a_file_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """The policy, its cost, evidence and the notes that a reader needs."""
    path = write_requests()
    found = json.loads(said(capsys, path, "--capacity", "20", "--usd-per-hour", "0.1", "--json"))
    assert found["workload"] == "web"
    assert found["within_bound"] is True
    chosen, static = found["chosen"], found["static"]
    assert chosen["mean_instances"] < static["mean_instances"]
    # 730 hours at $0.1.
    assert float(chosen["usd_per_month"]) == pytest.approx(73 * chosen["mean_instances"])
    assert any("were not measured" in note for note in found["notes"])
    assert any("300 s" in note for note in found["notes"])


def test_a_file_on_a_page(capsys: pytest.CaptureFixture[str]) -> None:
    """What was chosen, against what, and what four days cannot say."""
    page = said(capsys, "web", write_requests(), "--capacity", "20")
    for part in ("Scaling policy for web", "fixed number", "cannot certify", "Cheaper or safer"):
        assert part in page


def test_an_hourly_file_is_judged_by_the_clock(capsys: pytest.CaptureFixture[str]) -> None:
    """The note says so."""
    page = said(capsys, write_requests(step_s=3600), "--capacity", "20")
    assert "only fixed numbers and" in page


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "say how many one instance serves at full use with --capacity"),
        (("--capacity", "20", "--bound", "0"), "--bound 0 must be 0.0001 to 50"),
        (("--capacity", "20", "--usd-per-hour", "dear"), "must be an amount above 0"),
    ],
)
def test_mistakes_of_options(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    """One sentence, naming the option."""
    assert message in sentence(capsys, write_requests(), *arguments)


def test_mistakes_of_the_load(capsys: pytest.CaptureFixture[str]) -> None:
    """No traffic, too few days, a workload that is not there."""
    path = write_requests(scale=0.0)
    assert "had no traffic" in sentence(capsys, path, "--capacity", "20")
    path = write_requests(days=2)
    assert "needs at least 3" in sentence(capsys, path, "--capacity", "20")
    message = sentence(capsys, "shop", path, "--capacity", "20")
    assert "nothing was measured of shop; known: web" in message
