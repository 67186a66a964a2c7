"""``rightsize backtest`` on generated traces."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest

from rightsizing.backtest import trial
from rightsizing.cli.main import run

QUICK = ["--rules", "krr-simple", "--rules", "maximum-14d", "--risk", "0.3", "--risk", "5"]
START_MS = 20_000 * 86_400_000


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that belongs to no project, as the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_trace(path: str, days: int = 28, capacity: str = "4", workloads: int = 3) -> None:
    """Hourly CPU percentages of a few workloads; an empty ``capacity`` states none."""
    generator = np.random.default_rng(1)
    lines = ["resource_id,timestamp,cpu_pct,capacity_cores,interval_s"]
    for number in range(workloads):
        for hour in range(days * 24):
            percent = round(float(generator.gamma(4, 5)), 2)
            lines.append(f"vm{number},{START_MS + hour * 3_600_000},{percent},{capacity},3600")
    Path(path).write_text("\n".join(lines) + "\n")


def said(capsys: pytest.CaptureFixture[str], arguments: list[str], exit_code: int = 0) -> str:
    """Standard output of a command that ends with this code."""
    assert run(["backtest", *arguments]) == exit_code
    return capsys.readouterr().out


def sentence(capsys: pytest.CaptureFixture[str], arguments: list[str], exit_code: int) -> str:
    """The one sentence of a command that must fail."""
    assert run(["backtest", *arguments]) == exit_code
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_a_trace_as_json(capsys) -> None:
    """28 days of three workloads: two weeks scored, every rule listed."""
    write_trace("trace.csv")
    study = json.loads(said(capsys, ["trace.csv", *QUICK, "--json"]))
    assert (study["workloads"], study["weeks"], study["mode"]) == (3, 2, "limits")
    names = [rule["name"] for rule in study["rules"]]
    assert names[:4] == ["ours-0.3pct", "ours-5pct", "krr-simple", "maximum-14d"]
    assert {item["baseline"] for item in study["comparisons"]} == {"krr-simple", "maximum-14d"}


def test_a_trace_on_a_terminal(capsys) -> None:
    """Tables for people."""
    write_trace("trace.csv")
    text = said(capsys, ["trace.csv", *QUICK])
    assert "Ours at each peer's own shortage" in text
    assert "krr-simple" in text


def test_a_folder_of_traces(capsys) -> None:
    """The same resource in two files is two workloads."""
    Path("traces").mkdir()
    for name in ("one", "two"):
        write_trace(f"traces/{name}.csv")
    study = json.loads(said(capsys, ["traces", *QUICK, "--json"]))
    assert study["workloads"] == 6


def test_the_store_of_the_folder_by_default(capsys) -> None:
    """What was measured before is replayed without naming a path; --store names another."""
    write_trace("trace.csv")
    assert run(["measure", "--from-file", "trace.csv"]) == 0
    capsys.readouterr()
    own = json.loads(said(capsys, [*QUICK, "--json"]))
    named = json.loads(said(capsys, ["--store", ".rightsizing/store", *QUICK, "--json"]))
    trace = json.loads(said(capsys, ["trace.csv", *QUICK, "--json"]))
    assert own == named == trace


def test_percentages_without_a_capacity_are_limits_in_shares(capsys) -> None:
    """One core stands for 100 %: ratios of cost are those of the stated capacity."""
    write_trace("stated.csv")
    write_trace("bare.csv", capacity="")
    stated = json.loads(said(capsys, ["stated.csv", *QUICK, "--json"]))
    bare = json.loads(said(capsys, ["bare.csv", *QUICK, "--json"]))
    assert "without a capacity" in bare["notes"][-1]
    for one, other in zip(stated["rules"], bare["rules"], strict=True):
        if one["name"] == "maximum-14d":
            assert one["overall"]["cost_ratio"] == pytest.approx(other["overall"]["cost_ratio"])


def test_bare_percentages_fit_no_type(capsys) -> None:
    """EC2 types need cores."""
    write_trace("bare.csv", capacity="")
    line = sentence(capsys, ["bare.csv", *QUICK, "--mode", "ec2"], 2)
    assert "capacity" in line
    assert "--mode limits" in line


def test_types_and_prices(capsys) -> None:
    """The mode of EC2 types names its region."""
    write_trace("trace.csv")
    study = json.loads(said(capsys, ["trace.csv", *QUICK, "--mode", "ec2", "--json"]))
    assert (study["mode"], study["region"]) == ("ec2", "us-east-1")


def test_a_page_with_plots(capsys) -> None:
    """The file is written and is HTML."""
    write_trace("trace.csv")
    said(capsys, ["trace.csv", *QUICK, "--html", "page.html"])
    assert Path("page.html").read_text().startswith("<!doctype html>")


def test_the_same_seed_gives_the_same_result(capsys) -> None:
    """Two runs print the same."""
    write_trace("trace.csv")
    one = said(capsys, ["trace.csv", *QUICK, "--json", "--seed", "7"])
    assert one == said(capsys, ["trace.csv", *QUICK, "--json", "--seed", "7"])


def test_too_short_a_history(capsys) -> None:
    """How many days there are, and how many are needed."""
    write_trace("trace.csv", days=13)
    line = sentence(capsys, ["trace.csv", *QUICK], 1)
    assert "13 days" in line
    assert "14" in line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--rules", "krr-simpel"], "did you mean krr-simple"),
        (["--risk", "much"], "neither a percentage"),
        (["--risk", "99"], "outside"),
        (["--weeks", "0"], "at least 1"),
        (["--history-days", "3"], "at least 7"),
        (["--workloads", "0"], "at least 1"),
        (["--seed", "-1"], "at least 0"),
        (["--store", "elsewhere"], "give one of them"),
    ],
)
def test_mistakes_in_arguments(capsys, arguments: list[str], words: str) -> None:
    """One sentence and exit code 2, before or after the trace is read."""
    write_trace("trace.csv")
    assert words in sentence(capsys, ["trace.csv", *arguments], 2)


def test_a_missing_file(capsys) -> None:
    """Named, with exit code 1."""
    assert "there is no file or folder nowhere.csv" in sentence(capsys, ["nowhere.csv"], 1)


def test_a_folder_without_traces(capsys) -> None:
    """Says which endings are read."""
    Path("empty").mkdir()
    assert ".parquet" in sentence(capsys, ["empty"], 1)


def test_an_empty_store(capsys) -> None:
    """As other commands say it."""
    assert "is empty" in sentence(capsys, [], 1)


def test_few_of_many_workloads_take_part(capsys) -> None:
    """The choice is by hash, the same every time, and is said."""
    write_trace("trace.csv", workloads=5)
    study = json.loads(said(capsys, ["trace.csv", *QUICK, "--workloads", "2", "--json"]))
    assert study["workloads"] == 2
    assert "2 of 5 workloads take part" in study["notes"][0]


def test_interrupted(capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the middle of the replay ends with 130 and leaves no temporary store."""
    write_trace("trace.csv")

    def stopped(*_arguments: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(trial, "replay", stopped)
    monkeypatch.setattr(tempfile, "tempdir", str(Path.cwd()))
    before = sorted(Path.cwd().iterdir())
    assert run(["backtest", "trace.csv", *QUICK]) == 130
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: interrupted")
    assert sorted(Path.cwd().iterdir()) == before
