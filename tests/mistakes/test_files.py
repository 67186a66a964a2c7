"""Mistakes in trace files: what is stored, what is left out, and the sentence that says so."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from rightsizing.cli.main import run

HEAD = "resource_id,timestamp,cpu_pct,capacity_cores,interval_s\n"
START_MS = 1_700_000_100_000  # a multiple of 300 s
SCRIPT = Path(sys.executable).parent / "rightsize"
FULL_AT_BYTES = 2048  # of any one file: the lock fits, the first Parquet file does not


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that belongs to no project, as the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rows(*values: tuple[int, str]) -> str:
    """A trace of one machine with 2 cores: (intervals after START_MS, CPU percent)."""
    return HEAD + "".join(f"vm,{START_MS + 300_000 * at},{cpu},2,300\n" for at, cpu in values)


def measured(capsys: pytest.CaptureFixture[str], text: str) -> dict:
    """The report of reading a trace that can be used."""
    Path("trace.csv").write_text(text)
    assert run(["measure", "--from-file", "trace.csv", "--json"]) == 0
    return json.loads(capsys.readouterr().out)["reports"][0]


def refused(capsys: pytest.CaptureFixture[str], arguments: list[str], exit_code: int) -> str:
    """The one sentence of a command that must fail, with an empty store after it."""
    assert run(arguments) == exit_code
    captured = capsys.readouterr()
    assert captured.out == ""
    (sentence,) = captured.err.splitlines()
    assert run(["store"]) == 1
    assert "is empty" in capsys.readouterr().err
    return sentence


def test_negative_values_are_left_out(capsys) -> None:
    """A negative percentage is skipped with value and line; the other row is stored."""
    report = measured(capsys, rows((0, "-5"), (1, "10")))
    assert (report["observed"], report["new"]) == (1, 1)
    (skip,) = report["skipped"]
    assert "cpu_pct is negative" in skip["reason"]
    assert "-5 in line 2" in skip["reason"]


def test_above_a_hundred_percent_is_kept_and_said(capsys) -> None:
    """CPU above 100 % happens (burst): it is stored, with a remark."""
    report = measured(capsys, rows((0, "150"), (1, "10")))
    assert report["observed"] == 2
    assert "above 100 %" in report["notes"][0]["reason"]


def test_two_units_in_one_file(capsys) -> None:
    """Seconds among milliseconds: nothing is guessed, nothing is stored."""
    Path("trace.csv").write_text(rows((0, "10")) + "vm,1700000400,10,2,300\n")
    sentence = refused(capsys, ["measure", "--from-file", "trace.csv"], 1)
    assert "1700000400" in sentence
    assert "is in seconds, but the file began in milliseconds" in sentence


def test_out_of_order_and_twice(capsys) -> None:
    """Rows are sorted, the duplicate is left out, and both are said."""
    report = measured(capsys, rows((1, "10"), (0, "20"), (1, "10")))
    assert report["observed"] == 2
    assert "duplicate" in report["skipped"][0]["reason"]
    assert "out of order" in report["notes"][0]["reason"]


@pytest.mark.parametrize("option", ["--capacity-cores", "--capacity-gib"])
@pytest.mark.parametrize("value", ["-1", "0", "inf", "nan"])
def test_a_capacity_that_is_none(capsys, option: str, value: str) -> None:
    """A capacity that no machine has is refused before anything is read."""
    Path("trace.csv").write_text(rows((0, "10")))
    sentence = refused(capsys, ["measure", "--from-file", "trace.csv", option, value], 2)
    assert f"{option} {value}" in sentence
    assert "above 0" in sentence


def test_disk_full_while_the_store_is_written(folder: Path) -> None:
    """What was stored stays readable, nothing of the failed write is kept, and it says so."""
    (folder / "first.csv").write_text(rows((0, "10")))
    assert run(["measure", "--from-file", "first.csv"]) == 0
    many = rows(*((at, f"{at % 97}.{at % 89}") for at in range(5000)))
    (folder / "second.csv").write_text(many)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (FULL_AT_BYTES, FULL_AT_BYTES))

    done = subprocess.run(
        [SCRIPT, "measure", "--from-file", "second.csv"],
        preexec_fn=limit,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "could not be written" in done.stderr
    assert "older data is intact" in done.stderr
    assert "Traceback" not in done.stderr
    held = subprocess.run(
        [SCRIPT, "--json", "store"], capture_output=True, text=True, check=True
    ).stdout
    assert [item["rows"] for item in json.loads(held)["workloads"]] == [1]
    assert run(["measure", "--from-file", "second.csv"]) == 0  # the disk has room again


@pytest.mark.slow
@pytest.mark.proof
def test_ten_million_rows(folder: Path) -> None:
    """Ten million rows are read within a gibibyte: 2,500 machines, 4,000 intervals each."""
    np = pytest.importorskip("numpy")
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    machines, intervals, group = 2500, 4000, 100
    times = START_MS + 300_000 * np.arange(intervals)
    random = np.random.default_rng(7)
    writer = None
    for first in range(0, machines, group):
        table = pa.table(
            {
                "resource_id": np.repeat(
                    [f"vm-{number}" for number in range(first, first + group)], intervals
                ),
                "timestamp": np.tile(times, group),
                "cpu_pct": random.uniform(0, 100, group * intervals).round(1),
                "capacity_cores": np.full(group * intervals, 4.0),
                "interval_s": np.full(group * intervals, 300.0),
            }
        )
        writer = writer or pq.ParquetWriter(folder / "trace.parquet", table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()
    code = (
        "import re, sys; from pathlib import Path; from rightsizing.cli.main import run;"
        "code = run(['measure', '--from-file', 'trace.parquet', '--json']);"
        # Not ru_maxrss: that starts at the size of the process which forked this one.
        "status = Path('/proc/self/status').read_text();"
        "print(re.search(r'VmHWM:\\s+(\\d+) kB', status)[1], file=sys.stderr);"
        "sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["reports"][0]["new"] == machines * intervals
    assert int(done.stderr.splitlines()[-1]) < 1024 * 1024  # KiB
