"""``rightsize explain`` on a small trace whose peaks are known."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from rightsizing.cli.explaining import changed_settings
from rightsizing.cli.main import run
from rightsizing.settings import Settings

START_S = 20_000 * 86_400  # 2024-10-04 00:00 UTC
DAYS = 15
PEAK_DAY, PEAK_HOUR = 9, 14
COLUMNS = (
    *("resource_id", "timestamp", "cpu_pct", "mem_pct"),
    *("capacity_cores", "capacity_mem_bytes", "interval_s"),
)


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> Path:
    """A folder whose store holds two machines of 8 cores at 15 minutes.

    news-api uses 10 % of CPU and 30 % of memory; 25 % in one interval of day 9.
    """
    path = tmp_path / "trace.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        for name in ("news-api", "batch"):
            for slot in range(DAYS * 96):
                peak = slot == (PEAK_DAY * 24 + PEAK_HOUR) * 4
                time_ms = (START_S + slot * 900) * 1000
                cpu = 25 if peak and name == "news-api" else 10
                rows.writerow((name, time_ms, cpu, 30, 8, 32 * 2**30, 900))
    monkeypatch.chdir(tmp_path)
    assert run(["measure", "--from-file", "trace.csv"]) == 0
    capsys.readouterr()
    return tmp_path


def explained(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """The JSON of ``rightsize explain``."""
    assert run(["explain", *arguments, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_the_binding_sample_is_named(measured: Path, capsys) -> None:
    """25 % of 8 cores on day 9 at 14:00, on its resource."""
    found = explained(capsys, "news-api", "--samples", "2")
    highest = found["cpu"]["highest"]
    assert len(highest) == 2
    assert highest[0]["amount"] == 2.0
    assert highest[0]["resource_id"] == "news-api"
    at = START_S + (PEAK_DAY * 24 + PEAK_HOUR) * 3600
    assert highest[0]["timestamp_ms"] == at * 1000
    assert highest[1]["amount"] == pytest.approx(0.8)


def test_it_explains_what_recommend_says(measured: Path, capsys) -> None:
    """The same recommendation as `recommend`, alone or among others."""
    found = explained(capsys, "news-api")["recommendation"]
    assert run(["recommend", "--json"]) == 0
    all_of_them = json.loads(capsys.readouterr().out)["recommendations"]
    assert [item for item in all_of_them if item["workload"] == "news-api"] == [found]


def test_days_are_those_of_the_lookback(measured: Path, capsys) -> None:
    """Fourteen of fifteen days, all with --all-history; the hash follows the data."""
    last = explained(capsys, "news-api", "--set", "lookback_days=14")
    everything = explained(capsys, "news-api", "--all-history")
    assert len(last["cpu"]["days"]) == 14
    assert len(everything["cpu"]["days"]) == 15
    assert last["bundle"]["data"]["sha256"] != everything["bundle"]["data"]["sha256"]
    assert everything["bundle"]["data"]["rows"] == 15 * 96
    assert everything["bundle"]["lookback_days"] is None


def test_it_can_be_repeated(measured: Path, capsys) -> None:
    """Twice the same words, and changed settings are part of them."""
    first = explained(capsys, "news-api", "--set", "min_saving_pct=6")
    second = explained(capsys, "news-api", "--set", "min_saving_pct=6")
    assert first == second
    assert first["bundle"]["settings"] == {"min_saving_pct": "6.0"}
    assert explained(capsys, "news-api")["bundle"]["settings"] == {}


def test_for_people(measured: Path, capsys) -> None:
    """Sections in the order of reading; a pipe gets figures instead of a drawing."""
    assert run(["explain", "news-api"]) == 0
    text = capsys.readouterr().out
    places = [text.index(f"\n{title}\n") for title in ("CPU", "Memory", "History", "Made from")]
    assert places[2:] == sorted(places[2:])
    assert "2024-10-13 14:00, 15 min" in text
    assert "█" not in text


def test_an_unknown_workload_names_its_neighbours(measured: Path, capsys) -> None:
    """One sentence, exit code 2."""
    assert run(["explain", "news-app"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "'news-app' is none of the 2 that are known; did you mean news-api?" in captured.err


def test_a_name_like_no_other(measured: Path, capsys) -> None:
    """Without neighbours the command that lists them."""
    assert run(["explain", "zzz"]) == 2
    assert "`rightsize store` lists what was measured" in capsys.readouterr().err


def test_an_empty_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    """As everywhere: measure first."""
    monkeypatch.chdir(tmp_path)
    assert run(["explain", "web"]) == 1
    assert "run `rightsize measure` first" in capsys.readouterr().err


def test_a_fleet_tells_every_alternative_when_asked(measured: Path, capsys) -> None:
    """A declared fleet: a few excuses a reason, with --all every type once."""
    (measured / "Pulumi.yaml").write_text("name: sample\nruntime: python\nmain: infra/\n")
    (measured / "Pulumi.dev.yaml").write_text(
        "config:\n  rightsizing:embedded: true\n  rightsizing:fleets:\n    news-api:\n"
        "      size: {instance_type: m5.2xlarge, min_instances: 1, max_instances: 2}\n"
        "      ami: {x86_64: ami-1}\n"
    )
    assert run(["measure", "--from-file", "trace.csv"]) == 0
    capsys.readouterr()
    few = explained(capsys, "news-api")["recommendation"]
    every = explained(capsys, "news-api", "--all")["recommendation"]
    assert few["target"] == every["target"]
    names = [item["candidate"] for item in every["excuses"]]
    assert len(names) == len(set(names)) > 100
    assert not [name for name in names if name.endswith(" more")]
    assert len(few["excuses"]) < 60


def test_changed_settings_are_those_that_differ() -> None:
    """Defaults are left out, mappings are JSON."""
    settings = Settings(lookback_days=28, implementation_cost_usd={"1": "100"})
    assert changed_settings(settings) == {
        "lookback_days": "28",
        "implementation_cost_usd": '{"1": "100"}',
    }
    assert changed_settings(Settings()) == {}


def test_a_declared_workload_without_measurements(measured: Path, capsys) -> None:
    """It is kept, every part says that nothing was measured, and the page holds no empty table."""
    (measured / "Pulumi.yaml").write_text("name: sample\nruntime: python\nmain: infra/\n")
    (measured / "Pulumi.dev.yaml").write_text(
        "config:\n  rightsizing:embedded: true\n  rightsizing:fleets:\n    idle-fleet:\n"
        "      size: {instance_type: m5.large, min_instances: 1, max_instances: 2}\n"
        "      ami: {x86_64: ami-1}\n"
    )
    assert run(["measure", "--from-file", "trace.csv"]) == 0
    capsys.readouterr()
    found = explained(capsys, "idle-fleet")
    assert found["recommendation"]["decision"] == "keep"
    assert found["cpu"] == {"no_data": "CPU was not measured"}
    assert found["binding"] == []
    assert found["bundle"]["data"]["rows"] == 0
    assert run(["explain", "idle-fleet"]) == 0
    assert "CPU was not measured" in capsys.readouterr().out
