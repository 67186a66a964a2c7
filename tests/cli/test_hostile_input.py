"""Input that is wrong, huge or hostile: one sentence and a documented exit code, never 70."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rightsizing.cli.main import run

TENANTS = "tenant,cpu_cores,memory_mib\na,1,1000\n"
BILL = "month,workload,list_usd,effective_usd,billed_usd\n2026-01,a,1,1,1\n"
FOCUS = "BilledCost,EffectiveCost,BillingCurrency\n"
JOBS = "component,invocations,duration_ms,memory_mib\n"
LOG = "timestamp,key\n0,k\n1000,k\n"
TYPES = ["--types", "m6i.large"]
TARGET = "http://127.0.0.1:9/"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that belongs to no project, as the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "arguments", "exit_code", "said"),
    [
        ("tenant,tenant,cpu_cores,memory_mib\na,b,1,1\n", ["pack", "f"], 1, "'tenant' twice"),
        (TENANTS.replace("1000", "1e300"), ["pack", "f"], 1, "memory_mib 1e+300 is beyond 1e+15"),
        ("tenant,cpu_cores,memory_mib\n" + "x" * 300 + ",1,1\n", ["pack", "f"], 1, "300 char"),
        (JOBS + "a,1e300,1,128\n", ["serverless", "f"], 1, "invocations 1e+300 is beyond"),
        (JOBS + ",1,1,128\n", ["serverless", "f"], 1, "name must have 1 to 256"),
        (JOBS + "a,1,1,128\n", ["serverless", "f", "--days", "1e-300"], 2, "--days 1e-300"),
        (LOG, ["cache", "f", "--usd-per-call", "1e30"], 2, "--usd-per-call 1e30"),
        (LOG, ["cache", "f", "--ttl", "1e300"], 2, "--ttl 1e+300"),
        (BILL, ["money", "f", "--focus", "f"], 2, "--focus f is also the input"),
        (BILL, ["money", "f", "--month", "2026-01"], 2, "give --steps"),
        ("a: &a [*a]\n", ["money", "f", "--steps", "f"], 1, "no bill"),
        ("", ["commit", "recommend", "x", "--offers", "f"], 1, "no file or folder x"),
        ("", ["commit", "mix", "x", "--cost-of-capital", "nan"], 2, "cost of capital nan"),
        ("", ["commit", "mix", "x", "--risk-weight", "inf"], 2, "risk weight inf"),
        ("", ["commit", "mix", "x", "--upfront-budget", "nan"], 2, "budgets of $nan"),
        ("", ["autoscale", "f", "--usd-per-hour", "1e30"], 2, "at most 100,000"),
        ("", ["load", "http://[", "--rate", "5"], 2, "is no address to load"),
        ("", ["load", "http://127.0.0.1:99999/", "--rate", "5"], 2, "is no address to load"),
        ("", ["load", TARGET, "--rate", "5", "--method", "G T"], 2, "--method 'G T'"),
        ("", ["load", TARGET, "--rate", "5", "--header", "a: b\r\nc: d"], 2, "on one line"),
        ("", ["monitor", "--page", "x=http://["], 2, "must be WORKLOAD="),
        ("", ["monitor", "silence", "add", "--reason", "x" * 300], 2, "reason of a silence"),
        ("", ["exporter", "--once", "--json"], 2, "leave out --json"),
        ("", ["staging", "--name", "../x"], 2, "no name of a stack"),
    ],
)
def test_one_sentence(
    capsys: pytest.CaptureFixture[str], text: str, arguments: list[str], exit_code: int, said: str
) -> None:
    """The value, the limit, what to do."""
    Path("f").write_text(text)
    assert run(arguments) == exit_code
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


@pytest.mark.parametrize(
    "arguments",
    [
        ["load", TARGET, "--rate", "5", "--duration", "nan"],
        ["load", TARGET, "--rate", "5", "--timeout", "inf"],
        ["monitor", "silence", "add", "--reason", "x", "--hours", "nan"],
        ["exporter", "--for", "nan"],
        ["canary", "backtest", "f", "--alpha", "nan"],
    ],
)
def test_numbers_are_finite(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    """NaN passes every comparison, so it is refused before any."""
    assert run(arguments) == 2
    said = capsys.readouterr().err
    assert "no finite number" in said or "not in the range" in said


@pytest.mark.parametrize(
    ("row", "said"), [("1e30,1e30,USD\n", "is beyond"), ("1,1,\n", "names no currency")]
)
def test_charges_that_cannot_be_shared(
    capsys: pytest.CaptureFixture[str], row: str, said: str
) -> None:
    """Neither an amount without a currency nor one beyond exact decimals is split."""
    Path("t.csv").write_text(TENANTS)
    Path("b.csv").write_text(FOCUS + row)
    assert run(["pack", "t.csv", *TYPES, "--allocate", "even", "--bill", "b.csv"]) == 1
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "text", "arguments"),
    [
        ("t.csv", TENANTS, ["pack", "t.csv", *TYPES, "--image", "i"]),
        ("s.csv", JOBS + "a,1000,1,128\n", ["serverless", "s.csv"]),
        ("c.csv", LOG, ["cache", "c.csv", "--usd-per-call", "1"]),
    ],
)
def test_write_without_a_stack_prints_one_document(
    capsys: pytest.CaptureFixture[str], name: str, text: str, arguments: list[str]
) -> None:
    """A refused --write leaves one JSON object on standard output."""
    Path(name).write_text(text)
    assert run([*arguments, "--write", "--json"]) == 2
    assert "no Pulumi.yaml" in json.loads(capsys.readouterr().out)["error"]["message"]


def test_a_file_name_is_no_pattern(capsys: pytest.CaptureFixture[str]) -> None:
    """A star in a file's name matches no other file: one dollar, not two."""
    Path("m*.csv").write_text(BILL)
    Path("m1.csv").write_text(BILL.replace("2026-01,a", "2026-01,b"))
    assert run(["money", "m*.csv", "--json"]) == 0
    lines = json.loads(capsys.readouterr().out)["lines"]
    assert [line["workload"] for line in lines] == ["a"]


def test_errors_do_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Escape sequences of a column's name are spelled out, and a long value is shortened."""
    Path("t.csv").write_text("\x1b[31mred,b\n1,2\n")
    assert run(["pack", "t.csv"]) == 1
    assert "\x1b" not in capsys.readouterr().err
    assert run(["autoscale", "x" * 10_000, "t.csv"]) == 1
    assert len(capsys.readouterr().err) < 2_100
