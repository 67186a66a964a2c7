"""``rightsize pack``, ``serverless`` and ``cache`` from files to pages, and their refusals."""

from __future__ import annotations

import csv
import json
from decimal import Decimal
from pathlib import Path

import pytest

from rightsizing.cli.main import run
from rightsizing.model.caching import CacheConfig
from rightsizing.model.serverless import ServerlessConfig
from rightsizing.model.tenancy import TenancyConfig

TENANTS = "tenant,cpu_cores,memory_mib\na,0.5,1000\nb,1.5,3000\nc,0.2,500\n"
TYPES = ["--types", "m6i.*"]
COMPONENTS = "component,invocations,duration_ms,memory_mib\nscraping,720,45000,512\nidle,0,10,128\n"
FOCUS = "BilledCost,EffectiveCost,BillingCurrency\n10.00,9.99,USD\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that belongs to no project, as the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def data(capsys, arguments: list[str]):
    """The JSON of a command that succeeds."""
    assert run([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def sentence(capsys, arguments: list[str], exit_code: int) -> str:
    """The one sentence of a command that must fail."""
    assert run(arguments) == exit_code
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_packing_from_a_file(capsys) -> None:
    """Everybody placed, the configuration valid, the shares to the cent."""
    Path("t.csv").write_text(TENANTS)
    found = data(capsys, ["pack", "t.csv", *TYPES, "--allocate", "shapley"])
    config = TenancyConfig.model_validate(found["configuration"])
    placed = [name for item in config.instances.values() for name in item.tenants]
    assert sorted(placed) == ["a", "b", "c"]
    parts = [Decimal(item["usd"]) for item in found["allocation"]["shares"]]
    assert sum(parts) == Decimal(found["usd_per_month"])
    assert found["gap_ratio"] >= 0


def test_packing_on_a_terminal(capsys) -> None:
    """The bound and the gap are printed."""
    Path("t.csv").write_text(TENANTS)
    assert run(["pack", "t.csv", *TYPES, "--failover", "n+1"]) == 0
    out = capsys.readouterr().out
    assert "No packing under these rules can cost less than" in out
    assert "Any one instance may be lost" in out


def test_a_bill_is_split_into_focus_rows(capsys) -> None:
    """The parts of each metric add up to the charge."""
    Path("t.csv").write_text(TENANTS)
    Path("bill.csv").write_text(FOCUS)
    data(
        capsys,
        ["pack", "t.csv", *TYPES, "--allocate", "even", "--bill", "bill.csv", "--focus-out", "o"],
    )
    with Path("o").open() as file:
        rows = list(csv.DictReader(file))
    assert sum(Decimal(row["EffectiveCost"]) for row in rows) == Decimal("9.99")
    assert {row["AllocatedResourceId"] for row in rows} == {"a", "b", "c"}


def test_a_trace_becomes_a_week(capsys) -> None:
    """Two resources busy in different hours share what one of them needs."""
    lines = ["resource_id,timestamp,cpu_cores,mem_bytes"]
    for hour in range(168):
        for name, busy in (("x", hour % 2 == 0), ("y", hour % 2 == 1)):
            lines.append(f"{name},{hour * 3600000},{1.7 if busy else 0.0},1000000")
    Path("t.csv").write_text("\n".join(lines) + "\n")
    assert len(data(capsys, ["pack", "t.csv", "--types", "m6i.large"])["instances"]) == 1


def test_components_from_a_summary(capsys) -> None:
    """A rare job goes to Lambda, one without traffic nowhere."""
    Path("c.csv").write_text(COMPONENTS)
    found = data(capsys, ["serverless", "c.csv"])
    config = ServerlessConfig.model_validate(found["configuration"])
    assert list(config.functions) == ["scraping"]
    assert "no_data" in found["components"][0]["chosen"]


def test_components_from_a_log(capsys) -> None:
    """One run of 1 s an hour for a day: 730 a month, every one cold after an hour of idling."""
    lines = ["component,timestamp,duration_ms,memory_mib"]
    lines += [f"alerts,{hour * 3600000},1000,256" for hour in range(25)]
    Path("c.csv").write_text("\n".join(lines) + "\n")
    (found,) = data(capsys, ["serverless", "c.csv", "--days", "1"])["components"]
    assert found["component"]["invocations"] == pytest.approx(25 * 730 / 24)
    assert found["component"]["cold_ratio"] == 1


def test_a_cache_from_a_log(capsys) -> None:
    """Two keys in turn hit, and both configurations are valid."""
    lines = ["timestamp,key"] + [f"{second * 1000},k{second % 2}" for second in range(100)]
    Path("a.csv").write_text("\n".join(lines) + "\n")
    found = data(capsys, ["cache", "a.csv", "--usd-per-call", "0.01"])
    assert found["best"]["hit_ratio"] == pytest.approx(0.98)
    assert {CacheConfig.model_validate(item).eviction for item in found["configuration"].values()}


@pytest.mark.parametrize(
    ("text", "arguments", "exit_code", "said"),
    [
        ("tenant,cpu_cores,memory_mib\na,999,1\n", ["pack", "f", *TYPES], 3, "tenant 'a' needs"),
        ("tenant,cpu_cores,memory_mib\na,-1,1\n", ["pack", "f"], 1, "row 1: cpu_cores -1"),
        ("tenant,cpu_cores,memory_mib\na,x,1\n", ["pack", "f"], 1, "'x' is no number"),
        ("tenant,cpu_cores\na,1\n", ["pack", "f"], 1, "no column memory_mib"),
        ("tenant,cpu_cores,memory_mib\n", ["pack", "f"], 1, "holds no tenants"),
        (TENANTS + "a,1,1\n", ["pack", "f"], 2, "tenant 'a' is given 2 times"),
        (TENANTS, ["pack", "f", "--types", "m6i.lrage"], 1, "m6i.lrage"),
        (TENANTS, ["pack", "f", "--cpu-headroom", "95"], 2, "CPU headroom 95 %"),
        (TENANTS, ["pack", "f", "--bill", "f"], 2, "--allocate"),
        (
            "component,invocations,duration_ms,memory_mib\na,1,-5,128\n",
            ["serverless", "f"], 1, "duration_ms -5 of 'a'",
        ),
        (COMPONENTS, ["serverless", "f", "--shared", "m6i.lrage"], 1, "m6i.lrage"),
        ("timestamp,key,value_bytes\n1,k,-4\n", ["cache", "f"], 1, "value_bytes -4"),
        ("timestamp,key\n1,k\n", ["cache", "f", "--ttl", "0"], 2, "--ttl 0"),
        ("timestamp,key\n1,k\n", ["cache", "f", "--usd-per-call", "x"], 2, "--usd-per-call x"),
    ],
)  # fmt: skip
def test_mistakes_are_one_sentence(capsys, text, arguments, exit_code, said) -> None:
    """The value, the limit, what to do; no traceback."""
    Path("f").write_text(text)
    assert said in sentence(capsys, arguments, exit_code)


def test_mixed_currencies_are_refused(capsys) -> None:
    """Dollars and euros are never added."""
    Path("t.csv").write_text(TENANTS)
    Path("bill.csv").write_text(FOCUS + "1,1,EUR\n")
    said = sentence(capsys, ["pack", "t.csv", "--allocate", "even", "--bill", "bill.csv"], 1)
    assert "mixes the currencies EUR, USD" in said


def test_a_log_without_accesses(capsys) -> None:
    """Said honestly, and no error."""
    Path("a.csv").write_text("timestamp,key\n")
    assert "nothing was accessed" in data(capsys, ["cache", "a.csv"])["says"]


def test_a_file_that_is_missing(capsys) -> None:
    """Named, with what to do."""
    assert "nowhere.csv does not exist" in sentence(capsys, ["pack", "nowhere.csv"], 1)
